package orchestrator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"ablate/results"
)

// Night works off a store's queue, as its head.
type Night struct {
	Store *results.Store
	Dir   string // the store's folder
	Lock  *Lock  // of the store: without it all ends; nil = nobody looks
	// Prepare makes the scheduler that executes an entry.
	Prepare func(results.Entry, Options) (*Scheduler, error)
	Say     func(text string)
	Ended   func(results.Entry, Summary) // an entry has ended for good; may be nil
	Rest    func()                       // nothing more is done for now; may be nil

	Until  time.Time // when all work has to be saved and stopped; zero = never
	Window *Window   // the part of every day in which to work; nil = all of it
	Fill   bool      // use the rest of the time for single runs
	Stay   bool      // wait for further entries when all are done

	Clock Clock // nil = the system's
}

// Clock is the clock on the wall.
type Clock interface {
	Now() time.Time
	After(time.Duration) <-chan time.Time
}

type systemClock struct{}

func (systemClock) Now() time.Time                         { return time.Now().Round(0) }
func (systemClock) After(d time.Duration) <-chan time.Time { return time.After(d) }

// idleEvery is how often a night that has nothing to do looks whether it has.
const idleEvery = time.Second

// Run executes entries of the queue, one after the other, until none is left or
// the time is up. It returns how it was stopped: "" if all was done that can be.
func (n *Night) Run(ctx context.Context) (Stop, error) {
	if n.Clock == nil {
		n.Clock = systemClock{}
	}
	var late []int64        // entries of which nothing more fits in before the end
	var lateUntil time.Time // that end
	told, worked := "", false
	for ctx.Err() == nil {
		if err := cmp.Or(n.Lock.Lost(), AnswerRequests(n.Store, n.Dir, n.Say)); err != nil {
			return "", err
		}
		open, end := n.open()
		if !end.Equal(lateUntil) {
			late, lateUntil = nil, end
		}
		entry, err := n.Store.NextEntry(late)
		if err != nil {
			return "", err
		}
		switch {
		case n.over():
			return OutOfTime, nil
		case entry == nil && len(late) == 0 && !n.Stay:
			return "", nil
		case entry == nil && n.Window == nil && !n.Stay:
			return OutOfTime, nil // until then nothing will fit any better
		case entry == nil || !open:
			if worked && n.Rest != nil {
				n.Rest()
			}
			worked = false
			told = n.tell(told, n.idleness(entry, open, end, len(late)))
			n.wait(ctx)
			continue
		}
		told, worked = "", true
		stopped, err := n.execute(ctx, *entry, end)
		if err != nil || stopped == Interrupted {
			return stopped, err
		}
		if stopped == OutOfTime {
			late = append(late, entry.ID)
		}
	}
	return Interrupted, nil
}

// open reports whether it is time to work, and until when that is so: zero if
// it has no end.
func (n *Night) open() (open bool, end time.Time) {
	if n.Window == nil {
		return true, n.Until
	}
	open, end = n.Window.At(n.Clock.Now())
	if open && !n.Until.IsZero() && n.Until.Before(end) {
		end = n.Until
	}
	return open, end
}

func (n *Night) over() bool { return !n.Until.IsZero() && !n.Clock.Now().Before(n.Until) }

// idleness says why nothing is done.
func (n *Night) idleness(entry *results.Entry, open bool, end time.Time, late int) string {
	switch {
	case !open && (entry != nil || n.Stay):
		return "nothing is started before " + clockText(end, n.Clock.Now())
	case late > 0:
		return "what is left will not have ended by " + clockText(end, n.Clock.Now()) + "; it waits for the next time"
	}
	return "the queue is empty or waits for somebody; \"ablate queue add\" adds to it"
}

// clockText is a time near to now.
func clockText(t, now time.Time) string {
	if t.Sub(now) < 20*time.Hour {
		return t.Format("15:04")
	}
	return t.Format("2006-01-02 15:04")
}

// tell says something unless it was said last.
func (n *Night) tell(last, text string) string {
	if text != last {
		n.Say(text)
	}
	return text
}

func (n *Night) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-n.Clock.After(idleEvery):
	}
}

// execute works on an entry until it has ended or has to stop.
func (n *Night) execute(ctx context.Context, e results.Entry, end time.Time) (Stop, error) {
	err := n.Store.SetEntry(e.ID, results.EntryRunning, "", results.EntryWaiting, results.EntryRunning)
	if errors.Is(err, results.ErrEntryState) {
		return "", nil // held or removed meanwhile
	}
	if err != nil {
		return "", err
	}
	study, err := n.Store.StudyByID(e.Study)
	if err != nil {
		return "", err
	}
	s, err := n.scheduler(e, end)
	if err != nil {
		n.Say(fmt.Sprintf("entry %d, %s, cannot be executed: %v", e.ID, e.Name, err))
		n.end(e, Summary{Total: e.Total, Stopped: NotBegun})
		_, err := n.settle(e, results.EntryFailed, err.Error())
		return "", err
	}
	summary, err := s.Run(ctx, study)
	if err != nil {
		_, stopped := n.settle(e, results.EntryWaiting, "the work was stopped")
		return "", errors.Join(err, stopped)
	}
	state, reason := after(summary)
	settled, err := n.settle(e, state, reason)
	if err == nil && settled && state.Ended() {
		n.end(e, summary)
	}
	return summary.Stopped, err
}

func (n *Night) end(e results.Entry, s Summary) {
	if n.Ended != nil {
		n.Ended(e, s)
	}
}

// scheduler is what executes an entry until end.
func (n *Night) scheduler(e results.Entry, end time.Time) (*Scheduler, error) {
	var o Options
	if err := json.Unmarshal(e.Options, &o); err != nil {
		return nil, fmt.Errorf("its options: %w", err)
	}
	s, err := n.Prepare(e, o)
	if err != nil {
		return nil, err
	}
	s.Until, s.Fill, s.Now, s.Linger = end, n.Fill, n.Clock.Now, false
	if n.Window != nil {
		s.Night = n.Window.Length()
	}
	return s, nil
}

// settle brings an entry from running into another state, unless somebody was
// quicker.
func (n *Night) settle(e results.Entry, state results.EntryState, reason string) (settled bool, err error) {
	err = n.Store.SetEntry(e.ID, state, reason, results.EntryRunning)
	if errors.Is(err, results.ErrEntryState) {
		return false, nil
	}
	return err == nil, err
}

// after is the state of an entry after it was executed.
func after(s Summary) (results.EntryState, string) {
	switch s.Stopped {
	case Interrupted:
		return results.EntryWaiting, "interrupted"
	case OutOfTime:
		return results.EntryWaiting, fmt.Sprintf("%d of %d seeds complete when the time was up", s.Whole, s.Blocks)
	case Paused:
		return results.EntryHeld, results.HeldByPause
	}
	if failed := s.Outcomes[results.Failed] + s.Outcomes[results.TimedOut]; failed > 0 {
		return results.EntryFailed, fmt.Sprintf("%d of %d runs failed or timed out", failed, s.Total)
	}
	return results.EntryDone, ""
}
