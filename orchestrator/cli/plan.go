package cli

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/kernel"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func planCommand() *cli.Command {
	return &cli.Command{
		Name:  "plan",
		Usage: "show what a study would run, and what is done already",
		UsageText: "ablate plan STUDY [--set KEY=VALUE ...] [--jobs N] [--until TIME] [--json]\n" +
			"   [--data DIR] [--store DIR]",
		Description: "Of runs that are to be done although runs like them were done before, it says which\n" +
			"input has changed. How long all takes is predicted from what the store's runs took.",
		Flags: []cli.Flag{
			setFlag(),
			&cli.IntFlag{Name: "jobs", Aliases: []string{"j"}, Usage: "predict for `N` runs at a time", DefaultText: "the number of cores"},
			&cli.StringFlag{Name: "until", Usage: "say which seeds will be complete at `TIME`, as in 08:00"},
			jsonFlag(), dataFlag(), storeFlag(),
		},
		Action: plan,
	}
}

type planJSON struct {
	Study       string               `json:"study"`       // name
	Title       string               `json:"title"`       // what it asks; may be empty
	Seeds       []int                `json:"seeds"`       // as the study lists them
	Cells       []planCellJSON       `json:"cells"`       // in the order of the study
	Runs        []planRunJSON        `json:"runs"`        // a place for each cell and seed: all cells of a seed, then of the next
	Total       int                  `json:"total"`       // different runs
	Done        int                  `json:"done"`        // those that have a result
	DoneBy      map[string]int       `json:"done_by"`     // of those, how many another study was the first to ask for, by its name
	AtWork      int                  `json:"at_work"`     // runs that a worker has now, for all the store knows
	Interrupted int                  `json:"interrupted"` // runs that have begun and would go on
	Failed      int                  `json:"failed"`      // runs that failed or timed out and would be tried again
	Cancelled   int                  `json:"cancelled"`   // runs that were cancelled and stay so
	Causes      []orchestrator.Cause `json:"causes"`      // why runs that were never begun are to be done; empty if the store knows nothing like them
	Prediction  *predictionJSON      `json:"prediction"`  // how long what is left takes; null if nothing was measured yet, or nothing is left
}

type predictionJSON struct {
	Seconds   float64         `json:"seconds"`         // until all is done, if it is started now
	Done      time.Time       `json:"done"`            // when that is
	Jobs      int             `json:"jobs"`            // runs at a time
	Measured  int             `json:"measured"`        // runs whose durations it is made of
	Elsewhere bool            `json:"elsewhere"`       // they were measured on another processor or with other kernels
	Until     *untilFieldJSON `json:"until,omitempty"` // with --until
}

type untilFieldJSON struct {
	Time  time.Time `json:"time"`  // when all has to be saved and stopped
	Whole int       `json:"whole"` // seeds of which all cells will have a result by then, those that have it now included
	Seeds int       `json:"seeds"` // all of them
	Left  int       `json:"left"`  // runs of the others that are to be done
}

type planCellJSON struct {
	Name   string            `json:"name"`              // as claims and tables call it
	Cell   map[string]string `json:"cell"`              // level by axis; null for a named cell
	SameAs string            `json:"same_as,omitempty"` // an earlier cell with equal settings
}

type planRunJSON struct {
	ID      string          `json:"id"`      // hash of all that decides the result
	Cell    string          `json:"cell"`    // name
	Seed    int             `json:"seed"`    // of all its random streams
	Outcome results.Outcome `json:"outcome"` // "" while there is none
}

func plan(c *cli.Context) error {
	now := time.Now()
	end, err := until(c, now)
	if err != nil {
		return err
	}
	jobs := physicalCores()
	if c.IsSet("jobs") {
		if jobs = c.Int("jobs"); jobs < 1 {
			return usagef("--jobs must be at least 1")
		}
	}
	p, err := planned(c)
	if err != nil {
		return err
	}
	i, speeds, err := inspect(storeDir(c), p)
	if err != nil {
		return err
	}
	described := describePlan(p, i)
	described.Prediction = predict(p, i, speeds, jobs, now, end)
	w := bufio.NewWriterSize(c.App.Writer, 1<<16)
	if c.Bool("json") {
		err = writePlan(w, p, i, described)
	} else {
		most := len(p.Study.Cells)
		if terminal(c.App.Writer) > 0 {
			most = shownCells
		}
		printPlan(w, p, i, described, most)
	}
	return errors.Join(err, w.Flush())
}

// inspect looks up what the store knows of the plan. There need not be a store
// yet.
func inspect(dir string, p *ablations.Plan) (*orchestrator.Inspection, orchestrator.Speeds, error) {
	store, err := results.OpenReadOnly(dir)
	if errors.Is(err, results.ErrNoStore) {
		i, err := orchestrator.Inspect(nil, dir, p)
		return i, orchestrator.Speeds{}, err
	}
	if err != nil {
		return nil, orchestrator.Speeds{}, err
	}
	defer store.Close()
	i, err := orchestrator.Inspect(store, dir, p)
	if err != nil {
		return nil, orchestrator.Speeds{}, err
	}
	speeds, err := orchestrator.Measured(store, p.Trainer, thisMachine(), costOf)
	return i, speeds, err
}

