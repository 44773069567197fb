package results

import (
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"
)

// enqueue puts a study of its own into the queue.
func enqueue(t testing.TB, s *Store, name string, e Entry) int64 {
	t.Helper()
	study, runs := sample(name)
	if err := s.Enqueue(study, runs, &e); err != nil {
		t.Fatal(err)
	}
	return e.ID
}

func queueOf(t testing.TB, s *Store) (ids []int64) {
	t.Helper()
	all, err := s.Queue()
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		ids = append(ids, e.ID)
	}
	return ids
}

func wantQueue(t testing.TB, s *Store, want ...int64) {
	t.Helper()
	if got := queueOf(t, s); !slices.Equal(got, want) {
		t.Errorf("the queue is %v, want %v", got, want)
	}
}

func setEntry(t testing.TB, s *Store, id int64, state EntryState, from ...EntryState) {
	t.Helper()
	if err := s.SetEntry(id, state, "", from...); err != nil {
		t.Fatal(err)
	}
}

func TestEnqueue(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	e := Entry{Priority: 3, Options: []byte(`{"jobs":2}`), Program: "programs/ab", Reason: "why not"}
	if err := s.Enqueue(study, runs, &e); err != nil {
		t.Fatal(err)
	}
	want := Entry{ID: 1, Study: study.ID, Name: "s", Sets: study.Sets, State: EntryWaiting, Priority: 3,
		Options: []byte(`{"jobs":2}`), Program: "programs/ab", Reason: "why not", Added: e.Added, Total: 3}
	if study.ID == 0 || e.Added.IsZero() || !reflect.DeepEqual(e, want) {
		t.Errorf("enqueued as %+v\nwant %+v", e, want)
	}
	all, err := s.Queue()
	if err != nil || !reflect.DeepEqual(all, []Entry{want}) {
		t.Errorf("the queue is %+v, %v\nwant %+v", all, err, want)
	}
	if stored, err := s.StudyByID(study.ID); err != nil || len(stored.Slots) != 4 {
		t.Errorf("the study is %+v, %v", stored, err)
	}
	begin(t, s, "aa01", 1)
	end(t, s, "aa01", 1, Failed, "")
	if got, err := s.Entry(1); err != nil || got.Done != 1 || got.Total != 3 {
		t.Errorf("%+v, %v", got, err)
	}
	_, err = s.Entry(7)
	if !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	wantError(t, err, "no entry 7")
}

// Neither the study nor the entry stays if one of them is wrong.
func TestEnqueueWholeOrNotAtAll(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	wantError(t, s.Enqueue(study, runs, &Entry{After: 5}), "no entry 5")
	wantError(t, s.Enqueue(study, runs, &Entry{State: EntryRunning}), `"running"`)
	wantError(t, s.Enqueue(study, runs[:1], &Entry{}), "no run")
	if all, err := s.Outlines(); err != nil || len(all) != 0 {
		t.Errorf("%v, %v", all, err)
	}
	wantQueue(t, s)
}

func TestQueueOrder(t *testing.T) {
	s := newStore(t)
	low := enqueue(t, s, "low", Entry{})
	high := enqueue(t, s, "high", Entry{Priority: 5})
	urgent := enqueue(t, s, "urgent", Entry{Priority: 9, After: low}) // for all its urgency
	later := enqueue(t, s, "later", Entry{State: EntryHeld})
	high2 := enqueue(t, s, "high2", Entry{Priority: 5})
	wantQueue(t, s, high, high2, low, urgent, later)

	setEntry(t, s, low, EntryRunning)
	wantQueue(t, s, low, urgent, high, high2, later) // nothing is before what runs
	setEntry(t, s, low, EntryDone)
	wantQueue(t, s, urgent, high, high2, later, low)
	setEntry(t, s, high, EntryFailed)
	setEntry(t, s, high2, EntryRemoved)
	wantQueue(t, s, urgent, later, low, high)
	if e, err := s.Entry(high2); err != nil || e.State != EntryRemoved {
		t.Errorf("%+v, %v", e, err)
	}
	if again := enqueue(t, s, "again", Entry{}); again != high2+1 {
		t.Errorf("the next entry has the number %d", again)
	}
}

