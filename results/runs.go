package results

import (
	"database/sql"
	"errors"
	"fmt"
	"time"
)

const runColumns = `id, cell, seed, dataset, trainer, ifnull(outcome, ''), reason, attempts, running,
	step, steps, images_per_second, seconds, phase, active`

func scanRun(row *sql.Rows, r *Run) error {
	return row.Scan(&r.ID, &r.Cell, &r.Seed, &r.Dataset, &r.Trainer, &r.Outcome, &r.Reason, &r.Attempts, &r.Running,
		&r.Step, &r.Steps, &r.ImagesPerSecond, &r.Seconds, &r.Phase, scanTime{&r.Active})
}

// Run returns the run whose ID is or begins with idPrefix. The error is
// ErrNotFound if there is none; if there are several, it lists them.
func (s *Store) Run(idPrefix string) (*Run, error) {
	if idPrefix == "" {
		return nil, errors.New("a run is named by its id or the first letters of it")
	}
	runs, err := collect(s.db, `SELECT `+runColumns+` FROM runs WHERE id BETWEEN ?1 AND ?1 || char(0x10FFFF) ORDER BY id`, scanRun, idPrefix)
	switch {
	case err != nil:
		return nil, s.explain(err)
	case len(runs) == 0:
		return nil, notFound(fmt.Sprintf("the store %s has no run %q; the status of a study lists its runs", s.dir, idPrefix))
	case len(runs) == 1 || runs[0].ID == idPrefix:
		err := s.db.QueryRow(`SELECT config FROM run_configs JOIN runs ON runs.key = run WHERE id = ?`, runs[0].ID).Scan(&runs[0].Config)
		return &runs[0], s.explain(err)
	}
	ids := make([]string, len(runs))
	for i, r := range runs {
		ids[i] = r.ID
	}
	return nil, fmt.Errorf("several runs begin with %q: %s; write more of the id", idPrefix, list(ids, ", "))
}

// RunsFrom returns the newest runs whose ID begins with idPrefix, which may be
// empty, n at most, without their configurations.
func (s *Store) RunsFrom(idPrefix string, n int) ([]Run, error) {
	runs, err := collect(s.db, `SELECT `+runColumns+` FROM runs WHERE id BETWEEN ?1 AND ?1 || char(0x10FFFF) ORDER BY key DESC LIMIT ?2`,
		scanRun, idPrefix, n)
	return runs, s.explain(err)
}

// Runs returns the runs of study by their ID, without their configurations,
// which Run returns. It reads no metrics, so that it is quick however many
// there are.
func (s *Store) Runs(study *Study) (map[string]Run, error) {
	byID := make(map[string]Run)
	_, err := collect(s.db, `SELECT `+runColumns+` FROM runs WHERE key IN (SELECT run FROM study_slots WHERE study = ?)`,
		func(row *sql.Rows, _ *struct{}) error {
			var r Run
			err := scanRun(row, &r)
			byID[r.ID] = r
			return err
		}, study.ID)
	return byID, s.explain(err)
}

// Configs returns the configurations of the runs of study by their ID.
func (s *Store) Configs(study *Study) (map[string][]byte, error) {
	type config struct {
		id   string
		text []byte
	}
	configs, err := collect(s.db, `SELECT id, config FROM run_configs JOIN runs ON runs.key = run
		WHERE run IN (SELECT run FROM study_slots WHERE study = ?)`,
		func(row *sql.Rows, c *config) error { return row.Scan(&c.id, &c.text) }, study.ID)
	byID := make(map[string][]byte, len(configs))
	for _, c := range configs {
		byID[c.id] = c.text
	}
	return byID, s.explain(err)
}

// Running returns the runs that are at work, for all the store knows, without
// their configurations.
func (s *Store) Running() ([]Run, error) {
	runs, err := collect(s.db, `SELECT `+runColumns+` FROM runs WHERE running`, scanRun)
	return runs, s.explain(err)
}