// thisMachine is what the speed of the workers depends on.
func thisMachine() orchestrator.Machine {
	return orchestrator.Machine{Kernels: kernel.Name(), CPU: worker.CPU()}
}

func predict(p *ablations.Plan, i *orchestrator.Inspection, speeds orchestrator.Speeds, jobs int, now, end time.Time) *predictionJSON {
	prediction := speeds.Predict(p, i, jobs)
	if !prediction.Known || i.Done+i.Cancelled == i.Total {
		return nil
	}
	d := &predictionJSON{
		Seconds: prediction.Time.Seconds(), Done: now.Add(prediction.Time), Jobs: jobs, Measured: speeds.Runs, Elsewhere: speeds.Elsewhere,
	}
	if end.IsZero() {
		return d
	}
	d.Until = &untilFieldJSON{Time: end, Seeds: len(prediction.Blocks)}
	for n, needs := range prediction.Blocks {
		if d.Until.Whole == n && (prediction.Open[n] == 0 || now.Add(needs).Before(end)) {
			d.Until.Whole++
		} else {
			d.Until.Left += prediction.Open[n]
		}
	}
	return d
}

// describePlan leaves out cells and runs, which writePlan makes one by one.
func describePlan(p *ablations.Plan, i *orchestrator.Inspection) planJSON {
	s := p.Study
	d := planJSON{
		Study: s.Name, Title: s.Title, Seeds: s.Seeds,
		Total: i.Total, Done: i.Done, DoneBy: i.By, AtWork: i.AtWork, Interrupted: i.Interrupted, Failed: i.Failed, Cancelled: i.Cancelled,
		Causes: i.Causes,
	}
	if d.Causes == nil {
		d.Causes = []orchestrator.Cause{}
	}
	if d.DoneBy == nil {
		d.DoneBy = map[string]int{}
	}
	return d
}

func describeCell(s *ablations.Study, cell ablations.Cell) planCellJSON {
	d := planCellJSON{Name: cell.Name}
	for i, level := range cell.Levels {
		if d.Cell == nil {
			d.Cell = make(map[string]string, len(cell.Levels))
		}
		d.Cell[s.Axes[i].Name] = level
	}
	if cell.SameAs >= 0 {
		d.SameAs = s.Cells[cell.SameAs].Name
	}
	return d
}

// writePlan writes what describePlan describes, with the cells and the runs. They
// are written one by one: a hundred thousand runs make fifty megabytes.
func writePlan(w *bufio.Writer, p *ablations.Plan, i *orchestrator.Inspection, d planJSON) error {
	var b bytes.Buffer
	if err := writeJSON(&b, d); err != nil {
		return err
	}
	// Nothing else can read like this: within a string quotes are escaped.
	head, rest, _ := strings.Cut(b.String(), `"cells": null`)
	middle, tail, _ := strings.Cut(rest, `"runs": null`)
	s := p.Study
	w.WriteString(head + `"cells": `)
	writeList(w, len(s.Cells), func(n int) planCellJSON { return describeCell(s, s.Cells[n]) })
	w.WriteString(middle + `"runs": `)
	writeList(w, len(p.Runs), func(n int) planRunJSON {
		r := p.Runs[n]
		return planRunJSON{r.ID, s.Cells[r.Cell].Name, r.Seed, i.Run(r.ID).Outcome}
	})
	_, err := w.WriteString(tail)
	return err
}

// writeList writes a list of n objects as a member of the outermost object. Its
// errors are w's, which keeps them.
func writeList[T any](w *bufio.Writer, n int, object func(i int) T) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("    ", "  ")
	e.SetEscapeHTML(false)
	w.WriteByte('[')
	for i := range n {
		b.Reset()
		e.Encode(object(i)) // text and numbers, which always encode
		if i > 0 {
			w.WriteByte(',')
		}
		w.WriteString("\n    ")
		w.Write(bytes.TrimRight(b.Bytes(), "\n"))
	}
	w.WriteString("\n  ]")
}

const (
	shownCells  = 200 // that a terminal shows; a pipe gets all
	shownCauses = 8   // that are told
)

func printPlan(w *bufio.Writer, p *ablations.Plan, i *orchestrator.Inspection, d planJSON, most int) {
	if d.Title != "" {
		fmt.Fprintf(w, "%s: %s\n", d.Study, words.Printable(d.Title))
	} else {
		fmt.Fprintln(w, d.Study)
	}
	for _, line := range countLines(len(p.Study.Cells), i, d) {
		fmt.Fprintln(w, line)
	}
	fmt.Fprintln(w)
	printCells(w, p, i, min(most, len(p.Study.Cells)))
	if more := len(p.Study.Cells) - most; more > 0 {
		fmt.Fprintf(w, "... and %s more; a pipe gets all of them, and so does --json\n", words.Plural(more, "cell"))
	}
}

