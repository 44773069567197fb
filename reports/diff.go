package reports

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ablate/ablations"
	"ablate/reports/table"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"
)

// ConfigDiff is in what two cells or runs differ.
type ConfigDiff struct {
	A    DiffSide  `json:"a"`    // the first
	B    DiffSide  `json:"b"`    // the second
	Keys []KeyDiff `json:"keys"` // of the configuration, those that differ, sorted
	Same int       `json:"same"` // how many other keys there are
}

// DiffSide is one of two cells or runs that are compared.
type DiffSide struct {
	Name    string   `json:"name"`    // of the cell, or the run's id
	Kind    string   `json:"kind"`    // "cell" or "run"
	Study   string   `json:"study"`   // that the cell is of; "" for a run
	Cell    string   `json:"cell"`    // name; of a run, that of the cell that first asked for it
	Seeds   []int    `json:"seeds"`   // of its runs
	Runs    []string `json:"runs"`    // ids, by seeds
	Outcome string   `json:"outcome"` // how its runs ended, in words
	Dataset []string `json:"dataset"` // content hashes; a cell may have runs of several
	Trainer []string `json:"trainer"` // versions, likewise

	settings map[string]string
}

// KeyDiff is a key of the configuration that differs.
type KeyDiff struct {
	Key string  `json:"key"` // dotted path
	A   *string `json:"a"`   // its value; null where it has none, as it would mean nothing
	B   *string `json:"b"`   // likewise
}

// Diff compares the configurations of two cells of a stored study or runs of
// its store. a and b are names of cells, else ids of runs or the beginnings of
// such.
func Diff(store *results.Store, study *results.Study, a, b string) (*ConfigDiff, error) {
	return diff(store, study, a, b)
}

// runSource is what a comparison of configurations reads of the store.
type runSource interface {
	Run(idPrefix string) (*results.Run, error)
	RunsByID(ids []string) (map[string]results.Run, error)
	ConfigsByID(ids []string) (map[string][]byte, error)
}

func diff(store runSource, study *results.Study, a, b string) (*ConfigDiff, error) {
	d := &ConfigDiff{Keys: []KeyDiff{}}
	for _, side := range []struct {
		name string
		into *DiffSide
	}{{a, &d.A}, {b, &d.B}} {
		s, err := diffSide(store, study, side.name)
		if err != nil {
			return nil, err
		}
		*side.into = *s
	}
	keys := maps.Clone(d.A.settings)
	maps.Copy(keys, d.B.settings)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		a, inA := d.A.settings[key]
		b, inB := d.B.settings[key]
		if inA == inB && a == b {
			d.Same++
			continue
		}
		k := KeyDiff{Key: key}
		if inA {
			k.A = &a
		}
		if inB {
			k.B = &b
		}
		d.Keys = append(d.Keys, k)
	}
	return d, nil
}

// diffSide finds a cell or a run.
func diffSide(store runSource, study *results.Study, name string) (*DiffSide, error) {
	if cell := slices.Index(study.Cells, name); cell >= 0 {
		return cellSide(store, study, cell)
	}
	run, err := store.Run(name)
	switch {
	case errors.Is(err, results.ErrNotFound) || name == "":
		return nil, noSide(study, name)
	case err != nil:
		return nil, err
	}
	s := &DiffSide{Name: run.ID, Kind: "run", Cell: run.Cell}
	return s, s.add(*run, run.Config)
}

func cellSide(store runSource, study *results.Study, cell int) (*DiffSide, error) {
	s := &DiffSide{Name: study.Cells[cell], Kind: "cell", Study: study.Name, Cell: study.Cells[cell]}
	var ids []string
	for _, slot := range study.Slots {
		if slot.Cell == cell {
			ids = append(ids, slot.RunID)
		}
	}
	runs, err := store.RunsByID(ids)
	if err != nil {
		return nil, err
	}
	configs, err := store.ConfigsByID(ids[:min(1, len(ids))]) // those of its other runs are equal
	if err != nil {
		return nil, err
	}
	var counts Cell
	for _, id := range ids {
		if err := s.add(runs[id], configs[ids[0]]); err != nil {
			return nil, err
		}
		counts.count(runs[id].Outcome)
	}
	counts.Seeds = s.Seeds
	s.Outcome = counts.outcome()
	return s, nil
}

// add takes up a run with its configuration.
func (s *DiffSide) add(run results.Run, text []byte) (err error) {
	s.Seeds, s.Runs = append(s.Seeds, run.Seed), append(s.Runs, run.ID)
	if s.Outcome = strings.ReplaceAll(string(run.Outcome), "_", " "); s.Outcome == "" {
		s.Outcome = "pending"
	}
	if !slices.Contains(s.Dataset, run.Dataset) {
		s.Dataset = append(s.Dataset, run.Dataset)
	}
	if !slices.Contains(s.Trainer, run.Trainer) {
		s.Trainer = append(s.Trainer, run.Trainer)
	}
	if s.settings != nil {
		return nil
	}
	if s.settings, err = config.Flat(text); err != nil {
		return fmt.Errorf("the configuration of run %s cannot be read: %w", run.ID, err)
	}
	if strings.HasPrefix(run.Trainer, ablations.External) {
		return nil
	}
	for _, k := range config.Keys {
		switch v, ok := s.settings[k.Path]; {
		case !ok && k.Implied:
			s.settings[k.Path] = config.Print(k.Default) // what its canonical form leaves out
		case v == "": // norm.predictor without a predictor
			delete(s.settings, k.Path)
		}
	}
	return nil
}