// Attempts returns the attempts at a run, the oldest first.
func (s *Store) Attempts(runID string) ([]Attempt, error) {
	key, err := runKey(s.db, runID)
	if err != nil {
		return nil, s.explain(err)
	}
	attempts, err := collect(s.db, `SELECT `+attemptColumns+` FROM attempts WHERE run = ? ORDER BY number`, scanAttempt, key)
	return attempts, s.explain(err)
}

// AttemptsOf returns the attempts at all runs of study by the run's ID, the
// oldest first.
func (s *Store) AttemptsOf(study *Study) (map[string][]Attempt, error) {
	byID := make(map[string][]Attempt)
	_, err := collect(s.db, `SELECT `+attemptColumns+`, id FROM runs JOIN attempts ON run = key
		WHERE key IN (SELECT run FROM study_slots WHERE study = ?) ORDER BY run, number`,
		func(row *sql.Rows, _ *struct{}) error {
			var a Attempt
			var id string
			err := row.Scan(append(a.columns(), &id)...)
			byID[id] = append(byID[id], a)
			return err
		}, study.ID)
	return byID, s.explain(err)
}

const attemptColumns = `number, state, ifnull(attempts.outcome, ''), attempts.reason, started, attempts.active, ended,
	ifnull(resume_step, 0), ifnull(version, ''), ifnull(kernels, ''), ifnull(cpu, ''), ifnull(host, ''), ifnull(pid, 0),
	offset, next_seq, ifnull(damage, '')`

func scanAttempt(row *sql.Rows, a *Attempt) error { return row.Scan(a.columns()...) }

// columns are where attemptColumns go.
func (a *Attempt) columns() []any {
	return []any{&a.Number, &a.State, &a.Outcome, &a.Reason, scanTime{&a.Started}, scanTime{&a.Active}, scanTime{&a.Ended},
		&a.ResumeStep, &a.Version, &a.Kernels, &a.CPU, &a.Host, &a.PID, &a.Offset, &a.NextSeq, &a.Damage}
}

// Events returns what all attempts at a run had to tell, in the order in which
// it was read.
func (s *Store) Events(runID string) ([]Event, error) { return s.EventsAfter(runID, 0) }

// EventsAfter is Events for those that were read after the one with this key.
// It takes as long as there are such events.
func (s *Store) EventsAfter(runID string, key int64) ([]Event, error) {
	run, err := runKey(s.db, runID)
	if err != nil {
		return nil, s.explain(err)
	}
	events, err := collect(s.db, `SELECT key, attempt, time, text FROM events WHERE run = ? AND key > ? ORDER BY key`,
		func(row *sql.Rows, e *Event) error { return row.Scan(&e.Key, &e.Attempt, scanTime{&e.Time}, &e.Text) }, run, key)
	return events, s.explain(err)
}

// runKey returns the key of a run.
func runKey(q querier, runID string) (int64, error) {
	keys, err := collect(q, `SELECT key FROM runs WHERE id = ?`, scanOne[int64], runID)
	if err == nil && len(keys) == 0 {
		return 0, notFound(fmt.Sprintf("the store has no run %q", runID))
	}
	if err != nil {
		return 0, err
	}
	return keys[0], nil
}

// BeginAttempt records that attempt n at a run was claimed. If it is the
// newest, it fences those before it, and the run is running and has no outcome
// any more. An attempt that the store knows stays as it is.
func (s *Store) BeginAttempt(runID string, n int) error {
	return s.write(func(tx *sql.Tx) error {
		key, err := runKey(tx, runID)
		if err != nil {
			return err
		}
		return beginAttempt(tx, key, n, s.now())
	})
}

func beginAttempt(tx *sql.Tx, run int64, n int, now time.Time) error {
	added, err := changed(tx.Exec(`INSERT INTO attempts (run, number, state, started, ended)
		SELECT key, ?2, iif(attempts < ?2, 'running', 'fenced'), ?3, iif(attempts < ?2, NULL, ?3) FROM runs WHERE key = ?1
		ON CONFLICT DO NOTHING`, run, n, now.UnixMilli()))
	if err != nil || !added {
		return err
	}
	newest, err := changed(tx.Exec(`UPDATE runs SET attempts = ?2, running = 1, outcome = NULL, reason = '', images_per_second = 0, phase = ''
		WHERE key = ?1 AND attempts < ?2`, run, n))
	if err != nil || !newest {
		return err
	}
	_, err = tx.Exec(`UPDATE attempts SET state = 'fenced', ended = ?3 WHERE run = ?1 AND number < ?2 AND state = 'running'`,
		run, n, now.UnixMilli())
	return err
}

