package ablations

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"ablate/trainer/config"
)

// notACell marks a combination of levels that is excluded.
const notACell = -1

// expand turns base, axes and named cells into cells, and checks each.
func (p *parser) expand() {
	combinations := 1
	for _, a := range p.axes {
		combinations *= len(a.levels)
		if combinations > maxCells {
			break
		}
	}
	runs := (combinations + len(p.cells)) * max(1, len(p.study.Seeds))
	if combinations+len(p.cells) > maxCells || runs > maxRuns {
		p.partial = true
		p.at(p.largestAxis(), "the study has more than %d cells or %d runs; give it fewer levels or seeds", maxCells, maxRuns)
		return
	}
	p.resolveExcludes()
	e := p.newExpansion(combinations)
	e.axesCells(combinations)
	e.namedCells()
	e.reportFindings()
	e.idleOverrides()
	p.uselessExcludes()
	p.idleLevels()
	p.identicalLevels()
}

// largestAxis returns the line of the axis with the most levels.
func (p *parser) largestAxis() int {
	line, most := 1, 0
	for _, a := range p.axes {
		if len(a.levels) > most {
			most, line = len(a.levels), a.line
		}
	}
	return line
}

// expansion resolves cells one by one.
type expansion struct {
	*parser
	common []*layer // what every cell begins with: base and overrides
	start  config.Settings

	scratch config.Settings // the cell's settings as written
	json    []byte
	seen    map[[sha256.Size]byte]int // first cell with these settings
	uses    []map[string]*use         // what becomes of each key of override i

	findings []*finding
	byCause  map[cause]*finding
	alone    map[cause]bool
}

func (p *parser) newExpansion(combinations int) *expansion {
	e := &expansion{
		parser: p, common: append([]*layer{p.base}, p.sets...),
		start: config.Settings{}, scratch: config.Settings{},
		seen:    make(map[[sha256.Size]byte]int, combinations),
		byCause: map[cause]*finding{}, alone: map[cause]bool{},
	}
	for _, l := range e.common {
		e.start.Apply(l.set)
	}
	for _, l := range p.sets {
		uses := map[string]*use{}
		for key := range l.lines {
			uses[key] = &use{}
		}
		e.uses = append(e.uses, uses)
	}
	p.index = make([]int, combinations)
	p.study.Cells = make([]Cell, 0, combinations+len(p.cells))
	p.study.Axes = make([]Axis, len(p.axes))
	for i, a := range p.axes {
		p.study.Axes[i] = Axis{Name: a.name, Levels: make([]Level, len(a.levels))}
		for j, l := range a.levels {
			p.study.Axes[i].Levels[j] = Level{Name: l.name, Set: l.set}
		}
	}
	return e
}

// axesCells adds the axes' cells, the first axis slowest.
func (e *expansion) axesCells(combinations int) {
	digits := make([]int, len(e.axes)) // the current level of each axis
	layers := make([]*layer, len(e.axes))
	for i := range combinations {
		e.index[i] = notACell
		if !e.excluded(digits) {
			levels := make([]string, len(e.axes))
			for a, d := range digits {
				layers[a] = e.axes[a].levels[d]
				levels[a] = layers[a].name
			}
			e.index[i] = len(e.study.Cells)
			e.add(Cell{Name: e.cellName(levels), Levels: levels}, layers)
		}
		for a := len(digits) - 1; a >= 0; a-- {
			digits[a]++
			if digits[a] < len(e.axes[a].levels) {
				break
			}
			digits[a] = 0
		}
	}
}

// cellName is the level's name on a single axis, else "axis=level,...".
func (p *parser) cellName(levels []string) string {
	switch len(levels) {
	case 0:
		return "base"
	case 1:
		return levels[0]
	}
	var b strings.Builder
	for i, l := range levels {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.axes[i].name)
		b.WriteByte('=')
		b.WriteString(l)
	}
	return b.String()
}

