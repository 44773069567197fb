package ablations

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"ablate/trainer/config"
)

// The size of a study is limited, so that a slip of the pen is an error and
// not a machine out of memory.
const (
	maxCells = 250_000
	maxRuns  = 1_000_000
)

// defaultAlpha is the level of the claims' tests.
const defaultAlpha = 0.05

// MaxSeed is the largest seed; the smallest is 1.
const MaxSeed = 1<<31 - 1

var rootKeys = []string{"name", "title", "source", "seeds", "alpha", "test", "exclude", "zip", "expand", "order",
	"timeout", "memory", "paper", "trainer", "base", "axes", "when", "cells", "claims"}

// overridable are the root keys that an override may set: they change neither
// what the cells are nor what is said of them.
var overridable = []string{"seeds", "timeout", "memory"}

// Parse reads a study from text, lays the overrides sets ("key=value") over
// its base, and expands it. file is what errors call it. If anything is wrong,
// the error is Errors: all of them, sorted by line.
func Parse(file string, text []byte, sets []string) (*Study, error) {
	p := &parser{problems: problems{file: file}, vocab: embedded{}, lost: map[string]bool{}}
	p.study = &Study{File: file, Text: text, Sets: sets}
	root := readTOML(&p.problems, text)
	if root == nil {
		return nil, p.err()
	}
	p.root(root)
	p.overrides(sets)
	if _, isFree := p.vocab.(free); isFree {
		p.oneType()
	}
	p.expand()
	p.placeholders()
	p.claims(root)
	p.paperValues(root)
	if err := p.err(); err != nil {
		return nil, err
	}
	return p.study, nil
}

// parser holds a study on its way from text to cells.
type parser struct {
	problems
	study   *Study
	vocab   vocabulary
	command *node // of an external trainer

	base       *layer
	sets       []*layer // the overrides, one each
	axes       []*axis
	cells      []*layer // the named cells
	excludes   []*exclusion
	zips       []*node
	whens      []*when
	whenFields []fields
	order      int

	factors  []*factor
	factorOf []*factor      // by axis
	index    map[string]int // position in study.Cells of the cell of each combination of levels

	// What could not be read, so that a use of its name is no second error:
	// names of axes and levels, or everything.
	lost    map[string]bool
	partial bool
	unclear bool // there is no saying which combinations of levels are cells
}

// axis is a factor on its way to an Axis.
type axis struct {
	name         string
	line, offset int
	levels       []*layer
	idle         bool // a later axis hides some of it
}

func (a *axis) level(name string) int {
	return slices.IndexFunc(a.levels, func(l *layer) bool { return l.name == name })
}

// layer is a set of settings with its place: the base, an override, a level or
// a named cell.
type layer struct {
	name  string
	line  int
	set   config.Settings
	lines map[string]int // of each key that is written in it
	// Something in it is wrong, so that no more than its name can be judged.
	broken bool
}

func newLayer(name string, line int) *layer {
	return &layer{name: name, line: line, set: config.Settings{}, lines: map[string]int{}}
}

func layerNames(layers []*layer) []string {
	names := make([]string, len(layers))
	for i, l := range layers {
		names[i] = l.name
	}
	return names
}

func (p *parser) root(root *node) {
	f := p.fields(root, "a study", rootKeys...)
	p.name(f)
	p.study.Title = f.text("title")
	p.study.Source = f.text("source")
	p.study.Seeds = []int{1}
	if n := root.fields["seeds"]; n != nil {
		p.study.Seeds = p.seeds(n)
	}
	p.study.Alpha = defaultAlpha
	if n := f.get("alpha", kindFloat); n != nil {
		p.study.Alpha = p.between(n, "alpha", 0, 1)
	}
	p.study.Test = p.test(f)
	p.limits(root)
	if n := f.get("trainer", kindTable); n != nil {
		p.trainer(n)
	} else if root.fields["trainer"] != nil || f.meant["trainer"] { // its keys are not ours to judge
		p.study.Trainer, p.vocab = &Trainer{}, free{}
	}
	p.base = newLayer("base", 1)
	if n := f.get("base", kindTable); n != nil {
		p.base.line = n.line
		p.flatten(p.base, n, "")
	}
	if n := f.get("axes", kindTable); n != nil {
		p.readAxes(n)
	} else if root.fields["axes"] != nil {
		p.partial = true
	}
	if n := f.get("cells", kindTable); n != nil {
		p.readCells(n)
	} else if root.fields["cells"] != nil {
		p.partial = true
	}
	p.partial = p.partial || f.meant["axes"] || f.meant["cells"]
	for name, k := range map[string]kind{"zip": kindList, "when": kindList, "expand": kindString, "order": kindInt} {
		n := root.fields[name]
		p.unclear = p.unclear || f.meant[name] || n != nil && n.kind != k
	}
	if n := f.get("exclude", kindList); n != nil {
		p.readExcludes(n)
	}
	if n := f.get("zip", kindList); n != nil {
		p.zips = n.items
	}
	if n := f.get("when", kindList); n != nil {
		p.readWhens(n)
	}
	p.readExpand(f)
}