func TestMoveEntry(t *testing.T) {
	s := newStore(t)
	a, b, c := enqueue(t, s, "a", Entry{}), enqueue(t, s, "b", Entry{}), enqueue(t, s, "c", Entry{Priority: -1})
	move := func(id, before int64, want ...int64) {
		t.Helper()
		if err := s.MoveEntry(id, before); err != nil {
			t.Fatal(err)
		}
		wantQueue(t, s, want...)
	}
	move(b, a, b, a, c)
	move(c, a, b, c, a) // and takes its priority
	move(b, 0, c, a, b)
	move(c, a, c, a, b)
	move(c, c, c, a, b)
	move(a, c, a, c, b)
	if e, _ := s.Entry(c); e.Priority != 0 {
		t.Errorf("%+v", e)
	}
	setEntry(t, s, a, EntryRunning)
	for _, err := range []error{s.MoveEntry(a, b), s.MoveEntry(b, a)} {
		wantError(t, err, "entry 1", "running")
		if !errors.Is(err, ErrEntryState) {
			t.Error(err)
		}
	}
	wantError(t, s.MoveEntry(b, 77), "no entry 77")
	wantError(t, s.MoveEntry(77, 0), "no entry 77")
}

// An entry cannot be before one that it comes after, at however many removes,
// nor come after one that never ends.
func TestNoCirclesInTheQueue(t *testing.T) {
	s := newStore(t)
	a := enqueue(t, s, "a", Entry{})
	b := enqueue(t, s, "b", Entry{After: a})
	c := enqueue(t, s, "c", Entry{After: b})
	wantError(t, s.MoveEntry(c, a), "entry 3", "after entry 1")
	wantQueue(t, s, a, b, c)
	study, runs := sample("d")
	wantError(t, s.Enqueue(study, runs, &Entry{After: 4}), "no entry 4") // which it would be itself
	setEntry(t, s, c, EntryRemoved)
	wantError(t, s.Enqueue(study, runs, &Entry{After: c}), "entry 3", "removed")
	if _, err := s.db.Exec(`UPDATE queue SET after = ? WHERE key = ?`, c, a); err == nil {
		t.Error("the schema lets an older entry come after a newer one")
	}
}

func TestSetEntry(t *testing.T) {
	s := newStore(t)
	id := enqueue(t, s, "s", Entry{})
	enqueue(t, s, "other", Entry{})
	entry := func() Entry {
		t.Helper()
		e, err := s.Entry(id)
		if err != nil {
			t.Fatal(err)
		}
		return *e
	}
	if newest, _ := s.Study(""); newest.Name != "other" {
		t.Errorf("the newest is %s", newest.Name)
	}
	setEntry(t, s, id, EntryRunning, EntryWaiting)
	running := entry()
	if running.State != EntryRunning || running.Started.IsZero() || !running.Ended.IsZero() {
		t.Errorf("%+v", running)
	}
	if newest, _ := s.Study(""); newest.Name != "s" || !newest.Started.Equal(running.Started) {
		t.Errorf("the newest is %+v", newest)
	}
	err := s.SetEntry(id, EntryRemoved, "", EntryWaiting, EntryHeld)
	wantError(t, err, "entry 1", "is running", "not waiting or held")
	if !errors.Is(err, ErrEntryState) || entry().State != EntryRunning {
		t.Error(err, entry())
	}
	if err := s.SetEntry(id, EntryWaiting, "interrupted"); err != nil {
		t.Fatal(err)
	}
	if e := entry(); e.Reason != "interrupted" || !e.Started.Equal(running.Started) || !e.Ended.IsZero() {
		t.Errorf("%+v", e)
	}
	begin(t, s, "aa01", 1)
	end(t, s, "aa01", 1, Completed, "")
	setEntry(t, s, id, EntryDone)
	end(t, s, "aa01", 1, Completed, "")
	begin(t, s, "aa02", 1)
	end(t, s, "aa02", 1, Completed, "")
	if e := entry(); e.Ended.IsZero() || e.Done != 1 {
		t.Errorf("%+v: what happens later is no matter of an entry that has ended", e)
	}
	wantError(t, s.SetEntry(id, "asleep", ""), "asleep")
	wantError(t, s.SetEntry(77, EntryDone, ""), "no entry 77")
}

