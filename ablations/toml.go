package ablations

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"ablate/trainer/config"
)

// node is a value of a TOML document with its place. TOML's usual decoders
// lose the order of tables and the lines of values, and a study needs both.
type node struct {
	kind   kind
	line   int
	offset int    // of the key, or of a list's item, in the file
	value  any    // of a scalar: string, bool, int64, float64, or kindDate
	text   string // of a number, as it is written

	keys   []string // of a table, in file order
	fields map[string]*node
	items  []*node // of a list

	// Who may still add to a table: a header [a.b] to one that only came into
	// being as a part of other headers, a dotted key to those of its own kind.
	made maker
}

type maker int

const (
	byHeaderPath maker = iota // the a of [a.b], or a's dotted keys' owner
	byHeader                  // [a]
	byDottedKey               // the a of a.b = 1
	byValue                   // a = { ... }, complete where it stands
)

type kind string

const (
	kindTable  kind = "a table"
	kindList   kind = "a list"
	kindString kind = "a string"
	kindBool   kind = "a boolean"
	kindInt    kind = "a whole number"
	kindFloat  kind = "a number"
	kindDate   kind = "a date or time"
)

// String lets messages name what stands where another value should.
func (k kind) String() string { return string(k) }

// readTOML parses a document and reports to p what is wrong with it. It
// returns nil if the syntax is; doubled keys are left out of the tree.
func readTOML(p *problems, text []byte) *node {
	// A byte order mark is what some editors leave at the start.
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	r := reader{problems: p, text: text, line: 1}
	root := newTable(byHeaderPath, 1, 0)
	if err := r.document(root); err != nil {
		r.syntax(err)
		return nil
	}
	if len(p.list) > 0 {
		return root
	}
	// The decoder checks the little that the parser leaves open, such as the
	// days of a month.
	var discard map[string]any
	if err := toml.Unmarshal(text, &discard); err != nil {
		r.syntax(err)
		return nil
	}
	return root
}

func newTable(made maker, line, offset int) *node {
	return &node{kind: kindTable, line: line, offset: offset, made: made, fields: map[string]*node{}}
}

type reader struct {
	*problems
	text   []byte
	parser unstable.Parser

	// The newest position that was looked up; positions mostly go up.
	line, offset int
}

// syntax reports an error of the TOML library.
func (r *reader) syntax(err error) {
	var parse *unstable.ParserError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &parse):
		r.at(r.lineAt(cap(r.text)-cap(parse.Highlight)), "not TOML: %s", parse.Message)
	case errors.As(err, &decode):
		line, _ := decode.Position()
		r.at(line, "not TOML: %s", strings.TrimPrefix(decode.Error(), "toml: "))
	default:
		r.at(1, "not TOML: %v", err)
	}
}

// lineAt returns the line of a byte of the text.
func (r *reader) lineAt(offset int) int {
	offset = max(0, min(offset, len(r.text)))
	if offset < r.offset {
		r.line, r.offset = 1, 0
	}
	r.line += bytes.Count(r.text[r.offset:offset], []byte("\n"))
	r.offset = offset
	return r.line
}

func (r *reader) document(root *node) error {
	r.parser.Reset(r.text)
	table := root
	for r.parser.NextExpression() {
		e := r.parser.Expression()
		switch e.Kind {
		case unstable.Table:
			table = r.header(root, e, false)
		case unstable.ArrayTable:
			table = r.header(root, e, true)
		case unstable.KeyValue:
			r.keyValue(table, e)
		}
	}
	return r.parser.Error()
}

// part is one segment of a key.
type part struct {
	name         string
	line, offset int
}

func (r *reader) key(n *unstable.Node) []part {
	var parts []part
	for it := n.Key(); it.Next(); {
		k := it.Node()
		offset := int(k.Raw.Offset)
		parts = append(parts, part{string(k.Data), r.lineAt(offset), offset})
	}
	return parts
}

func join(parts []part) string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return strings.Join(names, ".")
}

