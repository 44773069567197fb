package cli

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"ablate/ablations"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

// completeCommand is what the shells' scripts call at every press of the tab
// key: it prints the words that may stand where the last of its arguments
// stands, one a line, each with a tab and what it means.
func completeCommand() *cli.Command {
	return &cli.Command{
		Name:      "complete",
		Usage:     "print what a command line may go on with",
		UsageText: "ablate complete -- WORDS...",
		Hidden:    true,
		Action: func(c *cli.Context) error {
			for _, w := range complete(newApp(nil, nil), c.Args().Slice()) {
				fmt.Fprintf(c.App.Writer, "%s\t%s\n", words.Printable(w.text), words.Printable(w.says))
			}
			return nil
		},
	}
}

// candidate is a word that a command line may go on with. One that ends in =
// or / wants more to be typed right behind it.
type candidate struct{ text, says string }

// unfinished is a command line up to the word that is being typed.
type unfinished struct {
	app     *cli.App
	command *cli.Command // nil before there is one
	path    []string     // its name
	values  map[string]string
	args    []string
	asked   cli.Flag // whose value the next word is
	ended   bool     // a -- has ended the flags
}

// complete lists what the last of words may become; those before it are the
// rest of the command line, without the program's name.
func complete(app *cli.App, typed []string) []candidate {
	if len(typed) == 0 {
		typed = []string{""}
	}
	last := len(typed) - 1
	l := unfinished{app: app, values: map[string]string{}}
	for _, word := range typed[:last] {
		l.read(word)
	}
	all := l.next(typed[last])
	return slices.DeleteFunc(all, func(c candidate) bool { return !strings.HasPrefix(c.text, typed[last]) })
}

// read takes a complete word.
func (l *unfinished) read(word string) {
	switch {
	case l.asked != nil:
		l.values[l.asked.Names()[0]] = word
		l.asked = nil
	case l.ended || len(word) < 2 || word[0] != '-':
		if sub := command(subcommands(l.app, l.command), word); sub != nil && len(l.args) == 0 {
			l.command, l.path = sub, append(l.path, sub.Name)
		} else {
			l.args = append(l.args, word)
		}
	case word == "--":
		l.ended = true
	default:
		name, value, attached := strings.Cut(strings.TrimLeft(word, "-"), "=")
		f := find(flagsOf(l.app, l.command), name)
		if f == nil {
			return
		}
		if takesValue(f) && !attached {
			l.asked = f
		}
		l.values[f.Names()[0]] = value
	}
}

// next lists what the word that begins with start may be.
func (l *unfinished) next(start string) []candidate {
	if l.asked != nil {
		return l.word(placeholder(l.asked), start)
	}
	if strings.HasPrefix(start, "-") && !l.ended {
		flag, value, attached := strings.Cut(start, "=")
		if !attached {
			return l.flags()
		}
		f := find(flagsOf(l.app, l.command), strings.TrimLeft(flag, "-"))
		if f == nil {
			return nil
		}
		values := l.word(placeholder(f), value)
		for i := range values {
			values[i].text = flag + "=" + values[i].text
		}
		return values
	}
	if subs := subcommands(l.app, l.command); len(subs) > 0 && len(l.args) == 0 {
		var names []candidate
		for _, c := range subs {
			if !c.Hidden {
				names = append(names, candidate{c.Name, c.Usage})
			}
		}
		return names
	}
	return l.word(argument(l.command, l.path, len(l.args)), start)
}

// flags lists the flags that may be given yet.
func (l *unfinished) flags() (all []candidate) {
	flags := flagsOf(l.app, l.command)
	if l.command == nil {
		flags = append(slices.Clone(l.app.Flags), cli.HelpFlag, cli.VersionFlag)
	}
	for _, f := range flags {
		_, again := f.(*cli.StringSliceFlag)
		_, used := l.values[f.Names()[0]]
		if !isVisible(f) || used && !again {
			continue
		}
		all = append(all, candidate{"--" + f.Names()[0], meaning(f)})
	}
	return all
}

