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
	ablations.Run
	before results.Earlier // ID "" if there is none
}

// explain groups the runs that were never begun by what makes them differ from
// the ones in their places before.
func (i *Inspection) explain(store *results.Store, dir string, plan *ablations.Plan) error {
	earlier, err := store.Earlier(plan.Study.Name)
	if err != nil || len(earlier) == 0 {
		return err
	}
	x := &explanation{Inspection: i, store: store, dir: dir, plan: plan, changes: map[comparison][]Change{}, causes: map[string]*Cause{}}
	var open []fresh
	seen := map[string]bool{}
	for _, r := range plan.Runs {
		if i.runs[r.ID].Attempts > 0 || seen[r.ID] || !i.ToDo(r.ID) {
			continue
		}
		seen[r.ID] = true
		open = append(open, fresh{r, earlier[results.Place{Cell: plan.Study.Cells[r.Cell].Name, Seed: r.Seed}]})
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
		if f.before.ID != "" {
			examples[f.comparison()] = f.before.ID
		}
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
	keys := maps.Clone(before)
	maps.Copy(keys, now)
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		if before[key] != now[key] {
			changes = append(changes, Change{key, written(before, key), written(now, key)})
		}
	}
	return changes
}

// written is a key's value; some are left out at their default.
func written(flat map[string]string, key string) string {
	k, known := config.KeyAt(key)
	if v, ok := flat[key]; ok || !known || !k.Implied {
		return v
	}
	return config.Print(k.Default)
}

// flatten returns the values of a configuration by their keys, as a study writes
// them.
func flatten(text []byte) map[string]string {
	var tree map[string]any
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	d.Decode(&tree) // of another age perhaps; what can be read is compared
	flat := map[string]string{}
	var walk func(prefix string, tree map[string]any)
	walk = func(prefix string, tree map[string]any) {
		for name, v := range tree {
			if sub, ok := v.(map[string]any); ok {
				walk(prefix+name+".", sub)
			} else {
				flat[prefix+name] = fmt.Sprint(v)
			}
		}
	}
	walk("", tree)
	return flat
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
	var unknown []fresh
	for _, f := range open {
		if f.before.ID == "" {
			unknown = append(unknown, f)
			continue
		}
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
	if len(unknown) > 0 {
		x.causes[""] = &Cause{Runs: len(unknown), Changes: []Change{}, Says: x.news(unknown)}
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

// news says what is new about runs in whose places none ever was.
func (x *explanation) news(unknown []fresh) string {
	cells, seeds := map[int]bool{}, map[int]bool{}
	for _, f := range unknown {
		cells[f.Cell], seeds[f.Seed] = true, true
	}
	return fmt.Sprintf("new: %s and %s that were not run together before", words.Plural(len(cells), "cell"), words.Plural(len(seeds), "seed"))
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
