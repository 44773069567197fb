package orchestrator

import (
	"context"
	"errors"
	"fmt"

	"ablate/results"
)

// AskRemove is asked of an entry of the queue only: it is taken out, and its
// results stay.
const AskRemove = "remove"

// DemandOfEntry pauses, resumes or removes an entry of the queue, as kind says, and
// returns what became of it. Entries are changed in the store by whoever wants
// to; what is executed is its head's.
func DemandOfEntry(ctx context.Context, store *results.Store, dir, kind string, id int64) (answer string, err error) {
	switch kind {
	case AskPause:
		answer, err = pauseEntry(ctx, store, dir, id)
	case AskResume:
		err = resumeEntry(store, id)
	case AskRemove:
		err = removeEntry(store, dir, id)
	default:
		err = fmt.Errorf("an entry of the queue can be paused, resumed and removed; there is no %q", kind)
	}
	if err != nil || answer != "" {
		return answer, err
	}
	e, err := store.Entry(id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("entry %d, %s, is %s", id, e.Name, e.State), nil
}

// pauseEntry holds an entry back. If it is executed its study is paused, and
// answer is what its head says.
func pauseEntry(ctx context.Context, store *results.Store, dir string, id int64) (answer string, err error) {
	err = store.SetEntry(id, results.EntryHeld, results.HeldByPause, results.EntryWaiting, results.EntryHeld)
	if !errors.Is(err, results.ErrEntryState) {
		return "", err
	}
	e, err := store.Entry(id)
	if err != nil {
		return "", err
	}
	if e.State != results.EntryRunning {
		return "", fmt.Errorf("entry %d of the queue has ended: %s", id, e.State)
	}
	if answer, err = Demand(ctx, dir, results.Request{Kind: AskPause, Study: e.Study}); err != nil {
		return "", err
	}
	// Whoever executed it holds it; nobody does if that is dead.
	err = store.SetEntry(id, results.EntryHeld, results.HeldByPause, results.EntryRunning)
	if errors.Is(err, results.ErrEntryState) {
		err = nil
	}
	return answer, err
}

func resumeEntry(store *results.Store, id int64) error {
	if err := store.SetEntry(id, results.EntryWaiting, "", results.EntryHeld, results.EntryWaiting); err != nil {
		return err
	}
	e, err := store.Entry(id)
	if err != nil {
		return err
	}
	return store.SetPaused(e.Study, false)
}

func removeEntry(store *results.Store, dir string, id int64) error {
	err := store.SetEntry(id, results.EntryRemoved, "", results.EntryWaiting, results.EntryHeld, results.EntryDone, results.EntryFailed)
	if !errors.Is(err, results.ErrEntryState) {
		return err
	}
	e, err := store.Entry(id)
	if err != nil {
		return err
	}
	if e.State == results.EntryRunning && CurrentHead(dir) == nil {
		return store.SetEntry(id, results.EntryRemoved, "", results.EntryRunning) // its head is dead
	}
	return fmt.Errorf("entry %d of the queue is %s; give up a study that is executed with: ablate cancel %s", id, e.State, e.Name)
}
