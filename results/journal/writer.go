package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// Writer appends lines to one journal. It is safe for use by several
// goroutines.
type Writer struct {
	mu   sync.Mutex
	file *os.File
	seq  int64
	buf  []byte
	err  error // what ended this journal
}

// Create makes the journal at path and returns a writer for its first line.
// A journal has one writer in its life: it is an error if the file exists.
func Create(path string) (*Writer, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, fmt.Errorf("creating the journal: %w", err)
	}
	return &Writer{file: f}, nil
}

// Write appends one line with one write(2), so that it is there whole or its
// end is missing, and fills in its sequence number and checksum. It is not
// synced: a killed process loses nothing, a power cut may.
//
// Once a line could not be written, as on a full disk, the journal ends: its
// last line may be torn, so this and every later Write fails. Until then an
// error means that l itself cannot be written and nothing was.
func (w *Writer) Write(l Line) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return w.err
	}
	l.Seq = w.seq + 1
	if err := l.check(); err != nil {
		return fmt.Errorf("line %d is not fit for the journal: %w", l.Seq, err)
	}
	var err error
	if w.buf, err = appendLine(w.buf[:0], &l); err != nil {
		return err
	}
	n, err := w.file.Write(w.buf)
	if err == nil && n < len(w.buf) {
		err = io.ErrShortWrite
	}
	if err != nil {
		w.err = ended(l.Seq, err)
		return w.err
	}
	w.seq = l.Seq
	return nil
}

// ended explains why line seq was the journal's end.
func ended(seq int64, err error) error {
	err = fmt.Errorf("line %d of the journal could not be written, so this attempt cannot go on: %w", seq, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG) {
		err = fmt.Errorf("%w; make room and start again, the run goes on from its last checkpoint", err)
	}
	return err
}

// Sync forces what was written to the disk. If that fails, nobody can tell
// what the disk holds, and later writes fail too.
func (w *Writer) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		if err := w.file.Sync(); err != nil {
			w.err = ended(w.seq, err)
		}
	}
	return w.err
}

// Close closes the file without syncing it.
func (w *Writer) Close() error {
	return w.file.Close()
}
