package export

import (
	"io"
	"math"
	"reflect"

	"github.com/parquet-go/parquet-go"
)

// rowsPerGroup bounds what is held in memory. Tests have fewer.
var rowsPerGroup int64 = 1 << 17

// rowsAtOnce are handed to the library together, which takes a quarter less time.
const rowsAtOnce = 256

// parquetWriter writes a table as a Parquet file. Every column is optional and
// flat.
type parquetWriter struct {
	out     *parquet.GenericWriter[any]
	columns []column
	rows    []parquet.Row // of which the first few are held
	held    int
}

func newParquet(w io.Writer, columns []column) (rowWriter, error) {
	var fields []parquet.Field
	options := []parquet.WriterOption{parquet.MaxRowsPerRowGroup(rowsPerGroup), parquet.Compression(&parquet.Snappy)}
	for _, c := range columns {
		name := toUTF8(c.name)
		fields = append(fields, parquetField{parquet.Optional(nodeOf(c.kind)), name})
		if c.kind == real {
			options = append(options, parquet.SkipPageBounds(name)) // see unbounded
		}
	}
	options = append(options, parquet.NewSchema("table", inOrder{fields: fields}))
	p := &parquetWriter{
		out:     parquet.NewGenericWriter[any](w, options...),
		columns: columns,
		rows:    make([]parquet.Row, rowsAtOnce),
	}
	for i := range p.rows {
		p.rows[i] = make(parquet.Row, len(columns))
	}
	return p, nil
}

func (p *parquetWriter) row(values []value) error {
	row := p.rows[p.held]
	for i, v := range values {
		if v.known {
			row[i] = parquetValue(p.columns[i].kind, v).Level(0, 1, i)
		} else {
			row[i] = parquet.NullValue().Level(0, 0, i)
		}
	}
	if p.held++; p.held == len(p.rows) {
		return p.flush()
	}
	return nil
}

func (p *parquetWriter) flush() error {
	_, err := p.out.WriteRows(p.rows[:p.held])
	p.held = 0
	return err
}

func (p *parquetWriter) close() error {
	if err := p.flush(); err != nil {
		return err
	}
	return p.out.Close()
}

func parquetValue(k kind, v value) parquet.Value {
	switch k {
	case text:
		return parquet.ByteArrayValue([]byte(toUTF8(v.text)))
	case real:
		return parquet.DoubleValue(v.real)
	case boolean:
		return parquet.BooleanValue(v.int != 0)
	}
	return parquet.Int64Value(v.int)
}

// nodeOf says how a column is stored: texts repeat, so they have a dictionary;
// integers are mostly steps, whose differences are equal. The library does not
// compress the places in a dictionary, which is allowed but surprises readers, so
// columns with one are not compressed at all.
func nodeOf(k kind) parquet.Node {
	switch k {
	case text:
		return parquet.Compressed(parquet.Encoded(parquet.String(), &parquet.RLEDictionary), &parquet.Uncompressed)
	case real:
		return parquet.Leaf(unbounded{parquet.DoubleType})
	case boolean:
		return parquet.Leaf(parquet.BooleanType)
	case instant:
		return parquet.Encoded(parquet.Timestamp(parquet.Millisecond), &parquet.DeltaBinaryPacked)
	}
	return parquet.Encoded(parquet.Leaf(parquet.Int64Type), &parquet.DeltaBinaryPacked)
}

// inOrder is a group of columns in our order; the library's own sorts them by
// name.
type inOrder struct {
	parquet.Group
	fields []parquet.Field
}

func (o inOrder) Fields() []parquet.Field { return o.fields }

// parquetField is a column with its name.
type parquetField struct {
	parquet.Node
	name string
}

func (f parquetField) Name() string { return f.name }

// Value is asked for by the interface alone: rows are handed over as values.
func (f parquetField) Value(base reflect.Value) reflect.Value { return base }

// unbounded is the type of columns that may have NaN in them. The library's
// smallest and largest values of a page are wrong if there is one, and a reader
// that filters rows would pass over pages that it needs. So there are none for a
// group of rows (parquet.SkipPageBounds), and the index of the pages, which
// cannot be left out, says that they lie between the infinities.
type unbounded struct{ parquet.Type }

func (u unbounded) NewColumnIndexer(sizeLimit int) parquet.ColumnIndexer {
	return unboundedIndexer{u.Type.NewColumnIndexer(sizeLimit)}
}

type unboundedIndexer struct{ parquet.ColumnIndexer }

func (i unboundedIndexer) IndexPage(values, missing int64, _, _ parquet.Value) {
	i.ColumnIndexer.IndexPage(values, missing, parquet.DoubleValue(math.Inf(-1)), parquet.DoubleValue(math.Inf(1)))
}
