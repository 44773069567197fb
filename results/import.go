package results

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"
)

// Import merges another store into this one, step by step: first Studies, then
// TakeRun for the runs that are worth it. Every step is a transaction of its
// own, and doing one again changes nothing, so that an import which was stopped
// can be repeated.
type Import struct {
	s    *Store
	conn *sql.Conn // on which the other store is attached as "other"
}

// Import prepares to merge from into the store. Nobody may write to either
// meanwhile. The caller closes the Import.
func (s *Store) Import(from *Store) (*Import, error) {
	conn, err := s.db.Conn(context.Background())
	if err != nil {
		return nil, s.explain(err)
	}
	if _, err := conn.ExecContext(context.Background(), `ATTACH ? AS other`, from.uri); err != nil {
		conn.Close()
		return nil, from.explain(err)
	}
	return &Import{s, conn}, nil
}

// Close ends the import.
func (i *Import) Close() error {
	_, err := i.conn.ExecContext(context.Background(), `DETACH other`)
	if err != nil {
		i.conn.Close()
		return i.s.explain(err)
	}
	return i.conn.Close()
}

func (i *Import) write(f func(tx *sql.Tx) error) error {
	return i.s.writeOn(func() (*sql.Tx, error) { return i.conn.BeginTx(context.Background(), nil) }, f)
}

// Query is for collect.
func (i *Import) Query(query string, args ...any) (*sql.Rows, error) {
	return i.conn.QueryContext(context.Background(), query, args...)
}

// ImportRun is a run of the other store, as it is there and here.
type ImportRun struct {
	ID, Cell string
	Seed     int
	Trainer  string
	Wanted   bool // it is part of a study of this store that is not only there by an import
	Theirs   ImportSide
	Ours     ImportSide
}

// ImportSide is what one of two stores has of a run.
type ImportSide struct {
	Outcome  Outcome
	Reason   string
	Attempts int
	Step     int64  // progress of the newest attempt
	Kernels  string // of that one, "" if not known
}

// Studies adds the studies of the other store that are not in this one, and all
// its runs, as ones that were never attempted. The studies count as older than
// those that are here already. It returns how many studies were added.
func (i *Import) Studies() (added int, err error) {
	err = i.write(func(tx *sql.Tx) error {
		for _, stmt := range []string{
			`INSERT OR IGNORE INTO main.runs (id, cell, seed, dataset, trainer) SELECT id, cell, seed, dataset, trainer FROM other.runs ORDER BY key`,
			`INSERT OR IGNORE INTO main.run_configs (run, config)
				SELECT ours.key, c.config FROM other.run_configs AS c
				JOIN other.runs AS theirs ON theirs.key = c.run JOIN main.runs AS ours ON ours.id = theirs.id`,
		} {
			if _, err := tx.Exec(stmt); err != nil {
				return err
			}
		}
		missing, err := collect(tx, `SELECT key FROM other.studies WHERE hash NOT IN (SELECT hash FROM main.studies) ORDER BY turn DESC`, scanOne[int64])
		if err != nil {
			return err
		}
		for _, theirs := range missing {
			if err := addStudy(tx, theirs); err != nil {
				return err
			}
		}
		added = len(missing)
		return nil
	})
	return added, err
}

// addStudy copies a study, whose runs are there. It becomes the oldest: its turn
// is below 1, where those of studies that were started here begin.
func addStudy(tx *sql.Tx, theirs int64) error {
	var ours int64
	err := tx.QueryRow(`INSERT INTO main.studies (name, text, sets, hash, created, started, turn)
		SELECT name, text, sets, hash, created, started, (SELECT min(ifnull(min(turn), 1), 1) - 1 FROM main.studies)
		FROM other.studies WHERE key = ? RETURNING key`, theirs).Scan(&ours)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO main.study_cells (study, cell, name) SELECT ?, cell, name FROM other.study_cells WHERE study = ?`, ours, theirs)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO main.study_slots (study, cell, seed, run)
		SELECT ?, slot.cell, slot.seed, ours.key FROM other.study_slots AS slot
		JOIN other.runs AS theirs ON theirs.key = slot.run JOIN main.runs AS ours ON ours.id = theirs.id WHERE slot.study = ?`, ours, theirs)
	return err
}

// Runs lists the runs of the other store, which are all in this one too after
// Studies.
func (i *Import) Runs() ([]ImportRun, error) {
	const newest = `ifnull((SELECT kernels FROM %[1]s.attempts WHERE run = %[2]s.key AND number = %[2]s.attempts), '')`
	runs, err := collect(i, `SELECT t.id, t.cell, t.seed, t.trainer, ifnull(t.outcome, ''), t.reason, t.attempts, t.step, `+fmt.Sprintf(newest, "other", "t")+`,
		ifnull(o.outcome, ''), o.reason, o.attempts, o.step, `+fmt.Sprintf(newest, "main", "o")+`,
		EXISTS (SELECT 1 FROM main.study_slots AS slot JOIN main.studies AS s ON s.key = slot.study WHERE slot.run = o.key AND s.turn > 0)
		FROM other.runs AS t JOIN main.runs AS o ON o.id = t.id ORDER BY t.key`,
		func(row *sql.Rows, r *ImportRun) error {
			t, o := &r.Theirs, &r.Ours
			return row.Scan(&r.ID, &r.Cell, &r.Seed, &r.Trainer, &t.Outcome, &t.Reason, &t.Attempts, &t.Step, &t.Kernels,
				&o.Outcome, &o.Reason, &o.Attempts, &o.Step, &o.Kernels, &r.Wanted)
		})
	return runs, i.s.explain(err)
}

