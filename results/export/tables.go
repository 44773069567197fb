package export

import (
	"time"

	"ablate/results"
)

// table is a table whose rows come one by one.
type table struct {
	columns []column
	rows    func(f func(values []value) error) error // the slice is only lent
}

// column is a column of a table. Any of its values may be missing.
type column struct {
	name string
	kind kind
}

// kind is what the values of a column are.
type kind int

const (
	text kind = iota
	integer
	real
	boolean
	instant
)

// value is one value; which of its fields counts, its column says.
type value struct {
	known bool
	text  string
	int   int64 // of an instant, milliseconds since 1970; of a boolean 0 or 1
	real  float64
}

func textOf(s string) value   { return value{known: true, text: s} }
func integerOf(n int64) value { return value{known: true, int: n} }
func realOf(f float64) value  { return value{known: true, real: f} }
func named(s string) value    { return value{known: s != "", text: s} } // "" is no name
func instantOf(t time.Time) (v value) {
	if !t.IsZero() {
		v = value{known: true, int: t.UnixMilli()}
	}
	return v
}

func booleanOf(b bool) value {
	if b {
		return integerOf(1)
	}
	return integerOf(0)
}

// runs has a row for every place of the study.
func (e *export) runs() table {
	t := table{columns: []column{{"run", text}, {"study", text}, {"cell", text}}}
	for _, axis := range e.Axes {
		t.columns = append(t.columns, column{"axis." + axis, text})
	}
	t.columns = append(t.columns, column{"seed", integer}, column{"outcome", text}, column{"reason", text},
		column{"step", integer}, column{"steps", integer}, column{"seconds", real}, column{"attempts", integer},
		column{"dataset", text}, column{"trainer", text})
	for _, key := range e.keys {
		t.columns = append(t.columns, column{"config." + key.name, key.kind})
	}
	t.rows = func(f func([]value) error) error {
		row := make([]value, 0, len(t.columns))
		for _, p := range e.places {
			if err := e.ctx.Err(); err != nil {
				return err
			}
			row = append(row[:0], textOf(p.ID), textOf(e.Study.Name), textOf(e.name(p)))
			for axis := range e.Axes {
				level, known := e.level(p, axis)
				row = append(row, value{known: known, text: level})
			}
			row = append(row, integerOf(int64(p.seed)), named(string(p.Outcome)), named(p.Reason),
				integerOf(p.Step), integerOf(p.Steps), realOf(p.Seconds), integerOf(int64(p.Attempts)),
				named(p.Dataset), named(p.Trainer))
			for _, key := range e.keys {
				row = append(row, p.config[key.name].as(key.kind))
			}
			if err := f(row); err != nil {
				return err
			}
		}
		return nil
	}
	return t
}

// metrics has a row for every point.
func (e *export) metrics() table {
	t := table{columns: []column{{"run", text}, {"cell", text}, {"seed", integer}, {"metric", text}, {"step", integer}, {"value", real}}}
	t.rows = func(f func([]value) error) error {
		row := make([]value, len(t.columns))
		return e.eachPoint(func(p place, metric string, point results.Point) error {
			row[0], row[1], row[2] = textOf(p.ID), textOf(e.name(p)), integerOf(int64(p.seed))
			row[3], row[4], row[5] = textOf(metric), integerOf(point.Step), realOf(point.Value)
			return f(row)
		})
	}
	return t
}

// attemptTable has a row for every attempt at every run: what made the figures.
func (e *export) attemptTable() table {
	t := table{columns: []column{
		{"run", text}, {"attempt", integer}, {"state", text}, {"outcome", text}, {"reason", text},
		{"started", instant}, {"active", instant}, {"ended", instant}, {"resume_step", integer},
		{"version", text}, {"kernels", text}, {"cpu", text}, {"host", text},
	}}
	t.rows = func(f func([]value) error) error {
		seen := map[string]bool{}
		for _, p := range e.places {
			if seen[p.ID] {
				continue
			}
			seen[p.ID] = true
			for _, a := range e.attempts[p.ID] {
				err := f([]value{
					textOf(p.ID), integerOf(int64(a.Number)), textOf(string(a.State)), named(string(a.Outcome)), named(a.Reason),
					instantOf(a.Started), instantOf(a.Active), instantOf(a.Ended), integerOf(a.ResumeStep),
					named(a.Version), named(a.Kernels), named(a.CPU), named(a.Host),
				})
				if err != nil {
					return err
				}
			}
		}
		return nil
	}
	return t
}

// reporter returns a function that finds the attempt that reported a point: the
// last of those that took over at its step or before.
func (e *export) reporter(run string) func(step int64) results.Attempt {
	attempts := e.attempts[run]
	return func(step int64) (a results.Attempt) {
		for i := len(attempts) - 1; i >= 0; i-- {
			a = attempts[i]
			if a.Version != "" && a.ResumeStep <= step { // without a version it never got to start
				return a
			}
		}
		return a
	}
}
