package ablations

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ablate/trainer/config"
)

var (
	claimKeys = []string{"id", "says", "paper", "all"}
	paperKeys = []string{"value", "against", "unit", "where"} // of a claim

	paperValueKeys = []string{"where", "unit", "metric", "values"} // of the study

	// partKeys are the keys of each kind of part.
	partKeys = map[PartKind][]string{
		Collapsed:    {"collapsed"},
		NotCollapsed: {"not_collapsed"},
		Greater:      {"metric", "greater", "by"},
		Equivalent:   {"metric", "equivalent", "margin"},
	}
	kinds = []PartKind{Collapsed, NotCollapsed, Greater, Equivalent}
)

// claims reads the claims. It comes after the cells, which they select.
func (p *parser) claims(root *node) {
	n := root.fields["claims"]
	if n == nil {
		return
	}
	if n.kind != kindList {
		p.at(n.line, "claims must be tables under [[claims]], not %s", n.show())
		return
	}
	ids := map[string]int{}
	for _, item := range n.items {
		if item.kind != kindTable {
			p.at(item.line, "a claim must be a table, not %s", item.show())
			continue
		}
		c := p.claim(item)
		if first, ok := ids[c.ID]; ok && c.ID != "" {
			p.at(item.fields["id"].line, "claim %s is there twice, first at line %d; ids must be unique", c.ID, first)
		} else if c.ID != "" {
			ids[c.ID] = item.fields["id"].line
		}
		p.study.Claims = append(p.study.Claims, c)
	}
}

func (p *parser) claim(t *node) Claim {
	f := p.fields(t, "a claim", claimKeys...)
	f.need("id", "says", "all")
	c := Claim{ID: f.filled("id"), Says: f.filled("says"), Line: t.line}
	if n := f.get("paper", kindTable); n != nil {
		c.Paper = p.paper(n)
	}
	n := f.get("all", kindList)
	if n == nil {
		return c
	}
	if len(n.items) == 0 {
		p.at(n.line, "all must list at least one part; %s", partKinds)
	}
	for _, item := range n.items {
		if item.kind != kindTable {
			p.at(item.line, "a part of a claim must be a table, not %s; %s", item.show(), partKinds)
			continue
		}
		c.All = append(c.All, p.part(item))
	}
	return c
}

// filled returns a text that must not be empty.
func (f fields) filled(name string) string {
	n := f.get(name, kindString)
	if n == nil {
		return ""
	}
	s := n.value.(string)
	if strings.TrimSpace(s) == "" {
		f.p.at(n.line, "%s must not be empty", name)
	}
	return s
}

func (p *parser) paper(t *node) *Paper {
	f := p.fields(t, "paper", paperKeys...)
	f.need(paperKeys...)
	return &Paper{
		Value: f.finite("value"), Against: f.finite("against"),
		Unit: f.text("unit"), Where: f.text("where"),
	}
}

// finite returns a number, or 0 if there is none.
func (f fields) finite(name string) float64 {
	n := f.get(name, kindFloat)
	if n == nil {
		return 0
	}
	return f.p.finite(n, name)
}

func (p *parser) finite(n *node, name string) float64 {
	v := asFloat(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		p.at(n.line, "%s must be a finite number, not %s", name, n.show())
	}
	return v
}

// test reads how comparisons are tested.
func (p *parser) test(f fields) Test {
	n := f.get("test", kindString)
	if n == nil {
		return Tests[0]
	}
	test := Test(n.value.(string))
	if !slices.Contains(Tests, test) {
		p.at(n.line, `test must be "t", "sign-flip" or "welch", not %s`, n.show())
	}
	return test
}

// paperValues reads what the paper found. It comes after the cells, which its
// values are of.
func (p *parser) paperValues(root *node) {
	n := root.fields["paper"]
	if n == nil {
		return
	}
	if n.kind != kindTable {
		p.at(n.line, "paper must be a table, not %s", n.show())
		return
	}
	f := p.fields(n, "paper", paperValueKeys...)
	f.need(paperValueKeys...)
	paper := &PaperValues{Where: f.filled("where"), Unit: f.text("unit"), Metric: p.metric(f), Values: map[int]float64{}}
	if values := f.get("values", kindTable); values != nil {
		p.valuesOfCells(paper.Values, values)
	}
	p.study.Paper = paper
}

