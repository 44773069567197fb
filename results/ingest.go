package results

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"slices"
	"sync"
	"time"

	"ablate/results/journal"
)

// batchPoints is about how many points one transaction of Ingest takes: enough
// that its commit costs little, few enough to fit into memory many times.
var batchPoints = 1 << 16

// Ingest stores what attempt n at a run has added to its journal since the
// last call. The place in the journal is stored with the rows, so that being
// killed at any instant neither loses a line nor takes one twice. Without
// anything new it is cheap, and a journal that is not there yet is empty.
//
// The last line is left for later while it has no newline. At a damaged line,
// an event says so, once, and the journal is not read further; that is no
// error of Ingest.
//
// A point counts if its step is not before the resume step of its attempt, and
// is before that of every later attempt: every step belongs to the newest
// attempt that started at or before it, whatever the order in which journals
// are read.
func (s *Store) Ingest(runID string, n int, journalPath string) error {
	for {
		more, err := s.ingestBatch(runID, n, journalPath)
		if err != nil {
			return fmt.Errorf("reading the journal of attempt %d of run %s: %w", n, runID, err)
		}
		if !more {
			return nil
		}
	}
}

// ingestBatch ingests the next lines, and reports whether there may be more.
func (s *Store) ingestBatch(runID string, n int, path string) (more bool, err error) {
	at, err := s.place(runID, n)
	if err != nil || at.damaged {
		return false, err
	}
	b, err := readBatch(path, at)
	if err != nil || b.empty() {
		return false, err
	}
	err = s.write(func(tx *sql.Tx) error { return b.store(tx, at, s.now()) })
	return b.full, err
}

// place is how far the journal of an attempt was read.
type place struct {
	run     int64
	attempt int
	offset  int64
	seq     int64 // number of the next line
	damaged bool
}

func (s *Store) place(runID string, n int) (place, error) {
	at, err := collect(s.db, `SELECT a.run, a.number, a.offset, a.next_seq, a.damage IS NOT NULL
		FROM attempts AS a JOIN runs AS r ON r.key = a.run WHERE r.id = ? AND a.number = ?`,
		func(row *sql.Rows, p *place) error {
			return row.Scan(&p.run, &p.attempt, &p.offset, &p.seq, &p.damaged)
		}, runID, n)
	if err == nil && len(at) == 0 {
		return place{}, noAttempt(runID, n)
	}
	if err != nil {
		return place{}, s.explain(err)
	}
	return at[0], nil
}

// batch is a piece of a journal, sorted by where it goes.
type batch struct {
	start    *journal.Line
	progress *journal.ProgressInfo // the newest
	events   []journal.Line
	series   map[string]*series // by name of the metric
	points   int                // in all series
	outcome  *journal.Line

	step   int64  // highest that it reports
	active int64  // newest time that it reports, in Unix milliseconds
	offset int64  // where it ends
	seq    int64  // number of the line that begins there
	damage string // what is wrong with that line
	full   bool   // there may be more
}

// series are the points of one metric.
type series struct {
	name   string
	key    int64 // of the name in the store
	points []Point
}

func (b *batch) empty() bool { return b.offset == 0 && b.damage == "" }

// readBatch reads lines from at on until there are batchPoints points or no
// more lines.
func readBatch(path string, at place) (*batch, error) {
	b := &batch{series: make(map[string]*series)}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return b, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() == at.offset {
		return b, err
	}
	if info.Size() < at.offset {
		b.damage = fmt.Sprintf("the journal has %d bytes where %d were read before", info.Size(), at.offset)
		b.offset, b.seq = at.offset, at.seq
		return b, nil
	}
	if _, err := f.Seek(at.offset, io.SeekStart); err != nil {
		return nil, err
	}
	return b, b.read(journal.NewReader(f, at.seq), at)
}

func (b *batch) read(r *journal.Reader, at place) error {
	for !b.full && b.damage == "" {
		offset, seq := r.Offset(), r.Seq()
		l, err := r.Next()
		if err == io.EOF {
			break
		}
		if corrupt, ok := errors.AsType[*journal.CorruptError](err); ok {
			b.damage = corrupt.Error()
		} else if err != nil {
			return err
		} else if why := b.add(&l); why != "" {
			b.damage = fmt.Sprintf("line %d of the journal is damaged: %s", l.Seq, why)
		}
		if b.damage != "" {
			b.offset, b.seq = at.offset+offset, seq
			return nil
		}
		b.full = b.points >= batchPoints || len(b.events) >= batchPoints
	}
	if r.Offset() > 0 {
		b.offset, b.seq = at.offset+r.Offset(), r.Seq()
	}
	return nil
}

