package ablations

import (
	"fmt"
	"slices"
	"strings"

	"ablate/trainer/config"
)

// factor is what a cell has one level of: an axis, or several that go together
// level by level (zip).
type factor struct {
	axes   []int // positions in parser.axes
	levels int
	// Where the factor varies; elsewhere it stays at its baseline. Empty: everywhere.
	only []*when
	held bool // it stayed at its baseline somewhere
}

// when is one entry of [[when]]: what else is set, and what varies, where some
// axes have some levels.
type when struct {
	line  int
	match pattern // nil if the entry is wrong
	also  *layer
	vary  []*factor

	cells   int  // that it matches
	varies  bool // a factor of vary is off its baseline in one of them
	changes bool // it changes the settings of one of them, or nobody can tell
	uses    map[string]*use
}

// pattern is a condition on the levels of a cell: by axis, which of its levels
// will do; nil is any.
type pattern [][]bool

func (m pattern) matches(digits []int) bool {
	for axis, allowed := range m {
		if allowed != nil && !allowed[digits[axis]] {
			return false
		}
	}
	return m != nil
}

// possible reports whether levels may match once those that are open are chosen.
func (m pattern) possible(digits []int) bool {
	for axis, allowed := range m {
		if d := digits[axis]; allowed != nil && d != open && !allowed[d] {
			return false
		}
	}
	return m != nil
}

// readPattern reads a table of axis = level, or axis = [level, ...]; an axis may be a dotted
// path. It returns nil, and reports so, if something is wrong. what names the table in messages.
func (p *parser) readPattern(t *node, what string) pattern {
	if len(t.keys) == 0 {
		p.at(t.line, "%s must name at least one axis", what)
		return nil
	}
	m := make(pattern, len(p.axes))
	if !p.readAxisLevels(m, t, "") {
		return nil
	}
	return m
}

func (p *parser) readAxisLevels(m pattern, t *node, prefix string) bool {
	ok := true
	for _, name := range t.keys {
		n, path := t.fields[name], prefix+name
		if n.kind == kindTable {
			ok = p.readAxisLevels(m, n, path+".") && ok
			continue
		}
		levels := []*node{n}
		if n.kind == kindList {
			levels = n.items
			if len(levels) == 0 {
				ok = false
				p.at(n.line, "the list of levels of axis %s is empty", path)
			}
		}
		for _, l := range levels {
			axis, level, message := p.findLevel(path, config.Print(l.plain()))
			if message != "" {
				ok = false
				if !p.partial && !p.lost[path] {
					p.at(l.line, "%s", message)
				}
				continue
			}
			if m[axis] == nil {
				m[axis] = make([]bool, len(p.axes[axis].levels))
			}
			m[axis][level] = true
		}
	}
	return ok
}

// findLevel returns the positions of an axis and its level, or says what is
// wrong.
func (p *parser) findLevel(axisName, levelName string) (axis, level int, message string) {
	axis, message = p.findAxis(axisName)
	if message != "" {
		return 0, 0, message
	}
	level = p.axes[axis].level(levelName)
	if level < 0 {
		return 0, 0, unknown("level", levelName, layerNames(p.axes[axis].levels), "axis "+axisName+" has")
	}
	return axis, level, ""
}

func (p *parser) findAxis(name string) (axis int, message string) {
	names := make([]string, len(p.axes))
	for i, a := range p.axes {
		names[i] = a.name
	}
	if axis = slices.Index(names, name); axis < 0 {
		return 0, unknown("axis", name, names, "the axes are")
	}
	return axis, ""
}

// unknown says that there is no such name, and which ones there are.
func unknown(what, name string, names []string, have string) string {
	message := fmt.Sprintf("unknown %s %q", what, name)
	if near := config.Near(name, names); len(near) > 0 {
		return message + "; did you mean " + strings.Join(near, " or ") + "?"
	}
	if len(names) == 0 {
		return message + "; there is none"
	}
	return message + "; " + have + " " + list(names)
}