func (p *parser) valuesOfCells(values map[int]float64, t *node) {
	written := map[int]string{}
	for _, name := range t.keys {
		n := t.fields[name]
		if n.kind != kindInt && n.kind != kindFloat {
			p.at(n.line, "the value of cell %s must be a number, not %s", name, n.show())
			continue
		}
		if p.mayBeLost(name) {
			continue
		}
		cell, message := p.selectCell(name)
		if first, twice := written[cell]; message == "" && twice {
			message = fmt.Sprintf("%s and %s are the same cell", first, name)
		}
		if message != "" {
			p.at(n.line, "%s", message)
			continue
		}
		written[cell], values[cell] = name, p.finite(n, name)
	}
}

const partKinds = "a part is { collapsed = [cells] }, { not_collapsed = [cells] }, " +
	"{ metric = M, greater = [a, b], by = X } or { metric = M, equivalent = [a, b], margin = X }"

// part reads one part of a claim, whose kind is the one of the four keys that
// it has.
func (p *parser) part(t *node) Part {
	var found []PartKind
	for _, k := range kinds {
		if t.fields[string(k)] != nil {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		f := p.fields(t, "a part", allPartKeys()...)
		// An unknown key was reported, and is what keeps the kind from us.
		if len(found) > 1 || !slices.ContainsFunc(t.keys, func(k string) bool { return !isPartKey(k) }) {
			p.at(f.t.line, "a part must have exactly one of collapsed, not_collapsed, greater and equivalent; %s", partKinds)
		}
		return Part{}
	}
	part := Part{Kind: found[0]}
	switch part.Kind {
	case Greater:
		f := p.fields(t, "a greater part", partKeys[Greater]...)
		p.comparison(&part, f)
		part.By = f.threshold("by", false)
	case Equivalent:
		f := p.fields(t, "an equivalent part", partKeys[Equivalent]...)
		p.comparison(&part, f)
		f.need("margin")
		part.Margin = f.threshold("margin", true)
	default:
		f := p.fields(t, "a "+string(part.Kind)+" part", partKeys[part.Kind]...)
		part.Cells = p.selectors(f, part.Kind)
	}
	return part
}

// allPartKeys are the keys of all kinds, once each.
func allPartKeys() (keys []string) {
	for _, kind := range kinds {
		for _, k := range partKeys[kind] {
			if !slices.Contains(keys, k) {
				keys = append(keys, k)
			}
		}
	}
	return keys
}

func isPartKey(k string) bool { return slices.Contains(allPartKeys(), k) }

// threshold reads a number from 0 on, or above 0.
func (f fields) threshold(name string, open bool) float64 {
	n := f.t.fields[name]
	if n == nil {
		return 0
	}
	least := "of at least 0"
	if open {
		least = "above 0"
	}
	if n.kind == kindInt || n.kind == kindFloat {
		if v := asFloat(n); v >= 0 && !math.IsInf(v, 1) && !(open && v == 0) {
			return v
		}
	}
	f.p.at(n.line, "%s must be a number %s, not %s", name, least, n.show())
	return 0
}

// comparison reads metric and the two cells of a comparison.
func (p *parser) comparison(part *Part, f fields) {
	f.need("metric")
	part.Metric = p.metric(f)
	n := f.t.fields[string(part.Kind)]
	if n.kind == kindList && len(n.items) != 2 {
		p.at(n.line, "%s must compare two cells, not %d", part.Kind, len(n.items))
		return
	}
	part.Cells = p.selectors(f, part.Kind)
}

// metric reads the name of a metric, of which only the embedded trainer's are
// known.
func (p *parser) metric(f fields) string {
	name := f.filled("metric")
	if n := f.t.fields["metric"]; n != nil && n.kind == kindString && p.study.Trainer == nil {
		if _, ok := config.MetricByName(name); !ok {
			p.at(n.line, "%s", unknown("metric", name, metricNames(), "the metrics are"))
		}
	}
	return name
}

func metricNames() []string {
	names := make([]string, len(config.Metrics))
	for i, m := range config.Metrics {
		names[i] = m.Name
	}
	return names
}

func (p *parser) selectors(f fields, kind PartKind) []Selector {
	n := f.get(string(kind), kindList)
	if n == nil {
		return nil
	}
	if len(n.items) == 0 {
		p.at(n.line, "%s must list at least one cell", kind)
	}
	var found []Selector
	for _, item := range n.items {
		s, message := p.selectorOf(item)
		if s.Untrained && kind != Greater && kind != Equivalent {
			message = fmt.Sprintf("%q: @untrained is for comparisons; a run's collapse is judged at its end", s.Text)
		}
		if message != "" {
			p.at(item.line, "%s", message)
			continue
		}
		same := func(o Selector) bool { return s.Cell == o.Cell && s.Untrained == o.Untrained }
		if s.Cell != notACell && slices.ContainsFunc(found, same) {
			p.at(item.line, "%s names the cell %s twice", kind, s.Text)
		}
		found = append(found, s)
	}
	return found
}

// selectorOf reads a cell's name, or says what is wrong with it.
func (p *parser) selectorOf(n *node) (s Selector, message string) {
	text, ok := n.value.(string)
	if !ok {
		return s, fmt.Sprintf("a cell must be named by a string, not %s", n.show())
	}
	s.Text = text
	name, at, hasAt := strings.Cut(text, "@")
	if hasAt && at != "untrained" {
		return s, fmt.Sprintf("%q: after @ stands untrained and nothing else", text)
	}
	s.Untrained = hasAt
	name = strings.TrimSpace(name)
	if p.mayBeLost(name) {
		s.Cell = notACell
		return s, ""
	}
	s.Cell, message = p.selectCell(name)
	return s, message
}

// mayBeLost reports whether a selector may name what could not be read.
func (p *parser) mayBeLost(selector string) bool {
	words := strings.FieldsFunc(selector, func(r rune) bool { return r == '=' || r == ',' })
	return p.partial || slices.ContainsFunc(words, func(w string) bool { return p.lost[strings.TrimSpace(w)] })
}

// selectCell returns the cell of a selector without its @.
func (p *parser) selectCell(name string) (cell int, message string) {
	if strings.Contains(name, "=") || name == bareName && p.bareIsCenter() {
		return p.selectByLevels(name)
	}
	var found [][]int // the levels of what the name may mean
	var meanings []string
	if len(p.axes) == 0 && name == "base" || name == baselineName && len(p.axes) > 1 && p.study.Expand != Product {
		found, meanings = append(found, make([]int, len(p.axes))), append(meanings, name)
	}
	for i, a := range p.axes {
		l := a.level(name)
		if l < 0 {
			continue
		}
		digits := make([]int, len(p.axes))
		p.factorOf[i].set(digits, l)
		if !slices.ContainsFunc(found, func(d []int) bool { return slices.Equal(d, digits) }) { // zipped axes may share names
			found, meanings = append(found, digits), append(meanings, a.name+"="+name)
		}
	}
	extra := slices.IndexFunc(p.cells, func(l *layer) bool { return l.name == name })
	if extra >= 0 && len(p.axes) > 1 { // on one axis, a name for two cells is an error by itself
		meanings = append(meanings, "the named cell")
	}
	switch {
	case len(found) == 0 && extra >= 0:
		return len(p.study.Cells) - len(p.cells) + extra, ""
	case len(found) == 0:
		return 0, p.unknownCell(name)
	case len(meanings) > 1:
		return 0, fmt.Sprintf("%q is ambiguous: it is %s; give one of them another name, or write axis=level", name, strings.Join(meanings, " and "))
	}
	return p.cellAt(found[0], name)
}

// bareIsCenter reports whether selectors may begin with "bare".
func (p *parser) bareIsCenter() bool { return p.study.Expand == AddOneIn && len(p.axes) > 1 }

// bare returns the levels of the bare cell: the last of every axis that may
// vary there.
func (p *parser) bare() []int {
	digits := make([]int, len(p.axes))
	for _, f := range p.factors {
		f.set(digits, f.levels-1)
	}
	p.hold(digits)
	return digits
}

// selectByLevels reads axis=level,...; the axes that it does not name are at
// their baseline, or after a first "bare" at their last level. An axis brings
// along those that are zipped to it.
func (p *parser) selectByLevels(text string) (cell int, message string) {
	digits := make([]int, len(p.axes))
	named := make([]bool, len(p.axes))
	rest := text
	if begin, after, more := strings.Cut(text, ","); strings.TrimSpace(begin) == bareName && p.bareIsCenter() {
		digits = p.bare()
		if !more {
			return p.cellAt(digits, text)
		}
		rest = after
	}
	for pair := range strings.SplitSeq(rest, ",") {
		a, l, ok := strings.Cut(pair, "=")
		if !ok {
			return 0, fmt.Sprintf("%q must be axis=level pairs with commas between them", text)
		}
		axis, level, message := p.findLevel(strings.TrimSpace(a), strings.TrimSpace(l))
		if message != "" {
			return 0, message
		}
		if named[axis] {
			return 0, fmt.Sprintf("%q names the axis %s twice", text, p.axes[axis].name)
		}
		for _, other := range p.factorOf[axis].axes {
			if named[other] && digits[other] != level {
				return 0, fmt.Sprintf("%q contradicts zip: %s=%s goes with %s=%s", text,
					p.axes[axis].name, p.axes[axis].levels[level].name, p.axes[other].name, p.axes[other].levels[level].name)
			}
		}
		named[axis] = true
		p.factorOf[axis].set(digits, level)
	}
	return p.cellAt(digits, text)
}

// cellAt returns the cell of a combination, which a claim calls name.
func (p *parser) cellAt(digits []int, name string) (cell int, message string) {
	cell, ok := p.index[digitsKey(digits)]
	if ok {
		return cell, ""
	}
	full := p.cellName(digits)
	if p.study.Expand != Product {
		full = p.steps("", digits, nil)
	}
	what := name + " means " + full + ", which"
	if full == name {
		what = "cell " + name
	}
	switch held := slices.Clone(digits); {
	case p.excluded(digits) && full == name:
		return 0, what + " is excluded"
	case p.excluded(digits):
		return 0, what + " exclude takes out"
	case p.hold(held):
		i := 0
		for digits[i] == held[i] {
			i++
		}
		return 0, fmt.Sprintf("%s is not there: axis %s varies only where the when at line %d matches", what, p.axes[i].name, p.factorOf[i].only[0].line)
	}
	return 0, fmt.Sprintf("%s is not there: expand = %q with order = %d leaves it out", what, p.study.Expand, p.order)
}

// unknownCell says that no cell is called name, and what stands for a cell by
// itself: a level, with its axis where there are several, or a named cell.
func (p *parser) unknownCell(name string) string {
	var names, full []string          // without and with axes
	meanings := map[string][]string{} // from the one to the other
	add := func(name, meaning string) {
		if slices.Contains(meanings[name], meaning) {
			return
		}
		if meanings[name] == nil {
			names = append(names, name)
		}
		meanings[name] = append(meanings[name], meaning)
		full = append(full, meaning)
	}
	if len(p.axes) == 0 {
		add("base", "base")
	}
	for _, a := range p.axes {
		for _, l := range a.levels {
			if len(p.axes) == 1 {
				add(l.name, l.name)
			} else {
				add(l.name, a.name+"="+l.name)
			}
		}
	}
	if p.study.Expand != Product && len(p.axes) > 1 {
		add(baselineName, baselineName)
	}
	if p.bareIsCenter() {
		add(bareName, bareName)
	}
	for _, c := range p.cells {
		add(c.name, c.name)
	}
	near := config.Near(name, names)
	if len(near) == 0 {
		return unknown("cell", name, full, "there are")
	}
	var meant []string
	for _, n := range near {
		meant = append(meant, meanings[n]...)
	}
	return fmt.Sprintf("unknown cell %q; did you mean %s?", name, strings.Join(meant, " or "))
}