// add takes a line, or says why it cannot stand where it does.
func (b *batch) add(l *journal.Line) (why string) {
	if (l.Kind == journal.Start) != (l.Seq == 1) {
		return "a start line has to be the first and only the first"
	}
	switch l.Kind {
	case journal.Start:
		b.start = l
		b.step = stepsDone(l.Start)
	case journal.Progress:
		b.progress = l.Progress
		b.step = max(b.step, l.Progress.Step)
	case journal.Metrics:
		b.addPoints(l)
	case journal.Event:
		b.events = append(b.events, *l)
	case journal.Outcome:
		if o := Outcome(l.Outcome); o != "" && !o.known() {
			return fmt.Sprintf("there is no outcome %.40q", o)
		}
		b.outcome = l
	}
	b.active = max(b.active, l.Time)
	return ""
}

func (b *batch) addPoints(l *journal.Line) {
	for name, v := range l.Metrics {
		s, ok := b.series[name]
		if !ok {
			s = &series{name: name}
			b.series[name] = s
		}
		s.points = append(s.points, Point{l.Step, float64(v)})
	}
	b.points += len(l.Metrics)
	b.step = max(b.step, l.Step)
}

// store writes the batch, and that the journal is read so far.
func (b *batch) store(tx *sql.Tx, at place, now time.Time) error {
	moved, err := changed(tx.Exec(`UPDATE attempts SET offset = ?4, next_seq = ?5, damage = nullif(?6, ''), active = nullif(max(?7, ifnull(active, 0)), 0)
		WHERE run = ?1 AND number = ?2 AND offset = ?3 AND damage IS NULL`,
		at.run, at.attempt, at.offset, b.offset, b.seq, b.damage, b.active))
	if err != nil || !moved {
		return err // not moved: another call has stored these lines
	}
	if err := b.storeStart(tx, at, now); err != nil {
		return err
	}
	if err := b.storePoints(tx, at, now); err != nil {
		return err
	}
	if err := b.storeEvents(tx, at, now); err != nil {
		return err
	}
	if err := b.storeProgress(tx, at); err != nil {
		return err
	}
	if o := b.outcome; o != nil {
		return endAttempt(tx, at.run, at.attempt, Outcome(o.Outcome), o.Text, timeOr(o.Time, now))
	}
	return nil
}

// timeOr returns the time of ms, or now if a line has none.
func timeOr(ms int64, now time.Time) time.Time {
	if ms == 0 {
		return now
	}
	return time.UnixMilli(ms)
}

