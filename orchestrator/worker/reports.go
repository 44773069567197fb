package worker

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"

	"ablate/results/journal"
	"ablate/trainer"
)

// Reports is the file that an attempt's external trainer reports to.
func (a Attempt) Reports() string { return filepath.Join(a.Dir(), "metrics.jsonl") }

// reportReader reads a trainer's report while it grows.
type reportReader struct {
	path string
	file *os.File
	buf  *bufio.Reader
	part []byte // the beginning of a line whose end is not there yet
	last []byte // the last line
	line int    // its number
	read int64  // bytes
}

func openReports(path string) (*reportReader, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &reportReader{path: path, file: f, buf: bufio.NewReaderSize(f, 16<<10)}, nil
}

func (r *reportReader) close() { r.file.Close() }

// next returns the next report. It returns io.EOF after the last complete
// line; a later call finds what was written since. Any other error is of a line
// that cannot be used, and names it.
func (r *reportReader) next() (report, error) {
	for {
		line, err := r.nextLine()
		if err != nil {
			return report{}, err
		}
		if r.last = bytes.TrimSpace(line); len(r.last) > 0 {
			said, err := parseReport(r.last)
			return said, r.wrong(err)
		}
	}
}

// rest returns the report in a last line that has no newline. io.EOF says that
// there is none.
func (r *reportReader) rest() (report, error) {
	r.last, r.part = bytes.TrimSpace(r.part), nil
	if len(r.last) == 0 {
		return report{}, io.EOF
	}
	r.line++
	said, err := parseReport(r.last)
	return said, r.wrong(err)
}

func (r *reportReader) nextLine() ([]byte, error) {
	for {
		piece, err := r.buf.ReadSlice('\n')
		r.read += int64(len(piece))
		r.part = append(r.part, piece...)
		switch {
		case len(r.part) > maxReport:
			r.line++
			r.last = r.part
			return nil, r.wrong(fmt.Errorf("it is longer than %d KiB", maxReport>>10))
		case err == nil:
			line := r.part
			r.part = r.part[:0]
			r.line++
			return line, nil
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

// wrong explains why the last line cannot be used, if that is so.
func (r *reportReader) wrong(why error) error {
	if why == nil {
		return nil
	}
	return trainer.Refuse("line %d of %s, %.80q, cannot be used: %w; docs/trainers.md has what a line may be", r.line, r.path, r.last, why)
}

// intact reports a file that is no longer the one that is read.
func (r *reportReader) intact() error {
	ours, err := r.file.Stat()
	if err != nil {
		return err
	}
	theirs, err := os.Stat(r.path)
	if err != nil || !os.SameFile(ours, theirs) || theirs.Size() < r.read {
		return trainer.Refuse("the trainer removed, replaced or cut %s, which it must only append to: open it once, or to append", r.path)
	}
	return nil
}

// The report of a trainer is as durable as the trainer made it; the journal's
// copy of it lags by a moment. So when an attempt takes over from one that was
// killed with its worker, figures may be missing in the journals that the
// trainer, which goes on behind them, does not report again. They are still in
// the reports of the earlier attempts.

// missing returns the figures before resume, where attempt a takes over, that
// are to be told again, and the step from which on that is so: resume, if no
// journal lacks any.
func (a Attempt) missing(resume int64) (from int64, lost []figures, err error) {
	attempts, err := Attempts(a.RunDir)
	if err != nil {
		return 0, nil, err
	}
	var earlier []told
	newest := -1 // the newest with a journal; those before it are complete up to where it begins
	for _, e := range attempts {
		if e.N >= a.N {
			break
		}
		earlier = append(earlier, e.told())
		if earlier[len(earlier)-1].start >= 0 {
			newest = len(earlier) - 1
		}
	}
	from = resume
	lacks := func(f figures) { from = min(from, f.step) }
	if newest >= 0 {
		known := earlier[newest]
		reported(earlier[:newest+1], known.start, func(f figures) {
			if known.lines--; known.lines < 0 {
				lacks(f)
			}
		})
	}
	reported(earlier[newest+1:], 0, lacks)
	if from < resume {
		reported(earlier, from, func(f figures) {
			if f.step < resume {
				lost = append(lost, f)
			}
		})
	}
	return from, lost, nil
}

// told is what an earlier attempt has told.
type told struct {
	Attempt
	resume int64 // first step that its trainer reported, -1 if it said nothing
	start  int64 // first step that its journal speaks for, -1 if there is none
	lines  int   // lines of figures in its journal
}

func (a Attempt) told() told {
	t := told{Attempt: a, resume: -1, start: -1}
	a.eachReport(func(said report) bool {
		switch {
		case said.start != nil:
			t.resume = said.start.resume
		case said.figures != nil:
			t.resume = 0
		}
		return t.resume < 0
	})
	f, err := os.Open(a.Journal())
	if err != nil {
		return t
	}
	defer f.Close()
	for r := journal.NewReader(f, 1); ; {
		l, err := r.Next()
		switch {
		case err != nil: // its end, or a damage, behind which nothing counts
			return t
		case l.Kind == journal.Start:
			t.start = l.Start.ResumeStep
		case l.Kind == journal.Metrics:
			t.lines++
		}
	}
}

// eachReport calls each with what the attempt's trainer reported, to the last
// complete and good line or until each returns false.
func (a Attempt) eachReport(each func(report) bool) {
	r, err := openReports(a.Reports())
	if err != nil {
		return
	}
	defer r.close()
	for {
		said, err := r.next()
		if err != nil || !each(said) {
			return
		}
	}
}

// reported calls each with the figures of the steps from on that count: a step
// belongs to the newest attempt that took over at it or before.
func reported(attempts []told, from int64, each func(figures)) {
	for k, t := range attempts {
		end := int64(math.MaxInt64)
		for _, later := range attempts[k+1:] {
			if later.resume >= 0 {
				end = min(end, later.resume)
			}
		}
		t.eachReport(func(said report) bool {
			if f := said.figures; f != nil && f.step >= max(from, t.resume) && f.step < end && len(f.metrics) > 0 {
				each(*f)
			}
			return true
		})
	}
}
