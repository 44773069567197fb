package results

import (
	"context"
	"database/sql"
	"encoding/json"
)

// EachPoint calls f for every point of the runs, all as they are at one
// instant: by the place of the run in runIDs, then by the metric's name, then by
// step. metrics are the names of those to read; nil is all. It takes no more
// memory for more points. An error of f ends it and is returned.
func (s *Store) EachPoint(ctx context.Context, runIDs, metrics []string, f func(run int, metric string, p Point) error) error {
	wanted, err := json.Marshal(metrics) // "null" for all
	if err != nil {
		return err
	}
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return s.explain(err)
	}
	defer tx.Rollback()
	names, err := namesByKey(tx)
	if err != nil {
		return s.explain(err)
	}
	// By the names' index, and for each one step into the primary key: nothing
	// is sorted.
	points, err := tx.Prepare(`SELECT m.name, m.step, m.value FROM metric_names AS n
		CROSS JOIN metrics AS m ON m.run = (SELECT key FROM runs WHERE id = ?1) AND m.name = n.key
		WHERE ?2 = 'null' OR n.name IN (SELECT value FROM json_each(?2)) ORDER BY n.name, m.step`)
	if err != nil {
		return s.explain(err)
	}
	defer points.Close()
	for i, id := range runIDs {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := eachRow(points, id, string(wanted), func(name int64, p Point) error { return f(i, names[name], p) }); err != nil {
			return s.explain(err)
		}
	}
	return nil
}

func namesByKey(tx *sql.Tx) (map[int64]string, error) {
	names := make(map[int64]string)
	_, err := collect(tx, `SELECT key, name FROM metric_names`, func(row *sql.Rows, _ *struct{}) error {
		var key int64
		var name string
		err := row.Scan(&key, &name)
		names[key] = name
		return err
	})
	return names, err
}

func eachRow(points *sql.Stmt, id, wanted string, f func(name int64, p Point) error) error {
	rows, err := points.Query(id, wanted)
	if err != nil {
		return err
	}
	defer rows.Close()
	var name int64
	var p Point
	value := scanFloat{&p.Value}
	for rows.Next() {
		if err := rows.Scan(&name, &p.Step, value); err != nil {
			return err
		}
		if err := f(name, p); err != nil {
			return err
		}
	}
	return rows.Err()
}

// MetricNames returns the names of all metrics that any run of the store has
// reported, in their order.
func (s *Store) MetricNames() ([]string, error) {
	names, err := collect(s.db, `SELECT name FROM metric_names ORDER BY name`, scanOne[string])
	return names, s.explain(err)
}