// resolveZips makes factors of the axes.
func (p *parser) resolveZips() (ok bool) {
	ok = true
	var zips [][]int
	first := map[int]int{} // line at which an axis is zipped
	for _, group := range p.zips {
		if group.kind != kindList {
			ok = false
			p.at(group.line, `zip must list lists of axes, such as [["norm", "encoder.width"]], not %s`, group.show())
			continue
		}
		axes, good := p.zip(group, first)
		ok = ok && good
		zips = append(zips, axes)
	}
	for i, a := range p.axes {
		f := &factor{axes: []int{i}, levels: len(a.levels)}
		for _, z := range zips {
			if slices.Contains(z, i) {
				f.axes = z
			}
		}
		if slices.Min(f.axes) == i { // else it is there already
			p.factors = append(p.factors, f)
		}
	}
	p.factorOf = make([]*factor, len(p.axes))
	for _, f := range p.factors {
		for _, i := range f.axes {
			p.factorOf[i] = f
		}
	}
	return ok
}

// zip reads one list of axes that go together.
func (p *parser) zip(group *node, first map[int]int) (axes []int, ok bool) {
	ok = true
	if len(group.items) < 2 {
		ok = false
		p.at(group.line, "a zip must name at least two axes")
	}
	for _, item := range group.items {
		name, isText := item.value.(string)
		if !isText {
			ok = false
			p.at(item.line, "zip names axes, not %s", item.show())
			continue
		}
		axis, message := p.findAxis(name)
		switch line, known := first[axis]; {
		case message != "":
			ok = false
			if !p.partial && !p.lost[name] {
				p.at(item.line, "%s", message)
			}
			continue
		case known:
			ok = false
			p.at(item.line, "axis %s is zipped twice, first at line %d", name, line)
			continue
		}
		first[axis] = item.line
		axes = append(axes, axis)
		if a, b := p.axes[axes[0]], p.axes[axis]; len(a.levels) != len(b.levels) {
			ok = false
			p.at(item.line, "axes that are zipped go together level by level, but %s has %d levels and %s has %d", a.name, len(a.levels), b.name, len(b.levels))
		}
	}
	slices.Sort(axes)
	return axes, ok
}

var whenKeys = []string{"match", "set", "vary"}

func (p *parser) readWhens(n *node) {
	for _, item := range n.items {
		if item.kind != kindTable {
			p.at(item.line, "when must be tables under [[when]], not %s", item.show())
			continue
		}
		w := &when{line: item.line, also: newLayer("when", item.line)}
		f := p.fields(item, "a when", whenKeys...)
		f.need("match")
		if item.fields["set"] == nil && item.fields["vary"] == nil && !f.meant["set"] && !f.meant["vary"] {
			p.at(item.line, "a when must have set = { key = value } or vary = [axes]")
		}
		if set := f.get("set", kindTable); set != nil {
			p.flatten(w.also, set, "")
		}
		p.whens = append(p.whens, w)
		p.whenFields = append(p.whenFields, f)
	}
}

// resolveWhens reads what whens say of axes.
func (p *parser) resolveWhens() (ok bool) {
	ok = true
	for i, w := range p.whens {
		f := p.whenFields[i]
		before := len(p.list)
		if n := f.get("match", kindTable); n != nil {
			w.match = p.readPattern(n, "match")
		}
		if n := f.get("vary", kindList); n != nil {
			for _, item := range n.items {
				p.vary(w, item)
			}
		}
		w.uses = newUses(w.also)
		w.changes = w.also.broken || len(w.also.lines) == 0
		ok = ok && len(p.list) == before && w.match != nil
	}
	return ok
}

// vary reads an axis that varies only where w matches.
func (p *parser) vary(w *when, n *node) {
	name, isText := n.value.(string)
	if !isText {
		p.at(n.line, "vary names axes, not %s", n.show())
		return
	}
	axis, message := p.findAxis(name)
	if message != "" {
		if !p.partial && !p.lost[name] {
			p.at(n.line, "%s", message)
		}
		return
	}
	f := p.factorOf[axis]
	if w.match != nil && slices.ContainsFunc(f.axes, func(i int) bool { return w.match[i] != nil }) {
		p.at(n.line, "axis %s cannot vary on a condition about its own levels", name)
		return
	}
	f.only = append(f.only, w)
	w.vary = append(w.vary, f)
}

