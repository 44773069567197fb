package ablations

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const ownTrainer = `[trainer]
command = ["python3", "train.py", "--norm={norm}", "{seed}", "{{{optimizer.lr}}}"]
files   = ["train.py", "lib"]
`

const ownKeys = `keys = { norm = "string", optimizer.lr = "float", layers = "int", bias = "bool" }
`

const ownStudy = `seeds = 2
timeout = "1h30m"
memory = "1.5GiB"
[base]
optimizer.lr = 1
bias = true
[axes]
norm = ["bn", "ünï \"q\""]
[axes.size]
small = { layers = 2 }
large = { layers = 20, optimizer.lr = 0.5 }
[[claims]]
id = "c"
says = "s"
all = [{ metric = "val/bleu", greater = ["large", "small"] }]
`

func TestTrainer(t *testing.T) {
	for _, keys := range []string{"", ownKeys} {
		s := mustParse(t, ownStudy+ownTrainer+keys)
		want := `{"bias":true,"layers":20,"norm":"ünï \"q\"","optimizer":{"lr":0.5}}`
		if got := string(s.Cells[3].Settings().JSON()); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if lr := s.Cells[0].Settings()["optimizer.lr"]; lr != 1.0 { // a float, as elsewhere
			t.Errorf("lr is %v of type %T", lr, lr)
		}
		if s.Timeout != 90*time.Minute || s.Memory != 3<<29 {
			t.Errorf("limits are %v and %d", s.Timeout, s.Memory)
		}
		if got := fmt.Sprint(s.Trainer.Command, s.Trainer.Files); got != "[python3 train.py --norm={norm} {seed} {{{optimizer.lr}}}] [train.py lib]" {
			t.Errorf("trainer is %s", got)
		}
		if m := s.Claims[0].All[0].Metric; m != "val/bleu" {
			t.Errorf("metric is %s", m)
		}
	}
	s := mustParse(t, ownStudy+ownTrainer+ownKeys)
	if got := fmt.Sprint(slices.Sorted(maps.Keys(s.Trainer.Keys)), s.Trainer.Keys["layers"]); got != "[bias layers norm optimizer.lr]int" {
		t.Errorf("keys are %s", got)
	}
	if mustParse(t, "").Trainer != nil {
		t.Error("a study without a trainer has one")
	}
}

