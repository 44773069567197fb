package orchestrator_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	_ "time/tzdata" // the nights of another country

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/engine"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/results/journal"
	"ablate/trainer/config"
)

// fakeClock goes on when somebody waits for it or works: ten minutes at a time.
type fakeClock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *fakeClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *fakeClock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func (c *fakeClock) After(time.Duration) <-chan time.Time {
	c.advance(10 * time.Minute)
	done := make(chan time.Time, 1)
	done <- c.Now()
	return done
}

// sleepyEngine executes runs in no time of ours, but in an hour of its clock, or
// in as long as their cell says.
type sleepyEngine struct {
	clock *fakeClock
	takes map[string]time.Duration // by cell
	until time.Time                // a run that would be at work then waits to be stopped

	mu  sync.Mutex
	log []string // what was begun when
}

func (e *sleepyEngine) Launch(_ context.Context, l engine.Launch) (engine.Handle, error) {
	spec, err := worker.ReadSpec(l.RunDir)
	if err != nil {
		return nil, err
	}
	a, err := worker.Claim(l.RunDir, l.Token)
	if err != nil {
		return nil, err
	}
	w, err := journal.Create(a.Journal())
	if err != nil {
		return nil, err
	}
	now := e.clock.Now()
	e.mu.Lock()
	e.log = append(e.log, fmt.Sprintf("%s %s/%d", now.Format("02 15:04"), spec.Cell, spec.Seed))
	e.mu.Unlock()
	takes, ok := e.takes[spec.Cell]
	if !ok {
		takes = time.Hour
	}
	start := journal.Line{Kind: journal.Start, Time: now.UnixMilli(), Start: &journal.StartInfo{Steps: 10}}
	if err := w.Write(start); err != nil {
		return nil, err
	}
	if end := now.Add(takes); !e.until.IsZero() && end.After(e.until) && now.Before(e.until) {
		e.clock.advance(e.until.Sub(now))
		return &atWork{make(chan struct{})}, nil
	}
	e.clock.advance(takes)
	outcome := journal.Line{Kind: journal.Outcome, Time: e.clock.Now().UnixMilli(), Outcome: "completed"}
	return gone{}, errors.Join(w.Write(outcome), w.Close())
}

// gone is a worker that has ended.
type gone struct{}

func (gone) Wait() error { return nil }
func (gone) Stop()       {}
func (gone) Kill()       {}

// atWork is a worker that works until it is stopped.
type atWork struct{ stop chan struct{} }

func (h *atWork) Wait() error { <-h.stop; return nil }
func (h *atWork) Stop()       { close(h.stop) }
func (h *atWork) Kill()       {}

// nightFixture is a store with a queue, in a time of its own.
type nightFixture struct {
	t     *testing.T
	dir   string
	store *results.Store
	clock *fakeClock
	e     *sleepyEngine
	said  []string
	ended []string
}

func newNight(t *testing.T, now time.Time) *nightFixture {
	t.Helper()
	f := &nightFixture{t: t, dir: t.TempDir(), clock: &fakeClock{t: now}}
	f.e = &sleepyEngine{clock: f.clock, takes: map[string]time.Duration{}}
	var err error
	if f.store, err = results.Open(f.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	return f
}

// add enqueues a study of two cells, NAME-a and NAME-b.
func (f *nightFixture) add(name string, seeds int, e results.Entry) results.Entry {
	f.t.Helper()
	text := fmt.Sprintf("name = %q\nseeds = %d\n[base]\ndata = { name = \"generated\" }\nheads = { out = %d }\n[axes.norm]\n%s-a = { norm = \"bn\" }\n%s-b = { norm = \"none\" }\n",
		name, seeds, 2+len(name)+int(name[0]), name, name)
	study, err := ablations.Parse(name+".toml", []byte(text), nil)
	if err != nil {
		f.t.Fatal(err)
	}
	plan, err := ablations.NewPlan(study, func(config.Data) (string, error) { return "hash", nil }, "1")
	if err != nil {
		f.t.Fatal(err)
	}
	if e.Options, err = json.Marshal(orchestrator.Options{Jobs: 1}); err != nil {
		f.t.Fatal(err)
	}
	if err := orchestrator.Enqueue(f.store, f.dir, plan, &e); err != nil {
		f.t.Fatal(err)
	}
	return e
}

// work works the queue off and returns what was begun when.
func (f *nightFixture) work(n orchestrator.Night) (orchestrator.Stop, []string) {
	f.t.Helper()
	return f.workIn(f.t.Context(), n)
}

func (f *nightFixture) workIn(ctx context.Context, n orchestrator.Night) (orchestrator.Stop, []string) {
	f.t.Helper()
	f.e.log = nil
	n.Store, n.Dir, n.Clock = f.store, f.dir, f.clock
	n.Say = func(text string) { f.said = append(f.said, text) }
	n.Ended = func(e results.Entry, s orchestrator.Summary) {
		f.ended = append(f.ended, fmt.Sprintf("%s %d/%d", e.Name, s.Done, s.Total))
	}
	n.Prepare = func(_ results.Entry, o orchestrator.Options) (*orchestrator.Scheduler, error) {
		return &orchestrator.Scheduler{Store: f.store, Dir: f.dir, Engine: f.e, Display: &recorded{}, Options: o}, nil
	}
	stop, err := n.Run(ctx)
	if err != nil {
		f.t.Fatal(err)
	}
	return stop, f.e.log
}

func (f *nightFixture) state(e results.Entry) string {
	f.t.Helper()
	now, err := f.store.Entry(e.ID)
	if err != nil {
		f.t.Fatal(err)
	}
	return strings.TrimSpace(fmt.Sprintf("%s %d/%d %s", now.State, now.Done, now.Total, now.Reason))
}

func (f *nightFixture) began(got []string, want ...string) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("begun %q, want %q", got, want)
	}
}