// hold puts every factor that varies on a condition only, and does not meet
// it, at its baseline, and reports whether it had to.
func (p *parser) hold(digits []int) (held bool) {
	for again := true; again; {
		again = false
		for _, f := range p.factors {
			matches := func(w *when) bool { return w.match.matches(digits) }
			if digits[f.axes[0]] != 0 && len(f.only) > 0 && !slices.ContainsFunc(f.only, matches) {
				f.set(digits, 0)
				f.held, held, again = true, true, true
			}
		}
	}
	return held
}

func (f *factor) set(digits []int, level int) {
	for _, i := range f.axes {
		digits[i] = level
	}
}

func (p *parser) readExpand(f fields) {
	p.study.Expand = Product
	if n := f.get("expand", kindString); n != nil {
		p.study.Expand = Expansion(n.value.(string))
		if !slices.Contains(expansions, p.study.Expand) {
			p.at(n.line, `expand must be "product", "leave_one_out" or "add_one_in", not %s`, n.show())
			p.study.Expand, p.unclear = Product, true
		} else if p.study.Expand != Product && f.t.fields["axes"] == nil && !f.meant["axes"] {
			p.at(n.line, "expand = %s is about axes, and there are none; add [axes]", n.show())
		}
	}
	p.order = 1
	if n := f.t.fields["order"]; n != nil {
		order, _ := n.value.(int64)
		switch {
		case order != 1 && order != 2:
			p.at(n.line, "order must be 1, or 2 for pairs of axes too, not %s", n.show())
		case p.study.Expand == Product && !p.unclear:
			p.at(n.line, `order is for expand = "leave_one_out" or "add_one_in"; a product has all combinations`)
		}
		p.order = max(1, int(order))
	}
}

// size returns how many cells the axes have before exclude, maxCells+1 if they
// are more than that. Around a center it counts conditional factors in full.
func (p *parser) size() int {
	if p.study.Expand == Product {
		n := 0
		all := p.choose(p.conditionsFirst(), func([]int) bool { n++; return n <= maxCells })
		if !all {
			n = maxCells + 1
		}
		return n
	}
	ones, pairs := 0, 0 // sums over factors and over pairs of them
	for _, f := range p.factors {
		pairs = min(pairs+ones*(f.levels-1), maxCells)
		ones = min(ones+f.levels-1, maxCells)
	}
	if p.order == 1 {
		pairs = 0
	}
	return min(2+ones+pairs, maxCells+1) // 2: add_one_in has two centers
}

// combinations yields the levels of every axis, by position, for each cell
// that the axes and expand ask for, the baseline first. The slice is used again.
func (p *parser) combinations(yield func(digits []int)) {
	seen := map[string]bool{}
	once := func(digits []int) {
		p.hold(digits)
		if key := digitsKey(digits); !seen[key] {
			seen[key] = true
			yield(digits)
		}
	}
	baseline := make([]int, len(p.axes))
	switch p.study.Expand {
	case Product:
		p.product(yield)
	case LeaveOneOut:
		p.around(baseline, once)
	case AddOneIn:
		once(baseline)
		p.around(p.bare(), once)
	}
}

// product yields the combinations where nothing has to be held, the first axis
// slowest.
func (p *parser) product(yield func(digits []int)) {
	order := p.conditionsFirst()
	if slices.Equal(order, p.factors) {
		p.choose(order, func(digits []int) bool { yield(digits); return true })
		return
	}
	var all [][]int
	p.choose(order, func(digits []int) bool { all = append(all, slices.Clone(digits)); return true })
	slices.SortFunc(all, slices.Compare)
	for _, digits := range all {
		yield(digits)
	}
}

// conditionsFirst lists the factors, those that conditions are about before those
// that vary on them only. Conditions that go round in a circle stay as they come.
func (p *parser) conditionsFirst() []*factor {
	order := make([]*factor, 0, len(p.factors))
	known := map[*factor]bool{}
	var add func(f *factor)
	add = func(f *factor) {
		if known[f] {
			return
		}
		known[f] = true
		for _, w := range f.only {
			for axis, allowed := range w.match {
				if allowed != nil {
					add(p.factorOf[axis])
				}
			}
		}
		order = append(order, f)
	}
	for _, f := range p.factors {
		add(f)
	}
	return order
}

// open is in the place of a level that is not chosen yet.
const open = -1

// choice chooses levels factor by factor, and turns back as soon as one varies
// where it may not: there are studies of a few cells with more combinations than
// anybody can look at.
type choice struct {
	conditional []*factor
	digits      []int
	yield       func(digits []int) bool
	vain        int // how often the levels chosen had no cell
}

