package results

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ablate/results/journal"
)

func seriesOf(t testing.TB, s *Store, run, metric string) []Point {
	t.Helper()
	p, err := s.Series(run, metric)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestIngestRoundTrip(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.ingest(s, "aa", 1) // nothing there yet
	j.write(journal.Line{Kind: journal.Start, Time: 10_000, Start: &journal.StartInfo{
		Steps: 200, Version: "v1+dirty", Kernels: "portable", CPU: "z80", Host: "h", PID: 42,
	}})
	j.write(journal.Line{Kind: journal.Event, Time: 10_500, Text: "hello"})
	values := []float64{1. / 3, math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, 5e-324, 0, 7}
	for i, v := range values {
		j.point("loss", int64(i), v)
	}
	j.write(journal.Line{Kind: journal.Progress, Time: 12_500, Progress: &journal.ProgressInfo{Step: 8, Steps: 200, ImagesPerSecond: 99.5, Phase: "probe"}})
	j.ingest(s, "aa", 1)

	points := seriesOf(t, s, "aa", "loss")
	if len(points) != len(values) {
		t.Fatalf("%d points: %v", len(points), points)
	}
	for i, p := range points {
		if same := p.Value == values[i] || math.IsNaN(p.Value) && math.IsNaN(values[i]); p.Step != int64(i) || !same {
			t.Errorf("point %d is %v, want %v", i, p, values[i])
		}
	}
	if none := seriesOf(t, s, "aa", "lost"); none != nil {
		t.Errorf("a metric that is not there has %v", none)
	}
	r := getRun(t, s, "aa")
	want := Run{ID: "aa", Cell: "c", Config: []byte("{}"), Attempts: 1, Running: true, Step: 8, Steps: 200,
		ImagesPerSecond: 99.5, Phase: "probe", Seconds: 2.5, Active: time.UnixMilli(12_500)}
	if !reflect.DeepEqual(r, want) {
		t.Errorf("run is  %+v\nwant %+v", r, want)
	}
	info, _ := os.Stat(j.path)
	wantAttempt := Attempt{Number: 1, State: Running, Started: time.UnixMilli(10_000), Active: time.UnixMilli(12_500),
		Version: "v1+dirty", Kernels: "portable", CPU: "z80", Host: "h", PID: 42, Offset: info.Size(), NextSeq: 12}
	if a := attemptsOf(t, s, "aa"); !reflect.DeepEqual(a, []Attempt{wantAttempt}) {
		t.Errorf("attempts are %+v\nwant %+v", a, wantAttempt)
	}
	if e := eventsOf(t, s, "aa"); !reflect.DeepEqual(e, []Event{{1, 1, time.UnixMilli(10_500), "hello"}}) {
		t.Errorf("events are %+v", e)
	}

	j.write(journal.Line{Kind: journal.Outcome, Time: 15_000, Outcome: "collapsed", Text: "flat"})
	j.ingest(s, "aa", 1)
	r = getRun(t, s, "aa")
	if r.Outcome != Collapsed || r.Reason != "flat" || r.Running || r.Seconds != 5 || r.ImagesPerSecond != 0 {
		t.Errorf("run is %+v", r)
	}
	a := attemptsOf(t, s, "aa")[0]
	if a.State != Ended || a.Outcome != Collapsed || a.Reason != "flat" || a.Ended.UnixMilli() != 15_000 {
		t.Errorf("attempt is %+v", a)
	}
}

func TestSecondsOfAllAttempts(t *testing.T) {
	s := withRuns(t, "aa")
	for n, seconds := range []int64{2, 0, 5} {
		begin(t, s, "aa", n+1)
		j := newJournal(t)
		j.start(0)
		j.write(journal.Line{Kind: journal.Event, Time: 1000 + 1000*seconds})
		j.write(journal.Line{Kind: journal.Event, Time: 500}) // the clock was set back
		j.ingest(s, "aa", n+1)
	}
	if r := getRun(t, s, "aa"); r.Seconds != 7 {
		t.Errorf("%v seconds", r.Seconds)
	}
}

// An outcome that the journal tells is not undone by what the head sees of the
// process, and a fenced attempt's outcome does not count.
func TestOutcomeLine(t *testing.T) {
	s := withRuns(t, "aa")
	var journals []*testJournal
	for n := 1; n <= 2; n++ {
		begin(t, s, "aa", n)
		j := newJournal(t)
		j.start(0)
		journals = append(journals, j)
	}
	journals[0].write(journal.Line{Kind: journal.Outcome, Outcome: "completed"})
	journals[0].ingest(s, "aa", 1)
	if r := getRun(t, s, "aa"); r.Outcome != "" || !r.Running {
		t.Errorf("a fenced attempt ended the run: %+v", r)
	}
	journals[1].write(journal.Line{Kind: journal.Outcome, Outcome: "diverged", Text: "NaN"})
	journals[1].ingest(s, "aa", 2)
	end(t, s, "aa", 2, Failed, "exit status 1")
	if r := getRun(t, s, "aa"); r.Outcome != Diverged || r.Reason != "NaN" {
		t.Errorf("%+v", r)
	}
}

// attemptSpec is an attempt at the run of the replay tests: it resumes at a
// step and reports every step from there to before its last.
type attemptSpec struct{ resume, last int64 }

// TestReplay lets attempts be ingested in every order and in pieces: the points
// are always the same, those of the newest attempt that started at or before
// their step.
func TestReplay(t *testing.T) {
	tests := []struct {
		name     string
		attempts []attemptSpec
		want     string // for each step, the attempt whose point counts
	}{
		{"one attempt", []attemptSpec{{0, 5}}, "11111"},
		{"resumed where it stopped", []attemptSpec{{0, 4}, {4, 8}}, "11112222"},
		{"resumed from a checkpoint before", []attemptSpec{{0, 5}, {3, 8}}, "11122222"},
		{"from the start again", []attemptSpec{{0, 5}, {0, 3}}, "222"},
		{"the newer got less far", []attemptSpec{{0, 8}, {4, 5}}, "11112"},
		{"three in a row", []attemptSpec{{0, 5}, {3, 6}, {4, 8}}, "11123333"},
		{"the third falls back behind the second", []attemptSpec{{0, 6}, {4, 8}, {2, 5}}, "11333"},
		{"the third does not reach where the second began", []attemptSpec{{0, 6}, {5, 9}, {1, 3}}, "133"},
		{"a second that reported nothing", []attemptSpec{{0, 6}, {3, 3}, {5, 7}}, "111  33"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			orders := interleavings(len(tt.attempts), 2)
			var ids []string
			for i := range orders {
				ids = append(ids, fmt.Sprintf("r%d", i))
			}
			s := withRuns(t, ids...)
			texts := journalsOf(t, tt.attempts)
			for i, order := range orders {
				if got := replay(t, s, ids[i], texts, order); got != tt.want {
					t.Errorf("in the order %v: %q, want %q", order, got, tt.want)
				}
			}
		})
	}
}