func TestTrainerErrors(t *testing.T) {
	const command = "[trainer]\ncommand = [\"x\"]\n"
	for _, c := range []struct {
		name, text string
		sets       []string
		want       []string
	}{
		{"no table", "trainer = 1\n[base]\nlr = 1", nil, []string{"1: trainer must be a table, not 1"}},
		{"misspelled", "[trianer]\ncommand = [\"x\"]\n[base]\nlr = 1", nil, []string{`1: unknown key "trianer"; did you mean trainer?`}},
		{"no command", "[trainer]\n", nil, []string{`1: trainer must have the key "command"`}},
		{"a shell's line", "[trainer]\ncommand = \"python3 train.py\"", nil, []string{`2: command must be a list, not "python3 train.py"`}},
		{"empty command", "[trainer]\ncommand = []", nil, []string{"2: command must begin with a program"}},
		{"empty program", "[trainer]\ncommand = [\"\"]", nil, []string{"2: command must begin with a program"}},
		{"command of numbers", "[trainer]\ncommand = [\"x\", 3, \"a\\u0000\"]", nil, []string{"2: command must list strings, not 3", `2: command must list strings, not "a\x00"`}},
		{"unknown key", command + "file = [\"x\"]", nil, []string{`3: unknown key "file"; did you mean files? trainer has the keys command, files, keys`}},
		{"files outside", command + "files = [\"../x\", \"/etc/passwd\", \"\", \"a/../b\", 'a\\b']", nil, []string{"3: files must lie in", "3: files must lie in", "3: files must lie in", "3: files must lie in"}},
		{"types", command + "keys = { a = \"strin\", b = 3, \"c d\" = \"int\", seed = \"int\" }\n[base]\na = 1\nb = 1", nil, []string{"3: the type of a must be one of string, bool, int, float, not \"strin\"", "3: the type of b must be one of", `3: the key "c d" must be of letters, digits`, "3: seed cannot be a key"}},
		{"key and table, quoted", command + "[trainer.keys]\n\"a.b\" = \"int\"\n\"a\" = \"int\"\n\"c\" = \"int\"\n\"c.d\" = \"int\"", nil, []string{"5: a cannot be a key and a table of others", "7: c.d cannot be"}},

		// Declared keys.
		{"undeclared", command + "keys = { norm = \"string\", opt.lr = \"float\" }\n[base]\nnrom = \"bn\"\n[axes]\nlr = [1]\n[cells]\nx = { width = 3 }", []string{"opt.rl=1"}, []string{
			`0: --set opt.rl=1: unknown key "opt.rl"; did you mean opt.lr?`, `5: unknown key "nrom"; did you mean norm?`,
			`7: a list is an axis of one key's values: unknown key "lr"; did you mean opt.lr?`, `9: unknown key "width"; keys of [trainer] declares norm, opt.lr`}},
		{"declared types", command + "keys = { s = \"string\", b = \"bool\", i = \"int\", f = \"float\" }\n[base]\ns = 1\nb = 1\ni = 1.0\nf = nan", nil, []string{
			"5: s must be a string, not 1", "6: b must be true or false, not 1", "7: i must be a whole number, not 1.0", "8: f must be a finite number, not nan"}},
		{"a declared root key", command + "keys = { seeds = \"int\", timeout = \"float\" }\n[base]\nseeds = 3", []string{"timeout=3"}, nil},
		{"no keys declared", command + "keys = {}\n[base]\na = 1", nil, []string{`5: unknown key "a"; keys of [trainer] declares none`}},

		// Free keys.
		{"two types", command + "[base]\na = 1\nb = true\n[axes]\na = [2, 3.5]\nb = [1]\n[cells]\nx = { a = \"1\" }", nil, []string{"8: b is a whole number, but a boolean at line 5; a key has one type in all of a study", "10: a is a string, but a whole number at line 4"}},
		{"type in a when", command + "[axes]\nn = [1, 2]\n[[when]]\nmatch = { n = 2 }\nset = { n = \"x\" }", nil, []string{"7: n is a string, but a whole number at line 4"}},
		{"type of an override", command + "[base]\na = 1", []string{"a=x"}, []string{"0: --set a=x: a is a string, but a whole number at line 4; a key has one type in all of a study"}},
		{"infinite", command + "[base]\na = inf", nil, []string{"4: a must be a string, true, false or a finite number, not inf"}},
		{"list", command + "[base]\na = [1]\nb = 2026-01-01", nil, []string{"4: a must be a string, true, false or a finite number, not a list", "5: b must be"}},
		{"root key in a table", command + "[base]\nseeds = 3\nseed = 4", nil, []string{`4: unknown key "seeds": it is a key of the whole study and belongs above the first [table]; if the trainer has one of that name`, "5: seed cannot be a key: every run has one of seeds"}},
		{"bad key", command + "[base]\n\"a b\" = 3", nil, []string{`4: the key "a b" must be of letters`}},
		{"key and table, free", command + "[base]\na = 3\n[cells]\nx = { a.b = 1 }", nil, []string{"6: a.b cannot be set beside a, which is set at line 4"}},

		// Placeholders.
		{"single brace", "[trainer]\ncommand = [\"x\",\n\"{a\",\n\"{}\"]", nil, []string{`3: command: "{a" has a single {`, `4: command: "{}" has the placeholder {}, which has no value`}},
		{"placeholder that no cell sets", "[trainer]\ncommand = [\"x\", \"{nrom}\", \"{width}\"]\n[base]\nnorm = \"bn\"", nil, []string{`2: command: "{nrom}" has the placeholder {nrom}, which no cell sets; did you mean norm?`, `2: command: "{width}" has the placeholder {width}, which no cell sets; the study sets norm, seed`}},
		{"placeholder that a cell lacks", "[trainer]\ncommand = [\"x\", \"{a}\"]\n[axes.n]\nx = { a = 1 }\ny = {}", nil, []string{`2: command: "{a}" has the placeholder {a}, which has no value in some cells; set it in [base] (cells y)`}},
		{"placeholder of no key", "[trainer]\ncommand = [\"x\", \"{nrom}\"]\nkeys = { norm = \"string\" }\n[base]\nnorm = \"bn\"", nil, []string{`2: command: "{nrom}" has the placeholder {nrom}, but unknown key "nrom"; did you mean norm?`}},
		{"metric", command + "[axes]\na = [1, 2]\n" + claimOn(`{ metric = " ", greater = ["1", "2"] }`), nil, []string{"9: metric must not be empty"}},
	} {
		t.Run(c.name, func(t *testing.T) { checkErrors(t, c.text, c.sets, c.want) })
	}
}