var goodName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)

// name takes the study's name from the file where the study does not say.
func (p *parser) name(f fields) {
	n := f.get("name", kindString)
	if n == nil {
		p.study.Name = strings.TrimSuffix(filepath.Base(p.file), ".toml")
		if f.t.fields["name"] == nil && !f.meant["name"] && !goodName.MatchString(p.study.Name) {
			p.at(1, "name is missing; give the study one of letters, digits and . _ + -")
		}
		return
	}
	p.study.Name = n.value.(string)
	if !goodName.MatchString(p.study.Name) {
		p.at(n.line, "name must be of letters, digits and . _ + - and begin with a letter or digit, not %s", n.show())
	}
}

// limits reads what a run may take. They change no number, so they are no
// part of its identity.
func (p *parser) limits(t *node) {
	if n := t.fields["timeout"]; n != nil {
		text, _ := n.value.(string)
		d, err := time.ParseDuration(text)
		if err != nil || d <= 0 {
			p.at(n.line, `timeout must be a duration above 0, such as "2h" or "1h30m", not %s`, n.show())
		}
		p.study.Timeout = d
	}
	if n := t.fields["memory"]; n != nil {
		text, _ := n.value.(string)
		bytes, err := ParseMemory(text)
		if err != nil {
			p.at(n.line, "memory must be %s, not %s", memoryForm, n.show())
		}
		p.study.Memory = bytes
	}
}

var memoryUnits = []struct {
	name  string
	bytes float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}}

const memoryForm = `an amount above 0 with its unit, such as "4GiB" or "1500 MB"`

// ParseMemory reads an amount of memory, such as "4GiB", as bytes.
func ParseMemory(text string) (bytes int64, err error) {
	for _, u := range memoryUnits {
		number, ok := strings.CutSuffix(text, u.name)
		if !ok {
			continue
		}
		n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if n *= u.bytes; err == nil && n >= 1 && n < 1<<62 {
			return int64(n), nil
		}
	}
	return 0, fmt.Errorf("%q is not %s", text, memoryForm)
}

// seeds are a count, or a list of them. One seed is the default.
func (p *parser) seeds(n *node) []int {
	if n.kind == kindList && len(n.items) > 0 {
		return p.seedList(n)
	}
	count, ok := n.value.(int64)
	if !ok || count < 1 || count > maxRuns {
		p.at(n.line, "seeds must be a count from 1 to %d, or a list of distinct whole numbers from 1 on, not %s", maxRuns, emptyOr(n))
		return []int{1}
	}
	seeds := make([]int, count)
	for i := range seeds {
		seeds[i] = i + 1
	}
	return seeds
}

func (p *parser) seedList(n *node) []int {
	var seeds []int
	seen := map[int64]bool{}
	for _, item := range n.items {
		seed, ok := item.value.(int64)
		switch {
		case !ok || seed < 1 || seed > MaxSeed:
			p.at(item.line, "a seed must be a whole number from 1 to %d, not %s", MaxSeed, item.show())
		case seen[seed]:
			p.at(item.line, "seed %d is listed twice; seeds must be distinct", seed)
		default:
			seen[seed] = true
			seeds = append(seeds, int(seed))
		}
	}
	return seeds
}

func emptyOr(n *node) string {
	if n.kind == kindList && len(n.items) == 0 {
		return "an empty list"
	}
	return n.show()
}

// between reads a number inside an open range.
func (p *parser) between(n *node, name string, low, high float64) float64 {
	v := asFloat(n)
	if !(v > low && v < high) {
		p.at(n.line, "%s must be a number above %g and below %g, not %s", name, low, high, n.show())
	}
	return v
}

func asFloat(n *node) float64 {
	if i, ok := n.value.(int64); ok {
		return float64(i)
	}
	return n.value.(float64)
}