func at(day, hour, minute int) time.Time {
	return time.Date(2026, 3, day, hour, minute, 0, 0, time.UTC)
}

// Studies come by priority, and not before those they come after.
func TestNightOrder(t *testing.T) {
	f := newNight(t, at(1, 22, 0))
	a := f.add("a", 1, results.Entry{})
	f.add("b", 1, results.Entry{After: a.ID, Priority: 9})
	f.add("c", 1, results.Entry{Priority: 2})
	held := f.add("h", 1, results.Entry{State: results.EntryHeld})
	stop, log := f.work(orchestrator.Night{})
	f.began(log, "01 22:00 c-a/1", "01 23:00 c-b/1", "02 00:00 a-a/1", "02 01:00 a-b/1", "02 02:00 b-a/1", "02 03:00 b-b/1")
	if stop != "" || f.state(a) != "done 2/2" || f.state(held) != "held 0/2" {
		t.Errorf("stopped %q; %s; %s", stop, f.state(a), f.state(held))
	}
	if want := []string{"c 2/2", "a 2/2", "b 2/2"}; !slices.Equal(f.ended, want) {
		t.Errorf("ended %v", f.ended)
	}
}

// A seed is begun only if all its runs will have ended. What does not fit waits,
// and a shorter study takes the rest of the time.
func TestNightUntil(t *testing.T) {
	f := newNight(t, at(1, 22, 0))
	long := f.add("long", 5, results.Entry{})
	short := f.add("s", 1, results.Entry{})
	f.e.takes["s-a"], f.e.takes["s-b"] = 20*time.Minute, 20*time.Minute
	// 22:00 to 02:45: two whole seeds of two hours each; 45 minutes are left.
	stop, log := f.work(orchestrator.Night{Until: at(2, 2, 45)})
	f.began(log, "01 22:00 long-a/1", "01 23:00 long-b/1", "02 00:00 long-a/2", "02 01:00 long-b/2", "02 02:00 s-a/1", "02 02:20 s-b/1")
	if stop != orchestrator.OutOfTime || f.state(long) != "waiting 4/10 2 of 5 seeds complete when the time was up" || f.state(short) != "done 2/2" {
		t.Errorf("stopped %q; %s; %s", stop, f.state(long), f.state(short))
	}
}

// To fill the time, single runs are begun that will have ended.
func TestNightFill(t *testing.T) {
	f := newNight(t, at(1, 22, 0))
	e := f.add("long", 3, results.Entry{})
	stop, log := f.work(orchestrator.Night{Until: at(2, 1, 15), Fill: true})
	f.began(log, "01 22:00 long-a/1", "01 23:00 long-b/1", "02 00:00 long-a/2")
	if stop != orchestrator.OutOfTime || f.state(e) != "waiting 3/6 1 of 3 seeds complete when the time was up" {
		t.Errorf("stopped %q; %s", stop, f.state(e))
	}
}

// What is still at work when the time is up saves its state and stops, and goes
// on the next night.
func TestNightStopsAtItsEnd(t *testing.T) {
	f := newNight(t, at(1, 22, 0))
	f.e.until = at(2, 8, 0)
	f.e.takes["n-a"] = 9 * time.Hour
	f.e.takes["n-b"] = 3 * time.Hour // nobody can know
	e := f.add("n", 1, results.Entry{})
	stop, log := f.work(orchestrator.Night{Until: f.e.until})
	f.began(log, "01 22:00 n-a/1", "02 07:00 n-b/1")
	if stop != orchestrator.OutOfTime || f.state(e) != "waiting 1/2 0 of 1 seeds complete when the time was up" || !f.clock.Now().Equal(f.e.until) {
		t.Errorf("stopped %q at %v; %s", stop, f.clock.Now(), f.state(e))
	}
	f.clock.advance(14 * time.Hour)
	stop, log = f.work(orchestrator.Night{Until: at(3, 8, 0)})
	f.began(log, "02 22:00 n-b/1")
	if stop != "" || f.state(e) != "done 2/2" {
		t.Errorf("stopped %q; %s", stop, f.state(e))
	}
}