// eachCommand calls f with every command that people use, and with its whole
// name.
func eachCommand(commands []*cli.Command, path []string, f func(c *cli.Command, path []string)) {
	for _, c := range commands {
		if !c.Hidden {
			name := append(slices.Clone(path), c.Name)
			f(c, name)
			eachCommand(c.Subcommands, name, f)
		}
	}
}

func isVisible(f cli.Flag) bool {
	v, ok := f.(cli.VisibleFlag)
	return ok && v.IsVisible()
}

var quoted = regexp.MustCompile("`([^`]+)`")

// placeholder is what a flag's help calls its value: KEY=VALUE, DIR.
func placeholder(f cli.Flag) string {
	if d, ok := f.(cli.DocGenerationFlag); ok {
		if m := quoted.FindStringSubmatch(d.GetUsage()); m != nil {
			return m[1]
		}
	}
	return ""
}

// meaning is a flag's help on one line.
func meaning(f cli.Flag) string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	return strings.Join(strings.Fields(strings.ReplaceAll(d.GetUsage(), "`", "")), " ")
}

// argument is what a command's help calls its argument number i, from 0: STUDY,
// RUN. "" is none.
func argument(c *cli.Command, path []string, i int) string {
	if c == nil {
		return ""
	}
	for line := range strings.Lines(c.UsageText) {
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), strings.Join(append([]string{"ablate"}, path...), " ")+" ")
		if !ok {
			continue
		}
		var names []string
		for _, name := range strings.Fields(rest) {
			name = strings.TrimPrefix(name, "[")
			if name == ">" || strings.HasPrefix(name, "-") {
				break
			}
			if name = strings.TrimSuffix(name, "]"); name == "..." && len(names) > 0 {
				names[len(names)-1] += name
				continue
			}
			names = append(names, name)
		}
		if n := len(names); n > 0 && i >= n && strings.HasSuffix(names[n-1], "...") {
			i = n - 1
		}
		if i < len(names) {
			return strings.TrimSuffix(names[i], "...")
		}
	}
	return ""
}

// kinds are the names that the help has for arguments and for the values of
// flags, and what lists the words that they stand for and that begin with
// start.
var kinds = map[string]func(l *unfinished, start string) []candidate{
	"STUDY": func(l *unfinished, start string) []candidate {
		studies := slices.Concat(l.shipped(), l.stored(start), files(start, ".toml"))
		if slices.Equal(l.path, []string{"diff"}) { // the study may be left out
			studies = append(studies, l.cellsOrRuns(start)...)
		}
		return studies
	},
	"NAME":            func(l *unfinished, _ string) []candidate { return l.shipped() },
	"RUN":             (*unfinished).runs,
	"ID":              (*unfinished).runs,
	"ENTRY":           func(l *unfinished, _ string) []candidate { return l.entries() },
	"METRIC":          func(l *unfinished, _ string) []candidate { return l.metrics() },
	"CELL":            func(l *unfinished, _ string) []candidate { return l.cells() },
	"A":               (*unfinished).cellsOrRuns,
	"B":               (*unfinished).cellsOrRuns,
	"DIMENSION":       func(l *unfinished, _ string) []candidate { return l.dimensions() },
	"DIMENSION=LEVEL": func(l *unfinished, start string) []candidate { return l.levels(start) },
	"KEY=VALUE":       func(_ *unfinished, start string) []candidate { return settings(start) },
	"NORM":            func(*unfinished, string) []candidate { return choices("norm.encoder") },
	"METHOD":          func(*unfinished, string) []candidate { return choices("method") },
	"ARCH":            func(*unfinished, string) []candidate { return choices("encoder.arch") },
	"DIR":             func(_ *unfinished, start string) []candidate { return files(start, "/") },
	"FILE":            func(_ *unfinished, start string) []candidate { return files(start, "") },
	"REPORT":          func(_ *unfinished, start string) []candidate { return files(start, "") },
	"PATH":            func(_ *unfinished, start string) []candidate { return files(start, "") },
}

