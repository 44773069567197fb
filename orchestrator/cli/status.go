package cli

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func statusCommand() *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "show how far a study is",
		UsageText: "ablate status [STUDY] [--set KEY=VALUE ...] [--json] [--store DIR]",
		Description: choosing + "\n\n" +
			"Works at any time, also while runs are at work.",
		Flags:  []cli.Flag{choiceFlag(), jsonFlag(), storeFlag()},
		Action: status,
	}
}

type statusJSON struct {
	Study   string             `json:"study"`   // name
	Sets    []string           `json:"sets"`    // its overrides
	Studies []storedJSON       `json:"studies"` // all in the store, the newest first
	Head    *orchestrator.Head `json:"head"`    // who works on the store; null if nobody does
	Paused  bool               `json:"paused"`  // whether its runs are not to start
	Total   int                `json:"total"`   // different runs
	Counts  map[string]int     `json:"counts"`  // by state
	Left    *float64           `json:"left"`    // seconds until none is left, as predicted; null if that is not known, or nobody works on them
	Runs    []statusRunJSON    `json:"runs"`    // in the order of execution; one that two cells share stands there twice
}

type storedJSON struct {
	Study   string    `json:"study"`   // name
	Sets    []string  `json:"sets"`    // its overrides
	Started time.Time `json:"started"` // when it last was
}

type statusRunJSON struct {
	ID              string  `json:"id"`                // hash of all that decides the result
	Cell            string  `json:"cell"`              // name
	Seed            int     `json:"seed"`              // of all its random streams
	State           string  `json:"state"`             // an outcome, "running", "interrupted" or "waiting"
	Reason          string  `json:"reason,omitempty"`  // why it failed, diverged or collapsed
	Attempts        int     `json:"attempts"`          // made so far
	Step            int64   `json:"step"`              // optimizer steps that the newest attempt has done
	Steps           int64   `json:"steps"`             // of the whole run; 0 before it has begun
	ImagesPerSecond float64 `json:"images_per_second"` // while it trains, else 0
	Seconds         float64 `json:"seconds"`           // of all its attempts
}

func status(c *cli.Context) error {
	store, study, err := openStudy(c)
	if err != nil {
		return err
	}
	defer store.Close()
	s, err := describeStatus(store, study, orchestrator.CurrentHead(storeDir(c)))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, s)
	}
	return printStatus(c.App.Writer, s)
}

func describeStatus(store *results.Store, study *results.Study, head *orchestrator.Head) (statusJSON, error) {
	s := statusJSON{Study: study.Name, Sets: listed(study.Sets), Paused: study.Paused, Head: head, Counts: map[string]int{}}
	studies, err := store.Outlines()
	if err != nil {
		return s, err
	}
	for _, other := range distinct(studies) {
		s.Studies = append(s.Studies, storedJSON{other.Name, listed(other.Sets), other.Started.UTC()})
	}
	runs, err := store.Runs(study)
	if err != nil {
		return s, err
	}
	counted := map[string]bool{}
	for _, slot := range study.Slots {
		r := runs[slot.RunID]
		state := orchestrator.StateOf(r, head != nil)
		s.Runs = append(s.Runs, statusRunJSON{
			ID: slot.RunID, Cell: study.Cells[slot.Cell], Seed: slot.Seed, State: state, Reason: r.Reason, Attempts: r.Attempts,
			Step: r.Step, Steps: r.Steps, ImagesPerSecond: r.ImagesPerSecond, Seconds: r.Seconds,
		})
		if !counted[slot.RunID] {
			counted[slot.RunID] = true
			s.Total++
			s.Counts[state]++
		}
	}
	if head == nil || study.Paused || s.Counts["waiting"]+s.Counts["running"] == 0 {
		return s, nil
	}
	left, known, err := orchestrator.Left(store, study, runs, costOf, time.Now())
	if known {
		seconds := left.Seconds()
		s.Left = &seconds
	}
	return s, err
}

// listed makes JSON's [] of no overrides, not null.
func listed(sets []string) []string { return append([]string{}, sets...) }

func printStatus(out io.Writer, s statusJSON) error {
	w := bufio.NewWriter(out) // a tabwriter writes every cell by itself
	study := s.Study
	if len(s.Sets) > 0 {
		study += " with " + setArguments(s.Sets)
	}
	fmt.Fprintf(w, "%s: %s", study, countsLine(s))
	if s.Left != nil {
		fmt.Fprintf(w, ", about %s left", words.Duration(seconds(*s.Left)))
	}
	fmt.Fprintln(w)
	if s.Head != nil {
		fmt.Fprintf(w, "process %d on %s is at work since %s\n", s.Head.PID, s.Head.Host, s.Head.Started.Local().Format("2006-01-02 15:04"))
	}
	if s.Paused && s.Counts["waiting"]+s.Counts["interrupted"]+s.Counts["running"] > 0 {
		fmt.Fprintf(w, "it is paused; to go on: ablate resume %s%s\n", s.Study, repeatSets(s.Sets))
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RUN\tCELL\tSEED\tSTATE\tSTEP\tTIME\tATTEMPTS")
	for _, r := range s.Runs {
		step, took := "-", "-"
		if r.Steps > 0 {
			step = fmt.Sprintf("%d/%d", r.Step, r.Steps)
		}
		if r.Seconds > 0 {
			took = words.Duration(time.Duration(r.Seconds * float64(time.Second)))
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s\t%s\t%s\t%d\n", shortID(r.ID), r.Cell, r.Seed, stateName(r.State), step, took, r.Attempts)
	}
	return errors.Join(t.Flush(), w.Flush())
}

// countsLine counts the runs by state.
func countsLine(s statusJSON) string {
	return words.Plural(s.Total, "run") + ": " + strings.Join(countStates(s.Counts), ", ")
}

// countStates says how many there are of each state, results first.
func countStates(counts map[string]int) []string {
	parts := []string{}
	for _, state := range append(slices.Clone(results.Outcomes), "running", "interrupted", "waiting") {
		if n := counts[string(state)]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state.Words()))
		}
	}
	return parts
}

func stateName(state string) string { return results.Outcome(state).Words() }