// choose yields the levels of each cell of a product, until yield returns false.
// The slice is used again. It reports whether that was all of them: it gives up
// where conditions in a circle lead astray too often.
func (p *parser) choose(order []*factor, yield func(digits []int) bool) (all bool) {
	c := &choice{digits: slices.Repeat([]int{open}, len(p.axes)), yield: yield}
	for _, f := range order {
		if len(f.only) > 0 {
			c.conditional = append(c.conditional, f)
		}
	}
	_, all = c.choose(order)
	return all
}

// choose reports whether it found a cell, and whether to go on.
func (c *choice) choose(rest []*factor) (found, goOn bool) {
	if len(rest) == 0 {
		return true, c.yield(c.digits)
	}
	f := rest[0]
	defer f.set(c.digits, open)
	for level := range f.levels {
		f.set(c.digits, level)
		if !c.allowed() {
			continue
		}
		some, goOn := c.choose(rest[1:])
		if !goOn {
			return true, false
		}
		found = found || some
	}
	if !found {
		c.vain++
	}
	return found, c.vain <= maxCells
}

// allowed reports whether every factor that was taken off its baseline may be
// where it varies.
func (c *choice) allowed() bool {
	possible := func(w *when) bool { return w.match.possible(c.digits) }
	for _, f := range c.conditional {
		if c.digits[f.axes[0]] > 0 && !slices.ContainsFunc(f.only, possible) {
			f.held = true
			return false
		}
	}
	return true
}

// around yields a center and what differs from it on one factor, then, if the
// order is 2, on two.
func (p *parser) around(center []int, yield func(digits []int)) {
	digits := make([]int, len(center))
	start := func() { copy(digits, center) }
	start()
	yield(digits)
	for _, f := range p.factors {
		f.others(center, func(level int) {
			start()
			f.set(digits, level)
			yield(digits)
		})
	}
	if p.order < 2 {
		return
	}
	for i, f := range p.factors {
		for _, g := range p.factors[i+1:] {
			f.others(center, func(a int) {
				g.others(center, func(b int) {
					start()
					f.set(digits, a)
					g.set(digits, b)
					yield(digits)
				})
			})
		}
	}
}

// others yields every level of the factor but the center's.
func (f *factor) others(center []int, yield func(level int)) {
	for l := range f.levels {
		if l != center[f.axes[0]] {
			yield(l)
		}
	}
}

// digitsKey is a combination as the key of a map: three bytes a level, of
// which there are fewer than 2^24.
func digitsKey(digits []int) string { return string(appendDigits(nil, digits)) }

func appendDigits(b []byte, digits []int) []byte {
	for _, d := range digits {
		b = append(b, byte(d), byte(d>>8), byte(d>>16))
	}
	return b
}

// exclusion is one entry of exclude.
type exclusion struct {
	line    int
	t       *node
	match   pattern // nil if the entry is wrong
	removes bool    // something that no earlier entry removes
}

func (p *parser) readExcludes(n *node) {
	for _, item := range n.items {
		if item.kind != kindTable {
			p.at(item.line, `exclude must list tables of axis = level, such as { norm = "none" }, not %s`, item.show())
			continue
		}
		p.excludes = append(p.excludes, &exclusion{line: item.line, t: item})
	}
}

func (p *parser) resolveExcludes() {
	for _, x := range p.excludes {
		x.match = p.readPattern(x.t, "an entry of exclude")
	}
}

// excluded reports whether some entry of exclude matches the levels.
func (p *parser) excluded(digits []int) bool {
	for _, x := range p.excludes {
		if x.match.matches(digits) {
			x.removes = true
			return true
		}
	}
	return false
}

// uselessExcludes also protects the baseline, which everything is compared
// with.
func (p *parser) uselessExcludes() {
	baseline := make([]int, len(p.axes))
	for _, x := range p.excludes {
		switch {
		case x.match == nil:
		case x.match.matches(baseline):
			p.at(x.line, "this entry excludes the baseline, the first level of every axis; reorder the levels or exclude less")
		case !x.removes:
			p.at(x.line, "this entry excludes nothing: no cell that earlier entries leave is like that; remove it")
		}
	}
}