// EndAttempt records how attempt n at a run ended and why; the outcome "" is
// an interruption, after which the run stays open. An attempt ends once: what
// its journal said before holds, and an attempt that a newer one has fenced
// says nothing of the run. Only an interrupted attempt may get an outcome
// later.
func (s *Store) EndAttempt(runID string, n int, o Outcome, reason string) error {
	if o != "" && !o.known() {
		return fmt.Errorf("run %s cannot end as %q: there is no such outcome", runID, o)
	}
	return s.writeAttempt(runID, n, func(tx *sql.Tx, run int64) error {
		return endAttempt(tx, run, n, o, reason, s.now())
	})
}

// RetryAttempt records that attempt n at a run has failed and why, but leaves
// the run open for the next attempt, if n is the newest. As with EndAttempt, an
// attempt ends once.
func (s *Store) RetryAttempt(runID string, n int, reason string) error {
	return s.writeAttempt(runID, n, func(tx *sql.Tx, run int64) error {
		if err := endAttempt(tx, run, n, Failed, reason, s.now()); err != nil {
			return err
		}
		_, err := tx.Exec(`UPDATE runs SET outcome = NULL, reason = '' WHERE key = ?1 AND attempts = ?2 AND outcome = 'failed'`, run, n)
		return err
	})
}

// writeAttempt is write for attempt n at a run, which must exist.
func (s *Store) writeAttempt(runID string, n int, f func(tx *sql.Tx, run int64) error) error {
	return s.write(func(tx *sql.Tx) error {
		run, err := runKey(tx, runID)
		if err != nil {
			return err
		}
		var exists bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT * FROM attempts WHERE run = ? AND number = ?)`, run, n).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			return noAttempt(runID, n)
		}
		return f(tx, run)
	})
}

func endAttempt(tx *sql.Tx, run int64, n int, o Outcome, reason string, now time.Time) error {
	state := Ended
	if o == "" {
		state = Interrupted
	}
	ended, err := changed(tx.Exec(`UPDATE attempts SET state = ?3, outcome = nullif(?4, ''), reason = ?5, ended = ?6
		WHERE run = ?1 AND number = ?2 AND state IN ('running', 'interrupted') AND number = (SELECT attempts FROM runs WHERE key = ?1)`, run, n, state, o, reason, now.UnixMilli()))
	if err != nil || !ended {
		return err
	}
	_, err = tx.Exec(`UPDATE runs SET running = 0, outcome = nullif(?2, ''), reason = iif(?2 = '', '', ?3), images_per_second = 0, phase = ''
		WHERE key = ?1`, run, o, reason)
	return err
}

func noAttempt(runID string, n int) error {
	return notFound(fmt.Sprintf("the store has no attempt %d of run %s; it has to begin first", n, runID))
}

// changed reports whether a statement changed anything.
func changed(r sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}

// RunIDs returns the IDs of all runs of the store, each with whether some study
// has it.
func (s *Store) RunIDs() (map[string]bool, error) {
	type run struct {
		id      string
		studied bool
	}
	runs, err := collect(s.db, `SELECT id, key IN (SELECT run FROM study_slots) FROM runs`,
		func(row *sql.Rows, r *run) error { return row.Scan(&r.id, &r.studied) })
	ids := make(map[string]bool, len(runs))
	for _, r := range runs {
		ids[r.id] = r.studied
	}
	return ids, s.explain(err)
}

// Trainers returns the trainers of all runs that some study has.
func (s *Store) Trainers() ([]string, error) {
	names, err := collect(s.db, `SELECT DISTINCT trainer FROM runs WHERE key IN (SELECT run FROM study_slots) ORDER BY trainer`, scanOne[string])
	return names, s.explain(err)
}