// header opens [a.b], or a new item of [[a.b]], and returns its table. Where
// that is not allowed it reports so and returns a table that leads nowhere.
func (r *reader) header(root *node, e *unstable.Node, list bool) *node {
	parts := r.key(e)
	last := parts[len(parts)-1]
	fresh := newTable(byHeader, last.line, last.offset)
	t := root
	for _, p := range parts[:len(parts)-1] {
		sub := t.fields[p.name]
		switch {
		case sub == nil:
			sub = newTable(byHeaderPath, p.line, p.offset)
			t.add(p.name, sub)
		case sub.kind == kindList && sub.made == byHeader:
			sub = sub.items[len(sub.items)-1]
		case sub.kind != kindTable || sub.made == byValue:
			r.closed(parts, p, sub)
			return fresh
		}
		t = sub
	}
	old := t.fields[last.name]
	switch {
	case old == nil && list:
		t.add(last.name, &node{kind: kindList, line: last.line, offset: last.offset, made: byHeader, items: []*node{fresh}})
	case old == nil:
		t.add(last.name, fresh)
	case list && old.kind == kindList && old.made == byHeader:
		old.items = append(old.items, fresh)
	case !list && old.kind == kindTable && old.made == byHeaderPath:
		old.made = byHeader
		return old
	default:
		r.twice(parts, old)
	}
	return fresh
}

func (r *reader) twice(parts []part, old *node) {
	r.at(parts[len(parts)-1].line, "%s is set twice, first at line %d", join(parts), old.line)
}

// closed reports a key that would add to what p names.
func (r *reader) closed(parts []part, p part, old *node) {
	r.at(p.line, "%s cannot be added to %s, which line %d sets as a whole", join(parts), p.name, old.line)
}

func (t *node) add(name string, child *node) {
	t.keys = append(t.keys, name)
	t.fields[name] = child
}

// keyValue adds a = 1 or a.b = 1 to a table.
func (r *reader) keyValue(t *node, e *unstable.Node) {
	parts := r.key(e)
	last := parts[len(parts)-1]
	for _, p := range parts[:len(parts)-1] {
		sub := t.fields[p.name]
		if sub == nil {
			sub = newTable(byDottedKey, p.line, p.offset)
			t.add(p.name, sub)
		} else if sub.kind != kindTable || sub.made != byDottedKey {
			r.closed(parts, p, sub)
			return
		}
		t = sub
	}
	v := r.valueOf(e.Value(), last.line, last.offset)
	if old := t.fields[last.name]; old != nil {
		r.twice(parts, old)
		return
	}
	t.add(last.name, v)
}

// valueOf converts a value. Lists and their empty likes have no position of
// their own in the parser's tree; they get that of their key.
func (r *reader) valueOf(e *unstable.Node, line, offset int) *node {
	n := &node{line: line, offset: offset}
	if e.Kind != unstable.Array && e.Kind != unstable.InlineTable {
		n.line = r.lineAt(int(e.Raw.Offset))
	}
	switch e.Kind {
	case unstable.Array:
		n.kind, n.made = kindList, byValue
		for it := e.Children(); it.Next(); {
			item := it.Node()
			if item.Kind == unstable.InlineTable {
				offset = int(item.Raw.Offset)
				line = r.lineAt(offset)
			}
			n.items = append(n.items, r.valueOf(item, line, offset))
		}
	case unstable.InlineTable:
		*n = *newTable(byValue, line, offset)
		for it := e.Children(); it.Next(); {
			r.keyValue(n, it.Node())
		}
	default:
		scalar(n, e)
	}
	return n
}

// scalar leaves numbers out of range to the decoder's check.
func scalar(n *node, e *unstable.Node) {
	text := string(e.Data)
	switch e.Kind {
	case unstable.String:
		n.kind, n.value = kindString, text
	case unstable.Bool:
		n.kind, n.value = kindBool, text == "true"
	case unstable.Integer:
		i, _ := strconv.ParseInt(text, 0, 64)
		n.kind, n.value, n.text = kindInt, i, text
	case unstable.Float:
		n.kind, n.value, n.text = kindFloat, parseFloat(text), text
	default:
		n.kind, n.value = kindDate, kindDate
	}
}

func parseFloat(text string) float64 {
	if strings.HasSuffix(text, "nan") { // strconv knows no signed one
		return math.NaN()
	}
	f, _ := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	return f
}

// plain returns a scalar's value, or the kind of anything else, so that a
// message about a wrong value can name it.
func (n *node) plain() any {
	if n.kind == kindTable || n.kind == kindList {
		return n.kind
	}
	return n.value
}

// show writes a value as messages quote it: a number as the user wrote it.
func (n *node) show() string {
	if n.text != "" {
		return n.text
	}
	if s, ok := n.value.(string); ok {
		return strconv.Quote(s)
	}
	return config.Print(n.plain())
}
