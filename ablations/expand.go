package ablations

import (
	"crypto/sha256"
	"hash"
	"slices"
	"strings"

	"ablate/trainer/config"
)

// notACell marks a combination of levels that is excluded.
const notACell = -1

// expand turns base, axes and named cells into cells, and checks each.
func (p *parser) expand() {
	zipped := p.resolveZips()
	p.resolveExcludes()
	if whens := p.resolveWhens(); !whens || !zipped || p.unclear {
		p.partial = true
		return
	}
	combinations := p.size()
	runs := (combinations + len(p.cells)) * max(1, len(p.study.Seeds))
	if combinations+len(p.cells) > maxCells || runs > maxRuns {
		p.partial = true
		p.at(p.largestAxis(), "the study has more than %d cells or %d runs; give it fewer levels or seeds", maxCells, maxRuns)
		return
	}
	e := p.newExpansion(combinations)
	e.axesCells()
	e.namedCells()
	e.reportFindings()
	e.idleOverrides()
	p.uselessExcludes()
	p.uselessWhens()
	p.idleLevels()
	e.identicalLevels()
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
	source *source

	// Of the cell at hand: its settings as written and resolved, and the hash
	// of these.
	written, resolved config.Settings
	json              []byte
	hash              hash.Cloner
	judgeable         bool // nothing is wrong with it

	seen map[[16]byte]int // first cell with these settings, by half of their hash
	data map[config.Data]*config.Data
	uses []map[string]*use // what becomes of each key of override i

	// Shared by all cells, one piece each.
	levels []string
	over   []config.Settings
	digits []int // of the axes' cells, len(axes) each

	findings []*finding
	byCause  map[cause]*finding
	alone    map[cause]bool
}