// journalsOf returns the journals of attempts whose loss is their number.
func journalsOf(t *testing.T, attempts []attemptSpec) (texts [][]byte) {
	for i, a := range attempts {
		j := newJournal(t)
		j.start(a.resume)
		for step := a.resume; step < a.last; step++ {
			j.point("loss", step, float64(i+1))
		}
		text, err := os.ReadFile(j.path)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

// replay ingests journals in the order of their numbers (from 0) in order,
// where the first mention is half of the journal and the second all of it. It
// returns the loss at every step.
func replay(t *testing.T, s *Store, run string, journals [][]byte, order []int) string {
	for i := range journals {
		begin(t, s, run, i+1)
	}
	path := filepath.Join(t.TempDir(), "journal")
	seen := make([]bool, len(journals))
	for _, i := range order {
		text := journals[i]
		if !seen[i] {
			text = text[:len(text)/2]
		}
		seen[i] = true
		if err := os.WriteFile(path, text, 0o666); err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second finds nothing new
			if err := s.Ingest(run, i+1, path); err != nil {
				t.Fatal(err)
			}
		}
	}
	var got strings.Builder
	for _, p := range seriesOf(t, s, run, "loss") {
		for int64(got.Len()) < p.Step {
			got.WriteByte(' ')
		}
		fmt.Fprint(&got, p.Value)
	}
	return got.String()
}

// interleavings returns all orders of n things, each of which comes k times.
func interleavings(n, k int) (all [][]int) {
	left := slices.Repeat([]int{k}, n)
	var extend func(order []int)
	extend = func(order []int) {
		if len(order) == n*k {
			all = append(all, slices.Clone(order))
			return
		}
		for i := range left {
			if left[i] > 0 {
				left[i]--
				extend(append(order, i))
				left[i]++
			}
		}
	}
	extend(nil)
	return all
}

func TestFencedAttemptMovesNoProgress(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	begin(t, s, "aa", 2)
	older, newer := newJournal(t), newJournal(t)
	newer.start(10)
	newer.ingest(s, "aa", 2)
	older.start(0)
	older.write(journal.Line{Kind: journal.Progress, Progress: &journal.ProgressInfo{Step: 50, Steps: 77, ImagesPerSecond: 5, Phase: "train"}})
	older.ingest(s, "aa", 1)
	if r := getRun(t, s, "aa"); r.Step != 10 || r.Steps != 100 || r.ImagesPerSecond != 0 || r.Phase != "" {
		t.Errorf("%+v", r)
	}
}

func TestPointsBeforeTheResumeStep(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	begin(t, s, "aa", 2)
	first, second := newJournal(t), newJournal(t)
	first.start(0)
	first.point("loss", 3, 1)
	first.ingest(s, "aa", 1)
	second.start(5)
	second.point("loss", 3, 2)
	second.point("loss", 5, 2)
	second.ingest(s, "aa", 2)
	if p := seriesOf(t, s, "aa", "loss"); !slices.Equal(p, []Point{{3, 1}, {5, 2}}) {
		t.Errorf("points are %v", p)
	}
	e := eventsOf(t, s, "aa")
	if len(e) != 1 || e[0].Attempt != 2 || !strings.Contains(e[0].Text, "1 figures at steps before 5") {
		t.Errorf("events are %v", e)
	}
}

func TestEqualPointsAreOne(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.start(0)
	for range 3 {
		j.point("loss", 1, 5)
	}
	j.ingest(s, "aa", 1)
	j.point("loss", 1, 5)
	j.ingest(s, "aa", 1)
	if p := seriesOf(t, s, "aa", "loss"); !slices.Equal(p, []Point{{1, 5}}) {
		t.Errorf("points are %v", p)
	}
}

// A journal that grows byte by byte is ingested line by line.
func TestTornLine(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.start(0)
	for step := range int64(3) {
		j.point("loss", step, 1)
	}
	text, _ := os.ReadFile(j.path)
	growing := filepath.Join(t.TempDir(), "growing")
	for n := range len(text) + 1 {
		if err := os.WriteFile(growing, text[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if err := s.Ingest("aa", 1, growing); err != nil {
			t.Fatal(err)
		}
		whole := bytes.LastIndexByte(text[:n], '\n') + 1
		a := attemptsOf(t, s, "aa")[0]
		if a.Offset != int64(whole) || a.NextSeq != int64(bytes.Count(text[:n], []byte("\n"))+1) || a.Damage != "" {
			t.Fatalf("after %d bytes: %+v", n, a)
		}
	}
	if p := seriesOf(t, s, "aa", "loss"); len(p) != 3 {
		t.Errorf("points are %v", p)
	}
}

func TestDamagedJournal(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(lines []string) string
		says  string
		good  int // points before the damage
	}{
		{"a flipped bit", func(l []string) string { l[2] = strings.Replace(l[2], "loss", "lost", 1); return strings.Join(l, "") }, "line 3 of the journal is damaged", 1},
		{"a gap", func(l []string) string { return l[0] + l[1] + l[3] }, "its number is 4 where 3 was due", 1},
		{"no start", func(l []string) string { return l[1] }, "its number is 2 where 1 was due", 0},
		{"garbage at once", func(l []string) string { return "hello\n" + l[0] }, "line 1", 0},
		{"a second start", func(l []string) string { return l[0] + l[1] + l[4] }, "only the first", 1},
		{"an outcome that is none", func(l []string) string { return l[0] + l[1] + l[5] }, `no outcome "exploded"`, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := withRuns(t, "aa")
			begin(t, s, "aa", 1)
			j := newJournal(t)
			j.start(0)
			for step := range int64(3) {
				j.point("loss", step, 1)
			}
			text, _ := os.ReadFile(j.path)
			lines := strings.SplitAfter(string(text), "\n")
			lines = append(lines[:4], thirdLine(t, journal.Line{Kind: journal.Start, Start: &journal.StartInfo{}}),
				thirdLine(t, journal.Line{Kind: journal.Outcome, Outcome: "exploded"}))
			bad := filepath.Join(t.TempDir(), "journal")
			for range 2 {
				if err := os.WriteFile(bad, []byte(tt.spoil(slices.Clone(lines))), 0o666); err != nil {
					t.Fatal(err)
				}
				if err := s.Ingest("aa", 1, bad); err != nil {
					t.Fatal(err)
				}
			}
			e := eventsOf(t, s, "aa")
			if len(e) != 1 || !strings.Contains(e[0].Text, tt.says) || !strings.Contains(e[0].Text, "not read further") {
				t.Errorf("events are %v", e)
			}
			a := attemptsOf(t, s, "aa")[0]
			if !strings.Contains(a.Damage, tt.says) || tt.good > 0 && a.NextSeq != int64(tt.good+2) {
				t.Errorf("attempt is %+v", a)
			}
			if p := seriesOf(t, s, "aa", "loss"); len(p) != tt.good {
				t.Errorf("points are %v", p)
			}
			// The head then ends the attempt, and the next one may go on.
			end(t, s, "aa", 1, Failed, "its journal is damaged")
			begin(t, s, "aa", 2)
			next := newJournal(t)
			next.start(0)
			next.point("loss", 0, 2)
			next.ingest(s, "aa", 2)
			if p := seriesOf(t, s, "aa", "loss"); !slices.Equal(p, []Point{{0, 2}}) {
				t.Errorf("then points are %v", p)
			}
		})
	}
}

// thirdLine returns l as the third line of a journal.
func thirdLine(t *testing.T, l journal.Line) string {
	j := newJournal(t)
	j.start(0)
	j.start(0)
	j.write(l)
	text, _ := os.ReadFile(j.path)
	return strings.SplitAfter(string(text), "\n")[2]
}

// After a power cut a journal may be shorter than what was read of it.
func TestJournalShrinks(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.start(0)
	j.point("loss", 0, 1)
	j.ingest(s, "aa", 1)
	if err := os.Truncate(j.path, 100); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		j.ingest(s, "aa", 1)
	}
	if e := eventsOf(t, s, "aa"); len(e) != 1 || !strings.Contains(e[0].Text, "has 100 bytes where") {
		t.Errorf("events are %v", e)
	}
	if p := seriesOf(t, s, "aa", "loss"); len(p) != 1 {
		t.Errorf("points are %v", p)
	}
}