// flatten adds the settings written in t to l, checking each key and value on
// its own.
func (p *parser) flatten(l *layer, t *node, prefix string) {
	for _, name := range t.keys {
		n, path := t.fields[name], prefix+name
		key, isKey := p.vocab.key(path)
		switch {
		case n.kind == kindTable && p.vocab.isTable(path):
			p.flatten(l, n, path+".")
		case isKey:
			p.setting(l, key, n)
		case p.vocab.isTable(path) && p.vocab.group(path) != nil:
			l.broken = true
			p.at(n.line, "%s must be a table of %s, not %s", path, strings.Join(p.vocab.group(path), ", "), n.show())
		default:
			p.unknownKey(l, path, n)
		}
	}
}

func (p *parser) setting(l *layer, key config.Key, n *node) {
	if first, ok := l.lines[key.Path]; ok {
		l.broken = true
		p.at(n.line, "%s is set twice, first at line %d", key.Path, first)
		return
	}
	v, err := key.Check(n.plain())
	if err != nil { // it has not seen how the value is written
		l.broken = true
		p.at(n.line, "%s must be %s, not %s", key.Path, key.Allows(), n.show())
		v = config.Invalid
	}
	l.set[key.Path] = v
	l.lines[key.Path] = n.line
}

// unknownKey reports a key that there is not. What was probably meant counts
// as set, to something that nobody knows.
func (p *parser) unknownKey(l *layer, path string, n *node) {
	l.broken = true
	if slices.Contains(rootKeys, path) {
		message := fmt.Sprintf("unknown key %q: it is a key of the whole study and belongs above the first [table]", path)
		if p.study.Trainer != nil {
			message += "; if the trainer has one of that name, declare it in keys of [trainer]"
		}
		p.at(n.line, "%s", message)
		return
	}
	message, near := p.vocab.unknown(path)
	for _, k := range near {
		if _, ok := l.lines[k]; !ok {
			l.set[k] = config.Invalid
		}
	}
	p.at(n.line, "%s", message)
}

func (p *parser) readAxes(t *node) {
	for _, name := range t.keys {
		p.readAxis(name, t.fields[name])
	}
	// Tables keep the keys a.x and a.y together, even with b between them.
	slices.SortStableFunc(p.axes, func(a, b *axis) int { return a.offset - b.offset })
}

func (p *parser) readAxis(name string, n *node) {
	switch n.kind {
	case kindList:
		p.listAxis(name, n)
	case kindTable:
		if !slices.ContainsFunc(n.keys, func(k string) bool { return n.fields[k].kind == kindList }) {
			p.namedAxis(name, n)
			return
		}
		for _, k := range n.keys {
			if n.fields[k].kind != kindList {
				p.lose(name, n)
				p.at(n.fields[k].line, "axis %s cannot have the level %q beside a list; write the list as %q = [...] under [axes]", name, k, name+"."+k)
				return
			}
		}
		for _, k := range n.keys {
			p.listAxis(name+"."+k, n.fields[k])
		}
	default:
		p.lose(name, n)
		p.at(n.line, "axis %s must be a list of values or a table of named levels, not %s", name, n.show())
	}
}

// lose remembers the names of an axis that cannot be used.
func (p *parser) lose(name string, n *node) {
	p.lost[name] = true
	for _, k := range n.keys {
		p.lost[k] = true
		p.lose(name+"."+k, n.fields[k])
	}
	for _, item := range n.items {
		p.lost[config.Print(item.plain())] = true
	}
}

// addAxis keeps an axis that has levels.
func (p *parser) addAxis(a *axis) {
	if i := slices.IndexFunc(p.axes, func(b *axis) bool { return b.name == a.name }); i >= 0 {
		p.at(a.line, "axis %s is set twice, first at line %d", a.name, p.axes[i].line)
		return
	}
	if len(a.levels) == 0 {
		p.lost[a.name] = true
		p.at(a.line, "axis %s has no levels; give it at least one", a.name)
		return
	}
	p.axes = append(p.axes, a)
}

// listAxis reads an axis of the plain values of one key.
func (p *parser) listAxis(path string, n *node) {
	key, ok := p.vocab.key(path)
	if !ok {
		p.lose(path, n)
		message, _ := p.vocab.unknown(path)
		p.at(n.line, "a list is an axis of one key's values: %s", message)
		return
	}
	a := &axis{name: path, line: n.line, offset: n.offset}
	seen := map[string]int{}
	for _, item := range n.items {
		l := newLayer("", item.line)
		p.setting(l, key, item)
		l.name = config.Print(item.plain())
		if v := l.set[path]; v != config.Invalid {
			l.name = config.Print(v)
			if first, ok := seen[l.name]; ok {
				p.at(item.line, "axis %s has the value %s twice, first at line %d", path, l.name, first)
				continue
			}
			seen[l.name] = item.line
		}
		a.levels = append(a.levels, l)
	}
	p.addAxis(a)
}

