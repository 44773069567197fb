package results

import (
	"reflect"
	"slices"
	"testing"

	"ablate/results/journal"
)

// attempt makes the next attempt at a run, which reports these losses, one a
// step from resume on, and ends so; "" leaves it open.
func attempt(t *testing.T, s *Store, id string, resume int64, o Outcome, losses ...float64) {
	t.Helper()
	n := getRun(t, s, id).Attempts + 1
	begin(t, s, id, n)
	j := newJournal(t)
	j.start(resume)
	j.write(journal.Line{Kind: journal.Event, Time: 2000, Text: id})
	for i, v := range losses {
		j.point("loss", resume+int64(i), v)
	}
	j.ingest(s, id, n)
	if o != "" {
		end(t, s, id, n, o, "reason")
	}
}

func beginImport(t *testing.T, ours, theirs *Store) *Import {
	t.Helper()
	from, err := OpenReadOnly(theirs.dir)
	if err != nil {
		t.Fatal(err)
	}
	i, err := ours.Import(from)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i.Close(); from.Close() })
	return i
}

func importStudies(t *testing.T, i *Import, want int) []ImportRun {
	t.Helper()
	if n, err := i.Studies(); err != nil || n != want {
		t.Fatalf("%d studies were new, want %d: %v", n, want, err)
	}
	runs, err := i.Runs()
	if err != nil {
		t.Fatal(err)
	}
	return runs
}

func TestImportStudies(t *testing.T) {
	ours, theirs := newStore(t), newStore(t)
	shared, runs := sample("shared")
	save(t, theirs, &Study{Name: "first"}, runsOf([]string{"x1"}))
	save(t, theirs, shared, runs)
	save(t, theirs, &Study{Name: "second", Cells: []string{"c"}, Slots: []Slot{{0, 1, "x2"}, {0, 2, "aa01"}}},
		append(runsOf([]string{"x2"}), runs[0]))
	save(t, ours, &Study{Name: "mine"}, runsOf([]string{"m"}))
	save(t, ours, shared, runs)
	before, _ := ours.Study("shared")

	i := beginImport(t, ours, theirs)
	importStudies(t, i, 2)
	for range 2 { // once more changes nothing
		if names, err := ours.StudyNames(); err != nil || !slices.Equal(names, []string{"shared", "mine", "second", "first"}) {
			t.Errorf("%v, %v", names, err)
		}
		importStudies(t, i, 0)
	}
	if after, _ := ours.Study("shared"); !reflect.DeepEqual(after, before) {
		t.Errorf("%+v was %+v", after, before)
	}
	want, _ := theirs.Study("second")
	got, err := ours.Study("second")
	if err != nil || !reflect.DeepEqual(got.Slots, want.Slots) || !got.Started.Equal(want.Started) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	if r := getRun(t, ours, "x2"); string(r.Config) != "{}" || r.Attempts != 0 {
		t.Errorf("%+v", r)
	}
	// Started here, a study from there is the newest.
	save(t, ours, &Study{Name: "first"}, runsOf([]string{"x1"}))
	if newest, _ := ours.Study(""); newest.Name != "first" || newest.ID != got.ID+1 {
		t.Errorf("%+v", newest)
	}
}

func TestTakeRun(t *testing.T) {
	ours, theirs := withRuns(t, "zz", "aa", "bb"), withRuns(t, "bb", "aa", "cc")
	begin(t, theirs, "cc", 1)
	j := newJournal(t) // for metrics of other keys than ours
	j.start(0)
	j.point("accuracy", 1, 9)
	j.ingest(theirs, "cc", 1)
	attempt(t, theirs, "aa", 0, "", 1, 2, 3)
	attempt(t, theirs, "aa", 2, Completed, 4, 5)
	attempt(t, ours, "aa", 0, "", 7, 8, 9, 10, 11)
	attempt(t, ours, "bb", 0, Failed, 1)
	i := beginImport(t, ours, theirs)
	importStudies(t, i, 0)

	for range 2 {
		if err := i.TakeRun("aa", 2); err != nil { // after our two, of which one was not read
			t.Fatal(err)
		}
		got, want := getRun(t, ours, "aa"), getRun(t, theirs, "aa")
		want.Attempts, want.Seconds = 4, got.Seconds
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v\nwant %+v", got, want)
		}
		if p := seriesOf(t, ours, "aa", "loss"); !slices.Equal(p, []Point{{0, 1}, {1, 2}, {2, 4}, {3, 5}}) {
			t.Errorf("%v", p)
		}
		a, b := attemptsOf(t, ours, "aa"), attemptsOf(t, theirs, "aa")
		if len(a) != 4 || a[0].State != Fenced || a[1].State != Fenced {
			t.Fatalf("%+v", a)
		}
		a[2].Number, a[3].Number = 1, 2
		if !reflect.DeepEqual(a[2:], b) {
			t.Errorf("got %+v\nwant %+v", a[2:], b)
		}
		var of []int
		for _, e := range eventsOf(t, ours, "aa") {
			of = append(of, e.Attempt)
		}
		if !slices.Equal(of, []int{1, 3, 4}) {
			t.Errorf("events of attempts %v", of)
		}
	}
	if names, err := i.Differing("aa"); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	// A late line of an attempt of ours, which is none of the run's any more.
	j = newJournal(t)
	j.start(0)
	j.point("loss", 1, 99)
	j.ingest(ours, "aa", 2)
	if p := seriesOf(t, ours, "aa", "loss"); p[1].Value != 2 {
		t.Errorf("%v", p)
	}
	if r := getRun(t, ours, "bb"); r.Outcome != Failed {
		t.Errorf("%+v", r)
	}
	if r := getRun(t, ours, "cc"); r.Attempts != 0 {
		t.Errorf("%+v", r)
	}
	var result string
	if err := ours.db.QueryRow("PRAGMA foreign_key_check").Scan(&result); err == nil {
		t.Errorf("foreign keys: %s", result)
	}
}

func TestDiffering(t *testing.T) {
	nan := journal.Value(0)
	nan = nan / nan
	ours, theirs := withRuns(t, "aa"), withRuns(t, "bb", "aa")
	for s, m := range map[*Store]map[string]journal.Value{
		ours:   {"same": 1, "nan": nan, "value": 1, "only": 1, "zero": 0},
		theirs: {"value": 2, "nan": nan, "same": 1, "zero": 0},
	} {
		begin(t, s, "aa", 1)
		j := newJournal(t)
		j.start(0)
		j.write(journal.Line{Kind: journal.Metrics, Step: 1, Metrics: m})
		if s == theirs {
			j.point("step", 1, 1)
		} else {
			j.point("step", 2, 1)
		}
		j.ingest(s, "aa", 1)
	}
	i := beginImport(t, ours, theirs)
	runs := importStudies(t, i, 0)
	if len(runs) != 2 || runs[1].ID != "aa" || runs[1].Ours.Attempts != 1 || runs[0].Ours.Attempts != 0 {
		t.Errorf("%+v", runs)
	}
	if names, err := i.Differing("aa"); err != nil || !slices.Equal(names, []string{"only", "step", "value"}) {
		t.Errorf("%v, %v", names, err)
	}
}
