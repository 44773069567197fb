package orchestrator

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"
)

// Cause is why runs are to be done although runs like them were done before:
// what an identity is made of has changed.
type Cause struct {
	Runs    int      `json:"runs"`            // how many
	Says    string   `json:"says"`            // what "run" does with them, and why
	Study   string   `json:"study,omitempty"` // that the runs of before belong to; absent if it was never run
	Changes []Change `json:"changes"`         // which inputs are others; empty if nothing like them was run
	Reused  int      `json:"reused_epochs"`   // epochs of shorter runs that they go on from; 0 = they begin anew
}

// Change is an input that is not what it was.
type Change struct {
	Input string `json:"input"` // a key, "dataset NAME", "trainer", "command", or "file NAME" of a trainer
	Was   string `json:"was"`   // its value, or the beginning of its hash; "" if it was not there
	Is    string `json:"is"`    // likewise, now
}

func (c Change) String() string {
	return fmt.Sprintf("%s: %s → %s", c.Input, cmp.Or(c.Was, "none"), cmp.Or(c.Is, "none"))
}

// fresh is a run of the plan that was never begun, and the one that stood in its
// place before.
type fresh struct {
	*ablations.Run
	before *results.Earlier
}

// explain groups the runs that were never begun by what makes them differ from
// the ones in their places before.
func (i *Inspection) explain(store *results.Store, dir string, plan *ablations.Plan) error {
	earlier, err := store.Earlier(plan.Study.Name)
	if err != nil || len(earlier) == 0 {
		return err
	}
	x := &explanation{Inspection: i, store: store, dir: dir, plan: plan, changes: map[comparison][]Change{}, causes: map[string]*Cause{}}
	open, unknown := x.fresh(earlier)
	if unknown != nil {
		x.causes[""] = unknown
	}
	if err := x.compare(open); err != nil {
		return err
	}
	if err := x.group(open); err != nil {
		return err
	}
	for _, c := range x.causes {
		i.Causes = append(i.Causes, *c)
	}
	slices.SortFunc(i.Causes, func(a, b Cause) int { return cmp.Or(cmp.Compare(b.Runs, a.Runs), cmp.Compare(a.Says, b.Says)) })
	return nil
}

// fresh lists the runs that were never begun but have one before them, and
// counts those that have none.
func (x *explanation) fresh(earlier map[results.Place]*results.Earlier) (open []fresh, unknown *Cause) {
	s := x.plan.Study
	cells, seeds, news := make([]bool, len(s.Cells)), map[int]bool{}, 0
	for i := range x.plan.Runs {
		r := &x.plan.Runs[i]
		if x.runs[r.ID].Attempts > 0 || !x.ToDo(r.ID) || s.Cells[r.Cell].SameAs >= 0 {
			continue // a cell like another one is told with it
		}
		if before := earlier[results.Place{Cell: s.Cells[r.Cell].Name, Seed: r.Seed}]; before != nil {
			open = append(open, fresh{r, before})
			continue
		}
		cells[r.Cell], seeds[r.Seed] = true, true
		news++
	}
	if news == 0 {
		return open, nil
	}
	count := 0
	for _, is := range cells {
		if is {
			count++
		}
	}
	says := fmt.Sprintf("new: %s and %s that were not run together before", words.Plural(count, "cell"), words.Plural(len(seeds), "seed"))
	return open, &Cause{Runs: news, Changes: []Change{}, Says: says}
}

// explanation is the work of explain.
type explanation struct {
	*Inspection
	store   *results.Store
	dir     string
	plan    *ablations.Plan
	changes map[comparison][]Change
	causes  map[string]*Cause // by what they have in common
}

// comparison is what runs have in common that differ from those before in the
// same inputs.
type comparison struct {
	cell             int // of the plan
	study, before    int64
	dataset, trainer string
}

func (f fresh) comparison() comparison {
	return comparison{f.Cell, f.before.StudyID, f.before.Cell, f.before.Dataset, f.before.Trainer}
}

