package results

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// EntryState is where an entry of the queue stands.
type EntryState string

// The states of an entry. The last three are its ends.
const (
	EntryWaiting EntryState = "waiting"
	EntryHeld    EntryState = "held" // not to be started until somebody lets it wait again
	EntryRunning EntryState = "running"
	EntryDone    EntryState = "done"
	EntryFailed  EntryState = "failed" // done, but some run failed
	EntryRemoved EntryState = "removed"
)

var entryStates = []EntryState{EntryWaiting, EntryHeld, EntryRunning, EntryDone, EntryFailed, EntryRemoved}

// HeldByPause is the reason of entries that are held because they, or their
// study, were paused.
const HeldByPause = "paused"

// Ended reports whether nothing more is to happen to an entry.
func (e EntryState) Ended() bool {
	return e == EntryDone || e == EntryFailed || e == EntryRemoved
}

// Entry is a study in the queue.
type Entry struct {
	ID       int64
	Study    int64    // its Study.ID
	Name     string   // the study's
	Sets     []string // the study's
	State    EntryState
	Priority int    // higher first
	After    int64  // entry that has to have ended first, 0 = none
	Options  []byte // JSON; the store does not look into it
	Program  string // frozen program, relative to the store's folder
	Reason   string // why it is in its state

	Added, Started, Ended time.Time

	Total int // different runs
	Done  int // those with an outcome; of an ended entry, those that had one then
}

// ErrEntryState is what errors.Is tells of SetEntry's and MoveEntry's errors
// about an entry that is in another state than it would have to be.
var ErrEntryState = errors.New("the entry is in another state")

// entryStateError is an error that is ErrEntryState and says which.
type entryStateError string

func (e entryStateError) Error() string        { return string(e) }
func (e entryStateError) Is(target error) bool { return target == ErrEntryState }

// Enqueue stores study and runs like SaveStudy, opens the runs again that failed
// or timed out before, ends the study's pause, and puts it at the end of its
// priority in the queue: all of it or nothing. Of e it takes Priority, After,
// Options, Program, Reason and State ("" is EntryWaiting, the only other one is
// EntryHeld), and fills in the rest.
func (s *Store) Enqueue(study *Study, runs []Run, e *Entry) error {
	if e.State == "" {
		e.State = EntryWaiting
	}
	if e.State != EntryWaiting && e.State != EntryHeld {
		return fmt.Errorf("study %s cannot be enqueued as %q", study.Name, e.State)
	}
	var entry *Entry
	err := s.write(func(tx *sql.Tx) (err error) {
		if err := checkAfter(tx, e.After); err != nil {
			return err
		}
		keys, err := saveRuns(tx, runs)
		if err != nil {
			return err
		}
		now := s.now()
		if err := saveStudy(tx, study, keys, now); err != nil {
			return err
		}
		if _, err := reopen(tx, study, Failed, TimedOut); err != nil {
			return err
		}
		if err := s.setPaused(tx, study.ID, false); err != nil {
			return err
		}
		study.Paused = false
		var id int64
		err = tx.QueryRow(`INSERT INTO queue (study, state, reason, priority, position, after, options, program, added, total)
			VALUES (?1, ?2, ?3, ?4, (SELECT ifnull(max(position), 0) + 1 FROM queue), nullif(?5, 0), ?6, ?7, ?8,
				(SELECT count(DISTINCT run) FROM study_slots WHERE study = ?1))
			RETURNING key`,
			study.ID, e.State, e.Reason, e.Priority, e.After, string(e.Options), e.Program, now.UnixMilli()).Scan(&id)
		if err != nil {
			return err
		}
		entry, err = entryOf(tx, id)
		return err
	})
	if err == nil {
		*e = *entry
	}
	return err
}

// checkAfter refuses to let an entry come after one that will never end.
func checkAfter(tx *sql.Tx, id int64) error {
	if id == 0 {
		return nil
	}
	e, err := entryOf(tx, id)
	if err == nil && e.State == EntryRemoved {
		err = entryStateError(fmt.Sprintf("entry %d of the queue was removed; nothing can come after it", id))
	}
	return err
}

const entryColumns = `q.key, q.study, s.name, s.sets, q.state, q.priority, ifnull(q.after, 0), q.options, q.program, q.reason,
	q.added, q.started, q.ended, q.total, ifnull(q.done,
		(SELECT count(*) FROM runs WHERE outcome IS NOT NULL AND key IN (SELECT run FROM study_slots WHERE study = q.study)))`

func entries(q querier, where string, args ...any) ([]Entry, error) {
	return collect(q, `SELECT `+entryColumns+` FROM queue AS q JOIN studies AS s ON s.key = q.study `+where,
		func(row *sql.Rows, e *Entry) error {
			var sets []byte
			err := row.Scan(&e.ID, &e.Study, &e.Name, &sets, &e.State, &e.Priority, &e.After, &e.Options, &e.Program, &e.Reason,
				scanTime{&e.Added}, scanTime{&e.Started}, scanTime{&e.Ended}, &e.Total, &e.Done)
			if err != nil {
				return err
			}
			e.Sets, err = parseSets(sets)
			return err
		}, args...)
}