func (e *expansion) namedCells() {
	byAxes := map[string]bool{}
	if len(e.cells) > 0 && len(e.axes) < 2 { // longer names hold "=", which no cell's may
		for _, c := range e.study.Cells {
			byAxes[c.Name] = true
		}
	}
	for _, l := range e.cells {
		if byAxes[l.name] {
			e.at(l.line, "cell %s has the name of one of the axes' cells; take another name", l.name)
		}
		e.add(Cell{Name: l.name}, []*layer{l})
	}
}

// add resolves base, overrides and layers into a cell.
func (e *expansion) add(c Cell, layers []*layer) {
	clear(e.scratch)
	e.scratch.Apply(e.start)
	for _, l := range layers {
		e.scratch.Apply(l.set)
	}
	var problems []config.Problem
	c.Settings, problems = config.Resolve(e.scratch)
	c.SameAs = -1
	for _, problem := range problems {
		e.blame(problem, c.Name, layers)
	}
	if len(problems) == 0 {
		e.json = c.Settings.AppendJSON(e.json[:0])
		digest := sha256.Sum256(e.json)
		if first, ok := e.seen[digest]; ok {
			c.SameAs = first
			c.Settings = e.study.Cells[first].Settings
		} else {
			e.seen[digest] = len(e.study.Cells)
		}
	}
	isBroken := func(l *layer) bool { return l.broken }
	judgeable := len(problems) == 0 && !slices.ContainsFunc(e.common, isBroken) && !slices.ContainsFunc(layers, isBroken)
	for _, uses := range e.uses {
		for key, u := range uses {
			u.in(c, key, layers, judgeable)
		}
	}
	e.study.Cells = append(e.study.Cells, c)
}

// use is what becomes of an override's key.
type use struct {
	counts  bool     // in some cell
	hidden  bool     // some cell sets the key itself
	reasons []string // why it has no meaning in the others
}

// in looks at one more cell. In one that is not judgeable, something else is
// wrong, and nobody knows which keys have a meaning.
func (u *use) in(c Cell, key string, layers []*layer, judgeable bool) {
	if u.counts {
		return
	}
	if slices.ContainsFunc(layers, func(l *layer) bool { return sets(l.set, key) }) {
		u.hidden = true
		return
	}
	reason := ""
	if judgeable {
		reason = c.Settings.Unused(key)
	}
	if u.counts = reason == ""; !u.counts && !slices.Contains(u.reasons, reason) {
		u.reasons = append(u.reasons, reason)
	}
}

// why says why the key has no effect in any cell.
func (u *use) why(key string) string {
	reasons := u.reasons
	switch {
	case len(reasons) == 0:
		return "every cell sets " + key + " itself"
	case u.hidden:
		reasons = append(slices.Clone(reasons), "the other cells set it themselves")
	}
	return strings.Join(reasons, "; ")
}

// sets reports whether s sets the key, itself or by the shorthand.
func sets(s config.Settings, key string) bool {
	if _, ok := s[key]; ok {
		return true
	}
	short := config.NormShorthand.Path
	if _, ok := s[short]; ok && strings.HasPrefix(key, short+".") {
		return true
	}
	if key != short {
		return false
	}
	for _, name := range config.Group(short) {
		if _, ok := s[short+"."+name]; !ok {
			return false
		}
	}
	return true
}

// finding is an impossible combination, with the cells that have it.
type finding struct {
	line    int
	message string
	cells   []string
	own     bool // the place says which cell it is
}

// cause identifies a finding. A combination that a level or named cell brings
// about all by itself is that layer's; any other is reported once.
type cause struct {
	layer   *layer
	message string
}

// blame files a problem of a cell under what causes it.
func (e *expansion) blame(problem config.Problem, cell string, layers []*layer) {
	key := cause{nil, problem.Message}
	for _, l := range layers {
		if e.isAlone(l, problem) {
			key.layer = l
			break
		}
	}
	f := e.byCause[key]
	if f == nil {
		f = e.newFinding(key.layer, problem, layers)
		e.byCause[key] = f
		e.findings = append(e.findings, f)
	}
	f.cells = append(f.cells, cell)
}