// storeStart records who the attempt is and removes the points that are now
// the attempt's to report.
func (b *batch) storeStart(tx *sql.Tx, at place, now time.Time) error {
	if b.start == nil {
		return nil
	}
	i := b.start.Start
	_, err := tx.Exec(`UPDATE attempts SET started = ?3, resume_step = ?4, version = ?5, kernels = ?6, cpu = ?7, host = ?8, pid = ?9
		WHERE run = ?1 AND number = ?2`,
		at.run, at.attempt, timeOr(b.start.Time, now).UnixMilli(), i.ResumeStep, i.Version, i.Kernels, i.CPU, i.Host, i.PID)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE runs SET step = ?3, steps = ?4 WHERE key = ?1 AND attempts = ?2`, at.run, at.attempt, stepsDone(i), i.Steps)
	if err != nil {
		return err
	}
	from, until, err := span(tx, at)
	if err != nil {
		return err
	}
	_, err = tx.Exec(`DELETE FROM metrics WHERE run = ?1 AND name IN (SELECT key FROM metric_names) AND step >= ?2 AND step < ?3`,
		at.run, from, until)
	return err
}

// span returns the steps that belong to an attempt: from its resume step up to
// the smallest of those after it.
func span(tx *sql.Tx, at place) (from, until int64, err error) {
	err = tx.QueryRow(`SELECT resume_step,
		(SELECT ifnull(min(later.resume_step), ?3) FROM attempts AS later WHERE later.run = a.run AND later.number > a.number)
		FROM attempts AS a WHERE run = ?1 AND number = ?2`, at.run, at.attempt, math.MaxInt64).Scan(&from, &until)
	return from, until, err
}

// storePoints stores the points that count.
func (b *batch) storePoints(tx *sql.Tx, at place, now time.Time) error {
	if b.points == 0 {
		return nil
	}
	from, until, err := span(tx, at)
	if err != nil {
		return err
	}
	sorted, err := b.sortedSeries(tx)
	if err != nil {
		return err
	}
	early := 0
	insert := inserter{tx: tx, run: at.run}
	for _, s := range sorted {
		for _, p := range s.points {
			switch {
			case p.Step < from:
				early++
			case p.Step < until:
				if err := insert.add(s.key, p.Step, p.Value); err != nil {
					return err
				}
			}
		}
	}
	if early > 0 {
		text := fmt.Sprintf("%d figures at steps before %d, where this attempt took over, do not count", early, from)
		if err := storeEvent(tx, at, now, text); err != nil {
			return err
		}
	}
	return insert.flush()
}

// sortedSeries returns the batch's series with their keys, in the order of
// these: rows that come in the order of the primary key are stored faster and
// leave fuller pages.
func (b *batch) sortedSeries(tx *sql.Tx) ([]*series, error) {
	type name struct {
		key  int64
		name string
	}
	known, err := collect(tx, `SELECT key, name FROM metric_names`, func(row *sql.Rows, n *name) error { return row.Scan(&n.key, &n.name) })
	if err != nil {
		return nil, err
	}
	for _, n := range known {
		if s := b.series[n.name]; s != nil {
			s.key = n.key
		}
	}
	sorted := slices.SortedFunc(maps.Values(b.series), func(x, y *series) int { return cmp.Compare(x.name, y.name) })
	for _, s := range sorted {
		if s.key != 0 {
			continue
		}
		if err := tx.QueryRow(`INSERT INTO metric_names (name) VALUES (?) RETURNING key`, s.name).Scan(&s.key); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(sorted, func(x, y *series) int { return cmp.Compare(x.key, y.key) })
	return sorted, nil
}

// insertRows is how many points one statement inserts at most. More would make
// it hardly faster, but slower to prepare.
const insertRows = 32

// insertStatements are those for 0 to insertRows points of one run.
var insertStatements = sync.OnceValue(func() (all [insertRows + 1]string) {
	text := "INSERT OR REPLACE INTO metrics (run, name, step, value) VALUES "
	for i := range insertRows {
		text += fmt.Sprintf("(?1,?%d,?%d,?%d),", 3*i+2, 3*i+3, 3*i+4)
		all[i+1] = text[:len(text)-1]
	}
	return all
})

// inserter inserts points of one run, many in a statement.
type inserter struct {
	tx   *sql.Tx
	run  int64
	many *sql.Stmt // for insertRows; closed with the transaction
	args []any     // the run, then name, step and value of each point
}

func (in *inserter) add(name, step int64, value float64) (err error) {
	if len(in.args) == 0 {
		in.args = append(in.args, in.run)
	}
	in.args = append(in.args, name, step, value)
	if len(in.args) < 1+3*insertRows {
		return nil
	}
	if in.many == nil {
		if in.many, err = in.tx.Prepare(insertStatements()[insertRows]); err != nil {
			return err
		}
	}
	_, err = in.many.Exec(in.args...)
	in.args = in.args[:0]
	return err
}

// flush inserts what is left.
func (in *inserter) flush() error {
	if len(in.args) == 0 {
		return nil
	}
	_, err := in.tx.Exec(insertStatements()[len(in.args)/3], in.args...)
	return err
}

func (b *batch) storeEvents(tx *sql.Tx, at place, now time.Time) error {
	for _, l := range b.events {
		if err := storeEvent(tx, at, timeOr(l.Time, now), l.Text); err != nil {
			return err
		}
	}
	if b.damage != "" {
		return storeEvent(tx, at, now, b.damage+"; it is not read further")
	}
	return nil
}

func storeEvent(tx *sql.Tx, at place, when time.Time, text string) error {
	_, err := tx.Exec(`INSERT INTO events (run, attempt, time, text) VALUES (?, ?, ?, ?)`, at.run, at.attempt, when.UnixMilli(), text)
	return err
}

// storeProgress brings the run's row up to date.
func (b *batch) storeProgress(tx *sql.Tx, at place) error {
	_, err := tx.Exec(`UPDATE runs SET step = max(step, ?3), active = nullif(max(?4, ifnull(active, 0)), 0) WHERE key = ?1 AND attempts = ?2`,
		at.run, at.attempt, b.step, b.active)
	if err != nil {
		return err
	}
	if p := b.progress; p != nil {
		_, err := tx.Exec(`UPDATE runs SET steps = ?3, images_per_second = ?4, phase = ?5 WHERE key = ?1 AND attempts = ?2`,
			at.run, at.attempt, p.Steps, p.ImagesPerSecond, p.Phase)
		if err != nil {
			return err
		}
	}
	_, err = tx.Exec(`UPDATE runs SET seconds = (SELECT ifnull(sum(max(active - started, 0)), 0) / 1000.0 FROM attempts WHERE run = key) WHERE key = ?`,
		at.run)
	return err
}

// stepsDone is how far an attempt is at its start. One that has nothing left to
// report, because the one before it was killed between its last figures and its
// end, begins behind the last step.
func stepsDone(i *journal.StartInfo) int64 {
	if i.Steps > 0 {
		return min(i.ResumeStep, i.Steps)
	}
	return i.ResumeStep
}
