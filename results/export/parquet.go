package export

import (
	"encoding/binary"
	"io"
	"math"
	"math/bits"
)

// A Parquet file as https://parquet.apache.org/docs/file-format describes it, of
// as few kinds of page as our tables need: every column is optional and flat; a
// chunk has one data page, of indices into a dictionary if that is smaller, else
// plain; nothing is compressed, since the dictionaries already do most of it.
//
// It is written here, rather than by a library, because that is three hundred
// lines, and the library in use among Go programs brings eight modules and a
// third more program.

// rowsPerGroup bounds what is held in memory. Tests have fewer.
var rowsPerGroup int64 = 1 << 17

// parquetWriter writes a table as a Parquet file.
type parquetWriter struct {
	w       io.Writer
	offset  int64 // bytes written
	columns []column
	held    []heldColumn // the rows of the next group
	rows    int64        // in held
	groups  [][]chunk
	total   int64
	sizes   []int64 // rows by group
}

// heldColumn is a column of a group on its way.
type heldColumn struct {
	missing int
	known   []bool
	texts   []string // known values only, as the other two
	ints    []int64
	reals   []float64
}

// chunk is a column of a group in the file.
type chunk struct {
	dictionary int64 // offset of its page, 0 if there is none
	data       int64
	size       int64
	values     int64
}

func newParquet(w io.Writer, columns []column) (rowWriter, error) {
	p := &parquetWriter{w: w, columns: columns, held: make([]heldColumn, len(columns))}
	return p, p.write([]byte("PAR1"))
}

func (p *parquetWriter) write(b []byte) error {
	n, err := p.w.Write(b)
	p.offset += int64(n)
	return err
}

func (p *parquetWriter) row(values []value) error {
	for i, v := range values {
		h := &p.held[i]
		h.known = append(h.known, v.known)
		if !v.known {
			h.missing++
			continue
		}
		switch p.columns[i].kind {
		case text:
			h.texts = append(h.texts, v.text)
		case real:
			h.reals = append(h.reals, v.real)
		default:
			h.ints = append(h.ints, v.int)
		}
	}
	if p.rows++; p.rows == rowsPerGroup {
		return p.flush()
	}
	return nil
}

// flush writes the held rows as a group.
func (p *parquetWriter) flush() error {
	if p.rows == 0 {
		return nil
	}
	group := make([]chunk, len(p.columns))
	for i, c := range p.columns {
		h := &p.held[i]
		dictionary, entries, data, encoding := h.pages(c.kind)
		group[i] = chunk{values: p.rows, data: p.offset}
		begin := p.offset
		if dictionary != nil {
			group[i].dictionary = p.offset
			if err := p.page(dictionaryPage, entries, plain, dictionary); err != nil {
				return err
			}
			group[i].data = p.offset
		}
		if err := p.page(dataPage, int(p.rows), encoding, append(h.levels(), data...)); err != nil {
			return err
		}
		group[i].size = p.offset - begin
		*h = heldColumn{known: h.known[:0], texts: h.texts[:0], ints: h.ints[:0], reals: h.reals[:0]}
	}
	p.groups, p.sizes = append(p.groups, group), append(p.sizes, p.rows)
	p.total += p.rows
	p.rows = 0
	return nil
}

// The numbers that the format gives to types, pages and encodings.
const (
	typeBoolean, typeInt64, typeDouble, typeBytes = 0, 2, 5, 6

	dataPage, dictionaryPage = 0, 2

	plain, runLength, dictionaryIndices = 0, 3, 8
)

// page writes a page with its header.
func (p *parquetWriter) page(kind, values, encoding int, content []byte) error {
	var t thrift
	t.begin()
	t.i32(1, kind)
	t.i32(2, len(content))
	t.i32(3, len(content))
	if kind == dataPage {
		t.structure(5)
		t.i32(1, values)
		t.i32(2, encoding)
		t.i32(3, runLength) // of the levels: which values are missing
		t.i32(4, runLength)
	} else {
		t.structure(7)
		t.i32(1, values)
		t.i32(2, encoding)
	}
	t.end()
	t.end()
	if err := p.write(t.bytes); err != nil {
		return err
	}
	return p.write(content)
}