// isAlone reports whether a layer has the problem on top of nothing but
// defaults.
func (e *expansion) isAlone(l *layer, problem config.Problem) bool {
	key := cause{l, problem.Message}
	alone, known := e.alone[key]
	if !known {
		alone = has([]*layer{l}, problem)
		e.alone[key] = alone
	}
	return alone
}

// has reports whether layers, one upon the other, have the problem.
func has(layers []*layer, problem config.Problem) bool {
	s := config.Settings{}
	for _, l := range layers {
		s.Apply(l.set)
	}
	_, problems := config.Resolve(s)
	return slices.Contains(problems, problem)
}

func (e *expansion) newFinding(culprit *layer, problem config.Problem, layers []*layer) *finding {
	all := slices.Concat(e.common, layers)
	if culprit == nil {
		culprit = e.culprit(all, problem)
	}
	f := &finding{line: culprit.line, message: problem.Message, own: len(layers) == 1 && culprit == layers[0]}
	switch line, ok := culprit.lines[problem.Path]; {
	case slices.Contains(e.sets, culprit):
		f.message = culprit.name + ": " + f.message
	case ok:
		f.line = line
	}
	return f
}

// culprit finds the layer without which the problem would not be: an override
// if it is one, else the last that it takes.
func (e *expansion) culprit(all []*layer, problem config.Problem) *layer {
	for i := len(e.sets); i > 0; i-- { // all[0] is the base
		if !has(slices.Concat(all[:i], all[i+1:]), problem) {
			return all[i]
		}
	}
	last := len(all)
	for last > 1 && has(all[:last-1], problem) {
		last--
	}
	return all[last-1]
}

func (e *expansion) reportFindings() {
	for _, f := range e.findings {
		where := ""
		switch {
		case len(f.cells) == len(e.study.Cells) || len(f.cells) == 1 && f.own:
		case len(f.cells) == 1:
			where = " (cell " + f.cells[0] + ")"
		default:
			where = " (cells " + list(f.cells) + ")"
		}
		e.at(f.line, "%s%s", f.message, where)
	}
}

// idleLevels reports a level's setting that every level of a later axis
// overrides: it looks as if it did something.
func (p *parser) idleLevels() {
	for i, a := range p.axes {
		told := map[string]bool{}
		for _, l := range a.levels {
			for _, key := range sortedKeys(l.lines) {
				if b := p.hiddenBy(key, p.axes[i+1:]); b != nil && !told[key] {
					told[key] = true
					p.at(l.lines[key], "%s has no effect in axis %s: every level of the later axis %s sets it", key, a.name, b.name)
					a.idle = true
				}
			}
		}
	}
}

func (p *parser) hiddenBy(key string, later []*axis) *axis {
	for _, b := range later {
		if b.always(key) {
			return b
		}
	}
	return nil
}

