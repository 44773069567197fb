package journal

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
)

// Reader reads lines from a journal, from its beginning or from where an
// earlier reader stopped.
type Reader struct {
	buf    *bufio.Reader
	part   []byte // the beginning of a line whose end is not there yet
	seq    int64  // of the next line
	offset int64
	known  names
	err    error // *CorruptError, once met
}

// NewReader returns a reader of r, which stands at the beginning of line
// number firstSeq (lines count from 1).
func NewReader(r io.Reader, firstSeq int64) *Reader {
	return &Reader{buf: bufio.NewReaderSize(r, 16<<10), seq: firstSeq, known: make(names)}
}

// CorruptError reports a complete line that is not the one that was written
// there. Nothing after it can be trusted.
type CorruptError struct {
	Offset int64 // where the line begins, in bytes from where the reader began
	Line   int64 // its number, from 1
	Why    string
}

func (e *CorruptError) Error() string {
	return fmt.Sprintf("line %d of the journal is damaged: %s", e.Line, e.Why)
}

// Next returns the next line. It returns io.EOF after the last complete one:
// a line without its newline is still being written, and a later Next finds
// the rest of it. It returns a *CorruptError, for ever, at a complete line
// whose checksum, sequence number or content is wrong.
func (r *Reader) Next() (Line, error) {
	if r.err != nil {
		return Line{}, r.err
	}
	line, err := r.line()
	if err != nil {
		return Line{}, err
	}
	l, err := decode(bytes.TrimSuffix(line, []byte("\n")), r.known)
	if err == nil && l.Seq != r.seq {
		err = fmt.Errorf("its number is %d where %d was due", l.Seq, r.seq)
	}
	if err != nil {
		return Line{}, r.corrupt(err)
	}
	r.seq++
	r.offset += int64(len(line))
	return l, nil
}

// line returns the next complete line and its newline, good until the next
// call.
func (r *Reader) line() ([]byte, error) {
	line, err := r.buf.ReadSlice('\n')
	for err == bufio.ErrBufferFull && len(r.part)+len(line) <= MaxLine {
		r.part = append(r.part, line...)
		line, err = r.buf.ReadSlice('\n')
	}
	if len(r.part)+len(line) > MaxLine {
		return nil, r.corrupt(fmt.Errorf("it is longer than %d bytes", MaxLine))
	}
	if err != nil {
		r.part = append(r.part, line...)
		return nil, err
	}
	if len(r.part) > 0 {
		line = append(r.part, line...)
		r.part = r.part[:0]
	}
	return line, nil
}

func (r *Reader) corrupt(why error) error {
	r.err = &CorruptError{Offset: r.offset, Line: r.seq, Why: why.Error()}
	return r.err
}

// Offset returns the length in bytes of the good lines read so far: where
// another reader may begin, with Seq.
func (r *Reader) Offset() int64 { return r.offset }

// Seq returns the number of the next line.
func (r *Reader) Seq() int64 { return r.seq }