// levels says which values are missing: a length, then runs.
func (h *heldColumn) levels() []byte {
	levels := make([]byte, 4)
	if h.missing == 0 || h.missing == len(h.known) {
		levels = binary.AppendUvarint(levels, uint64(len(h.known))<<1)
		levels = append(levels, byte(b2i(h.missing == 0)))
	} else {
		levels = appendIndices(levels, len(h.known), 1, func(i int) uint32 { return uint32(b2i(h.known[i])) })
	}
	binary.LittleEndian.PutUint32(levels, uint32(len(levels)-4))
	return levels
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// pages returns the dictionary, nil without one, and the data.
func (h *heldColumn) pages(k kind) (dictionary []byte, entries int, data []byte, encoding int) {
	switch k {
	case text:
		return encode(h.texts, func(b []byte, s string) []byte {
			s = toUTF8(s)
			return append(binary.LittleEndian.AppendUint32(b, uint32(len(s))), s...)
		})
	case real:
		words := make([]uint64, len(h.reals)) // NaN equals itself here
		for i, f := range h.reals {
			words[i] = math.Float64bits(f)
		}
		return encode(words, binary.LittleEndian.AppendUint64)
	case boolean:
		data = make([]byte, (len(h.ints)+7)/8)
		for i, v := range h.ints {
			data[i/8] |= byte(v) << (i % 8)
		}
		return nil, 0, data, plain
	}
	return encode(h.ints, func(b []byte, v int64) []byte { return binary.LittleEndian.AppendUint64(b, uint64(v)) })
}

// encode writes values plainly, or if at most half of them differ, as indices
// into a dictionary.
func encode[T comparable](values []T, write func(b []byte, v T) []byte) (dictionary []byte, entries int, data []byte, encoding int) {
	places := map[T]uint32{}
	indices := make([]uint32, len(values))
	for i, v := range values {
		place, known := places[v]
		if !known {
			place = uint32(len(places))
			if len(places) >= (len(values)+1)/2 {
				for _, v := range values {
					data = write(data, v)
				}
				return nil, 0, data, plain
			}
			places[v] = place
			dictionary = write(dictionary, v)
		}
		indices[i] = place
	}
	if len(values) == 0 {
		return nil, 0, nil, plain
	}
	width := max(bits.Len(uint(len(places)-1)), 1)
	data = appendIndices([]byte{byte(width)}, len(indices), width, func(i int) uint32 { return indices[i] })
	return dictionary, len(places), data, dictionaryIndices
}

// appendIndices writes n small numbers of width bits in the hybrid of runs of
// equal numbers and of packed groups of eight.
func appendIndices(b []byte, n, width int, at func(i int) uint32) []byte {
	const worth = 16 // equal numbers that are worth a run
	runFrom := func(i int) (run int) {
		for run = 1; i+run < n && at(i+run) == at(i); run++ {
		}
		return run
	}
	for i := 0; i < n; {
		if run := runFrom(i); run >= worth || i+run == n {
			b = binary.AppendUvarint(b, uint64(run)<<1)
			for k := 0; k < width; k += 8 {
				b = append(b, byte(at(i)>>k))
			}
			i += run
			continue
		}
		begin := i
		for i < n && (i == begin || runFrom(i) < worth+8) {
			i += 8 // whole groups; past the end they are filled up with zeros
		}
		b = binary.AppendUvarint(b, uint64((i-begin)/8)<<1|1)
		b = appendPacked(b, begin, i, width, func(i int) uint32 {
			if i < n {
				return at(i)
			}
			return 0
		})
	}
	return b
}

// appendPacked writes the numbers from begin to end, the lowest bit first.
func appendPacked(b []byte, begin, end, width int, at func(i int) uint32) []byte {
	var buffer uint64
	filled := 0
	for i := begin; i < end; i++ {
		buffer |= uint64(at(i)) << filled
		for filled += width; filled >= 8; filled -= 8 {
			b = append(b, byte(buffer))
			buffer >>= 8
		}
	}
	return b
}

// close writes the footer: the schema, and where everything is.
func (p *parquetWriter) close() error {
	if err := p.flush(); err != nil {
		return err
	}
	var t thrift
	t.begin()
	t.i32(1, 1)
	t.list(2, thriftStruct, len(p.columns)+1)
	t.begin()
	t.text(4, "table")
	t.i32(5, len(p.columns))
	t.end()
	for _, c := range p.columns {
		t.schema(c)
	}
	t.i64(3, p.total)
	t.list(4, thriftStruct, len(p.groups))
	for i, group := range p.groups {
		p.describe(&t, group, p.sizes[i])
	}
	t.text(6, "ablate")
	t.end()
	if err := p.write(t.bytes); err != nil {
		return err
	}
	return p.write(append(binary.LittleEndian.AppendUint32(nil, uint32(len(t.bytes))), "PAR1"...))
}

// describe writes where a group's columns are.
func (p *parquetWriter) describe(t *thrift, group []chunk, rows int64) {
	var size int64
	t.begin()
	t.list(1, thriftStruct, len(group))
	for i, c := range group {
		size += c.size
		first := c.data
		if c.dictionary > 0 {
			first = c.dictionary
		}
		t.begin()
		t.i64(2, first)
		t.structure(3)
		t.i32(1, typeOf(p.columns[i].kind))
		if c.dictionary > 0 {
			t.list(2, thriftI32, 3)
			t.zigzag(plain)
			t.zigzag(runLength)
			t.zigzag(dictionaryIndices)
		} else {
			t.list(2, thriftI32, 2)
			t.zigzag(plain)
			t.zigzag(runLength)
		}
		t.list(3, thriftBinary, 1)
		t.string(p.columns[i].name)
		t.i32(4, 0) // not compressed
		t.i64(5, c.values)
		t.i64(6, c.size)
		t.i64(7, c.size)
		t.i64(9, c.data)
		if c.dictionary > 0 {
			t.i64(11, c.dictionary)
		}
		t.end()
		t.end()
	}
	t.i64(2, size)
	t.i64(3, rows)
	t.end()
}

func typeOf(k kind) int {
	switch k {
	case text:
		return typeBytes
	case real:
		return typeDouble
	case boolean:
		return typeBoolean
	}
	return typeInt64
}

// schema writes a column's.
func (t *thrift) schema(c column) {
	const optional, utf8, timestampMillis = 1, 0, 9
	t.begin()
	t.i32(1, typeOf(c.kind))
	t.i32(3, optional)
	t.text(4, toUTF8(c.name))
	switch c.kind {
	case text:
		t.i32(6, utf8)
		t.structure(10)
		t.structure(1)
		t.end()
		t.end()
	case instant:
		t.i32(6, timestampMillis)
		t.structure(10)
		t.structure(8)
		t.yes(1) // in UTC
		t.structure(2)
		t.structure(1) // milliseconds
		t.end()
		t.end()
		t.end()
		t.end()
	}
	t.end()
}

// thrift writes Thrift's compact protocol.
type thrift struct {
	bytes []byte
	last  []int // number of the last field, by depth of structs
}

// Types of the compact protocol.
const (
	thriftTrue, thriftI32, thriftI64, thriftBinary, thriftList, thriftStruct = 1, 5, 6, 8, 9, 12
)

func (t *thrift) begin() { t.last = append(t.last, 0) }

func (t *thrift) end() {
	t.bytes = append(t.bytes, 0)
	t.last = t.last[:len(t.last)-1]
}

// field begins a field whose number is above that of the one before it, by 15
// at most.
func (t *thrift) field(number, kind int) {
	last := &t.last[len(t.last)-1]
	t.bytes = append(t.bytes, byte((number-*last)<<4|kind))
	*last = number
}

func (t *thrift) zigzag(v int64)            { t.bytes = binary.AppendVarint(t.bytes, v) }
func (t *thrift) i32(number, v int)         { t.field(number, thriftI32); t.zigzag(int64(v)) }
func (t *thrift) i64(number int, v int64)   { t.field(number, thriftI64); t.zigzag(v) }
func (t *thrift) yes(number int)            { t.field(number, thriftTrue) }
func (t *thrift) text(number int, s string) { t.field(number, thriftBinary); t.string(s) }
func (t *thrift) structure(number int)      { t.field(number, thriftStruct); t.begin() }
func (t *thrift) string(s string) {
	t.bytes = append(binary.AppendUvarint(t.bytes, uint64(len(s))), s...)
}

func (t *thrift) list(number, kind, n int) {
	t.field(number, thriftList)
	if n < 15 {
		t.bytes = append(t.bytes, byte(n<<4|kind))
		return
	}
	t.bytes = binary.AppendUvarint(append(t.bytes, byte(0xf0|kind)), uint64(n))
}