func entryOf(q querier, id int64) (*Entry, error) {
	found, err := entries(q, `WHERE q.key = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, notFound(fmt.Sprintf("the queue has no entry %d", id))
	}
	return &found[0], nil
}

// Queue returns the entries that were not removed: first those that have not
// ended, in the order in which they will be executed if nothing holds them up,
// then the others, the last to end last.
func (s *Store) Queue() ([]Entry, error) {
	open, err := entries(s.db, `WHERE q.ended IS NULL ORDER BY q.state != 'running', q.priority DESC, q.position, q.key`)
	if err != nil {
		return nil, s.explain(err)
	}
	ended, err := entries(s.db, `WHERE q.ended IS NOT NULL AND q.state != 'removed' ORDER BY q.ended, q.key`)
	return append(inTurn(open), ended...), s.explain(err)
}

// NextEntry returns the entry of the queue that is to be executed next, but for
// those to be passed over; nil if there is none. One that is running comes first.
func (s *Store) NextEntry(passed []int64) (*Entry, error) {
	list, err := json.Marshal(append([]int64{}, passed...))
	if err != nil {
		return nil, err
	}
	found, err := entries(s.db, `WHERE q.key = (SELECT key FROM queue AS n
		WHERE state IN ('running', 'waiting') AND key NOT IN (SELECT value FROM json_each(?))
		AND NOT EXISTS (SELECT * FROM queue AS a WHERE a.key = n.after AND a.ended IS NULL)
		ORDER BY state != 'running', priority DESC, position, key LIMIT 1)`, string(list))
	if err != nil || len(found) == 0 {
		return nil, s.explain(err)
	}
	return &found[0], nil
}

// inTurn puts open entries, sorted by urgency, into the order in which they
// can be executed: none before the one that it comes after.
func inTurn(open []Entry) []Entry {
	left := make(map[int64]bool, len(open))
	for _, e := range open {
		left[e.ID] = true
	}
	turn := make([]Entry, 0, len(open))
	for len(open) > 0 {
		// There always is one: an entry comes after an older one.
		next := slices.IndexFunc(open, func(e Entry) bool { return !left[e.After] })
		delete(left, open[next].ID)
		turn = append(turn, open[next])
		open = slices.Delete(open, next, next+1)
	}
	return turn
}

// Entry returns an entry of the queue, a removed one too.
func (s *Store) Entry(id int64) (*Entry, error) {
	e, err := entryOf(s.db, id)
	return e, s.explain(err)
}

// MoveEntry puts an entry right before another, whose priority it takes, or at
// the end of its own priority if before is 0. Both have to be waiting or held.
func (s *Store) MoveEntry(id, before int64) error {
	return s.write(func(tx *sql.Tx) error {
		e, err := movable(tx, id)
		if err != nil || before == id {
			return err
		}
		if before == 0 {
			_, err := tx.Exec(`UPDATE queue SET position = (SELECT max(position) + 1 FROM queue) WHERE key = ?`, id)
			return err
		}
		if _, err := movable(tx, before); err != nil {
			return err
		}
		if err := checkMove(tx, e, before); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE queue SET position = position + 1 WHERE position >= (SELECT position FROM queue WHERE key = ?)`, before)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE queue SET (priority, position) = (SELECT priority, position - 1 FROM queue WHERE key = ?2) WHERE key = ?1`,
			id, before)
		return err
	})
}

func movable(tx *sql.Tx, id int64) (*Entry, error) {
	e, err := entryOf(tx, id)
	if err == nil && e.State != EntryWaiting && e.State != EntryHeld {
		err = entryStateError(fmt.Sprintf("entry %d of the queue is %s; only entries that wait have a place in it", id, e.State))
	}
	return e, err
}

// checkMove refuses to put an entry before one that it comes after.
func checkMove(tx *sql.Tx, e *Entry, before int64) error {
	for at := e.After; at != 0; {
		if at == before {
			return fmt.Errorf("entry %d of the queue comes after entry %d, so it cannot be moved before it", e.ID, before)
		}
		earlier, err := entryOf(tx, at)
		if err != nil {
			return err
		}
		at = earlier.After
	}
	return nil
}

// SetEntry brings an entry into a state, says why, and notes the time: of its
// start or end. One that begins to run makes its study the one that was started
// last. If from is given, the entry has to be in one of these states, else the
// error is ErrEntryState: what somebody else has done meanwhile stays.
func (s *Store) SetEntry(id int64, state EntryState, reason string, from ...EntryState) error {
	if !slices.Contains(entryStates, state) {
		return fmt.Errorf("entry %d of the queue cannot be %q: there is no such state", id, state)
	}
	return s.write(func(tx *sql.Tx) error {
		e, err := entryOf(tx, id)
		if err != nil {
			return err
		}
		if len(from) > 0 && !slices.Contains(from, e.State) {
			return entryStateError(fmt.Sprintf("entry %d of the queue is %s, not %s", id, e.State, joinStates(from)))
		}
		now := s.now().UnixMilli()
		_, err = tx.Exec(`UPDATE queue SET state = ?2, reason = ?3, started = iif(?2 = 'running', ?4, started),
			ended = iif(?5, ?4, NULL), done = iif(?5, ?6, NULL) WHERE key = ?1`, id, state, reason, now, state.Ended(), e.Done)
		if err != nil || state != EntryRunning {
			return err
		}
		_, err = tx.Exec(`UPDATE studies SET started = ?2, turn = (SELECT max(turn) + 1 FROM studies) WHERE key = ?1`, e.Study, now)
		return err
	})
}

func joinStates(states []EntryState) string {
	words := make([]string, len(states))
	for i, s := range states {
		words[i] = string(s)
	}
	return strings.Join(words, " or ")
}
