package cli

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

// choosing says in the help of a command how its STUDY is found in the store.
const choosing = "STUDY is a name or a file. Without it, it is the study that was started last. Of\n" +
	"one that was run with several overrides it is the one started last; --set chooses\n" +
	"among them, --set \"\" the one without overrides."

// storeDir is the folder that --store names.
func storeDir(c *cli.Context) string {
	if dir := c.String("store"); dir != "" {
		return dir
	}
	return defaultStore
}

// openStore opens the store for reading.
func openStore(c *cli.Context) (*results.Store, error) {
	store, err := results.OpenReadOnly(storeDir(c))
	if errors.Is(err, results.ErrNoStore) {
		return nil, noStore(c)
	}
	return store, err
}

func noStore(c *cli.Context) error {
	return fmt.Errorf("there are no results in %s yet: run a study first (ablate run quick), or name another store with --store DIR", storeDir(c))
}

// openRun opens the store for reading and finds a run in it by its ID.
func openRun(c *cli.Context, id string) (*results.Store, *results.Run, error) {
	store, err := openStore(c)
	if err != nil {
		return nil, nil, err
	}
	run, err := store.Run(id)
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return store, run, nil
}

// openStudy opens the store for reading and finds the command's study in it.
func openStudy(c *cli.Context) (*results.Store, *results.Study, error) {
	name, err := optional(c, "a study")
	if err != nil {
		return nil, nil, err
	}
	store, err := openStore(c)
	if err != nil {
		return nil, nil, err
	}
	study, err := storedStudy(c, store, name)
	if err != nil {
		store.Close()
		return nil, nil, err
	}
	return store, study, nil
}

// loadStudy reads a study: a file if the name looks like one, else a shipped one.
func loadStudy(name string, sets []string) (*ablations.Study, error) {
	study, err := ablations.Load(name, sets)
	if err != nil {
		return nil, studyError{err}
	}
	return study, nil
}

// storedStudy finds a study in the store: by name or file the one that was
// started last, or the last of all. With --set it is the one that was run with
// these overrides, with --set "" the one without any. It says on standard
// error what else might have been meant.
func storedStudy(c *cli.Context, store *results.Store, name string) (*results.Study, error) {
	var text []byte
	sets := slices.DeleteFunc(slices.Clone(c.StringSlice("set")), func(s string) bool { return s == "" })
	file := name
	if ablations.IsFile(file) {
		study, err := loadStudy(file, sets)
		if err != nil {
			return nil, err
		}
		name, text = study.Name, study.Text
	}
	newest, err := store.Study(name)
	if err != nil {
		return nil, err
	}
	all, err := store.Outlines()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(s results.Study) bool { return s.Name != newest.Name })
	fits := all
	if c.IsSet("set") {
		fits = slices.DeleteFunc(slices.Clone(all), func(s results.Study) bool { return !equalSets(s.Sets, sets) })
		if len(fits) == 0 {
			return nil, fmt.Errorf("%s has not been run with %s; it was run with %s", newest.Name, setArguments(sets), setsOf(all))
		}
	}
	chosen := fits[0]
	if text != nil {
		same := slices.IndexFunc(fits, func(s results.Study) bool { return bytes.Equal(s.Text, text) })
		if same < 0 {
			fmt.Fprintf(c.App.ErrWriter, "ablate: %s has changed since it was run\n", file)
		} else {
			chosen = fits[same]
		}
	}
	others := slices.DeleteFunc(all, func(s results.Study) bool { return equalSets(s.Sets, chosen.Sets) })
	if len(others) > 0 && !c.IsSet("set") {
		fmt.Fprintf(c.App.ErrWriter, "ablate: this is %s with %s; it was also run with %s\n", chosen.Name, setArguments(chosen.Sets), setsOf(others))
	}
	if chosen.ID == newest.ID {
		return newest, nil
	}
	return store.StudyByID(chosen.ID)
}

// equalSets reports whether overrides say the same, in whatever order.
func equalSets(a, b []string) bool { return maps.Equal(setMap(a), setMap(b)) }

func setMap(sets []string) map[string]string {
	values := map[string]string{}
	for _, s := range sets {
		key, value, _ := strings.Cut(s, "=")
		values[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	return values
}

// setArguments writes overrides as arguments that choose them.
func setArguments(sets []string) string {
	if len(sets) == 0 {
		return `--set "" (no overrides)`
	}
	return strings.TrimSpace(repeatSets(sets))
}

// repeatSets writes overrides as arguments for a hint.
func repeatSets(sets []string) string {
	text := ""
	for _, s := range sets {
		text += " --set " + words.Quote(s)
	}
	return text
}

// setsOf lists the different overrides of studies.
func setsOf(studies []results.Study) string {
	const few = 5
	studies = distinct(studies)
	var texts []string
	for _, s := range studies[:min(few, len(studies))] {
		texts = append(texts, setArguments(s.Sets))
	}
	text := strings.Join(texts, ", or ")
	if more := len(studies) - few; more > 0 {
		text += fmt.Sprintf(", and %d others (\"ablate status --json\" lists them)", more)
	}
	return text
}

// distinct leaves the newest of studies that have the name and the overrides
// in common.
func distinct(studies []results.Study) []results.Study {
	var list []results.Study
	for _, s := range studies {
		if !slices.ContainsFunc(list, func(o results.Study) bool { return o.Name == s.Name && equalSets(o.Sets, s.Sets) }) {
			list = append(list, s)
		}
	}
	return list
}

// storedOptions is options for a study in the store.
func storedOptions(c *cli.Context, study *results.Study) (orchestrator.Options, error) {
	parsed, err := ablations.Parse(study.Name, study.Text, study.Sets)
	if err != nil {
		return orchestrator.Options{}, fmt.Errorf("the study %s was stored by another version of the program: %w; give its file to \"ablate run\"", study.Name, err)
	}
	return options(c, parsed)
}

// checkCell refuses the name of a cell that the study does not have; "" is all.
func checkCell(study *results.Study, cell string) error {
	if cell == "" || slices.Contains(study.Cells, cell) {
		return nil
	}
	if near := config.Near(cell, study.Cells); len(near) > 0 {
		return usagef("%s has no cell %q; did you mean %s?", study.Name, cell, strings.Join(near, " or "))
	}
	return usagef("%s has no cell %q; \"ablate status %s\" lists them", study.Name, cell, study.Name)
}
