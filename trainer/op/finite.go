package op

import (
	"fmt"
	"path"
	"slices"
	"strings"

	G "gorgonia.org/gorgonia"

	"ablate/trainer/kernel"
)

// FirstNotFinite runs the graph g by run, in which every op looks at what it
// reads and what it makes of that. It describes the first op whose result has
// a NaN or an infinity though everything that it read was finite, as in
// "norm at online/encoder/stage2/block1/norm1"; "" if there is none. A graph
// that is run otherwise is not slower for it.
func FirstNotFinite[T kernel.Float](g *G.ExprGraph, run func() error) (culprit string, err error) {
	for _, n := range g.AllNodes() {
		o, ours := n.Op().(*op[T])
		if !ours {
			continue
		}
		forward := o.forward
		defer func() { o.forward = forward }()
		o.forward = func(out []T, in [][]T) {
			finite := !slices.ContainsFunc(in, func(x []T) bool { return !Finite(x) })
			forward(out, in)
			if culprit == "" && finite && !Finite(out) {
				culprit = o.describe()
			}
		}
	}
	err = run()
	return culprit, err
}

// Finite reports whether x holds neither NaN nor an infinity.
func Finite[T kernel.Float](x []T) bool {
	for _, v := range x {
		if v-v != 0 {
			return false
		}
	}
	return true
}

func (o *op[T]) describe() string {
	switch {
	case o.place.path == "":
		return o.name
	case o.place.after:
		return fmt.Sprintf("%s after %s", o.name, o.place.path)
	}
	return fmt.Sprintf("%s at %s", o.name, o.place.path)
}

// place is where in a network an op is: at its weights, whose names are
// paths, or after the place of what it reads.
type place struct {
	path    string
	after   bool
	weights bool // the op reads weights alone, so that its result is one too
}

// placeOf is the place of an op with these inputs.
func placeOf[T kernel.Float](inputs G.Nodes) place {
	var at, after string
	weights := 0
	for _, n := range inputs {
		o, ours := n.Op().(*op[T])
		switch {
		case n.Op() == nil && strings.Contains(n.Name(), "/"):
			at = path.Dir(n.Name())
			weights++
		case ours && o.place.weights:
			at = o.place.path
			weights++
		case ours && after == "":
			after = o.place.path
		}
	}
	if at == "" {
		return place{path: after, after: true}
	}
	return place{path: at, weights: weights == len(inputs)}
}