// The window opens and closes every day, and there is work for several nights.
func TestNightWindow(t *testing.T) {
	f := newNight(t, at(1, 15, 0))
	e := f.add("w", 3, results.Entry{})
	f.e.takes["w-a"], f.e.takes["w-b"] = 2*time.Hour, 2*time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	w, err := orchestrator.ParseWindow("22:00-08:00")
	if err != nil {
		t.Fatal(err)
	}
	n := orchestrator.Night{Window: &w, Stay: true}
	go func() {
		for f.clock.Now().Before(at(3, 12, 0)) {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	stop, log := f.workIn(ctx, n)
	f.began(log, "01 22:00 w-a/1", "02 00:00 w-b/1", "02 02:00 w-a/2", "02 04:00 w-b/2", "02 22:00 w-a/3", "03 00:00 w-b/3")
	if stop != orchestrator.Interrupted || f.state(e) != "done 6/6" {
		t.Errorf("stopped %q; %s", stop, f.state(e))
	}
	want := []string{
		"nothing is started before 22:00",
		"what is left will not have ended by 08:00; it waits for the next time",
		"nothing is started before 22:00",
	}
	if len(f.said) < 3 || !slices.Equal(f.said[:3], want) {
		t.Errorf("said %q", f.said)
	}
}

// A window's ends are what the clock on the wall says, also on the days on which
// it is set.
func TestWindowAndSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	w := orchestrator.Window{From: orchestrator.ClockTime{Hour: 22}, To: orchestrator.ClockTime{Hour: 8}}
	on := func(month time.Month, day, hour int) time.Time {
		return time.Date(2026, month, day, hour, 0, 0, 0, berlin)
	}
	for _, test := range []struct {
		now, until time.Time
		open       bool
		hours      float64
	}{
		{on(3, 28, 21), on(3, 28, 22), false, 1},
		{on(3, 28, 22), on(3, 29, 8), true, 9},    // the clocks go forward at 2
		{on(10, 24, 22), on(10, 25, 8), true, 11}, // and back at 3
		{on(10, 25, 7), on(10, 25, 8), true, 1},
		{on(10, 25, 8), on(10, 25, 22), false, 14},
		{on(3, 29, 0), on(3, 29, 8), true, 7},
	} {
		open, until := w.At(test.now)
		if open != test.open || !until.Equal(test.until) || until.Sub(test.now).Hours() != test.hours {
			t.Errorf("at %v: open %v until %v, %v", test.now, open, until, until.Sub(test.now))
		}
	}
	// 02:30 does not exist on the day: the window ends at some time all the same.
	w.To = orchestrator.ClockTime{Hour: 2, Minute: 30}
	if open, until := w.At(on(3, 29, 1)); !open || until.Sub(on(3, 29, 1)) > 2*time.Hour || !until.After(on(3, 29, 1)) {
		t.Errorf("open %v until %v", open, until)
	}
	day := orchestrator.Window{From: orchestrator.ClockTime{Hour: 9}, To: orchestrator.ClockTime{Hour: 17}}
	if open, until := day.At(on(5, 1, 12)); !open || !until.Equal(on(5, 1, 17)) {
		t.Errorf("open %v until %v", open, until)
	}
}

// The night of summer time, with a run that fits into the usual night only.
func TestNightOfSummerTime(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	f := newNight(t, time.Date(2026, 3, 28, 22, 0, 0, 0, berlin))
	f.add("z", 2, results.Entry{})
	f.e.takes["z-a"], f.e.takes["z-b"] = 150*time.Minute, 150*time.Minute
	w := orchestrator.Window{From: orchestrator.ClockTime{Hour: 22}, To: orchestrator.ClockTime{Hour: 8}}
	_, log := f.work(orchestrator.Night{Window: &w})
	f.began(log, "28 22:00 z-a/1", "29 00:30 z-b/1", "29 22:00 z-a/2", "30 00:30 z-b/2")
}

// What a dead head was at goes on, and a paused study is held.
func TestNightTakesOver(t *testing.T) {
	f := newNight(t, at(1, 22, 0))
	e := f.add("a", 1, results.Entry{})
	paused := f.add("p", 1, results.Entry{})
	if err := f.store.SetEntry(e.ID, results.EntryRunning, ""); err != nil {
		t.Fatal(err)
	}
	if err := f.store.SetPaused(paused.Study, true); err != nil {
		t.Fatal(err)
	}
	stop, _ := f.work(orchestrator.Night{})
	if stop != "" || f.state(e) != "done 2/2" || f.state(paused) != "held 0/2 paused" {
		t.Errorf("stopped %q; %s; %s", stop, f.state(e), f.state(paused))
	}
}

func TestParseWindow(t *testing.T) {
	for _, wrong := range []string{"", "22:00", "22:00-", "22-8", "8:00-8:00", "25:00-08:00", "22:00-08:00-09:00"} {
		if w, err := orchestrator.ParseWindow(wrong); err == nil || !strings.Contains(err.Error(), "22:00-08:00") {
			t.Errorf("%q: %v, %v", wrong, w, err)
		}
	}
	if w, err := orchestrator.ParseWindow("22:00 - 8:05"); err != nil || w.String() != "22:00-08:05" {
		t.Errorf("%v, %v", w, err)
	}
}
