// Package ablations says what to run: it reads a study (one TOML file),
// checks it, expands it into cells and runs, and holds the claims that the
// study is to decide. The shipped studies are embedded here.
package ablations

import (
	"hash"
	"path/filepath"
	"slices"
	"time"

	"ablate/trainer/config"
)

// Study is one matrix file, read, checked and expanded.
type Study struct {
	Name   string
	Title  string
	Source string   // the paper that the study reproduces, if any
	File   string   // as the user named it; "quick" for a shipped study
	Text   []byte   // the file's bytes
	Sets   []string // overrides of the base, as given: "data.name=cifar10"
	Alpha  float64  // level of the claims' tests, 0.05 unless the study says otherwise
	Test   Test     // how comparisons are tested, T unless the study says otherwise
	Seeds  []int
	Axes   []Axis
	Expand Expansion // which combinations of levels are cells
	Cells  []Cell    // the axes' cells in file order, the baseline first, then the named cells
	Claims []Claim
	Paper  *PaperValues // what the paper found for some of the cells; nil if the study does not say

	Trainer *Trainer // the study's own program; nil is the embedded trainer

	// What a run may take, 0 if the study does not say. No part of its identity.
	Timeout time.Duration
	Memory  int64 // bytes
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

// Dir is the folder of the study's file, which a trainer's files are relative to.
func (s *Study) Dir() string { return filepath.Dir(s.File) }

// Expansion is how cells are made of axes.
type Expansion string

// The expansions. The baseline has the first level of every axis: the full
// method. The bare cell has the last.
const (
	Product     Expansion = "product"       // all combinations
	LeaveOneOut Expansion = "leave_one_out" // the baseline, and what differs from it on one axis (order = 2: or two)
	AddOneIn    Expansion = "add_one_in"    // the baseline, the bare cell, and what differs from this on one axis (or two)
)

var expansions = []Expansion{Product, LeaveOneOut, AddOneIn}

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
	Name   string   // "bn", "norm=none,predictor=false", or the extra's name
	Levels []string // one a axis; nil for a named extra
	SameAs int      // index of an earlier cell with equal settings, else -1

	// A study may have a hundred thousand cells, and resolved settings are two
	// kilobytes of map: a cell holds what they are made of.
	source *source
	over   []config.Settings // laid over the source, one after the other
	data   *config.Data
	hashed hash.Cloner // SHA-256 of the resolved settings so far: how the text of an identity begins
}

// source is what all cells of a study have in common.
type source struct {
	vocab vocabulary
	start config.Settings // base and overrides
}

// NewCell returns a cell with resolved settings that no study stands behind.
func NewCell(name string, settings config.Settings) Cell {
	d := dataOf(settings)
	return Cell{Name: name, SameAs: -1, over: []config.Settings{settings}, data: &d}
}

// Settings returns the cell's settings, resolved and canonical: every key, but
// for those that are for other settings only. It makes them anew every time.
func (c Cell) Settings() config.Settings {
	resolved := config.Settings{}
	if c.source == nil {
		for _, s := range c.over {
			resolved.Apply(s)
		}
		return resolved
	}
	c.resolveInto(config.Settings{}, resolved) // which a parsed study's do without a problem
	return resolved
}

// Written returns the value of one key as the study sets it for the cell, without
// resolving all the others. It is for keys that are in no group.
func (c Cell) Written(key string) (v any, ok bool) {
	for _, s := range slices.Backward(c.over) {
		if v, ok := s[key]; ok {
			return v, true
		}
	}
	if c.source != nil {
		v, ok = c.source.start[key]
	}
	return v, ok
}

// Data returns what the embedded trainer is to train on.
func (c Cell) Data() config.Data {
	if c.data == nil {
		return config.Data{}
	}
	return *c.data
}

// resolveInto makes the settings in resolved of those in written, both of which
// it empties first.
func (c Cell) resolveInto(written, resolved config.Settings) []config.Problem {
	clear(written)
	written.Apply(c.source.start)
	for _, s := range c.over {
		written.Apply(s)
	}
	return c.source.vocab.resolve(resolved, written)
}

// Claim is a statement about cells that a report decides.
type Claim struct {
	ID    string
	Says  string
	Paper *Paper // what the paper found, or nil
	All   []Part // the claim holds if every part holds
	Line  int
}

// Test is how two cells are compared. A study chooses before it is run: who
// chooses by the result has made several tests and reports one.
type Test string

// The tests.
const (
	T        Test = "t"         // paired by seed, t distribution (Student 1908)
	SignFlip Test = "sign-flip" // paired by seed, exact: every sign of every difference is as likely (Fisher 1935)
	Welch    Test = "welch"     // not paired, t distribution, unequal variances (Welch 1947)
)

// Tests lists the tests, the default first.
var Tests = []Test{T, SignFlip, Welch}

// PaperValues are what the paper found for cells of the study. They are quoted
// beside what was measured here and enter no test.
type PaperValues struct {
	Metric string          // of ours that stands beside them
	Unit   string          // of theirs: "top-1 %"
	Where  string          // the source, with what it takes to understand the scale: "Table 2, ImageNet, 1000 epochs"
	Values map[int]float64 // by position in Study.Cells
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
