package results

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
)

// ErrHasResult is wrapped by CancelRun's error for a run that has a result.
var ErrHasResult = errors.New("it has a result already")

// Reopen takes from the runs of study that ended in one of outcomes this
// outcome, so that they can be attempted again, and returns how many these
// are. Their attempts keep theirs.
func (s *Store) Reopen(study *Study, outcomes ...Outcome) (n int, err error) {
	err = s.write(func(tx *sql.Tx) error {
		n, err = reopen(tx, study, outcomes...)
		return err
	})
	return n, err
}

func reopen(tx *sql.Tx, study *Study, outcomes ...Outcome) (n int, err error) {
	list, err := json.Marshal(append([]Outcome{}, outcomes...))
	if err != nil {
		return 0, err
	}
	r, err := tx.Exec(`UPDATE runs SET outcome = NULL, reason = ''
		WHERE outcome IN (SELECT value FROM json_each(?)) AND key IN (SELECT run FROM study_slots WHERE study = ?)`, string(list), study.ID)
	if err != nil {
		return 0, err
	}
	opened, err := r.RowsAffected()
	return int(opened), err
}

// Restart takes from these runs their outcome, whatever it is, and their
// progress, so that they can be attempted again from their first step. Their
// attempts keep theirs.
func (s *Store) Restart(ids []string) error {
	list, err := json.Marshal(append([]string{}, ids...))
	if err != nil {
		return err
	}
	return s.write(func(tx *sql.Tx) error {
		_, err := tx.Exec(`UPDATE runs SET outcome = NULL, reason = '', step = 0, steps = 0 WHERE id IN (SELECT value FROM json_each(?))`, string(list))
		return err
	})
}

// CancelRun records that a run is not to be done, and why. Its newest attempt
// ends as cancelled, if it has one that has not ended. Of a run that has a
// result the error wraps ErrHasResult, and nothing changes.
func (s *Store) CancelRun(id, reason string) error {
	return s.write(func(tx *sql.Tx) error {
		found, err := collect(tx, `SELECT `+runColumns+` FROM runs WHERE id = ?`, scanRun, id)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return notFound(fmt.Sprintf("the store has no run %q", id))
		}
		r := found[0]
		if r.Outcome.IsResult() {
			return fmt.Errorf("run %s cannot be cancelled: %w, %s", id, ErrHasResult, r.Outcome)
		}
		key, err := runKey(tx, id)
		if err != nil {
			return err
		}
		if err := endAttempt(tx, key, r.Attempts, Cancelled, reason, s.now()); err != nil {
			return err
		}
		_, err = tx.Exec(`UPDATE runs SET running = 0, outcome = 'cancelled', reason = ?2, images_per_second = 0, phase = '' WHERE key = ?1`,
			key, reason)
		return err
	})
}