func TestUnreadableJournal(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	wantError(t, s.Ingest("aa", 1, t.TempDir()), "attempt 1 of run aa", "is a directory")
}

// Batches may end anywhere.
func TestIngestInBatches(t *testing.T) {
	defer func(n int) { batchPoints = n }(batchPoints)
	for _, batchPoints = range []int{1, 3, 31, 32, 33, 1000} {
		s := withRuns(t, "aa")
		begin(t, s, "aa", 1)
		j := newJournal(t)
		j.start(0)
		for step := range int64(100) {
			j.write(journal.Line{Kind: journal.Metrics, Step: step, Metrics: map[string]journal.Value{"a": 1, "b": 2}})
			j.write(journal.Line{Kind: journal.Event, Text: fmt.Sprint(step)})
		}
		j.ingest(s, "aa", 1)
		if a, b, e := seriesOf(t, s, "aa", "a"), seriesOf(t, s, "aa", "b"), eventsOf(t, s, "aa"); len(a) != 100 || len(b) != 100 || len(e) != 100 {
			t.Errorf("batches of %d: %d and %d points, %d events", batchPoints, len(a), len(b), len(e))
		}
	}
}

// An attempt that goes on behind the last step has done all steps, and no more.
func TestNoMoreStepsThanThereAre(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.write(journal.Line{Kind: journal.Start, Time: 1, Start: &journal.StartInfo{ResumeStep: 121, Steps: 120}})
	j.ingest(s, "aa", 1)
	if r := getRun(t, s, "aa"); r.Step != 120 || r.Steps != 120 {
		t.Errorf("%d of %d steps", r.Step, r.Steps)
	}
}
