package results

import (
	"database/sql"
	"encoding/json"
)

// Siblings finds, for each of runs, which need not be in the store, the runs of
// the store that have a result and the same seed, dataset and trainer, and whose
// configuration differs from its own in the value of key alone, a key outside
// any table. They come with their configurations, by the ID of the run that they
// are siblings of, in the order of their own.
func (s *Store) Siblings(runs []Run, key string) (map[string][]Run, error) {
	type like struct {
		ID      string          `json:"id"`
		Seed    int             `json:"seed"`
		Dataset string          `json:"dataset"`
		Trainer string          `json:"trainer"`
		Config  json.RawMessage `json:"config"`
	}
	wanted := make([]like, len(runs))
	for i, r := range runs {
		wanted[i] = like{r.ID, r.Seed, r.Dataset, r.Trainer, r.Config}
	}
	list, err := json.Marshal(wanted)
	if err != nil {
		return nil, err
	}
	type pair struct {
		of      string
		sibling Run
	}
	pairs, err := collect(s.db, `WITH
		wanted AS MATERIALIZED (SELECT value ->> 'id' AS of, value ->> 'seed' AS seed, value ->> 'dataset' AS dataset,
			value ->> 'trainer' AS trainer, json_remove(value -> 'config', ?2) AS rest FROM json_each(?1)),
		known AS MATERIALIZED (SELECT runs.*, config, json_remove(config, ?2) AS rest FROM runs JOIN run_configs ON run = key
			WHERE outcome IN ('completed', 'collapsed', 'never_separated', 'diverged'))
		SELECT of, config, known.id, cell, known.seed, known.dataset, known.trainer, outcome, reason, attempts, running,
			step, steps, images_per_second, seconds, phase, active
		FROM wanted JOIN known USING (rest, seed, dataset, trainer) WHERE known.id != of ORDER BY of, known.id`,
		func(row *sql.Rows, p *pair) error {
			r := &p.sibling
			return row.Scan(&p.of, &r.Config, &r.ID, &r.Cell, &r.Seed, &r.Dataset, &r.Trainer, &r.Outcome, &r.Reason, &r.Attempts, &r.Running,
				&r.Step, &r.Steps, &r.ImagesPerSecond, &r.Seconds, &r.Phase, scanTime{&r.Active})
		}, string(list), `$."`+key+`"`)
	siblings := make(map[string][]Run)
	for _, p := range pairs {
		siblings[p.of] = append(siblings[p.of], p.sibling)
	}
	return siblings, s.explain(err)
}

// Extend gives the run longer the points that the run shorter, which has ended,
// reported before its last step, where longer has none. It is for a run that
// goes on from the state of a shorter one, and to be called before an attempt
// that may do so: when the attempt begins, wherever it does, the points from
// there on are its own to report, as ever (Ingest). Repeating it changes
// nothing, and a run with an outcome stays as it is.
func (s *Store) Extend(longer, shorter string) error {
	return s.write(func(tx *sql.Tx) error {
		to, err := runKey(tx, longer)
		if err != nil {
			return err
		}
		from, err := runKey(tx, shorter)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT OR IGNORE INTO metrics (run, name, step, value)
			SELECT ?1, name, p.step, value FROM metrics AS p
			WHERE run = ?2 AND p.step < (SELECT step FROM runs WHERE key = ?2) AND (SELECT outcome FROM runs WHERE key = ?1) IS NULL
			ORDER BY name, p.step`, to, from)
		return err
	})
}