func TestParseMemory(t *testing.T) {
	for text, want := range map[string]int64{"4GiB": 4 << 30, "1.5 MiB": 3 << 19, "1500 MB": 1_500_000_000, "2TB": 2e12, "1kB": 1000, "64KiB": 65536} {
		if got, err := ParseMemory(text); err != nil || got != want {
			t.Errorf("%s is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "4", "GiB", "0GiB", "-1GiB", "nanGiB", "infGiB", "1e300GiB", "4 gib", "4GiB "} {
		if got, err := ParseMemory(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}

// folder makes a folder of files with what is in them.
func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestSnapshot(t *testing.T) {
	trainer := Trainer{Command: []string{"python3", "train.py", "{norm}"}, Files: []string{"train.py", "lib/", "lib/b.py"}}
	files := map[string]string{
		"train.py": "print(1)", "lib/b.py": "b", "lib/a/a.py": "", "lib/.git/x": "1", "lib/.hidden": "1", "lib/__pycache__/b.pyc": "1", "other": "1",
	}
	snap := func(trainer Trainer, files map[string]string) (string, []File) {
		t.Helper()
		hash, found, err := trainer.Snapshot(folder(t, files))
		if err != nil {
			t.Fatal(err)
		}
		return hash, found
	}
	hash, found := snap(trainer, files)
	if got, want := fmt.Sprint(found), "[{lib/a/a.py [] false} {lib/b.py [98] false} {train.py [112 114 105 110 116 40 49 41] false}]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if want := "8869ae8bcb5179ff"; hash != want {
		t.Errorf("the hash is %s, want %s: every store's runs would be run again", hash, want)
	}
	for what, change := range map[string]func(*Trainer, map[string]string){
		"hidden files": func(_ *Trainer, f map[string]string) {
			f["lib/.hidden"], f["lib/__pycache__/c.pyc"], f["other"] = "2", "3", "4"
		},
		"the order of files":  func(t *Trainer, _ map[string]string) { t.Files = []string{"lib", "train.py"} },
		"types of keys":       func(t *Trainer, _ map[string]string) { t.Keys = map[string]string{"norm": "string"} },
		"!content":            func(_ *Trainer, f map[string]string) { f["train.py"] = "print(2)" },
		"!an added file":      func(_ *Trainer, f map[string]string) { f["lib/c.py"] = "" },
		"!a name":             func(_ *Trainer, f map[string]string) { delete(f, "lib/a/a.py"); f["lib/a/b.py"] = "" },
		"!command":            func(t *Trainer, _ map[string]string) { t.Command = []string{"python3", "train.py", "{norm}", ""} },
		"!arguments together": func(t *Trainer, _ map[string]string) { t.Command = []string{"python3", "train.py {norm}"} },
	} {
		other, f := trainer, maps.Clone(files)
		change(&other, f)
		if again, _ := snap(other, f); (again != hash) != strings.HasPrefix(what, "!") {
			t.Errorf("%s: the hash was %s and is %s", what, hash, again)
		}
	}
}

func TestSnapshotErrors(t *testing.T) {
	dir := folder(t, map[string]string{"train.py": "1", "lib/a.py": "1"})
	for _, err := range []error{
		os.Symlink("train.py", filepath.Join(dir, "link.py")), os.Symlink("lib", filepath.Join(dir, "linked")),
		os.Mkdir(filepath.Join(dir, "links"), 0o700), os.Symlink("../train.py", filepath.Join(dir, "links", "x.py")),
		os.Mkdir(filepath.Join(dir, "empty"), 0o700),
		os.WriteFile(filepath.Join(dir, "big"), nil, 0o600), os.Truncate(filepath.Join(dir, "big"), maxFiles+1),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		command, files []string
		want           string
	}{
		{nil, []string{"nothing.py"}, "trainer: files names nothing.py, which cannot be read: no such file or directory"},
		{nil, []string{"link.py"}, "trainer: link.py is a symbolic link"},
		{nil, []string{"linked/a.py"}, "trainer: linked is a symbolic link"},
		{nil, []string{"links"}, "trainer: links/x.py is a symbolic link"},
		{nil, []string{"train.py/x"}, "trainer: train.py is neither"},
		{nil, []string{"empty"}, "trainer: the folder empty of files has no file in it"},
		{nil, []string{"big"}, "trainer: files are more than 64 MiB"},
		{[]string{"python3", "./train.py"}, []string{"lib"}, "trainer: command names the file train.py, which files does not list"},
	} {
		trainer := Trainer{Command: c.command, Files: c.files}
		if _, _, err := trainer.Snapshot(dir); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%v %v: got %v, want %s", c.command, c.files, err, c.want)
		}
	}
	if _, _, err := (&Trainer{}).Snapshot(filepath.Join(dir, "gone")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestPlanOfOwnTrainer(t *testing.T) {
	dir := folder(t, map[string]string{"train.py": "1", "lib/a.py": "1"})
	plan := func(text string) *Plan {
		t.Helper()
		s, err := Parse(filepath.Join(dir, "own.toml"), []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewPlan(s, nil, "2") // no dataset is asked for
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	// Types are declared or not, a whole number is written as one or not: the work is the same.
	a, b := plan(ownStudy+ownTrainer), plan(strings.Replace(ownStudy, "lr = 1", "lr = 1.0", 1)+ownTrainer+ownKeys)
	if !strings.HasPrefix(a.Trainer, External) || len(a.Trainer) != len(External)+16 || fmt.Sprint(a.Runs, a.Trainer) != fmt.Sprint(b.Runs, b.Trainer) {
		t.Errorf("got %s %v and %s %v", a.Trainer, a.Runs, b.Trainer, b.Runs)
	}
	if err := os.WriteFile(filepath.Join(dir, "lib", "a.py"), []byte("2"), 0o600); err != nil {
		t.Fatal(err)
	}
	if c := plan(ownStudy + ownTrainer); c.Runs[0].ID == a.Runs[0].ID {
		t.Error("another program has the same identities")
	}
	if err := os.Remove(filepath.Join(dir, "train.py")); err != nil {
		t.Fatal(err)
	}
	s := mustParse(t, ownStudy+ownTrainer) // needs no files
	s.File = filepath.Join(dir, "own.toml")
	if _, err := NewPlan(s, nil, ""); err == nil || !strings.Contains(err.Error(), "files names train.py") {
		t.Errorf("got %v", err)
	}
}

func TestOverridesOfTheStudy(t *testing.T) {
	s := mustParse(t, "seeds = 2\ntimeout = \"1h\"", "seeds=[4, 2]", "timeout=90m", "memory=2GiB")
	if fmt.Sprint(s.Seeds) != "[4 2]" || s.Timeout != 90*time.Minute || s.Memory != 2<<30 {
		t.Errorf("got %v %v %d", s.Seeds, s.Timeout, s.Memory)
	}
	if s = mustParse(t, "", "seeds=3"); fmt.Sprint(s.Seeds) != "[1 2 3]" {
		t.Errorf("got %v", s.Seeds)
	}
}
