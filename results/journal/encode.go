package journal

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"slices"
	"strconv"
)

// MaxLine is the length of the longest line, its newline included. A journal
// that has none for longer than this is corrupt.
const MaxLine = 1 << 20

// castagnoli is the polynomial of CRC-32C, which processors compute by
// themselves.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

const (
	crcKey  = `,"crc":"`
	crcTail = len(crcKey) + 8 + len(`"}`) // from the comma to the closing brace
)

// appendLine appends l, its checksum and a newline. Metric lines, which come
// once a step, are written without reflection, their names in order, so that
// equal lines are equal bytes.
func appendLine(b []byte, l *Line) ([]byte, error) {
	start := len(b)
	b = append(b, `{"seq":`...)
	b = strconv.AppendInt(b, l.Seq, 10)
	b = append(b, `,"kind":`...)
	b = appendString(b, string(l.Kind))
	var err error
	if l.Kind == Metrics {
		b = appendMetrics(b, l)
	} else {
		b, err = appendRest(b, l)
	}
	if err != nil {
		return b[:start], err
	}
	sum := crc32.Checksum(b[start:], castagnoli)
	b = append(b, crcKey...)
	b = appendHex(b, sum)
	b = append(b, '"', '}', '\n')
	if n := len(b) - start; n > MaxLine {
		return b[:start], fmt.Errorf("a journal line of %d bytes is too long: at most %d are allowed", n, MaxLine)
	}
	return b, nil
}

func appendMetrics(b []byte, l *Line) []byte {
	if l.Step != 0 {
		b = append(b, `,"step":`...)
		b = strconv.AppendInt(b, l.Step, 10)
	}
	b = append(b, `,"metrics":{`...)
	var room [16]string // keeps the names of a usual line off the heap
	names := slices.AppendSeq(room[:0], maps.Keys(l.Metrics))
	slices.Sort(names)
	for i, name := range names {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, name)
		b = append(b, ':')
		b = appendValue(b, l.Metrics[name])
	}
	return append(b, '}')
}

// appendRest appends the members of the rarer kinds of line.
func appendRest(b []byte, l *Line) ([]byte, error) {
	rest := struct {
		Time     int64         `json:"time,omitempty"`
		Start    *StartInfo    `json:"start,omitempty"`
		Progress *ProgressInfo `json:"progress,omitempty"`
		Text     string        `json:"text,omitempty"`
		Outcome  string        `json:"outcome,omitempty"`
	}{l.Time, l.Start, l.Progress, l.Text, l.Outcome}
	if p := l.Progress; p != nil && (math.IsNaN(p.ImagesPerSecond) || math.IsInf(p.ImagesPerSecond, 0)) {
		known := *p
		known.ImagesPerSecond = 0 // a speed over no time is not known yet
		rest.Progress = &known
	}
	members, err := json.Marshal(rest)
	if err != nil || len(members) == len("{}") {
		return b, err
	}
	b = append(b, ',')
	return append(b, members[1:len(members)-1]...), nil
}

// appendString appends s as JSON. Most names are plain and need no escapes.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

func appendHex(b []byte, sum uint32) []byte {
	const digits = "0123456789abcdef"
	for shift := 28; shift >= 0; shift -= 4 {
		b = append(b, digits[sum>>shift&15])
	}
	return b
}
