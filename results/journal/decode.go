package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strconv"
)

// names interns the names of metrics, of which a journal has few.
type names map[string]string

func (n names) intern(b []byte) string {
	if s, ok := n[string(b)]; ok {
		return s
	}
	s := string(b)
	if len(n) < 1000 { // a journal of nonsense shall not fill the memory
		n[s] = s
	}
	return s
}

// decode reads one line, without its newline. The error says what is wrong
// with it.
func decode(line []byte, known names) (Line, error) {
	body, err := checked(line)
	if err != nil {
		return Line{}, err
	}
	if l, ok := parseMetrics(body, known); ok {
		return l, nil
	}
	var l Line
	if err := json.Unmarshal(append(body[:len(body):len(body)], '}'), &l); err != nil {
		return Line{}, fmt.Errorf("it is no line of a journal: %v", err)
	}
	return l, l.check()
}

// checked returns what precedes the checksum if the checksum is right.
func checked(line []byte) ([]byte, error) {
	n := len(line) - crcTail
	if n < 1 || !bytes.HasPrefix(line[n:], []byte(crcKey)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return nil, errors.New("it does not end in a checksum")
	}
	var want [8]byte
	appendHex(want[:0], crc32.Checksum(line[:n], castagnoli))
	if got := line[n+len(crcKey):][:8]; !bytes.Equal(got, want[:]) {
		return nil, fmt.Errorf("its checksum is %s where %q stands", want, got)
	}
	return line[:n], nil
}

// check reports a line that lacks what its kind is about.
func (l *Line) check() error {
	switch l.Kind {
	case Start:
		if l.Start == nil || l.Start.ResumeStep < 0 {
			return errors.New("it is a start line without a resume step")
		}
	case Progress:
		if l.Progress == nil {
			return errors.New("it is a progress line without progress")
		}
	case Metrics:
		if l.Step < 0 {
			return fmt.Errorf("its step is %d", l.Step)
		}
	case Event, Outcome:
	default:
		return fmt.Errorf("its kind %.40q is unknown", l.Kind)
	}
	return nil
}

// parseMetrics reads a metrics line in exactly the form that appendLine
// writes, less its checksum. It is what makes reading fast: such lines are
// nearly all of a journal. Any other form is left to encoding/json.
func parseMetrics(body []byte, known names) (l Line, ok bool) {
	c := cursor{rest: body}
	if !c.skip(`{"seq":`) || !c.int(&l.Seq) || !c.skip(`,"kind":"metrics"`) {
		return l, false
	}
	if c.skip(`,"step":`) && !c.int(&l.Step) {
		return l, false
	}
	if !c.skip(`,"metrics":{`) {
		return l, false
	}
	l.Kind = Metrics
	l.Metrics = make(map[string]Value)
	if c.skip(`}`) {
		return l, len(c.rest) == 0
	}
	for {
		var v Value
		name, ok := c.string()
		if !ok || !c.skip(":") || !c.value(&v) {
			return l, false
		}
		l.Metrics[known.intern(name)] = v
		if !c.skip(",") {
			return l, c.skip("}") && len(c.rest) == 0
		}
	}
}

// cursor walks over a line. Its methods report whether they found what they
// look for; if so they step over it.
type cursor struct{ rest []byte }

func (c *cursor) skip(s string) bool {
	if len(c.rest) < len(s) || string(c.rest[:len(s)]) != s {
		return false
	}
	c.rest = c.rest[len(s):]
	return true
}

// int reads a whole number from 0 to 10^18 - 1, without leading zeros.
func (c *cursor) int(v *int64) bool {
	n := 0
	for *v = 0; n < len(c.rest) && n < 18 && c.rest[n]-'0' <= 9; n++ {
		*v = *v*10 + int64(c.rest[n]-'0')
	}
	if n == 0 || c.rest[0] == '0' && n > 1 {
		return false
	}
	c.rest = c.rest[n:]
	return true
}

// string reads a string of plain characters, without escapes.
func (c *cursor) string() ([]byte, bool) {
	if !c.skip(`"`) {
		return nil, false
	}
	for i, b := range c.rest {
		if b == '"' {
			s := c.rest[:i]
			c.rest = c.rest[i+1:]
			return s, true
		}
		if b < ' ' || b > '~' || b == '\\' {
			return nil, false
		}
	}
	return nil, false
}

func (c *cursor) value(v *Value) bool {
	switch {
	case c.skip(`"NaN"`):
		*v = Value(math.NaN())
	case c.skip(`"+Inf"`):
		*v = Value(math.Inf(1))
	case c.skip(`"-Inf"`):
		*v = Value(math.Inf(-1))
	default:
		n := number(c.rest)
		if n == 0 {
			return false // ParseFloat knows forms that JSON does not
		}
		f, err := strconv.ParseFloat(string(c.rest[:n]), 64)
		*v = Value(f)
		c.rest = c.rest[n:]
		return err == nil
	}
	return true
}

// number returns the length of the JSON number that b begins with, 0 if it
// begins with none.
func number(b []byte) int {
	n := 0
	if n < len(b) && b[n] == '-' {
		n++
	}
	whole := digits(b[n:])
	if whole == 0 || whole > 1 && b[n] == '0' {
		return 0
	}
	n += whole
	if n < len(b) && b[n] == '.' {
		part := digits(b[n+1:])
		if part == 0 {
			return 0
		}
		n += 1 + part
	}
	if n < len(b) && (b[n] == 'e' || b[n] == 'E') {
		n++
		if n < len(b) && (b[n] == '+' || b[n] == '-') {
			n++
		}
		power := digits(b[n:])
		if power == 0 {
			return 0
		}
		n += power
	}
	return n
}

// digits returns how many digits b begins with.
func digits(b []byte) int {
	n := 0
	for n < len(b) && b[n]-'0' <= 9 {
		n++
	}
	return n
}