// Differing returns the names of the metrics of a run that are not the same, bit
// for bit, in both stores.
func (i *Import) Differing(id string) ([]string, error) {
	const points = `SELECT n.name, m.step, m.value FROM %[1]s.metrics AS m JOIN %[1]s.metric_names AS n ON n.key = m.name
		WHERE m.run = (SELECT key FROM %[1]s.runs WHERE id = ?1)`
	ours, theirs := fmt.Sprintf(points, "main"), fmt.Sprintf(points, "other")
	names, err := collect(i, `SELECT name FROM (SELECT * FROM (`+ours+` EXCEPT `+theirs+`) UNION ALL SELECT * FROM (`+theirs+` EXCEPT `+ours+`))
		GROUP BY name ORDER BY name`, scanOne[string], id)
	return names, i.s.explain(err)
}

// TakeRun makes a run what it is in the other store: its outcome, figures,
// attempts and events. Its attempts follow our first ones, as many as shift
// says, which are fenced and whose figures go; those behind are replaced.
func (i *Import) TakeRun(id string, shift int) error {
	return i.write(func(tx *sql.Tx) error {
		ours, err := runKey(tx, id)
		if err != nil {
			return err
		}
		var theirs int64
		if err := tx.QueryRow(`SELECT key FROM other.runs WHERE id = ?`, id).Scan(&theirs); err != nil {
			return err
		}
		if err := fence(tx, ours, shift, i.s.now()); err != nil {
			return err
		}
		for _, stmt := range takeRun {
			_, err := tx.Exec(stmt, sql.Named("ours", ours), sql.Named("theirs", theirs), sql.Named("shift", shift))
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// fence makes our attempts up to shift ones that a newer one has fenced, those
// too that nobody has read yet.
func fence(tx *sql.Tx, run int64, shift int, now time.Time) error {
	if _, err := tx.Exec(`UPDATE main.attempts SET state = 'fenced', ended = ?3 WHERE run = ?1 AND number <= ?2 AND state = 'running'`,
		run, shift, now.UnixMilli()); err != nil {
		return err
	}
	numbers, err := collect(tx, `SELECT number FROM main.attempts WHERE run = ?`, scanOne[int], run)
	if err != nil {
		return err
	}
	for n := 1; n <= shift; n++ {
		if slices.Contains(numbers, n) {
			continue
		}
		if _, err := tx.Exec(`INSERT INTO main.attempts (run, number, state, started, ended) VALUES (?1, ?2, 'fenced', ?3, ?3)`,
			run, n, now.UnixMilli()); err != nil {
			return err
		}
	}
	return nil
}

const (
	attemptCopied = `state, outcome, reason, started, active, ended, resume_step, version, kernels, cpu, host, pid, offset, next_seq, damage`
	runCopied     = `running, outcome, reason, step, steps, images_per_second, phase, active`
)

// takeRun are the statements of TakeRun.
var takeRun = []string{
	`DELETE FROM main.events WHERE run = :ours AND attempt > :shift`,
	`DELETE FROM main.attempts WHERE run = :ours AND number > :shift`,
	`DELETE FROM main.metrics WHERE run = :ours`,
	`INSERT INTO main.attempts (run, number, ` + attemptCopied + `)
		SELECT :ours, number + :shift, ` + attemptCopied + ` FROM other.attempts WHERE run = :theirs`,
	`INSERT INTO main.events (run, attempt, time, text)
		SELECT :ours, attempt + :shift, time, text FROM other.events WHERE run = :theirs ORDER BY key`,
	`INSERT OR IGNORE INTO main.metric_names (name) SELECT name FROM other.metric_names ORDER BY key`,
	`INSERT INTO main.metrics (run, name, step, value)
		SELECT :ours, ours.key, m.step, m.value FROM other.metrics AS m
		JOIN other.metric_names AS theirs ON theirs.key = m.name JOIN main.metric_names AS ours ON ours.name = theirs.name
		WHERE m.run = :theirs ORDER BY ours.key, m.step`,
	`UPDATE main.runs SET (` + runCopied + `, attempts) =
		(SELECT ` + runCopied + `, attempts + :shift FROM other.runs WHERE key = :theirs) WHERE key = :ours`,
	`UPDATE main.runs SET seconds = (SELECT ifnull(sum(max(active - started, 0)), 0) / 1000.0 FROM main.attempts WHERE run = :ours)
		WHERE key = :ours`,
}
