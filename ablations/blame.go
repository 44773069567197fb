package ablations

import (
	"slices"

	"ablate/trainer/config"
)

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
		alone = e.has([]*layer{l}, problem)
		e.alone[key] = alone
	}
	return alone
}

// has reports whether layers, one upon the other, have the problem.
func (p *parser) has(layers []*layer, problem config.Problem) bool {
	s := config.Settings{}
	for _, l := range layers {
		s.Apply(l.set)
	}
	problems := p.vocab.resolve(config.Settings{}, s)
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
		if !e.has(slices.Concat(all[:i], all[i+1:]), problem) {
			return all[i]
		}
	}
	last := len(all)
	for last > 1 && e.has(all[:last-1], problem) {
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
