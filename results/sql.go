package results

import (
	"database/sql"
	"fmt"
	"math"
	"time"
)

// querier is a database or a transaction.
type querier interface {
	Query(query string, args ...any) (*sql.Rows, error)
}

// stmt is a prepared statement as collect's querier, whatever its text.
type stmt struct{ *sql.Stmt }

func (s stmt) Query(_ string, args ...any) (*sql.Rows, error) { return s.Stmt.Query(args...) }

// collect returns what scan fills in from each row of a query.
func collect[T any](q querier, query string, scan func(*sql.Rows, *T) error, args ...any) ([]T, error) {
	rows, err := q.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		var one T
		if err := scan(rows, &one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// scanOne is collect's scan for one plain column.
func scanOne[T any](row *sql.Rows, v *T) error { return row.Scan(v) }

// scanTime scans Unix milliseconds into a time, NULL into its zero.
type scanTime struct{ t *time.Time }

// Scan implements sql.Scanner.
func (s scanTime) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.t = time.Time{}
	case int64:
		*s.t = time.UnixMilli(v)
	default:
		return fmt.Errorf("a time is %T", v)
	}
	return nil
}

// scanFloat scans a REAL, and NULL as NaN, which SQLite does not store.
type scanFloat struct{ f *float64 }

// Scan implements sql.Scanner.
func (s scanFloat) Scan(v any) error {
	switch v := v.(type) {
	case nil:
		*s.f = math.NaN()
	case float64:
		*s.f = v
	default:
		return fmt.Errorf("a value is %T", v)
	}
	return nil
}