func TestRequests(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	asks := []Request{{Kind: "cancel", Study: study.ID, Cell: "bn"}, {Kind: "cancel", Run: "aa01"}, {Kind: "pause"}}
	for i := range asks {
		if err := s.Ask(&asks[i]); err != nil || asks[i].ID != int64(i+1) || asks[i].Made.IsZero() {
			t.Fatal(asks[i], err)
		}
	}
	if open, err := s.OpenRequests(); err != nil || !reflect.DeepEqual(open, asks) {
		t.Errorf("%+v, %v", open, err)
	}
	if err := s.Answer(2, "done"); err != nil {
		t.Fatal(err)
	}
	if err := s.Answer(2, "again"); err != nil {
		t.Fatal(err)
	}
	if open, err := s.OpenRequests(); err != nil || !reflect.DeepEqual(open, []Request{asks[0], asks[2]}) {
		t.Errorf("%+v, %v", open, err)
	}
	got, err := s.Request(2)
	if err != nil || got.Answer != "done" || got.Done.IsZero() || got.Run != "aa01" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err = s.Request(9); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := s.Answer(9, ""); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
	if err := s.Ask(&Request{Kind: "pause", Study: 99}); err == nil {
		t.Error("a request about a study that is not there")
	}
}

func TestPaused(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	if err := s.SetPaused(study.ID, true); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.Study("s"); !got.Paused {
		t.Error("not paused")
	}
	again, _ := sample("s")
	if save(t, s, again, runs); !again.Paused {
		t.Error("a new start hides the pause")
	}
	if err := s.SetPaused(study.ID, false); err != nil {
		t.Fatal(err)
	}
	if got, _ := s.StudyByID(study.ID); got.Paused {
		t.Error("still paused")
	}
	if err := s.SetPaused(99, true); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestReopen(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	save(t, s, &Study{Name: "other"}, runsOf([]string{"zz"}))
	for id, o := range map[string]Outcome{"aa01": Failed, "aa02": Completed, "ab01": TimedOut, "zz": Failed} {
		begin(t, s, id, 1)
		end(t, s, id, 1, o, "reason")
	}
	if n, err := s.Reopen(study); err != nil || n != 0 {
		t.Error(n, err)
	}
	if n, err := s.Reopen(study, Failed, Cancelled); err != nil || n != 1 {
		t.Error(n, err)
	}
	if r := getRun(t, s, "aa01"); r.Outcome != "" || r.Reason != "" || r.Attempts != 1 {
		t.Errorf("%+v", r)
	}
	if a := attemptsOf(t, s, "aa01")[0]; a.Outcome != Failed || a.State != Ended || a.Reason != "reason" {
		t.Errorf("%+v", a)
	}
	for id, want := range map[string]Outcome{"aa02": Completed, "ab01": TimedOut, "zz": Failed} {
		if r := getRun(t, s, id); r.Outcome != want {
			t.Errorf("%+v", r)
		}
	}
	// A late call about the attempt that had ended changes nothing.
	end(t, s, "aa01", 1, Failed, "late")
	if r := getRun(t, s, "aa01"); r.Outcome != "" {
		t.Errorf("%+v", r)
	}
	if err := s.Restart([]string{"aa01", "aa02", "zz"}); err != nil {
		t.Error(err)
	}
	if r := getRun(t, s, "aa02"); r.Outcome != "" || r.Step != 0 || r.Steps != 0 {
		t.Errorf("%+v", r)
	}
	begin(t, s, "zz", 2)
	end(t, s, "zz", 2, Completed, "")
	if r := getRun(t, s, "zz"); r.Outcome != Completed || r.Attempts != 2 {
		t.Errorf("%+v", r)
	}
}

func TestCancelRun(t *testing.T) {
	ids := []string{"fresh", "open", "left", "failed", "done"}
	s := withRuns(t, ids...)
	for _, id := range ids[1:] {
		begin(t, s, id, 1)
	}
	end(t, s, "left", 1, "", "interrupted")
	end(t, s, "failed", 1, Failed, "boom")
	end(t, s, "done", 1, Collapsed, "flat")
	for _, id := range ids[:4] {
		if err := s.CancelRun(id, "not needed"); err != nil {
			t.Fatal(err)
		}
		if r := getRun(t, s, id); r.Outcome != Cancelled || r.Reason != "not needed" || r.Running {
			t.Errorf("%+v", r)
		}
	}
	for _, id := range []string{"open", "left"} {
		if a := attemptsOf(t, s, id)[0]; a.State != Ended || a.Outcome != Cancelled || a.Reason != "not needed" || a.Ended.IsZero() {
			t.Errorf("%s: %+v", id, a)
		}
	}
	if a := attemptsOf(t, s, "failed")[0]; a.Outcome != Failed || a.Reason != "boom" {
		t.Errorf("%+v", a)
	}
	err := s.CancelRun("done", "not needed")
	wantError(t, err, "run done", "collapsed")
	if r := getRun(t, s, "done"); !errors.Is(err, ErrHasResult) || r.Outcome != Collapsed {
		t.Error(err, r)
	}
	if err := s.CancelRun("nobody", ""); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

func TestEventsAfter(t *testing.T) {
	s := withRuns(t, "aa", "bb")
	begin(t, s, "aa", 1)
	begin(t, s, "bb", 1)
	for _, e := range [][2]string{{"aa", "one"}, {"bb", "two"}, {"aa", "three"}} {
		if _, err := s.db.Exec(`INSERT INTO events (run, attempt, time, text) SELECT key, 1, 0, ? FROM runs WHERE id = ?`, e[1], e[0]); err != nil {
			t.Fatal(err)
		}
	}
	all := eventsOf(t, s, "aa")
	if len(all) != 2 {
		t.Fatal(all)
	}
	later, err := s.EventsAfter("aa", all[0].Key)
	if err != nil || !reflect.DeepEqual(later, []Event{{all[1].Key, 1, time.UnixMilli(0), "three"}}) {
		t.Errorf("%+v, %v", later, err)
	}
	if none, err := s.EventsAfter("aa", all[1].Key); err != nil || len(none) != 0 {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestConfigs(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	save(t, s, &Study{Name: "other"}, runsOf([]string{"zz"}))
	got, err := s.Configs(study)
	want := map[string][]byte{"aa01": []byte(`{"lr":0.1}`), "aa02": []byte(`{"lr":0.2}`), "ab01": []byte(`{"lr":0.1}`)}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%s, %v", got, err)
	}
}

// The next entry is the first of the queue that nothing holds up.
func TestNextEntry(t *testing.T) {
	s := withRuns(t)
	next := func(want int64, passed ...int64) {
		t.Helper()
		e, err := s.NextEntry(passed)
		if err != nil || e == nil && want != 0 || e != nil && e.ID != want {
			t.Errorf("after %v comes %+v, want %d; %v", passed, e, want, err)
		}
	}
	next(0)
	for _, e := range []Entry{{}, {Priority: 2}, {Priority: 9, After: 1}, {Priority: 5, State: EntryHeld}} {
		e.Options = []byte("{}")
		if err := s.Enqueue(&Study{Name: "s", Text: []byte("t")}, nil, &e); err != nil {
			t.Fatal(err)
		}
	}
	next(2)
	next(1, 2)
	next(0, 1, 2)
	for _, state := range []EntryState{EntryRunning, EntryDone} {
		if err := s.SetEntry(1, state, ""); err != nil {
			t.Fatal(err)
		}
		next(map[EntryState]int64{EntryRunning: 1, EntryDone: 3}[state])
	}
}
