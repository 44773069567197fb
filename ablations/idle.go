package ablations

import "slices"

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
func (e *expansion) identicalLevels() {
	for _, f := range e.factors {
		if slices.ContainsFunc(f.axes, func(a int) bool { return e.axes[a].idle }) {
			continue
		}
		for j, cell := range e.firstWith(f) {
			for i := range j {
				if cell == notACell || e.sameAt(f, cell, i) != same || !e.sameEverywhere(f, i, j) {
					continue
				}
				a := e.axes[f.axes[0]]
				what := "level " + a.levels[j].name + " of axis " + a.name
				if len(f.axes) > 1 {
					what += ", with what is zipped to it,"
				}
				e.at(a.levels[j].line, "%s is identical to level %s at line %d: both give the same settings", what, a.levels[i].name, a.levels[i].line)
				break
			}
		}
	}
}

// firstWith returns the first cell that has each level of a factor, or
// notACell, also if the level is broken.
func (e *expansion) firstWith(f *factor) []int {
	first := make([]int, f.levels)
	for l := range first {
		first[l] = notACell
	}
	for cell := len(e.digits)/len(e.axes) - 1; cell >= 0; cell-- {
		level := e.digitsOf(cell)[f.axes[0]]
		if !slices.ContainsFunc(f.axes, func(a int) bool { return e.axes[a].levels[level].broken }) {
			first[level] = cell
		}
	}
	return first
}

func (e *expansion) digitsOf(cell int) []int {
	n := len(e.axes)
	return e.digits[cell*n : (cell+1)*n]
}

// sameAt compares a cell with the one that has another level of a factor.
func (e *expansion) sameAt(f *factor, cell, level int) comparison {
	other := slices.Clone(e.digitsOf(cell))
	f.set(other, level)
	j, ok := e.index[digitsKey(other)]
	switch {
	case ok && e.origin(cell) == e.origin(j):
		return same
	case ok || e.excluded(other):
		return different
	}
	return missing
}

type comparison int

const (
	different comparison = iota // also if one of them is excluded, which makes a difference by itself
	same
	missing // there is no other cell, but nobody excluded it
)

// origin returns the first cell with a cell's settings.
func (e *expansion) origin(cell int) int {
	if same := e.study.Cells[cell].SameAs; same >= 0 {
		return same
	}
	return cell
}

// sameEverywhere compares levels i and j of a factor over all cells.
func (e *expansion) sameEverywhere(f *factor, i, j int) bool {
	for cell := range len(e.digits) / len(e.axes) {
		switch e.digitsOf(cell)[f.axes[0]] {
		case i:
			if e.sameAt(f, cell, j) == different {
				return false
			}
		case j:
			if e.sameAt(f, cell, i) == different {
				return false
			}
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
				e.at(0, "%s: has no effect: %s", s.name, u.why(key, "every cell sets"))
			}
		}
	}
}

// uselessWhens reports whens without an effect, as a whole or of a part.
func (p *parser) uselessWhens() {
	for _, w := range p.whens {
		p.uselessVary(w)
		if w.cells == 0 {
			if len(w.vary) == 0 {
				p.at(w.line, "this when matches no cell; remove it, or see exclude, zip, expand and the other whens")
			}
			continue
		}
		some := false // of its keys have an effect
		for _, key := range sortedKeys(w.also.lines) {
			if u := w.uses[key]; u.counts || w.also.broken {
				some = true
			} else {
				p.at(w.also.lines[key], "%s has no effect in this when: %s", key, u.why(key, "later whens set"))
			}
		}
		if some && !w.changes {
			p.at(w.line, "this when changes nothing: the cells that it matches have these settings without it")
		}
	}
}

func (p *parser) uselessVary(w *when) {
	for _, f := range w.vary {
		name := p.axes[f.axes[0]].name
		switch {
		case f.levels == 1:
			p.at(w.line, "axis %s has one level alone and cannot vary", name)
		case !w.varies:
			p.at(w.line, "axis %s varies in no cell that this when matches; remove it, or see exclude, expand and order", name)
		case !f.held && f.only[0] == w:
			p.at(w.line, "vary has no effect: axis %s varies everywhere, for there is no cell that its whens do not match", name)
		}
	}
}
