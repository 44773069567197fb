// Package ablations says what to run: it reads a study (one TOML file),
// checks it, expands it into cells and runs, and holds the claims that the
// study is to decide. The shipped studies are embedded here.
package ablations

import "ablate/trainer/config"

// Study is one matrix file, read, checked and expanded.
type Study struct {
	Name   string
	Title  string
	Source string   // the paper that the study reproduces, if any
	File   string   // as the user named it; "quick" for a shipped study
	Text   []byte   // the file's bytes
	Sets   []string // overrides of the base, as given: "data.name=cifar10"
	Alpha  float64  // level of the claims' tests, 0.05 unless the study says otherwise
	Seeds  []int
	Axes   []Axis
	Cells  []Cell // the axes' cells in file order, the baseline first, then the named cells
	Claims []Claim
}

// Cell returns the position in Cells of the cell called name.
func (s *Study) Cell(name string) (int, bool) {
	for i := range s.Cells {
		if s.Cells[i].Name == name {
			return i, true
		}
	}
	return 0, false
}

// Axis is one factor. Its first level is the baseline.
type Axis struct {
	Name   string
	Levels []Level
}

// Level is one value of an axis; it may set several keys.
type Level struct {
	Name string
	Set  config.Settings
}

// Cell is one level on each axis, or a named extra.
type Cell struct {
	Name     string          // "bn", "norm=none,predictor=false", or the extra's name
	Levels   []string        // one a axis; nil for a named extra
	Settings config.Settings // resolved and canonical: every key, but for those that are for other settings only
	SameAs   int             // index of an earlier cell with equal settings, else -1
}

// Claim is a statement about cells that a report decides.
type Claim struct {
	ID    string
	Says  string
	Paper *Paper // what the paper found, or nil
	All   []Part // the claim holds if every part holds
	Line  int
}

// Paper quotes the figure that a claim goes back to.
type Paper struct {
	Value   float64
	Against float64
	Unit    string
	Where   string
}

// PartKind is what a part of a claim asks.
type PartKind string

// The kinds of part.
const (
	Collapsed    PartKind = "collapsed"     // every run of each cell collapsed
	NotCollapsed PartKind = "not_collapsed" // no run of any cell collapsed
	Greater      PartKind = "greater"       // first cell's metric above the second's by more than By
	Equivalent   PartKind = "equivalent"    // the two differ by less than Margin
)

// Part is one testable piece of a claim.
type Part struct {
	Kind   PartKind
	Metric string     // comparisons only
	Cells  []Selector // any number for the collapse kinds, exactly two for comparisons
	By     float64    // Greater: how much above
	Margin float64    // Equivalent: how close
}

// Selector names a cell, optionally at step 0 ("init@untrained").
type Selector struct {
	Text      string // as written
	Cell      int    // index into Study.Cells
	Untrained bool
}

// Run is a cell with a seed. ID hashes the resolved configuration, the seed,
// the dataset's content and the trainer's numeric version: equal work has an
// equal ID, over cells and over studies.
type Run struct {
	ID   string
	Cell int
	Seed int
}