// noSide says that there is neither a cell nor a run of a name, and which are
// near.
func noSide(study *results.Study, name string) error {
	near := config.Near(name, study.Cells)
	for _, slot := range study.Slots {
		id := slot.RunID[:min(len(slot.RunID), max(len(name), 10))]
		if len(near) < 3 && len(name) > 3 && len(config.Near(name, []string{id[:min(len(id), len(name))]})) > 0 && !slices.Contains(near, id) {
			near = append(near, id)
		}
	}
	s := fmt.Sprintf("%s has no cell %q, and its store no run whose id begins so", study.Name, name)
	if len(near) > 0 {
		return notFound(s + "; did you mean " + strings.Join(near, " or ") + "?")
	}
	return notFound(s + "; the cells are " + few(study.Cells, 30))
}

// notFound is an error that is results.ErrNotFound.
type notFound string

func (e notFound) Error() string        { return string(e) }
func (e notFound) Is(target error) bool { return target == results.ErrNotFound }

// few lists names, at most so many.
func few(names []string, most int) string {
	if more := len(names) - most; more > 0 {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d others", more)
	}
	return strings.Join(names, ", ")
}

// Equal reports whether the two have the same configuration.
func (d *ConfigDiff) Equal() bool { return len(d.Keys) == 0 }

// SameRuns reports whether the two are one: the very same runs.
func (d *ConfigDiff) SameRuns() bool { return slices.Equal(d.A.Runs, d.B.Runs) }

// Summary says in a sentence in how much the two differ.
func (d *ConfigDiff) Summary() string {
	all := d.Same + len(d.Keys)
	switch {
	case d.SameRuns():
		return fmt.Sprintf("the same runs: all %d keys of the configuration are equal", all)
	case d.Equal():
		return fmt.Sprintf("equal: all %d keys of the configuration", all)
	}
	return fmt.Sprintf("%d of %s of the configuration differ", len(d.Keys), words.Plural(all, "key"))
}

// Tables are the keys that differ, if any do, and what is known of the two
// besides.
func (d *ConfigDiff) Tables() []table.Table {
	heads := [2]string{d.A.label(), d.B.label()}
	build := func(name, title, what string, rows [][3]string) table.Table {
		t := table.Table{Name: name, Title: title}
		for i, head := range []string{what, heads[0], heads[1]} {
			c := table.Column{Head: head, Left: true}
			for _, row := range rows {
				c.Cells = append(c.Cells, row[i])
			}
			t.Columns = append(t.Columns, c)
		}
		return t
	}
	var keys [][3]string
	for _, k := range d.Keys {
		keys = append(keys, [3]string{k.Key, valueText(k.A), valueText(k.B)})
	}
	facts := [][3]string{
		{"seeds", numbers(d.A.Seeds), numbers(d.B.Seeds)},
		{"outcome", d.A.Outcome, d.B.Outcome},
		{"data set", hashes(d.A.Dataset), hashes(d.B.Dataset)},
		{"trainer", strings.Join(d.A.Trainer, ", "), strings.Join(d.B.Trainer, ", ")},
	}
	var tables []table.Table
	if len(keys) > 0 {
		tables = append(tables, build("keys", "Configuration", "key", keys))
	}
	return append(tables, build("facts", "Runs", "", facts))
}

func valueText(v *string) string {
	switch {
	case v == nil:
		return table.Nothing
	case *v == "":
		return `""`
	}
	return *v
}

// label names a side over its column.
func (s DiffSide) label() string {
	if s.Kind == "run" {
		return s.Name[:min(10, len(s.Name))]
	}
	return s.Name
}

// Text writes the comparison for a terminal of so many columns.
func (d *ConfigDiff) Text(w io.Writer, columns int) error {
	var s strings.Builder
	fmt.Fprintf(&s, "%s and %s: %s\n", d.A.what(), d.B.what(), d.Summary())
	for _, t := range d.Tables() {
		s.WriteString("\n" + t.Text(columns))
	}
	_, err := io.WriteString(w, s.String())
	return err
}

// what is the side in words: "cell bn of quick", "run 0123456789 (bn, seed 1)".
func (s DiffSide) what() string {
	if s.Kind == "run" {
		return fmt.Sprintf("run %s (%s, seed %d)", s.label(), words.Printable(s.Cell), s.Seeds[0])
	}
	return fmt.Sprintf("cell %s of %s", words.Printable(s.Name), s.Study)
}

func numbers(values []int) string {
	var s []string
	for _, v := range values {
		s = append(s, strconv.Itoa(v))
	}
	return strings.Join(s, ", ")
}

// hashes lists content hashes, of each its beginning.
func hashes(values []string) string {
	var s []string
	for _, v := range values {
		if v == "" {
			v = table.Nothing
		}
		kind, hash, ok := strings.Cut(v, ":")
		if !ok {
			kind, hash = "", v
		} else {
			kind += ":"
		}
		s = append(s, kind+hash[:min(12, len(hash))])
	}
	return strings.Join(s, ", ")
}