// compare finds out what has changed from the runs before: once for all seeds of
// a cell.
func (x *explanation) compare(open []fresh) error {
	examples := map[comparison]string{}
	for _, f := range open {
		examples[f.comparison()] = f.before.ID
	}
	configs, err := x.store.ConfigsByID(slices.Collect(maps.Values(examples)))
	if err != nil {
		return err
	}
	trainers := map[string][]Change{}
	for c, id := range examples {
		cell := x.plan.Study.Cells[c.cell]
		changes := compareConfigs(configs[id], cell.Settings().JSON())
		if is := x.plan.Dataset[cell.Data().Name]; is != c.dataset {
			changes = append(changes, Change{"dataset " + cell.Data().Name, short(c.dataset), short(is)})
		}
		if c.trainer != x.plan.Trainer {
			if _, known := trainers[c.trainer]; !known {
				trainers[c.trainer] = compareTrainers(x.dir, c.trainer, x.plan)
			}
			changes = append(changes, trainers[c.trainer]...)
		}
		x.changes[c] = changes
	}
	return nil
}

// compareConfigs lists the keys that differ in two canonical texts.
func compareConfigs(was, is []byte) (changes []Change) {
	if bytes.Equal(was, is) {
		return nil
	}
	before, now := flatten(was), flatten(is)
	for len(before) > 0 || len(now) > 0 { // both are sorted
		var a, b setting
		switch {
		case len(now) == 0 || len(before) > 0 && before[0].key < now[0].key:
			a, before = before[0], before[1:]
		case len(before) == 0 || now[0].key < before[0].key:
			b, now = now[0], now[1:]
		default:
			a, before = before[0], before[1:]
			b, now = now[0], now[1:]
		}
		if a != b {
			key := cmp.Or(a.key, b.key)
			changes = append(changes, Change{key, a.written(key), b.written(key)})
		}
	}
	return changes
}

// setting is a value of a configuration, as JSON.
type setting struct{ key, value string }

// written is a setting's value as a study has it. Some are left out at their
// default.
func (s setting) written(key string) string {
	if s.key == "" {
		if k, known := config.KeyAt(key); known && k.Implied {
			return config.Print(k.Default)
		}
	}
	var text string
	if json.Unmarshal([]byte(s.value), &text) == nil {
		return text
	}
	return s.value
}

// flatten lists the settings of a canonical configuration, sorted by their keys.
// It goes by the quotes and braces alone: encoding/json would take a second for
// ten thousand.
func flatten(text []byte) (settings []setting) {
	settings = make([]setting, 0, 64)
	rest, prefix := string(text), ""
	for {
		switch {
		case rest == "":
			slices.SortFunc(settings, func(a, b setting) int { return cmp.Compare(a.key, b.key) })
			return settings
		case rest[0] == '}':
			up := strings.LastIndexByte(strings.TrimSuffix(prefix, "."), '.')
			prefix = prefix[:up+1]
			rest = rest[1:]
		case rest[0] != '"':
			rest = rest[1:] // the first brace, a comma
		default:
			var name, value string
			name, rest = scalar(rest)
			rest = strings.TrimPrefix(rest, ":")
			if strings.HasPrefix(rest, "{") {
				prefix += strings.Trim(name, `"`) + "."
				break
			}
			value, rest = scalar(rest)
			settings = append(settings, setting{prefix + strings.Trim(name, `"`), value})
		}
	}
}

// scalar cuts a string, or else whatever comes before a comma or a brace, from
// the beginning of JSON.
func scalar(text string) (value, rest string) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, ",}")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:]
	}
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return text[:i+1], text[i+1:]
		}
	}
	return text, ""
}

// compareTrainers says how a trainer differs from the plan's.
func compareTrainers(dir, was string, plan *ablations.Plan) []Change {
	hash, external := strings.CutPrefix(was, ablations.External)
	now, foreign := strings.CutPrefix(plan.Trainer, ablations.External)
	if !external || !foreign {
		return []Change{{"trainer", short(was), short(plan.Trainer)}}
	}
	if changes := compareFiles(TrainerDir(dir, was), plan); len(changes) > 0 {
		return changes
	}
	return []Change{{"trainer", short(hash), short(now)}}
}

