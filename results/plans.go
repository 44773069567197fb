package results

import (
	"database/sql"
	"encoding/json"
)

// RunsByID returns those of the runs with these IDs that the store has, without
// their configurations.
func (s *Store) RunsByID(ids []string) (map[string]Run, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	byID := map[string]Run{}
	_, err = collect(s.db, `SELECT `+runColumns+` FROM runs WHERE id IN (SELECT value FROM json_each(?))`,
		func(row *sql.Rows, _ *struct{}) error {
			var r Run
			err := scanRun(row, &r)
			byID[r.ID] = r
			return err
		}, string(list))
	return byID, s.explain(err)
}

// ConfigsByID returns the configurations of those of the runs with these IDs
// that the store has.
func (s *Store) ConfigsByID(ids []string) (map[string][]byte, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	byID := map[string][]byte{}
	_, err = collect(s.db, `SELECT id, config FROM runs JOIN run_configs ON run = key WHERE id IN (SELECT value FROM json_each(?))`,
		func(row *sql.Rows, _ *struct{}) error {
			var id string
			var text []byte
			err := row.Scan(&id, &text)
			byID[id] = text
			return err
		}, string(list))
	return byID, s.explain(err)
}

// Place is where a run stands in studies of some name.
type Place struct {
	Cell string // name
	Seed int
}

// Earlier is a run that stood in a place when a study was started.
type Earlier struct {
	ID, Dataset, Trainer string
	Study                string // name
	StudyID, Cell        int64  // of the study, and of the place in it: its runs there differ in their seeds alone
}

// Earlier returns, for each place of studies called name, the run that was
// attempted there and stands in the one started last; where there is no such
// study, of any study.
func (s *Store) Earlier(name string) (map[Place]*Earlier, error) {
	places := map[Place]*Earlier{}
	// With max, SQLite takes the other columns from the row that has it.
	_, err := collect(s.db, `SELECT c.name, p.seed, r.id, r.dataset, r.trainer, s.name, s.key, p.cell, max((s.name = ?1) * 1000000000000 + s.turn)
		FROM studies AS s JOIN study_cells AS c ON c.study = s.key JOIN study_slots AS p ON p.study = s.key AND p.cell = c.cell
		JOIN runs AS r ON r.key = p.run WHERE r.attempts > 0 GROUP BY c.name, p.seed`,
		func(row *sql.Rows, _ *struct{}) error {
			var p Place
			var e Earlier
			var order int64
			err := row.Scan(&p.Cell, &p.Seed, &e.ID, &e.Dataset, &e.Trainer, &e.Study, &e.StudyID, &e.Cell, &order)
			places[p] = &e
			return err
		}, name)
	return places, s.explain(err)
}

// DoneBy counts, of the runs with these IDs that have a result, those that
// another study than the ones called name was the first to have, by its name.
func (s *Store) DoneBy(ids []string, name string) (map[string]int, error) {
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	by := map[string]int{}
	_, err = collect(s.db, `WITH first AS MATERIALIZED (SELECT run, min(study) AS study FROM study_slots GROUP BY run)
		SELECT s.name, count(*) FROM runs AS r JOIN first AS f ON f.run = r.key JOIN studies AS s ON s.key = f.study
		WHERE s.name != ?2 AND r.outcome IN ('completed', 'collapsed', 'never_separated', 'diverged')
		AND r.id IN (SELECT value FROM json_each(?1)) GROUP BY s.name`,
		func(row *sql.Rows, _ *struct{}) error {
			var study string
			var n int
			err := row.Scan(&study, &n)
			by[study] = n
			return err
		}, string(list), name)
	return by, s.explain(err)
}

// Duration is how long a run took, all its attempts together, of which the
// first began at its first step.
type Duration struct {
	Config       []byte
	Seconds      float64
	Step, Steps  int64  // the one that it ended at, and its last one
	Kernels, CPU string // of its last attempt
}

// Durations returns the durations of the n newest runs that have a result,
// newest first: of those with a trainer that begins with trainer, "" for all,
// and not with without, unless that is "".
func (s *Store) Durations(trainer, without string, n int) ([]Duration, error) {
	durations, err := collect(s.db, `SELECT c.config, r.seconds, r.step, r.steps, ifnull(a.kernels, ''), ifnull(a.cpu, '')
		FROM runs AS r JOIN run_configs AS c ON c.run = r.key JOIN attempts AS a ON a.run = r.key AND a.number = r.attempts
		WHERE r.outcome IN ('completed', 'collapsed', 'never_separated', 'diverged') AND r.seconds > 0
		AND substr(r.trainer, 1, length(?1)) = ?1 AND NOT (?2 != '' AND substr(r.trainer, 1, length(?2)) = ?2)
		AND NOT EXISTS (SELECT * FROM attempts AS f WHERE f.run = r.key AND f.number = 1 AND f.resume_step > 0)
		ORDER BY r.key DESC LIMIT ?3`,
		func(row *sql.Rows, d *Duration) error {
			return row.Scan(&d.Config, &d.Seconds, &d.Step, &d.Steps, &d.Kernels, &d.CPU)
		}, trainer, without, n)
	return durations, s.explain(err)
}
