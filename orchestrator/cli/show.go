package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func showCommand() *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show all about a run: attempts, metrics, events, configuration, files",
		UsageText:   "ablate show RUN [--json] [--store DIR]",
		Description: "RUN is a run's id, or the beginning of one (see \"ablate status\").",
		Flags:       []cli.Flag{jsonFlag(), storeFlag()},
		Action:      show,
	}
}

type showJSON struct {
	ID       string               `json:"id"`       // hash of all that decides the result
	Cell     string               `json:"cell"`     // name of the cell that first asked for it
	Seed     int                  `json:"seed"`     // of all its random streams
	State    string               `json:"state"`    // as in the status
	Outcome  results.Outcome      `json:"outcome"`  // "" while there is none
	Reason   string               `json:"reason"`   // why it failed, diverged or collapsed
	Step     int64                `json:"step"`     // optimizer steps that the newest attempt has done
	Steps    int64                `json:"steps"`    // of the whole run; 0 before it has begun
	Seconds  float64              `json:"seconds"`  // of all its attempts
	Dataset  string               `json:"dataset"`  // content hash
	Trainer  string               `json:"trainer"`  // numeric version
	Dir      string               `json:"dir"`      // its folder
	Config   json.RawMessage      `json:"config"`   // every setting, as nested objects
	Metrics  map[string]pointJSON `json:"metrics"`  // the last of each
	Attempts []attemptJSON        `json:"attempts"` // the oldest first
	Events   []eventJSON          `json:"events"`   // of all attempts, in the order in which they were read
}

type pointJSON struct {
	Step  int64    `json:"step"`  // optimizer steps done
	Value *float64 `json:"value"` // null if it is not a finite number
}

type attemptJSON struct {
	Number     int             `json:"number"`      // from 1
	State      results.State   `json:"state"`       // where it stands
	Outcome    results.Outcome `json:"outcome"`     // "" if it has none
	Reason     string          `json:"reason"`      // why it ended so
	Started    time.Time       `json:"started"`     // when it began
	Seconds    float64         `json:"seconds"`     // from then to its last sign of life
	ResumeStep int64           `json:"resume_step"` // optimizer steps that were done when it took over
	Version    string          `json:"version"`     // of ablate
	Kernels    string          `json:"kernels"`     // kernel set with version
	CPU        string          `json:"cpu"`         // processor with its widest vector extension
	Host       string          `json:"host"`        // name of its machine
	PID        int             `json:"pid"`         // of its process
	Journal    string          `json:"journal"`     // file of all that it reported
	Log        string          `json:"log"`         // file of what it said on standard error
}

type eventJSON struct {
	Attempt int       `json:"attempt"` // number of the attempt that tells it
	Time    time.Time `json:"time"`    // by the clock of its machine
	Text    string    `json:"text"`    // for a person to read
}

func show(c *cli.Context) error {
	id, err := only(c, "a run")
	if err != nil {
		return err
	}
	store, run, err := openRun(c, id)
	if err != nil {
		return err
	}
	defer store.Close()
	s, err := describeRun(store, run, storeDir(c))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, s)
	}
	return printRun(c.App.Writer, s, storeDir(c))
}

func describeRun(store *results.Store, r *results.Run, dir string) (showJSON, error) {
	s := showJSON{
		ID: r.ID, Cell: r.Cell, Seed: r.Seed, State: orchestrator.StateOf(*r, orchestrator.CurrentHead(dir) != nil), Outcome: r.Outcome, Reason: r.Reason,
		Step: r.Step, Steps: r.Steps, Seconds: r.Seconds, Dataset: r.Dataset, Trainer: r.Trainer,
		Dir: orchestrator.RunDir(dir, r.ID), Config: r.Config,
		Metrics: map[string]pointJSON{}, Attempts: []attemptJSON{}, Events: []eventJSON{},
	}
	ends, err := store.Ends([]string{r.ID})
	if err != nil {
		return s, err
	}
	for name, e := range ends[r.ID] {
		p := pointJSON{Step: e.Last.Step}
		if v := e.Last.Value; !math.IsNaN(v) && !math.IsInf(v, 0) {
			p.Value = &v
		}
		s.Metrics[name] = p
	}
	attempts, err := store.Attempts(r.ID)
	if err != nil {
		return s, err
	}
	for _, a := range attempts {
		files := worker.Attempt{RunDir: s.Dir, N: a.Number}
		s.Attempts = append(s.Attempts, attemptJSON{
			Number: a.Number, State: a.State, Outcome: a.Outcome, Reason: a.Reason, Started: a.Started, Seconds: lasted(a).Seconds(),
			ResumeStep: a.ResumeStep, Version: a.Version, Kernels: a.Kernels, CPU: a.CPU, Host: a.Host, PID: a.PID,
			Journal: files.Journal(), Log: files.Stderr(),
		})
	}
	events, err := store.Events(r.ID)
	for _, e := range events {
		s.Events = append(s.Events, eventJSON{e.Attempt, e.Time, e.Text})
	}
	return s, err
}

