package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"reflect"
	"strings"
	"testing"
)

// FuzzReader: whatever the bytes, reading ends in a *CorruptError or at the end
// of what is whole; no line is taken whose checksum is not its own; and a line
// that was read is the same when written and read again.
func FuzzReader(f *testing.F) {
	text := written(f, sample()...)
	f.Add(text)
	f.Add(text[:len(text)/2])
	for _, line := range bytes.SplitAfter(text, []byte("\n")) {
		f.Add(line)
	}
	f.Add([]byte("{\"crc\":\"00000000\"}\n"))
	f.Add([]byte("{\"seq\":1,\"kind\":\"event\",\"text\":\"x\",\"crc\":\"00000000\"}\n"))
	for _, number := range []string{"-0", "01", "+1", ".5", "1.", "1e", "1e+5", "1E5", "-", "--1", "1-1", "1e400", "0.12345678901234567", "1.7976931348623157e308", "5e-324"} {
		f.Add([]byte(`{"seq":1,"kind":"metrics","metrics":{"a":` + number + "}\n"))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkText(t, text)
		// Nearly no mutated line has its own checksum, so read it with a right one too.
		if body, _, ok := bytes.Cut(text, []byte("\n")); ok {
			checkText(t, []byte(sealed(string(body))))
			checkText(t, []byte(sealed(strings.TrimSuffix(string(body[:max(0, len(body)-crcTail)]), "\n"))))
		}
	})
}

func checkText(t *testing.T, text []byte) {
	t.Helper()
	r := NewReader(bytes.NewReader(text), 1)
	lines, err := readAll(r)
	if _, corrupt := errors.AsType[*CorruptError](err); err != io.EOF && !corrupt {
		t.Fatalf("%v", err)
	}
	if r.Offset() > int64(len(text)) || r.Seq() != int64(len(lines)+1) {
		t.Fatalf("offset %d, line %d after %d lines", r.Offset(), r.Seq(), len(lines))
	}
	taken := bytes.SplitAfter(text[:r.Offset()], []byte("\n"))
	if len(taken) != len(lines)+1 || len(taken[len(lines)]) > 0 {
		t.Fatalf("%d lines of %q", len(lines), taken)
	}
	for i, l := range lines {
		checkSum(t, taken[i])
		checkChanged(t, taken[i], len(text))
		checkFast(t, taken[i])
		checkAgain(t, l)
	}
}

// checkSum computes a line's checksum without the reader's help.
func checkSum(t *testing.T, line []byte) {
	t.Helper()
	body, tail, _ := bytes.Cut(line[max(0, len(line)-20):], []byte(`,"crc":"`))
	body = append(line[:max(0, len(line)-20):max(0, len(line)-20)], body...)
	if want := fmt.Sprintf("%08x\"}\n", crc32.Checksum(body, castagnoli)); string(tail) != want {
		t.Fatalf("the line %q was taken; its end should be %q", line, want)
	}
}

// checkChanged reads a line with one byte changed, which must not be taken.
func checkChanged(t *testing.T, line []byte, seed int) {
	t.Helper()
	line = bytes.Clone(line)
	at := seed * 31 % len(line)
	line[at] ^= 1 << (seed % 8)
	if got, err := decode(bytes.TrimSuffix(line, []byte("\n")), names{}); err == nil && at < len(line)-1 {
		t.Fatalf("%q, with byte %d changed, is read as %+v", line, at, got)
	}
}

// checkFast holds the reader of usual lines to encoding/json.
func checkFast(t *testing.T, line []byte) {
	t.Helper()
	body, err := checked(bytes.TrimSuffix(line, []byte("\n")))
	if err != nil {
		t.Fatal(err)
	}
	fast, ok := parseMetrics(body, names{})
	if !ok {
		return
	}
	var slow Line
	if err := json.Unmarshal(append(body[:len(body):len(body)], '}'), &slow); err != nil {
		t.Fatalf("%s is read as %+v, but is no JSON: %v", body, fast, err)
	}
	if !equal(fast, slow) {
		t.Fatalf("%s is read as\n%+v, which is\n%+v", body, fast, slow)
	}
}

// checkAgain writes and reads what a line of its kind consists of.
func checkAgain(t *testing.T, l Line) {
	t.Helper()
	b, err := appendLine(nil, &l)
	if err != nil {
		return // escapes can make a line too long
	}
	again, err := NewReader(bytes.NewReader(b), l.Seq).Next()
	if err != nil {
		t.Fatalf("%+v, written as %q: %v", l, b, err)
	}
	// A foreign line may have members that its kind has no use for.
	if l.Kind == Metrics {
		l = Line{Seq: l.Seq, Kind: Metrics, Step: l.Step, Metrics: l.Metrics}
	} else {
		l.Step, l.Metrics = 0, nil
	}
	if !equal(again, l) {
		t.Fatalf("%+v\ncame back as\n%+v", l, again)
	}
}

// equal compares two lines, their figures by their bits: NaN is not equal to
// itself, and the two zeros are.
func equal(a, b Line) bool {
	same := func(a, b Value) bool {
		return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
	}
	if !maps.EqualFunc(a.Metrics, b.Metrics, same) {
		return false
	}
	a.Metrics, b.Metrics = nil, nil
	return reflect.DeepEqual(a, b)
}
