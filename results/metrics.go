package results

import (
	"database/sql"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
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

// Curves are a metric of many runs, each of few enough points to draw.
type Curves struct {
	Each int64            // steps of a bin: number k is of the steps from k*Each, less than (k+1)*Each; 1 if nothing was averaged
	Runs map[string]Curve // by run ID; a run without a finite value has no entry
}

// Curve is a metric of one run.
type Curve struct {
	Bins []Bin // those that have a finite value, in their order
	Last Point // the last one that is finite
}

// Bin sums up the finite values of some steps.
type Bin struct {
	Number      int64 // equal in all runs of a Curves
	First, Last int64 // steps that have a finite value
	Mean        float64
}

// Curves returns a metric in the runs. Where one of them has more than most
// points, all are averaged over bins of equally many steps, about most of them.
// What it returns is small, however many points there are.
func (s *Store) Curves(metric string, runIDs []string, most int) (Curves, error) {
	c := Curves{Each: 1, Runs: make(map[string]Curve)}
	ids, err := json.Marshal(runIDs)
	if err != nil {
		return c, err
	}
	type whole struct {
		run           string
		points, first int64
		last          Point
	}
	// With one max(), SQLite takes the bare column value from the row that has it.
	wholes, err := collect(s.db, `SELECT id, n, (SELECT min(step) FROM metrics AS m WHERE m.run = runs.key AND m.name = found.name), last, value
		FROM (SELECT run, name, count(*) AS n, max(step) AS last, value FROM metrics WHERE `+finitePoints+` GROUP BY run, name) AS found
		JOIN runs ON runs.key = found.run`,
		func(rows *sql.Rows, w *whole) error {
			return rows.Scan(&w.run, &w.points, &w.first, &w.last.Step, &w.last.Value)
		}, string(ids), metric)
	if err != nil || len(wholes) == 0 {
		return c, s.explain(err)
	}
	points, first, last := int64(0), int64(math.MaxInt64), int64(0)
	for _, w := range wholes {
		c.Runs[w.run] = Curve{Last: w.last}
		points, first, last = max(points, w.points), min(first, w.first), max(last, w.last.Step)
	}
	if points > int64(most) {
		c.Each = (last-first)/int64(most) + 1
	}
	return c, s.explain(s.fillCurves(c, metric))
}

// finitePoints are the finite values of a metric, ?2, in runs, the JSON list ?1.
const finitePoints = `run IN (SELECT key FROM runs WHERE id IN (SELECT value FROM json_each(?1)))
	AND name = (SELECT key FROM metric_names WHERE name = ?2) AND ` + finite

const finite = `value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308`

// fillCurves adds the bins to the runs of c. It asks run by run, since SQLite
// sorts what it groups: a run's points in no time, but not a million of them.
func (s *Store) fillCurves(c Curves, metric string) error {
	bins, err := s.db.Prepare(`SELECT step / ?3 AS number, min(step), max(step), avg(value) FROM metrics
		WHERE run = (SELECT key FROM runs WHERE id = ?1) AND name = (SELECT key FROM metric_names WHERE name = ?2) AND ` + finite + `
		GROUP BY number ORDER BY number`)
	if err != nil {
		return err
	}
	defer bins.Close()
	var readers sync.WaitGroup
	var mutex sync.Mutex // of c.Runs and errs
	var errs []error
	for share := range slices.Chunk(slices.Collect(maps.Keys(c.Runs)), len(c.Runs)/runtime.GOMAXPROCS(0)+1) {
		readers.Go(func() {
			for _, run := range share {
				found, err := collect(stmt{bins}, "", scanBin, run, metric, c.Each)
				mutex.Lock()
				c.Runs[run] = Curve{Bins: found, Last: c.Runs[run].Last}
				errs = append(errs, err)
				mutex.Unlock()
				if err != nil {
					return
				}
			}
		})
	}
	readers.Wait()
	return errors.Join(errs...)
}

func scanBin(row *sql.Rows, b *Bin) error {
	return row.Scan(&b.Number, &b.First, &b.Last, scanFloat{&b.Mean})
}

// Ends returns the first and the last point of every metric in every one of
// the runs, by run ID and metric. A run without points, or that the store does
// not have, has no entry.
func (s *Store) Ends(runIDs []string) (map[string]map[string]Ends, error) {
	all := make(map[string]map[string]Ends)
	var readers sync.WaitGroup
	var mutex sync.Mutex // of all and errs
	var errs []error
	const few = 1000 // which one reader has soon
	for share := range slices.Chunk(runIDs, max(len(runIDs)/runtime.GOMAXPROCS(0)+1, few)) {
		readers.Go(func() {
			ends, err := s.ends(share)
			mutex.Lock()
			defer mutex.Unlock()
			maps.Copy(all, ends)
			errs = append(errs, err)
		})
	}
	readers.Wait()
	return all, errors.Join(errs...)
}

func (s *Store) ends(runIDs []string) (map[string]map[string]Ends, error) {
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
