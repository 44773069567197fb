package reports

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"ablate/ablations"
	"ablate/trainer/config"
)

// The dimensions that every study has.
const (
	cellDimension = "cell"
	seedDimension = "seed"
)

// dimension is something in which runs differ.
type dimension struct {
	name   string
	levels []string                 // in the study's order
	of     func(cell, seed int) int // position of a run's level, noLevel if it has none
}

// noLevel is where a cell outside the axes stands on one.
const noLevel = -1

// dimension finds one by its name.
func (r *Report) dimension(name string) (dimension, error) {
	d := dimension{name: name}
	switch axis := slices.IndexFunc(r.study.Axes, func(a ablations.Axis) bool { return a.Name == name }); {
	case name == cellDimension:
		d.of = func(cell, _ int) int { return cell }
		for _, c := range r.Cells {
			d.levels = append(d.levels, c.Name)
		}
	case name == seedDimension:
		d.of = func(_, seed int) int { return seed }
		for _, s := range r.Seeds {
			d.levels = append(d.levels, strconv.Itoa(s))
		}
	case axis >= 0:
		return d.byCell(len(r.Cells), func(cell int) (string, bool) {
			level, ok := r.Cells[cell].Levels[name]
			return level, ok
		}), nil
	default:
		if d = r.keyDimension(name); len(d.levels) == 0 {
			return d, r.noDimension(name)
		}
		if len(d.levels) == 1 {
			return d, fmt.Errorf("%s is %s in all cells of %s, so it tells no runs apart", name, d.levels[0], r.Name)
		}
	}
	return d, nil
}

// byCell makes a dimension of each cell's level.
func (d dimension) byCell(cells int, level func(cell int) (text string, ok bool)) dimension {
	at := make([]int, cells)
	for i := range at {
		text, ok := level(i)
		if !ok {
			at[i] = noLevel
			continue
		}
		if at[i] = slices.Index(d.levels, text); at[i] < 0 {
			at[i], d.levels = len(d.levels), append(d.levels, text)
		}
	}
	d.of = func(cell, _ int) int { return at[cell] }
	return d
}

// absent is the level of cells whose configuration does not have a key, being
// such that it would mean nothing. It may be written as nothing: "norm.predictor=".
const absent = "–"

// keyDimension is a key of the configuration; without levels, if no cell has
// it.
func (r *Report) keyDimension(key string) dimension {
	known := false
	d := dimension{name: key}.byCell(len(r.Cells), func(cell int) (string, bool) {
		v, ok := r.study.Cells[cell].Settings()[key]
		if !ok {
			return absent, true
		}
		known = true
		return cmp.Or(config.Print(v), absent), true
	})
	if !known {
		d.levels = nil
	}
	return d
}

// varyingKeys lists the keys in which cells differ, sorted.
func (r *Report) varyingKeys(cells []int) []string {
	first := r.study.Cells[cells[0]].Settings()
	varying := map[string]bool{}
	for _, i := range cells[1:] {
		settings := r.study.Cells[i].Settings()
		for key, v := range settings {
			if first[key] != v {
				varying[key] = true
			}
		}
		for key := range first {
			if _, ok := settings[key]; !ok {
				varying[key] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(varying))
}

// differing lists in what cells differ: axes if all have a level of each, else
// keys.
func (r *Report) differing(cells []int) (all []dimension) {
	onAxes := !slices.ContainsFunc(cells, func(c int) bool { return r.Cells[c].Levels == nil })
	for _, a := range r.study.Axes {
		d, _ := r.dimension(a.Name)
		differs := slices.ContainsFunc(cells, func(c int) bool { return d.of(c, 0) != d.of(cells[0], 0) })
		if onAxes && differs {
			all = append(all, d)
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, key := range r.varyingKeys(cells) {
		all = append(all, r.keyDimension(key))
	}
	return all
}

// levelsAt lists the levels of cells, each once.
func (d dimension) levelsAt(cells []int) (levels []string) {
	for _, c := range cells {
		if level := d.levels[d.of(c, 0)]; !slices.Contains(levels, level) {
			levels = append(levels, level)
		}
	}
	return levels
}

func (r *Report) isAxis(name string) bool {
	return slices.ContainsFunc(r.study.Axes, func(a ablations.Axis) bool { return a.Name == name })
}

// noDimension says what there is instead of a dimension.
func (r *Report) noDimension(name string) error {
	names := []string{cellDimension, seedDimension}
	for _, a := range r.study.Axes {
		names = append(names, a.Name)
	}
	everywhere := make([]int, len(r.Cells))
	for i := range everywhere {
		everywhere[i] = i
	}
	for _, key := range r.varyingKeys(everywhere) {
		if !r.isAxis(key) {
			names = append(names, key)
		}
	}
	return fmt.Errorf("the runs of %s do not differ in %q%s", r.Name, name, instead(name, names))
}

// instead goes on in an error about a name: with those that are near it, else
// with all.
func instead(name string, names []string) string {
	if near := config.Near(name, names); len(near) > 0 {
		return "; did you mean " + strings.Join(near, " or ") + "?"
	}
	if len(names) == 0 {
		return "; there is none"
	}
	return "; there is " + few(names, 30)
}

// filter keeps the runs at some levels of a dimension.
type filter struct {
	dimension
	keep []int
}

// keeps reports whether a run is at one of the levels.
func (f filter) keeps(cell, seed int) bool { return slices.Contains(f.keep, f.of(cell, seed)) }

// filters reads DIMENSION=LEVEL,LEVEL.
func (r *Report) filters(where []string) (filters []filter, err error) {
	for _, text := range where {
		name, levels, ok := strings.Cut(text, "=")
		if name = strings.TrimSpace(name); !ok || name == "" {
			return nil, fmt.Errorf("%q is no choice of levels: it must be like norm=bn or norm=bn,ln", text)
		}
		if slices.ContainsFunc(filters, func(f filter) bool { return f.name == name }) {
			return nil, fmt.Errorf("%s is chosen twice; name all its levels at once, as in %s=A,B", name, name)
		}
		f := filter{}
		if f.dimension, err = r.dimension(name); err != nil {
			return nil, err
		}
		if f.keep, err = f.positions(levels); err != nil {
			return nil, err
		}
		filters = append(filters, f)
	}
	return filters, nil
}

// positions finds levels that are named with commas between. Names of cells may
// have commas themselves: what is the longest name there is one.
func (d dimension) positions(text string) (positions []int, err error) {
	parts := strings.Split(text, ",")
	for len(parts) > 0 {
		n := len(parts)
		at := -1
		for ; n > 0 && at < 0; n-- {
			at = slices.Index(d.levels, cmp.Or(strings.TrimSpace(strings.Join(parts[:n], ",")), absent))
		}
		if at < 0 {
			return nil, fmt.Errorf("%s has no level %q%s", d.name, strings.TrimSpace(parts[0]), instead(strings.TrimSpace(parts[0]), d.levels))
		}
		positions, parts = append(positions, at), parts[n+1:]
	}
	return positions, nil
}