// printCells prints the table of the first n cells. Its errors are w's, which
// keeps them.
func printCells(w *bufio.Writer, p *ablations.Plan, i *orchestrator.Inspection, n int) {
	s := p.Study
	text := func(cell, seed int) string {
		id := p.Runs[seed*len(s.Cells)+cell].ID // all cells of a seed, then of the next
		return shortID(id) + " " + orElse(i.Run(id).Outcome.Words(), "to do")
	}
	first := len("CELL")
	widths := make([]int, len(s.Seeds))
	for seed := range s.Seeds {
		widths[seed] = len(fmt.Sprint("SEED ", s.Seeds[seed]))
	}
	for cell := range n {
		first = max(first, utf8.RuneCountInString(s.Cells[cell].Name))
		for seed := range s.Seeds {
			widths[seed] = max(widths[seed], len(text(cell, seed)))
		}
	}
	line := func(name string, column func(seed int) string, note string) {
		row := pad(name, first)
		for seed, width := range widths {
			row += "  " + pad(column(seed), width)
		}
		w.WriteString(strings.TrimRight(row+note, " ") + "\n")
	}
	line("CELL", func(seed int) string { return fmt.Sprint("SEED ", s.Seeds[seed]) }, "")
	for cell := range n {
		note := ""
		if same := s.Cells[cell].SameAs; same >= 0 {
			note = "  the same as " + s.Cells[same].Name
		}
		line(s.Cells[cell].Name, func(seed int) string { return text(cell, seed) }, note)
	}
}

// pad fills up text with blanks.
func pad(text string, width int) string {
	return text + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(text)))
}

// countLines say how far the study is, why it is not further, and how long the
// rest takes.
func countLines(cells int, i *orchestrator.Inspection, d planJSON) (lines []string) {
	left := d.Total - d.Done - d.Cancelled
	head := fmt.Sprintf("%s x %s: %s, %d done, %d to do", words.Plural(cells, "cell"), words.Plural(len(d.Seeds), "seed"),
		words.Plural(d.Total, "run"), d.Done, left)
	lines = append(lines, head)
	say := func(format string, args ...any) { lines = append(lines, words.Printable(fmt.Sprintf(format, args...))) }
	for _, study := range slices.Sorted(maps.Keys(d.DoneBy)) {
		say("%d of the %d done by the study %s", d.DoneBy[study], d.Done, study)
	}
	atWork, interrupted := i.Progress()
	if d.AtWork > 0 {
		say("%s at work, %.0f %% trained on average", words.Plural(d.AtWork, "run"), 100*atWork)
	}
	if d.Interrupted > 0 {
		say("%s interrupted at %.0f %% of the training on average, to go on there", words.Plural(d.Interrupted, "run"), 100*interrupted)
	}
	if d.Failed > 0 {
		say("%s failed or timed out: \"ablate run\" tries again", words.Plural(d.Failed, "run"))
	}
	if d.Cancelled > 0 {
		say("%s cancelled, to stay so until \"ablate retry --cancelled\"", words.Plural(d.Cancelled, "run"))
	}
	for n, c := range d.Causes {
		if n == shownCauses {
			say("... and %s more; --json lists all", words.Plural(len(d.Causes)-n, "cause"))
			break
		}
		say("%s %s", words.Plural(c.Runs, "run"), c.Says)
	}
	if left > 0 {
		lines = append(lines, predictionLines(d.Prediction)...)
	}
	return lines
}

func predictionLines(p *predictionJSON) []string {
	if p == nil {
		return []string{"how long that takes is not known: nothing like it was measured in this store yet"}
	}
	jobs := words.Plural(p.Jobs, "job")
	text := fmt.Sprintf("about %s with %s, done at %s if started now (from %s", words.Duration(seconds(p.Seconds)), jobs,
		dayText(p.Done), words.Plural(p.Measured, "measured run"))
	if p.Elsewhere {
		text += " on another processor or with other kernels"
	}
	lines := []string{text + ")"}
	if u := p.Until; u != nil {
		line := fmt.Sprintf("by %s: %d of %s complete", dayText(u.Time), u.Whole, words.Plural(u.Seeds, "seed"))
		if u.Left > 0 {
			line += fmt.Sprintf(", %s left for later", words.Plural(u.Left, "run"))
		}
		lines = append(lines, line)
	}
	return lines
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// dayText is a time of today or tomorrow, or of a date.
func dayText(t time.Time) string {
	if time.Until(t) < 20*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// shortID is enough of a run's id to tell it from others and to ask for it.
func shortID(id string) string { return id[:min(len(id), 10)] }

func orElse(text, other string) string {
	if text == "" {
		return other
	}
	return text
}
