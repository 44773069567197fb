package results

import (
	"database/sql"
	"encoding/json"
)

// Series returns the points of a metric in a run, in the order of their steps:
// none if the run does not report it.
func (s *Store) Series(runID, metric string) ([]Point, error) {
	key, err := runKey(s.db, runID)
	if err != nil {
		return nil, s.explain(err)
	}
	points, err := collect(s.db, `SELECT step, value FROM metrics
		WHERE run = ? AND name = (SELECT key FROM metric_names WHERE name = ?) ORDER BY step`,
		func(row *sql.Rows, p *Point) error { return row.Scan(&p.Step, scanFloat{&p.Value}) }, key, metric)
	return points, s.explain(err)
}

// Ends returns the first and the last point of every metric in every one of
// the runs, by run ID and metric. A run without points, or that the store does
// not have, has no entry.
func (s *Store) Ends(runIDs []string) (map[string]map[string]Ends, error) {
	ids, err := json.Marshal(runIDs)
	if err != nil {
		return nil, err
	}
	type row struct {
		run, metric string
		ends        Ends
	}
	// For every run and name, two steps into the primary key. CROSS JOIN keeps
	// SQLite from going through all points of a run instead.
	rows, err := collect(s.db, `SELECT r.id, n.name, first.step, first.value, last.step, last.value
		FROM json_each(?) AS wanted
		CROSS JOIN runs AS r ON r.id = wanted.value
		CROSS JOIN metric_names AS n
		CROSS JOIN metrics AS first ON first.run = r.key AND first.name = n.key
			AND first.step = (SELECT min(step) FROM metrics WHERE run = r.key AND name = n.key)
		CROSS JOIN metrics AS last ON last.run = r.key AND last.name = n.key
			AND last.step = (SELECT max(step) FROM metrics WHERE run = r.key AND name = n.key)`,
		func(rows *sql.Rows, r *row) error {
			e := &r.ends
			return rows.Scan(&r.run, &r.metric, &e.First.Step, scanFloat{&e.First.Value}, &e.Last.Step, scanFloat{&e.Last.Value})
		}, string(ids))
	ends := make(map[string]map[string]Ends)
	for _, r := range rows {
		if ends[r.run] == nil {
			ends[r.run] = make(map[string]Ends)
		}
		ends[r.run][r.metric] = r.ends
	}
	return ends, s.explain(err)
}