func (p *parser) newExpansion(combinations int) *expansion {
	e := &expansion{
		parser: p, common: append([]*layer{p.base}, p.sets...),
		source:  &source{p.vocab, config.Settings{}},
		written: config.Settings{}, resolved: config.Settings{}, hash: sha256.New().(hash.Cloner),
		seen: make(map[[16]byte]int, combinations), data: map[config.Data]*config.Data{},
		levels: make([]string, 0, combinations*len(p.axes)), over: make([]config.Settings, 0, combinations*len(p.axes)),
		digits:  make([]int, 0, combinations*len(p.axes)),
		byCause: map[cause]*finding{}, alone: map[cause]bool{},
	}
	for _, l := range e.common {
		e.source.start.Apply(l.set)
	}
	for _, l := range p.sets {
		e.uses = append(e.uses, newUses(l))
	}
	p.index = make(map[string]int, combinations)
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

// axesCells adds the axes' cells.
func (e *expansion) axesCells() {
	layers := make([]*layer, len(e.axes))
	e.combinations(func(digits []int) {
		if e.excluded(digits) {
			return
		}
		first := len(e.levels)
		layers = layers[:0]
		for a, d := range digits {
			layers = append(layers, e.axes[a].levels[d])
			e.levels = append(e.levels, e.axes[a].levels[d].name)
		}
		for _, w := range e.whens {
			if w.match.matches(digits) {
				layers = append(layers, w.also)
			}
		}
		e.index[digitsKey(digits)] = len(e.study.Cells)
		e.digits = append(e.digits, digits...)
		e.add(Cell{Name: e.cellName(digits), Levels: e.levels[first:len(e.levels):len(e.levels)]}, layers)
		e.useWhens(digits, layers)
	})
}

// The names of cells where not all combinations are cells: what follows is how
// they differ from these two.
const (
	baselineName = "baseline"
	bareName     = "bare"
)

// cellName is the level's name on a single axis, else "axis=level,...".
// Where cells are one or two steps away from a center, a name has these steps
// alone: it is a selector too, whose other axes are at their baseline, or
// after "bare" at their last level.
func (p *parser) cellName(digits []int) string {
	switch {
	case len(digits) == 0:
		return "base"
	case len(digits) == 1:
		return p.axes[0].levels[digits[0]].name
	case p.study.Expand == Product:
		return p.steps("", digits, nil)
	case !slices.ContainsFunc(digits, func(d int) bool { return d != 0 }):
		return baselineName
	case p.study.Expand == LeaveOneOut:
		return p.steps("", digits, make([]int, len(digits)))
	}
	return p.steps(bareName, digits, p.bare())
}

// steps writes the axes on which digits differs from center, or all, after a
// name to begin with.
func (p *parser) steps(begin string, digits, center []int) string {
	var b strings.Builder
	b.WriteString(begin)
	for i, d := range digits {
		if center != nil && d == center[i] {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.axes[i].name)
		b.WriteByte('=')
		b.WriteString(p.axes[i].levels[d].name)
	}
	return b.String()
}

func (e *expansion) namedCells() {
	byAxes := map[string]bool{baselineName: len(e.axes) > 1 && e.study.Expand != Product, bareName: len(e.axes) > 1 && e.study.Expand == AddOneIn}
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
	first := len(e.over)
	for _, l := range layers {
		if len(l.set) > 0 {
			e.over = append(e.over, l.set)
		}
	}
	c.source, c.over = e.source, e.over[first:len(e.over):len(e.over)]
	c.SameAs = -1
	problems := c.resolveInto(e.written, e.resolved)
	for _, problem := range problems {
		e.blame(problem, c.Name, layers)
	}
	if len(problems) == 0 {
		e.identify(&c)
	}
	isBroken := func(l *layer) bool { return l.broken }
	e.judgeable = len(problems) == 0 && !slices.ContainsFunc(e.common, isBroken) && !slices.ContainsFunc(layers, isBroken)
	for _, uses := range e.uses {
		e.see(uses, layers)
	}
	e.study.Cells = append(e.study.Cells, c)
}

// identify finds an earlier cell with the same settings, or begins the
// identity of the cell's runs.
func (e *expansion) identify(c *Cell) {
	e.json = append(e.resolved.AppendJSON(append(e.json[:0], `{"config":`...)), ',')
	e.hash.Reset()
	e.hash.Write(e.json)
	digest := [16]byte(e.hash.Sum(e.json[:0]))
	if first, ok := e.seen[digest]; ok {
		c.SameAs = first
		c.data = e.study.Cells[first].data
		return
	}
	e.seen[digest] = len(e.study.Cells)
	c.hashed = clone(e.hash)
	d := dataOf(e.resolved)
	if e.data[d] == nil {
		e.data[d] = &d
	}
	c.data = e.data[d]
}

func dataOf(s config.Settings) config.Data {
	train, _ := s["data.train"].(int64)
	test, _ := s["data.test"].(int64)
	name, _ := s["data.name"].(string)
	return config.Data{Name: name, Train: int(train), Test: int(test)}
}

// use is what becomes of an override's key, or of a when's.
type use struct {
	counts  bool     // in some cell
	hidden  bool     // some cell sets the key itself
	reasons []string // why it has no meaning in the others
}

func newUses(l *layer) map[string]*use {
	uses := map[string]*use{}
	for key := range l.lines {
		uses[key] = &use{}
	}
	return uses
}

// see looks at the cell at hand, in which layers are over what sets the keys.
// In one that is not judgeable, something else is wrong, and nobody knows which
// keys have a meaning.
func (e *expansion) see(uses map[string]*use, layers []*layer) {
	for key, u := range uses {
		switch {
		case u.counts:
		case slices.ContainsFunc(layers, func(l *layer) bool { return sets(l.set, key) }):
			u.hidden = true
		default:
			reason := ""
			if e.judgeable {
				reason = e.vocab.unused(e.resolved, key)
			}
			if u.counts = reason == ""; !u.counts && !slices.Contains(u.reasons, reason) {
				u.reasons = append(u.reasons, reason)
			}
		}
	}
}

// useWhens looks at what whens do for the cell at hand, which has just been
// added.
func (e *expansion) useWhens(digits []int, layers []*layer) {
	next := len(digits) // the first when in layers
	for _, w := range e.whens {
		if !w.match.matches(digits) {
			continue
		}
		w.cells++
		for _, f := range w.vary {
			w.varies = w.varies || digits[f.axes[0]] != 0
		}
		e.see(w.uses, layers[next+1:])
		w.changes = w.changes || !e.judgeable || e.differs(layers, next)
		next++
	}
}

// differs reports whether the cell at hand were another one without layer i.
func (e *expansion) differs(layers []*layer, i int) bool {
	c := Cell{source: e.source}
	for _, l := range slices.Concat(layers[:i], layers[i+1:]) {
		c.over = append(c.over, l.set)
	}
	without := config.Settings{}
	return len(c.resolveInto(config.Settings{}, without)) > 0 || string(without.JSON()) != string(e.resolved.JSON())
}

// why says why the key has no effect in any cell. others set it instead.
func (u *use) why(key, others string) string {
	reasons := u.reasons
	switch {
	case len(reasons) == 0:
		return others + " " + key + " itself"
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