// lasted is how long an attempt was seen to be at work.
func lasted(a results.Attempt) time.Duration {
	return max(0, a.Active.Sub(a.Started))
}

func printRun(w io.Writer, s showJSON, dir string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "run\t%s\n", s.ID)
	fmt.Fprintf(t, "cell\t%s\n", s.Cell)
	fmt.Fprintf(t, "seed\t%d\n", s.Seed)
	state := stateName(s.State)
	if s.Reason != "" {
		state += ": " + words.Printable(s.Reason)
	}
	fmt.Fprintf(t, "state\t%s\n", state)
	fmt.Fprintf(t, "steps\t%d of %d\n", s.Step, s.Steps)
	fmt.Fprintf(t, "time\t%s\n", words.Duration(time.Duration(s.Seconds*float64(time.Second))))
	fmt.Fprintf(t, "folder\t%s\n", s.Dir)
	if own := orchestrator.TrainerDir(dir, s.Trainer); own != "" {
		fmt.Fprintf(t, "trainer\t%s\n", own)
	}

	for _, a := range s.Attempts {
		printAttempt(t, a)
	}
	if len(s.Metrics) > 0 {
		fmt.Fprintln(t, "\nMETRIC\tLAST\tSTEP")
	}
	for _, name := range metricNames(s.Metrics) {
		m, _ := config.MetricByName(name)
		value := strings.TrimSpace(lastValue(s.Metrics[name]) + " " + m.Unit)
		fmt.Fprintf(t, "%s\t%s\t%d\n", name, value, s.Metrics[name].Step)
	}
	printSpectrum(t, s.Metrics)
	if len(s.Events) > 0 {
		fmt.Fprintln(t, "\nEVENT\tATTEMPT")
	}
	for _, e := range s.Events {
		fmt.Fprintf(t, "%s\t%d\t%s\n", e.Time.Local().Format(time.DateTime), e.Attempt, words.Printable(e.Text))
	}
	fmt.Fprintln(t, "\nKEY\tVALUE")
	if err := printConfig(t, s.Config); err != nil {
		return err
	}
	return t.Flush()
}

func printAttempt(w io.Writer, a attemptJSON) {
	fmt.Fprintf(w, "\nATTEMPT %d\t%s\n", a.Number, attemptState(a))
	fmt.Fprintf(w, "started\t%s, lasted %s\n", a.Started.Local().Format(time.DateTime), words.Duration(time.Duration(a.Seconds*float64(time.Second))))
	if a.ResumeStep > 0 {
		fmt.Fprintf(w, "resumed\tat step %d\n", a.ResumeStep)
	}
	if a.Host != "" {
		kernels := ""
		if a.Kernels != "" { // a trainer of the study's own has none
			kernels = ", kernels " + a.Kernels
		}
		fmt.Fprintf(w, "by\tprocess %d on %s (%s), ablate %s%s\n", a.PID, a.Host, a.CPU, a.Version, kernels)
	}
	fmt.Fprintf(w, "journal\t%s\n", a.Journal)
	fmt.Fprintf(w, "log\t%s\n", a.Log)
}

func attemptState(a attemptJSON) string {
	text := string(a.State)
	if a.Outcome != "" {
		text = a.Outcome.Words()
	}
	if a.Reason != "" && a.Reason != text {
		text += ": " + words.Printable(a.Reason)
	}
	return text
}

// lastValue writes a point's value.
func lastValue(p pointJSON) string {
	if p.Value == nil {
		return "not finite"
	}
	return fmt.Sprintf("%.4g", *p.Value)
}

// metricNames lists metrics in the order of their table, others after them, and
// those of the spectrum not at all.
func metricNames(metrics map[string]pointJSON) []string {
	var names []string
	for _, m := range config.Metrics {
		if _, ok := metrics[m.Name]; ok {
			names = append(names, m.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if _, spectrum := config.SpectrumRank(name); !spectrum && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// printSpectrum prints the ends of the spectrum, whose values fall, in one line.
func printSpectrum(w io.Writer, metrics map[string]pointJSON) {
	first, last := 0, 0
	for name := range metrics {
		if rank, ok := config.SpectrumRank(name); ok {
			if first == 0 || rank < first {
				first = rank
			}
			last = max(last, rank)
		}
	}
	if first == 0 {
		return
	}
	from, to := metrics[config.SpectrumName(first)], metrics[config.SpectrumName(last)]
	fmt.Fprintf(w, "%s to _%d\t%s to %s\t%d\n", config.SpectrumName(first), last, lastValue(from), lastValue(to), to.Step)
}

// printConfig prints a configuration as dotted keys.
func printConfig(w io.Writer, text []byte) error {
	values, err := config.Flat(text)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		fmt.Fprintf(w, "%s\t%s\n", key, words.Printable(values[key]))
	}
	return err
}