// word lists the words that begin with start and are what the help calls by
// this name, which may be a choice: bash|zsh|fish.
func (l *unfinished) word(name, start string) (all []candidate) {
	if list := kinds[name]; list != nil {
		return list(l, start)
	}
	if options := strings.Split(name, "|"); len(options) > 1 {
		for _, o := range options {
			all = append(all, candidate{text: o})
		}
	}
	return all
}

func (l *unfinished) shipped() (all []candidate) {
	for _, name := range ablations.Shipped() {
		all = append(all, candidate{name, "shipped study"})
	}
	return all
}

// open opens the store that the command line names. Whatever is wrong with it
// is not for the tab key to say.
func (l *unfinished) open() *results.Store {
	store, err := results.OpenReadOnly(cmp.Or(l.values["store"], os.Getenv("ABLATE_STORE"), defaultStore))
	if err != nil {
		return nil
	}
	return store
}

// stored lists the studies in the store that are no shipped ones: commands that
// look at results know them by name.
func (l *unfinished) stored(start string) (all []candidate) {
	looksBack := l.command != nil && strings.HasPrefix(l.command.UsageText, "ablate "+strings.Join(l.path, " ")+" [STUDY]")
	if !looksBack || strings.Contains(start, "/") {
		return nil
	}
	store := l.open()
	if store == nil {
		return nil
	}
	defer store.Close()
	names, _ := store.StudyNames()
	for _, name := range names {
		if !slices.Contains(ablations.Shipped(), name) {
			all = append(all, candidate{name, "study in the store"})
		}
	}
	return all
}

// metrics lists those that any run of the store has reported.
func (l *unfinished) metrics() (all []candidate) {
	store := l.open()
	if store == nil {
		return nil
	}
	defer store.Close()
	names, _ := store.MetricNames()
	for _, name := range names {
		all = append(all, candidate{text: name})
	}
	return all
}

// manyRuns is how many runs a person can choose among.
const manyRuns = 200

func (l *unfinished) runs(start string) (all []candidate) {
	store := l.open()
	if store == nil {
		return nil
	}
	defer store.Close()
	runs, _ := store.RunsFrom(start, manyRuns)
	for _, r := range runs {
		id := shortID(r.ID)
		if len(start) > len(id) {
			id = r.ID
		}
		all = append(all, candidate{id, fmt.Sprintf("%s seed %d %s", r.Cell, r.Seed, r.Outcome.Words())})
	}
	return all
}

func (l *unfinished) entries() (all []candidate) {
	store := l.open()
	if store == nil {
		return nil
	}
	defer store.Close()
	entries, _ := store.Queue()
	for _, e := range entries {
		if !e.State.Ended() {
			all = append(all, candidate{strconv.FormatInt(e.ID, 10), e.Name + " " + string(e.State)})
		}
	}
	return all
}

// cells lists the cells of the study on the command line.
func (l *unfinished) cells() (all []candidate) {
	if len(l.args) == 0 {
		return nil
	}
	if study, err := ablations.Load(l.args[0], nil); err == nil {
		for _, c := range study.Cells {
			all = append(all, candidate{text: c.Name})
		}
		return all
	}
	store := l.open()
	if store == nil {
		return nil
	}
	defer store.Close()
	if study, err := store.Study(l.args[0]); err == nil {
		for _, name := range study.Cells {
			all = append(all, candidate{text: name})
		}
	}
	return all
}

// cellsOrRuns lists what can be compared: cells of the study on the command line,
// else of the one that was started last, and runs.
func (l *unfinished) cellsOrRuns(start string) (all []candidate) {
	for _, c := range l.study().Cells {
		all = append(all, candidate{c, "cell"})
	}
	return append(all, l.runs(start)...)
}

