// Package export hands what a store knows of a study to other programs: as
// tables (CSV, JSON lines, Parquet), as TensorBoard's event files, or as the
// folder that MLflow keeps its runs in.
//
// All of it is streamed, so that memory does not grow with the number of points,
// and is written whole or not at all. Equal stores give equal bytes: the order is
// that of the study's cells and seeds, then of the metrics' names, then of the
// steps. A run that stands in several cells of the study appears in each.
//
// Only points that count are in a store: what an attempt reported and a later one
// did again is there once.
package export

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ablate/results"

	"github.com/google/renameio/v2"
)

// Source is what is to be exported.
type Source struct {
	Store *results.Store
	Study *results.Study

	// The levels of each cell, by its position in Study.Cells, on the axes. Nil
	// if that is not known; a named extra has none.
	Axes   []string
	Levels [][]string

	Runs    []string // IDs of those that are wanted; nil for all of the study
	Metrics []string // names of those that are wanted; nil for all
}

// Format is a way to write a study down.
type Format string

// The formats.
const (
	CSV         Format = "csv"
	JSONL       Format = "jsonl"
	Parquet     Format = "parquet"
	TensorBoard Format = "tensorboard"
	MLflow      Format = "mlflow"
)

// Tables lists the tables of the formats that are tables: a row for every run,
// for every point, and for every attempt at a run.
var Tables = []string{"runs", "metrics", "attempts"}

// writers make the formats that are tables.
var writers = map[Format]func(w io.Writer, columns []column) (rowWriter, error){
	CSV: newCSV, JSONL: newJSONL, Parquet: newParquet,
}

// rowWriter writes the rows of a table.
type rowWriter interface {
	row(values []value) error
	close() error // writes what is left
}

// Dir writes a study into the folder dir, which is made and must not be there
// yet; if replace is set, one that an export has made is replaced. It returns the
// number of points. A dir that cannot be written is left as it was.
func Dir(ctx context.Context, s Source, format Format, dir string, replace bool) (points int64, err error) {
	old, err := checkTarget(dir, replace)
	if err != nil {
		return 0, err
	}
	e, err := open(ctx, s)
	if err != nil {
		return 0, err
	}
	temp := filepath.Join(filepath.Dir(filepath.Clean(dir)), fmt.Sprintf(".%s-%08x", filepath.Base(dir), rand.Uint32()))
	if err := os.Mkdir(temp, 0o777); err != nil {
		return 0, cannotWrite(dir, err)
	}
	defer os.RemoveAll(temp)
	if err := e.fill(temp, format); err != nil {
		return 0, cannotWrite(dir, err)
	}
	if err := swap(temp, dir, old); err != nil {
		return 0, cannotWrite(dir, err)
	}
	return e.points, nil
}

// swap puts the folder temp in the place of dir, which exists if old is set.
func swap(temp, dir string, old bool) error {
	if !old {
		return os.Rename(temp, dir)
	}
	away := temp + "-old"
	if err := os.Rename(dir, away); err != nil {
		return err
	}
	if err := os.Rename(temp, dir); err != nil {
		os.Rename(away, dir)
		return err
	}
	return os.RemoveAll(away)
}

// checkTarget reports whether dir is there already, and refuses it unless it may
// be replaced.
func checkTarget(dir string, replace bool) (old bool, err error) {
	_, err = os.Lstat(dir)
	if os.IsNotExist(err) {
		return false, nil
	}
	if err != nil {
		return false, cannotWrite(dir, err)
	}
	if _, err := os.Stat(filepath.Join(dir, manifestName)); err != nil {
		return false, fmt.Errorf("%s is there already, and no export has made it; name a folder that is not there", dir)
	}
	if !replace {
		return false, fmt.Errorf("%s is there already; have it replaced (--replace), or name a folder that is not there", dir)
	}
	return true, nil
}

// Table writes one of Tables to w in one of the formats that are tables, and
// returns the number of rows.
func Table(ctx context.Context, s Source, format Format, table string, w io.Writer) (rows int64, err error) {
	e, err := open(ctx, s)
	if err != nil {
		return 0, err
	}
	t, err := e.table(table)
	if err != nil {
		return 0, err
	}
	return e.write(w, format, t)
}

// File is Table into a file, which is replaced at once.
func File(ctx context.Context, s Source, format Format, table, path string) (rows int64, err error) {
	f, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o666), renameio.WithTempDir(filepath.Dir(path)))
	if err != nil {
		return 0, cannotWrite(path, err)
	}
	defer f.Cleanup()
	if rows, err = Table(ctx, s, format, table, f); err != nil {
		return 0, cannotWrite(path, err)
	}
	if err := f.CloseAtomicallyReplace(); err != nil {
		return 0, cannotWrite(path, err)
	}
	return rows, nil
}