// compareFiles compares the frozen command and files of a trainer with the
// plan's: nil if they cannot be read any more.
func compareFiles(frozen string, plan *ablations.Plan) (changes []Change) {
	text, err := os.ReadFile(filepath.Join(frozen, worker.FrozenJSON))
	var old ablations.Trainer
	if err != nil || json.Unmarshal(text, &old) != nil {
		return nil
	}
	t := plan.Study.Trainer
	if was, is := strings.Join(old.Command, " "), strings.Join(t.Command, " "); was != is {
		changes = append(changes, Change{"command", was, is})
	}
	_, before, err := old.Snapshot(filepath.Join(frozen, worker.FrozenFiles))
	_, now, err2 := t.Snapshot(plan.Study.Dir())
	if err != nil || err2 != nil {
		return changes
	}
	was, is := hashes(before), hashes(now)
	names := maps.Clone(was)
	maps.Copy(names, is)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if was[name] != is[name] {
			changes = append(changes, Change{"file " + name, was[name], is[name]})
		}
	}
	return changes
}

// group makes a cause of all runs of which the same is to be said.
func (x *explanation) group(open []fresh) error {
	extensions, err := x.extensions(open)
	if err != nil {
		return err
	}
	for _, f := range open {
		c := Cause{Study: f.before.Study, Changes: x.changes[f.comparison()]}
		e := extensions[f.ID]
		c.Reused = e.Epochs
		// Why a run cannot go on may name another run each time: the first stands for all.
		key := fmt.Sprint(c.Changes, c.Study, e.Epochs, e.Why != "")
		known := x.causes[key]
		if known == nil {
			c.Says = x.says(c, e)
			known = &c
			x.causes[key] = known
		}
		known.Runs++
	}
	return nil
}

// says tells a cause without its number of runs.
func (x *explanation) says(c Cause, e Extension) string {
	var texts []string
	for _, change := range c.Changes {
		texts = append(texts, change.String())
	}
	text := strings.Join(texts, ", ")
	if c.Study != x.plan.Study.Name {
		text += " (against the study " + c.Study + ")"
	}
	switch {
	case e.From != "":
		return fmt.Sprintf("on top of the %s done: %s", words.Plural(e.Epochs, "epoch"), text)
	case e.Why != "":
		return fmt.Sprintf("anew: %s; what is done of them cannot be used: %s", text, e.Why)
	}
	return "anew: " + text
}

// extensions asks which runs can go on from shorter ones, of those that differ
// from the one before in their epochs.
func (x *explanation) extensions(open []fresh) (map[string]Extension, error) {
	var longer []results.Run
	configs := map[int][]byte{}
	for _, f := range open {
		if !slices.ContainsFunc(x.changes[f.comparison()], func(c Change) bool { return c.Input == "epochs" }) {
			continue
		}
		cell := x.plan.Study.Cells[f.Cell]
		if configs[f.Cell] == nil {
			configs[f.Cell] = cell.Settings().JSON()
		}
		longer = append(longer, results.Run{
			ID: f.ID, Seed: f.Seed, Config: configs[f.Cell], Dataset: x.plan.Dataset[cell.Data().Name], Trainer: x.plan.Trainer,
		})
	}
	if len(longer) == 0 {
		return nil, nil
	}
	extensions, err := Extensions(x.store, x.dir, longer)
	for _, r := range longer {
		if e := extensions[r.ID]; e.From != "" {
			c, err := config.Parse(r.Config)
			if err != nil {
				return nil, err
			}
			x.extended[r.ID] = float64(e.Epochs) / float64(c.Epochs)
		}
	}
	return extensions, err
}

// hashes are the beginnings of those of files, by their names.
func hashes(files []ablations.File) map[string]string {
	byName := map[string]string{}
	for _, f := range files {
		sum := sha256.Sum256(f.Content)
		byName[f.Name] = hex.EncodeToString(sum[:5])
		if f.Executable {
			byName[f.Name] += " (executable)"
		}
	}
	return byName
}

// short is enough of a hash to tell it from others.
func short(hash string) string { return hash[:min(len(hash), 10)] }