func (p *parser) namedAxis(name string, n *node) {
	p.checkName("axis", name, n.line)
	a := &axis{name: name, line: n.line, offset: n.offset}
	for _, k := range n.keys {
		a.levels = append(a.levels, p.named("level", k, n.fields[k]))
	}
	p.addAxis(a)
}

func (p *parser) readCells(t *node) {
	for _, k := range t.keys {
		p.cells = append(p.cells, p.named("cell", k, t.fields[k]))
	}
}

// named reads a level or a named cell.
func (p *parser) named(what, name string, n *node) *layer {
	p.checkName(what, name, n.line)
	l := newLayer(name, n.line)
	if n.kind != kindTable {
		l.broken = true
		p.at(n.line, `%s %s must be a table of settings, such as { norm = "bn" }, not %s`, what, name, n.show())
		return l
	}
	p.flatten(l, n, "")
	return l
}

// checkName keeps names apart from the marks of selectors.
func (p *parser) checkName(what, name string, line int) {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f || strings.ContainsRune("=,@", r) }
	if name == "" || strings.TrimSpace(name) != name || strings.ContainsFunc(name, bad) {
		p.at(line, "the %s name %q must not be empty, begin or end with a space, or hold = , @ or control characters", what, name)
	}
}

// overrides reads the settings given on the command line.
func (p *parser) overrides(sets []string) {
	for _, s := range sets {
		inner := &parser{problems: problems{file: p.file}, study: p.study, vocab: p.vocab}
		l := inner.override(s)
		for _, e := range inner.list {
			p.at(0, "--set %s: %s", s, e.Message)
		}
		p.sets = append(p.sets, l)
	}
}

// override reads KEY=VALUE. The value is TOML, or else a bare string.
func (p *parser) override(s string) *layer {
	l := newLayer("--set "+s, 0)
	key, value, ok := strings.Cut(s, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if !ok || key == "" {
		l.broken = true
		p.at(0, "an override must be KEY=VALUE, such as batch=64")
		return l
	}
	n := &node{kind: kindString, value: value}
	var quiet problems
	doc := readTOML(&quiet, []byte("value = "+value))
	if doc != nil && len(quiet.list) == 0 && len(doc.keys) == 1 {
		n = doc.fields["value"]
	}
	t := &node{keys: []string{key}, fields: map[string]*node{key: n}}
	switch _, isKey := p.vocab.key(key); {
	case isKey || !slices.Contains(rootKeys, key):
		p.flatten(l, t, "")
	case key == "seeds":
		p.study.Seeds = p.seeds(n)
	case slices.Contains(overridable, key):
		p.limits(t)
	default:
		l.broken = true
		p.at(0, "%s is a key of the whole study; an override changes keys of [base], or %s", key, strings.Join(overridable, ", "))
	}
	return l
}

// fields reads the keys of a table that has a fixed set of them.
type fields struct {
	p     *parser
	t     *node
	what  string
	meant map[string]bool // keys that an unknown one is probably meant for
}

// fields reports the keys of t that are not among allowed. what is t's name
// in messages.
func (p *parser) fields(t *node, what string, allowed ...string) fields {
	f := fields{p, t, what, map[string]bool{}}
	for _, k := range t.keys {
		if slices.Contains(allowed, k) {
			continue
		}
		hint := what + " has the keys " + strings.Join(allowed, ", ")
		if near := config.Near(k, allowed); len(near) > 0 {
			hint = "did you mean " + strings.Join(near, " or ") + "? " + hint
			for _, n := range near {
				f.meant[n] = true
			}
		}
		p.at(t.fields[k].line, "unknown key %q; %s", k, hint)
	}
	return f
}

// get returns the value of a key, or nil if there is none of the right kind;
// a wrong kind is reported.
func (f fields) get(name string, k kind) *node {
	n := f.t.fields[name]
	if n == nil || n.kind == k || k == kindFloat && n.kind == kindInt {
		return n
	}
	f.p.at(n.line, "%s must be %s, not %s", name, k, n.show())
	return nil
}

func (f fields) text(name string) string {
	if n := f.get(name, kindString); n != nil {
		return n.value.(string)
	}
	return ""
}

// need reports a missing key, unless an unknown one is probably meant for it.
func (f fields) need(names ...string) {
	for _, name := range names {
		if f.t.fields[name] == nil && !f.meant[name] {
			f.p.at(f.t.line, "%s must have the key %q", f.what, name)
		}
	}
}

// list quotes names in messages, the first dozen of them.
func list(names []string) string {
	const most = 12
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