func cannotWrite(path string, err error) error {
	switch {
	case results.NoRoom(err):
		return fmt.Errorf("the export to %s was not written: %w; make room, or name a place on another disk", path, err)
	case os.IsPermission(err):
		return fmt.Errorf("the export to %s was not written: %w; name a place that you can write to", path, err)
	case os.IsNotExist(err):
		return fmt.Errorf("the export to %s was not written: %w; make its parent folder", path, err)
	}
	return fmt.Errorf("the export to %s was not written: %w", path, err)
}

// export is an export under way.
type export struct {
	Source
	ctx      context.Context
	places   []place
	keys     []configKey // of the configurations, sorted
	attempts map[string][]results.Attempt
	points   int64 // that were written
}

// place is a run in a cell of the study.
type place struct {
	results.Run
	cell   int
	seed   int
	config map[string]setting
}

// open reads all but the points.
func open(ctx context.Context, s Source) (*export, error) {
	e := &export{Source: s, ctx: ctx}
	runs, err := s.Store.Runs(s.Study)
	if err != nil {
		return nil, err
	}
	configs, err := s.Store.Configs(s.Study)
	if err != nil {
		return nil, err
	}
	if e.attempts, err = s.Store.AttemptsOf(s.Study); err != nil {
		return nil, err
	}
	flat := map[string]map[string]setting{} // by text: the seeds of a cell share it
	for _, slot := range s.Study.Slots {
		if s.Runs != nil && !slices.Contains(s.Runs, slot.RunID) {
			continue
		}
		text := configs[slot.RunID]
		config, known := flat[string(text)]
		if !known {
			if config, err = flatten(text); err != nil {
				return nil, fmt.Errorf("the configuration of run %s cannot be read: %w", slot.RunID, err)
			}
			flat[string(text)] = config
		}
		e.places = append(e.places, place{Run: runs[slot.RunID], cell: slot.Cell, seed: slot.Seed, config: config})
	}
	e.keys = keysOf(flat)
	return e, nil
}

// name is the cell's.
func (e *export) name(p place) string { return e.Study.Cells[p.cell] }

// level is the cell's level on an axis.
func (e *export) level(p place, axis int) (string, bool) {
	if p.cell >= len(e.Levels) || axis >= len(e.Levels[p.cell]) {
		return "", false
	}
	return e.Levels[p.cell][axis], true
}

// ids are those of the runs in all places.
func (e *export) ids() []string {
	ids := make([]string, len(e.places))
	for i, p := range e.places {
		ids[i] = p.ID
	}
	return ids
}

// eachPoint calls f for every point, by the place of its run.
func (e *export) eachPoint(f func(p place, metric string, point results.Point) error) error {
	return e.Store.EachPoint(e.ctx, e.ids(), e.Metrics, func(run int, metric string, point results.Point) error {
		e.points++
		return f(e.places[run], metric, point)
	})
}

// fill writes the study into the empty folder dir.
func (e *export) fill(dir string, format Format) error {
	m := manifest{Format: format, Study: e.Study.Name, Overrides: append([]string{}, e.Study.Sets...)}
	var err error
	switch format {
	case TensorBoard:
		err = e.tensorBoard(dir)
	case MLflow:
		err = e.mlflow(dir)
	default:
		m.Tables, err = e.tables(dir, format)
	}
	if err != nil {
		return err
	}
	m.Runs, m.Points = len(e.places), e.points
	if err := os.WriteFile(filepath.Join(dir, "study.toml"), e.Study.Text, 0o666); err != nil {
		return err
	}
	return m.write(dir)
}

// tables writes all tables.
func (e *export) tables(dir string, format Format) (list []manifestTable, err error) {
	for _, name := range Tables {
		t, err := e.table(name)
		if err != nil {
			return nil, err
		}
		m := manifestTable{File: name + "." + string(format)}
		for _, c := range t.columns {
			m.Columns = append(m.Columns, c.name)
		}
		f, err := os.Create(filepath.Join(dir, m.File))
		if err != nil {
			return nil, err
		}
		m.Rows, err = e.write(f, format, t)
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err != nil {
			return nil, err
		}
		list = append(list, m)
	}
	return list, nil
}

// write writes a table, and returns the number of its rows.
func (e *export) write(w io.Writer, format Format, t table) (rows int64, err error) {
	start, ok := writers[format]
	if !ok {
		return 0, fmt.Errorf("%s has no tables", format)
	}
	out, err := start(w, t.columns)
	if err != nil {
		return 0, err
	}
	err = t.rows(func(values []value) error {
		rows++
		return out.row(values)
	})
	if err != nil {
		return 0, err
	}
	return rows, out.close()
}

// table returns the table of that name.
func (e *export) table(name string) (table, error) {
	switch name {
	case "runs":
		return e.runs(), nil
	case "metrics":
		return e.metrics(), nil
	case "attempts":
		return e.attemptTable(), nil
	}
	return table{}, fmt.Errorf("there is no table %q; there is %s", name, strings.Join(Tables, ", "))
}
