package cli

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"ablate/orchestrator/worker"
	"ablate/results/journal"
)

// A log that is followed shows each line once, as it comes, goes on with a newer
// attempt, and ends when it is over.
func TestFollowLogs(t *testing.T) {
	dir := t.TempDir()
	put := func(path, text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString(text); err != nil {
			t.Fatal(err)
		}
	}
	begin := func() (worker.Attempt, *journal.Writer) {
		t.Helper()
		a, err := worker.Claim(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		w, err := journal.Create(a.Journal())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { w.Close() })
		return a, w
	}
	tell := func(w *journal.Writer, l journal.Line) {
		t.Helper()
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
	at := func(step int64, phase string) journal.Line {
		return journal.Line{Kind: journal.Progress, Time: 1000 + step, Progress: &journal.ProgressInfo{Step: step, Steps: 100, ImagesPerSecond: 50, Phase: phase}}
	}

	var got []string
	taken := func() string {
		text := strings.Join(got, "\n")
		got = nil
		return text
	}
	var first, second worker.Attempt
	var w *journal.Writer
	rounds := []struct {
		do   func()
		want string
	}{
		{func() { put(worker.LaunchLog(dir), "loading\nhalf") }, "0 stderr loading"},
		{func() {
			first, w = begin()
			tell(w, journal.Line{Kind: journal.Start, Time: 1, Start: &journal.StartInfo{Steps: 100, Version: "v1", Kernels: "k", CPU: "c", Host: "h", PID: 7}})
			tell(w, journal.Line{Kind: journal.Metrics, Step: 1, Metrics: map[string]journal.Value{"loss": 1}})
			tell(w, at(1, "train"))
			tell(w, at(5, "train")) // too soon after the one before
		}, "1 start at step 0 of 100, ablate v1, kernels k, on c, process 7 on h\n1 progress train, step 1 of 100, 50 images/s"},
		{func() { put(first.Stderr(), "warning: od") }, ""},
		{func() {
			put(first.Stderr(), "d\n")
			tell(w, at(11, "train"))
			tell(w, at(11, "probe"))
		}, "1 progress train, step 11 of 100, 50 images/s\n1 progress probe, step 11 of 100\n1 stderr warning: odd"},
		{func() {
			put(first.Stderr(), "panic: no newline")
			second, w = begin()
			tell(w, journal.Line{Kind: journal.Event, Time: 2, Text: "took over"})
		}, "1 stderr panic: no newline\n2 event took over"},
		{func() {
			tell(w, journal.Line{Kind: journal.Outcome, Time: 3, Outcome: "timed_out", Text: "why"})
			put(second.Stderr(), "last words")
		}, "2 outcome timed out: why\n2 stderr last words"},
	}
	f := &follower{runDir: dir, open: os.Open, print: func(l logJSON) error {
		got = append(got, fmt.Sprintf("%d %s %s", l.Attempt, l.Kind, l.Text))
		return nil
	}}
	defer f.close()
	round := 0
	rounds[0].do()
	f.over = func() (bool, error) { return round == len(rounds)-1, nil }
	f.wait = func() error {
		if text := taken(); text != rounds[round].want {
			t.Errorf("round %d: got\n%s\nwant\n%s", round, text, rounds[round].want)
		}
		round++
		rounds[round].do()
		return nil
	}
	if err := f.follow(); err != nil {
		t.Fatal(err)
	}
	if text := taken(); round != len(rounds)-1 || text != rounds[round].want {
		t.Errorf("round %d: got\n%s", round, text)
	}

	put(first.Journal(), "{}\n")
	old := &follower{runDir: dir, open: os.Open, number: 1, print: f.print, over: func() (bool, error) { return true, nil }}
	defer old.close()
	if err := old.follow(); err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(got, func(l string) bool { return strings.HasPrefix(l, "1 damage line 7 of the journal is damaged") }) ||
		strings.Contains(taken(), "took over") {
		t.Errorf("attempt 1 says %q", got)
	}
}
