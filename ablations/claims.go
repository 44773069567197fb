package ablations

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"ablate/trainer/config"
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
	f := p.fields(t, "a claim", "id", "says", "paper", "all")
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
	f := p.fields(t, "paper", "value", "against", "unit", "where")
	f.need("value", "against", "unit", "where")
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
	v := asFloat(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		f.p.at(n.line, "%s must be a finite number, not %s", name, n.show())
	}
	return v
}

const partKinds = "a part is { collapsed = [cells] }, { not_collapsed = [cells] }, " +
	"{ metric = M, greater = [a, b], by = X } or { metric = M, equivalent = [a, b], margin = X }"

// part reads one part of a claim, whose kind is the one of the four keys that
// it has.
func (p *parser) part(t *node) Part {
	var found []PartKind
	for _, k := range []PartKind{Collapsed, NotCollapsed, Greater, Equivalent} {
		if t.fields[string(k)] != nil {
			found = append(found, k)
		}
	}
	if len(found) != 1 {
		f := p.fields(t, "a part", "collapsed", "not_collapsed", "metric", "greater", "by", "equivalent", "margin")
		// An unknown key was reported, and is what keeps the kind from us.
		if len(found) > 1 || !slices.ContainsFunc(t.keys, func(k string) bool { return !isPartKey(k) }) {
			p.at(f.t.line, "a part must have exactly one of collapsed, not_collapsed, greater and equivalent; %s", partKinds)
		}
		return Part{}
	}
	part := Part{Kind: found[0]}
	switch part.Kind {
	case Greater:
		f := p.fields(t, "a greater part", "metric", "greater", "by")
		p.comparison(&part, f)
		part.By = f.threshold("by", false)
	case Equivalent:
		f := p.fields(t, "an equivalent part", "metric", "equivalent", "margin")
		p.comparison(&part, f)
		f.need("margin")
		part.Margin = f.threshold("margin", true)
	default:
		f := p.fields(t, "a "+string(part.Kind)+" part", string(part.Kind))
		part.Cells = p.selectors(f, part.Kind)
	}
	return part
}

func isPartKey(k string) bool {
	return slices.Contains([]string{"collapsed", "not_collapsed", "metric", "greater", "by", "equivalent", "margin"}, k)
}

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
	part.Metric = f.text("metric")
	if n := f.t.fields["metric"]; n != nil && n.kind == kindString {
		if _, ok := config.MetricByName(part.Metric); !ok {
			p.at(n.line, "%s", unknown("metric", part.Metric, metricNames(), "the metrics are"))
		}
	}
	n := f.t.fields[string(part.Kind)]
	if n.kind == kindList && len(n.items) != 2 {
		p.at(n.line, "%s must compare two cells, not %d", part.Kind, len(n.items))
		return
	}
	part.Cells = p.selectors(f, part.Kind)
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
	if strings.Contains(name, "=") {
		return p.selectByLevels(name)
	}
	var cells []int
	var meanings []string
	if len(p.axes) == 0 && name == "base" {
		cells, meanings = append(cells, 0), append(meanings, "base")
	}
	stride := len(p.index)
	for _, a := range p.axes {
		stride /= len(a.levels)
		if l := a.level(name); l >= 0 {
			cells = append(cells, l*stride)
			meanings = append(meanings, a.name+"="+name)
		}
	}
	extra := slices.IndexFunc(p.cells, func(l *layer) bool { return l.name == name })
	if extra >= 0 && len(p.axes) > 1 { // on one axis, a name for two cells is an error by itself
		meanings = append(meanings, "the named cell")
	}
	switch {
	case len(cells) == 0 && extra >= 0:
		return len(p.study.Cells) - len(p.cells) + extra, ""
	case len(cells) == 0:
		return 0, p.unknownCell(name)
	case len(meanings) > 1:
		return 0, fmt.Sprintf("%q is ambiguous: it is %s; give one of them another name, or write axis=level", name, strings.Join(meanings, " and "))
	}
	return p.cellAt(cells[0], name)
}

// selectByLevels reads axis=level,...; the axes that it does not name are at
// their baseline.
func (p *parser) selectByLevels(text string) (cell int, message string) {
	levels := make([]int, len(p.axes))
	named := make([]bool, len(p.axes))
	for pair := range strings.SplitSeq(text, ",") {
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
		levels[axis], named[axis] = level, true
	}
	combination := 0
	for i, a := range p.axes {
		combination = combination*len(a.levels) + levels[i]
	}
	return p.cellAt(combination, text)
}

// cellAt returns the cell of a combination, which a claim calls name.
func (p *parser) cellAt(combination int, name string) (cell int, message string) {
	cell = p.index[combination]
	if cell != notACell {
		return cell, ""
	}
	if full := p.combinationName(combination); full != name {
		return 0, fmt.Sprintf("%s means %s, which exclude takes out", name, full)
	}
	return 0, fmt.Sprintf("cell %s is excluded", name)
}

// combinationName is the name that the cell of a combination has, or would
// have.
func (p *parser) combinationName(combination int) string {
	levels := make([]string, len(p.axes))
	for i, a := range slices.Backward(p.axes) {
		levels[i] = a.levels[combination%len(a.levels)].name
		combination /= len(a.levels)
	}
	return p.cellName(levels)
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