// study is the one in the store that the command line names, else the one that
// was started last; empty if there is none.
func (l *unfinished) study() *results.Study {
	store := l.open()
	if store == nil {
		return &results.Study{}
	}
	defer store.Close()
	name := ""
	if len(l.args) > 0 && l.args[0] != "" {
		name = l.args[0]
	}
	study, err := store.Study(name)
	if err != nil && name != "" { // diff's first argument need not be a study
		study, err = store.Study("")
	}
	if err != nil {
		return &results.Study{}
	}
	return study
}

// axes are those of the study, by name, with their levels.
func (l *unfinished) axes() []ablations.Axis {
	stored := l.study()
	study, err := ablations.Parse(stored.Name, stored.Text, stored.Sets)
	if err != nil {
		return nil
	}
	return study.Axes
}

// dimensions lists what a table's rows and columns may be.
func (l *unfinished) dimensions() (all []candidate) {
	for _, a := range l.axes() {
		all = append(all, candidate{a.Name, "axis"})
	}
	return append(all, candidate{"cell", "every cell"}, candidate{"seed", "every seed"})
}

// levels lists the dimensions, and behind one its levels.
func (l *unfinished) levels(start string) (all []candidate) {
	name, _, ok := strings.Cut(start, "=")
	if !ok {
		for _, d := range l.dimensions() {
			all = append(all, candidate{d.text + "=", d.says})
		}
		return all
	}
	var values []string
	switch name {
	case "cell":
		values = l.study().Cells
	case "seed":
		for _, slot := range l.study().Slots {
			if seed := strconv.Itoa(slot.Seed); !slices.Contains(values, seed) {
				values = append(values, seed)
			}
		}
	}
	for _, a := range l.axes() {
		for _, level := range a.Levels {
			if a.Name == name {
				values = append(values, level.Name)
			}
		}
	}
	for _, v := range values {
		all = append(all, candidate{text: name + "=" + v})
	}
	return all
}

// settings lists the keys of a configuration, and the values of those that
// have few.
func settings(start string) (all []candidate) {
	if key, _, ok := strings.Cut(start, "="); ok {
		for _, c := range choices(key) {
			all = append(all, candidate{key + "=" + c.text, c.says})
		}
		return all
	}
	for _, k := range config.Keys {
		all = append(all, candidate{k.Path + "=", k.Says})
	}
	return all
}

// choices lists the values of a key that has few.
func choices(key string) (all []candidate) {
	i := slices.IndexFunc(config.Keys, func(k config.Key) bool { return k.Path == key })
	if i < 0 {
		return nil
	}
	values := config.Keys[i].OneOf
	if _, ok := config.Keys[i].Default.(bool); ok {
		values = []string{"true", "false"}
	}
	for _, v := range values {
		all = append(all, candidate{text: v})
	}
	return all
}

// files lists folders, with a slash, and files with the given ending: "" for
// any, "/" for none.
func files(start, ending string) (all []candidate) {
	dir, name := filepath.Split(start)
	place := cmp.Or(dir, ".")
	if rest, ok := strings.CutPrefix(dir, "~/"); ok {
		home, err := os.UserHomeDir()
		if err != nil {
			return nil
		}
		place = filepath.Join(home, rest)
	}
	entries, _ := os.ReadDir(place)
	for _, e := range entries {
		hidden := strings.HasPrefix(e.Name(), ".") && !strings.HasPrefix(name, ".")
		switch {
		case hidden || !strings.HasPrefix(e.Name(), name):
		case isFolder(filepath.Join(place, e.Name())):
			all = append(all, candidate{dir + e.Name() + "/", "folder"})
		case strings.HasSuffix(e.Name(), ending):
			all = append(all, candidate{dir + e.Name(), "file"})
		}
	}
	return all
}
