package export

import (
	"bufio"
	"encoding/json"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// csvWriter writes RFC 4180: rows end in CRLF, and what has a comma, a quote or
// a line break in it is quoted. A missing value is an empty field; NaN and the
// infinities are NaN, Inf and -Inf, which pandas and R read.
type csvWriter struct {
	w       *bufio.Writer
	columns []column
	line    []byte
}

const bufferSize = 1 << 16

func newCSV(w io.Writer, columns []column) (rowWriter, error) {
	c := &csvWriter{w: bufio.NewWriterSize(w, bufferSize), columns: columns}
	for i, column := range columns {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		c.line = appendCSV(c.line, column.name)
	}
	return c, c.end()
}

func (c *csvWriter) row(values []value) error {
	for i, v := range values {
		if i > 0 {
			c.line = append(c.line, ',')
		}
		if !v.known {
			continue
		}
		switch c.columns[i].kind {
		case text:
			c.line = appendCSV(c.line, v.text)
		case integer:
			c.line = strconv.AppendInt(c.line, v.int, 10)
		case real:
			c.line = appendReal(c.line, v.real)
		case boolean:
			c.line = strconv.AppendBool(c.line, v.int != 0)
		case instant:
			c.line = appendTime(c.line, v.int)
		}
	}
	return c.end()
}

func (c *csvWriter) end() error {
	_, err := c.w.Write(append(c.line, '\r', '\n'))
	c.line = c.line[:0]
	return err
}

func (c *csvWriter) close() error { return c.w.Flush() }

func appendCSV(b []byte, s string) []byte {
	if !strings.ContainsAny(s, ",\"\r\n") {
		return append(b, s...)
	}
	b = append(b, '"')
	b = append(b, strings.ReplaceAll(s, `"`, `""`)...)
	return append(b, '"')
}

func appendReal(b []byte, f float64) []byte {
	if math.IsInf(f, 1) {
		return append(b, "Inf"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

func appendTime(b []byte, ms int64) []byte {
	return time.UnixMilli(ms).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
}

// jsonWriter writes a JSON object on each line. A missing value is null; NaN and
// the infinities are the strings "NaN", "+Inf" and "-Inf", as in journals.
type jsonWriter struct {
	w       *bufio.Writer
	columns []column
	keys    []string // of the object, with what stands before the value
	line    []byte
}

func newJSONL(w io.Writer, columns []column) (rowWriter, error) {
	j := &jsonWriter{w: bufio.NewWriterSize(w, bufferSize), columns: columns}
	for i, c := range columns {
		before := ","
		if i == 0 {
			before = "{"
		}
		j.keys = append(j.keys, before+string(appendJSON(nil, c.name))+":")
	}
	return j, nil
}

func (j *jsonWriter) row(values []value) error {
	for i, v := range values {
		j.line = append(j.line, j.keys[i]...)
		if !v.known {
			j.line = append(j.line, "null"...)
			continue
		}
		switch j.columns[i].kind {
		case text:
			j.line = appendJSON(j.line, v.text)
		case integer:
			j.line = strconv.AppendInt(j.line, v.int, 10)
		case real:
			j.line = appendJSONReal(j.line, v.real)
		case boolean:
			j.line = strconv.AppendBool(j.line, v.int != 0)
		case instant:
			j.line = append(appendTime(append(j.line, '"'), v.int), '"')
		}
	}
	_, err := j.w.Write(append(j.line, '}', '\n'))
	j.line = j.line[:0]
	return err
}

func (j *jsonWriter) close() error { return j.w.Flush() }

func appendJSONReal(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 0):
		return strconv.AppendQuote(b, strconv.FormatFloat(f, 'g', -1, 64))
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

// appendJSON writes a JSON string. What is no UTF-8 becomes U+FFFD.
func appendJSON(b []byte, s string) []byte {
	for _, c := range []byte(s) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' {
			quoted, _ := json.Marshal(s) // a string always marshals
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