func sortedKeys(lines map[string]int) []string {
	keys := make([]string, 0, len(lines))
	for k := range lines {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// always reports whether every level sets the key.
func (a *axis) always(key string) bool {
	for _, l := range a.levels {
		if l.broken || !sets(l.set, key) {
			return false
		}
	}
	return true
}

// identicalLevels reports levels that make no difference whatever the other
// axes' levels are. Levels that are equal at some of those only share runs
// there, which is what SameAs is for.
func (p *parser) identicalLevels() {
	stride := len(p.index)
	for _, a := range p.axes {
		stride /= len(a.levels)
		if a.idle {
			continue
		}
		first := map[int]int{} // level by the cell that it gives at the baseline
		for j, l := range a.levels {
			cell := p.firstCell(j * stride)
			if l.broken || cell == notACell {
				continue
			}
			i, ok := first[cell]
			if !ok {
				first[cell] = j
			} else if p.sameEverywhere(i, j, stride, len(a.levels)) {
				p.at(l.line, "level %s of axis %s is identical to level %s at line %d: both give the same settings", l.name, a.name, a.levels[i].name, a.levels[i].line)
			}
		}
	}
}

// firstCell returns the first cell with the settings of a combination, or
// notACell.
func (p *parser) firstCell(combination int) int {
	i := p.index[combination]
	if i != notACell && p.study.Cells[i].SameAs >= 0 {
		return p.study.Cells[i].SameAs
	}
	return i
}

// sameEverywhere compares levels i and j of an axis of n levels over all
// combinations of the other axes' levels.
func (p *parser) sameEverywhere(i, j, stride, n int) bool {
	for c := range p.index {
		if c/stride%n == j && p.firstCell(c) != p.firstCell(c-(j-i)*stride) {
			return false
		}
	}
	return true
}

// idleOverrides reports overrides' keys that change no cell, whatever their
// values: a report would say that it is about them.
func (e *expansion) idleOverrides() {
	for i, s := range e.sets {
		for _, key := range sortedKeys(s.lines) {
			if u := e.uses[i][key]; !u.counts && !s.broken {
				e.at(0, "%s: has no effect: %s", s.name, u.why(key))
			}
		}
	}
}

// exclusion is one entry of exclude: a level on some axes, or anyLevel.
type exclusion struct {
	line    int
	t       *node
	levels  []int // nil if the entry is wrong
	removes bool  // something that no earlier entry removes
}

const anyLevel = -1

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
		levels := make([]int, len(p.axes))
		for i := range levels {
			levels[i] = anyLevel
		}
		if len(x.t.keys) == 0 {
			p.at(x.line, "an entry of exclude must name at least one axis")
		} else if p.resolveExclude(levels, x.t, "") {
			x.levels = levels
		}
	}
}

// resolveExclude reads axis = level pairs; the axis may be a dotted path.
func (p *parser) resolveExclude(levels []int, t *node, prefix string) bool {
	ok := true
	for _, name := range t.keys {
		n, path := t.fields[name], prefix+name
		if n.kind == kindTable {
			ok = p.resolveExclude(levels, n, path+".") && ok
			continue
		}
		axis, level, message := p.findLevel(path, config.Print(n.plain()))
		if message != "" {
			ok = false
			if !p.partial && !p.lost[path] {
				p.at(n.line, "%s", message)
			}
			continue
		}
		levels[axis] = level
	}
	return ok
}

// findLevel returns the positions of an axis and its level, or says what is
// wrong.
func (p *parser) findLevel(axisName, levelName string) (axis, level int, message string) {
	names := make([]string, len(p.axes))
	for i, a := range p.axes {
		names[i] = a.name
	}
	axis = slices.Index(names, axisName)
	if axis < 0 {
		return 0, 0, unknown("axis", axisName, names, "the axes are")
	}
	level = p.axes[axis].level(levelName)
	if level < 0 {
		return 0, 0, unknown("level", levelName, layerNames(p.axes[axis].levels), "axis "+axisName+" has")
	}
	return axis, level, ""
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

// excluded reports whether some entry of exclude matches the levels.
func (p *parser) excluded(levels []int) bool {
	for _, x := range p.excludes {
		if x.matches(levels) {
			x.removes = true
			return true
		}
	}
	return false
}

func (x *exclusion) matches(levels []int) bool {
	for i, l := range x.levels {
		if l != anyLevel && l != levels[i] {
			return false
		}
	}
	return x.levels != nil
}

// uselessExcludes also protects the baseline, which everything is compared
// with.
func (p *parser) uselessExcludes() {
	baseline := make([]int, len(p.axes))
	for _, x := range p.excludes {
		switch {
		case x.levels == nil:
		case x.matches(baseline):
			p.at(x.line, "this entry excludes the baseline, the first level of every axis; reorder the levels or exclude less")
		case !x.removes:
			p.at(x.line, "this entry excludes nothing that earlier entries do not exclude already; remove it")
		}
	}
}
