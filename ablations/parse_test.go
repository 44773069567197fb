package ablations

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"ablate/trainer/config"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func mustParse(t *testing.T, text string, sets ...string) *Study {
	t.Helper()
	s, err := Parse("test.toml", []byte(text), sets)
	if err != nil {
		t.Fatalf("%v", err)
	}
	return s
}

func cellNames(s *Study) string {
	var names []string
	for _, c := range s.Cells {
		names = append(names, c.Name)
	}
	return strings.Join(names, " ")
}

func TestShippedStudies(t *testing.T) {
	if got, want := fmt.Sprint(Shipped()), "[predictor quick table1 table2]"; got != want {
		t.Errorf("shipped are %s, want %s", got, want)
	}
	for _, name := range Shipped() {
		s, err := Load(name, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if s.Name != name || s.File != name || s.Title == "" || s.Source == "" || len(s.Claims) == 0 {
			t.Errorf("%s: incomplete: %+v", name, s)
		}
		for _, c := range s.Cells {
			if c.SameAs >= 0 {
				t.Errorf("%s: cell %s is the same as %s", name, c.Name, s.Cells[c.SameAs].Name)
			}
			if _, err := c.Settings().Config(); err != nil {
				t.Errorf("%s: cell %s: %v", name, c.Name, err)
			}
		}
	}
}

func TestQuick(t *testing.T) {
	s, err := Load("quick", []string{"data.name=cifar10"})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cellNames(s), "bn ln none init gn+ws no-predictor"; got != want {
		t.Errorf("cells are %s, want %s", got, want)
	}
	c, err := s.Cells[4].Settings().Config()
	if err != nil {
		t.Fatal(err)
	}
	if c.Data != (config.Data{Name: "cifar10", Train: 3000, Test: 2000}) || c.Norm.Predictor != "gn+ws" || c.Optimizer.LR != 0.3 || c.Optimizer.WeightDecay != 2e-7 || c.Target.Tau != 0.99 {
		t.Errorf("gn+ws is %+v", c)
	}
	if extra := s.Cells[5]; extra.Levels != nil || extra.Settings()["predictor"] != false {
		t.Errorf("no-predictor is %+v", extra)
	}
}

func TestLoad(t *testing.T) {
	for _, c := range []struct{ name, want string }{
		{"quik", `no shipped study is called "quik"; did you mean quick?`},
		{"other", `no shipped study is called "other"; there are predictor, quick, table1, table2.`},
		{"no/such", "cannot read the study: open no/such"},
		{"such.toml", "cannot read the study: open such.toml"},
	} {
		if _, err := Load(c.name, nil); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	file := filepath.Join(t.TempDir(), "mine.toml")
	if err := os.WriteFile(file, []byte("seeds = [3, 1]"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := Load(file, []string{"batch=64"})
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "mine" || s.File != file || fmt.Sprint(s.Seeds, s.Sets, s.Alpha) != "[3 1] [batch=64] 0.05" || cellNames(s) != "base" {
		t.Errorf("got %+v", s)
	}
}

// The golden file shows what a user sees of a study that is wrong all over.
func TestMistakes(t *testing.T) {
	text, err := os.ReadFile("testdata/mistakes.toml")
	if err != nil {
		t.Fatal(err)
	}
	_, err = Parse("mistakes.toml", text, []string{"epochs=-1", "dat.name=cifar10", "batch"})
	if err == nil {
		t.Fatal("no error")
	}
	const golden = "testdata/mistakes.golden"
	got := err.Error() + "\n"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("errors differ from %s (rewrite it with -update):\n%s", golden, diff(string(want), got))
	}
}

func diff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	var b strings.Builder
	for i := range max(len(w), len(g)) {
		var x, y string
		if i < len(w) {
			x = w[i]
		}
		if i < len(g) {
			y = g[i]
		}
		if x != y {
			fmt.Fprintf(&b, "- %s\n+ %s\n", x, y)
		}
	}
	return b.String()
}

const axis2 = `[axes]
norm = ["bn", "ln"]
predictor = [true, false]
`

func TestPaperValues(t *testing.T) {
	s := mustParse(t, axis2+"[paper]\nwhere = \"Table 2\"\nunit = \"top-1 %\"\nmetric = \"linear_top1\"\nvalues = { ln = 65.7, \"norm=bn,predictor=false\" = 0 }")
	want := &PaperValues{Where: "Table 2", Unit: "top-1 %", Metric: "linear_top1", Values: map[int]float64{2: 65.7, 1: 0}}
	if !reflect.DeepEqual(s.Paper, want) || s.Test != T {
		t.Errorf("got %+v and test %s, want %+v and t", s.Paper, s.Test, want)
	}
	if s := mustParse(t, "test = \"sign-flip\""); s.Test != SignFlip || s.Paper != nil {
		t.Errorf("got test %s and %+v", s.Test, s.Paper)
	}
}

func claimOn(part string) string {
	return "[[claims]]\nid = \"c\"\nsays = \"s\"\nall = [\n" + part + "]\n"
}

// Each study has the mistakes of want and no other: "LINE: what the message
// begins with".
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		name, text string
		sets       []string
		want       []string
	}{
		// The file as TOML.
		{"syntax", "name = \"a\"\nseeds = = 5\nbatch = 1", nil, []string{"2: not TOML: "}},
		{"syntax ends everything", "nme = 1\n[base\n", nil, []string{"2: not TOML: "}},
		{"number too large", "seeds = 99999999999999999999", nil, []string{"1: not TOML: "}},
		{"bad date", "title = 2026-02-31", nil, []string{"1: not TOML: "}},
		{"key twice", "title = \"a\"\ntitle = \"b\"\nnme = 1", nil, []string{"2: title is set twice, first at line 1", `3: unknown key "nme"; did you mean name?`}},
		{"table twice", "[base]\nbatch = 8\n[axes]\n[base]\nepochs = 1", nil, []string{"4: base is set twice, first at line 1"}},
		{"shorthand and component", "[base]\nnorm = \"ln\"\nnorm.encoder = \"bn\"", nil, []string{"3: norm.encoder cannot be added to norm, which line 2 sets as a whole"}},
		{"quoted path and dotted path", "[base]\noptimizer.lr = 1\n\"optimizer.lr\" = 2", nil, []string{"3: optimizer.lr is set twice, first at line 2"}},

		// Root keys.
		{"unknown root key", "matrix = 1\n[quux]\ncommand = []", nil, []string{`1: unknown key "matrix"; a study has the keys name, title, source, seeds, alpha, test, exclude, `, `2: unknown key "quux"`}},
		{"near root key", "seed = 3", nil, []string{`1: unknown key "seed"; did you mean seeds?`}},
		{"root key in a table", "[base]\nseeds = 3", nil, []string{`2: unknown key "seeds": it is a key of the whole study`}},
		{"name", "name = \"a b\"", nil, []string{"1: name must be of letters"}},
		{"name type", "name = 5", nil, []string{"1: name must be a string, not 5"}},
		{"seeds type", "seeds = \"5\"", nil, []string{`1: seeds must be a count from 1 to 1000000, or a list of distinct whole numbers from 1 on, not "5"`}},
		{"no seeds", "seeds = 0", nil, []string{"1: seeds must be a count"}},
		{"seeds fraction", "seeds = 1.5", nil, []string{"1: seeds must be a count"}},
		{"seeds empty", "seeds = []", nil, []string{"1: seeds must be a count from 1 to 1000000, or a list of distinct whole numbers from 1 on, not an empty list"}},
		{"seeds listed", "seeds = [\n1,\n-2,\n1,\n2.5]", nil, []string{"3: a seed must be a whole number from 1 to 2147483647, not -2", "4: seed 1 is listed twice", "5: a seed must be a whole number"}},
		{"alpha", "alpha = 0", nil, []string{"1: alpha must be a number above 0 and below 1, not 0"}},
		{"alpha NaN", "alpha = -nan", nil, []string{"1: alpha must be a number above 0"}},
		{"tables", "base = 1\naxes = []\ncells = true\nexclude = {}\nclaims = {}", nil, []string{"1: base must be a table, not 1", "2: axes must be a table, not a list", "3: cells must be a table, not true", "4: exclude must be a list, not a table", "5: claims must be tables under [[claims]], not a table"}},

		// Settings, one by one.
		{"unknown key", "[base]\n[cells]\na = { optimzer.lr = 1 }\n", nil, []string{`3: unknown key "optimzer"; did you mean optimizer?`}},
		{"unknown table is one mistake", "[base]\noptim = { name = \"sgd\", lr = 1 }", nil, []string{`2: unknown key "optim"`}},
		{"unknown key in base is one mistake", "[base]\nbacth = 64\n" + axis2, nil, []string{`2: unknown key "bacth"; did you mean batch?`}},
		{"type", "[base]\nbatch = \"64\"", nil, []string{`2: batch must be a whole number from 1 to 65536, not "64"`}},
		{"date", "[base]\nbatch = 2026-11-23", nil, []string{`2: batch must be a whole number from 1 to 65536, not a date or time`}},
		{"list for a value", "[base]\nbatch = [64]", nil, []string{`2: batch must be a whole number from 1 to 65536, not a list`}},
		{"table for a value", "[base.batch]\nsize = 64", nil, []string{`1: batch must be a whole number from 1 to 65536, not a table`}},
		{"value for a table", "[base]\ndata = \"cifar10\"", nil, []string{`2: data must be a table of name, train, test, size, not "cifar10"`}},
		{"numbers as written", "seeds = 1e1\n[base]\nencoder.width = 1e2\nbatch = 0x1_0001", nil, []string{"1: seeds must be a count from 1 to 1000000, or a list of distinct whole numbers from 1 on, not 1e1", "3: encoder.width must be a whole number from 1 to 1024, not 1e2", "4: batch must be a whole number from 1 to 65536, not 0x1_0001"}},
		{"infinity", "[base]\noptimizer.lr = inf", nil, []string{`2: optimizer.lr must be a number above 0 and at most 1000, not inf`}},
		{"NaN", "[base]\noptimizer.lr = nan", nil, []string{`2: optimizer.lr must be a number above 0 and at most 1000, not nan`}},

		// Axes.
		{"empty axis", "[axes]\npredictor = []\n[axes.norm]\n", nil, []string{"2: axis predictor has no levels", "3: axis norm has no levels"}},
		{"empty axis, used", "exclude = [{ predictor = true }]\n[axes]\npredictor = []\n" + claimOn(`{ collapsed = ["predictor=true"] }`), nil, []string{"3: axis predictor has no levels"}},
		{"axis of no key", "[axes]\nwidth = [8, 16]\n" + claimOn(`{ collapsed = ["8"] }`), nil, []string{`2: a list is an axis of one key's values: unknown key "width"; did you mean encoder.width?`}},
		{"axis of a table's name", "[axes]\noptimizer = [0.1]", nil, []string{`2: a list is an axis of one key's values: unknown key "optimizer"; optimizer has the keys name, lr`}},
		{"axis of a value", "[axes]\nnorm = \"bn\"", nil, []string{`2: axis norm must be a list of values or a table of named levels, not "bn"`}},
		{"axis value", "[axes]\nbatch = [64,\n0]", nil, []string{"3: batch must be a whole number from 1 to 65536, not 0"}},
		{"axis value twice", "[axes]\noptimizer.lr = [1,\n1.0]", nil, []string{"3: axis optimizer.lr has the value 1 twice, first at line 2"}},
		{"axis twice", "[axes]\nnorm.encoder = [\"bn\"]\n\"norm.encoder\" = [\"ln\"]", nil, []string{"3: axis norm.encoder is set twice, first at line 2"}},
		{"levels beside a list", "[axes.norm]\nencoder = [\"bn\"]\nln = { norm = \"ln\" }\n" + claimOn(`{ collapsed = ["ln", "bn"] }`), nil, []string{`3: axis norm cannot have the level "ln" beside a list`}},
		{"level of a value", "[axes.norm]\nbn = \"bn\"\nln = { norm = \"ln\" }", nil, []string{`2: level bn must be a table of settings, such as { norm = "bn" }, not "bn"`}},
		{"level's name", "[axes.norm]\n\"a@b\" = { norm = \"bn\" }", nil, []string{`2: the level name "a@b" must not`}},
		{"axis's name", "[axes.\"a,b\"]\na = { norm = \"bn\" }", nil, []string{`1: the axis name "a,b" must not`}},
		{"identical levels", "[axes.norm]\nbn = { norm = \"bn\" }\nln = { norm = \"ln\" }\nbn2 = { norm.encoder = \"bn\" }", nil, []string{"4: level bn2 of axis norm is identical to level bn at line 2"}},
		{"identical levels on two axes", axis2 + "[axes.aug]\nnone = {}\ndefault = { augment.flip = 0.5 }", nil, []string{"6: level default of axis aug is identical to level none at line 5"}},
		{"misspelled, so not identical", "[axes.a]\na = {}\nb = { batc = 3 }", nil, []string{`3: unknown key "batc"`}},
		{"hidden by a later axis", "[axes.a]\nx = { batch = 8 }\ny = { batch = 16 }\n[axes]\nbatch = [32, 64]", nil, []string{"2: batch has no effect in axis a: every level of the later axis batch sets it"}},
		{"component hidden by a later shorthand", "[axes]\n\"norm.encoder\" = [\"bn\", \"ln\"]\nnorm = [\"ln\", \"bn\"]", nil, []string{"2: norm.encoder has no effect in axis norm.encoder: every level of the later axis norm sets it"}},
		{"too many", "seeds = 1000\n[axes]\nbatch = [" + numbers(10) + "]\nepochs = [" + numbers(2000) + "]", nil, []string{"4: the study has more than 250000 cells or 1000000 runs"}},

		// Named cells.
		{"cell of a value", "[cells]\nx = true", nil, []string{"2: cell x must be a table of settings"}},
		{"cell with a level's name", "[axes]\nnorm = [\"bn\", \"ln\"]\n[cells]\nln = { batch = 8 }\n" + claimOn(`{ collapsed = ["ln"] }`), nil, []string{"4: cell ln has the name of one of the axes' cells"}},
		{"cell base", "[cells]\nbase = { batch = 8 }", nil, []string{"2: cell base has the name of one of the axes' cells"}},
		{"cell's name", "[cells]\n\" x\" = {}\n\"\" = {}", nil, []string{`2: the cell name " x" must not`, `3: the cell name "" must not`}},

		// Exclude.
		{"exclude entry", "exclude = [\n1,\n{}]\n" + axis2, nil, []string{"2: exclude must list tables", "3: an entry of exclude must name at least one axis"}},
		{"exclude axis", "exclude = [{ nrom = \"bn\" }]\n" + axis2, nil, []string{`1: unknown axis "nrom"; did you mean norm?`}},
		{"exclude without axes", "exclude = [{ norm = \"bn\" }]", nil, []string{`1: unknown axis "norm"; there is none`}},
		{"exclude level", "exclude = [{ norm = \"none\", predictor = \"off\" }]\n" + axis2, nil, []string{`1: unknown level "none"; axis norm has bn, ln`, `1: unknown level "off"; axis predictor has true, false`}},
		{"exclude nothing", "exclude = [{ norm = \"ln\" },\n{ norm = \"ln\", predictor = false }]\n" + axis2, nil, []string{"2: this entry excludes nothing"}},
		{"exclude the baseline", "exclude = [{ norm = \"bn\" }]\n" + axis2, nil, []string{"1: this entry excludes the baseline"}},

		// Combinations, at the line of what causes them.
		{"in the base", "[base]\nencoder.width = 18\nnorm = \"gn+ws\"\n[cells]\nb = { batch = 64 }", nil, []string{"2: encoder.width = 18 does not work with norm.encoder = \"gn+ws\": its channels do not split into groups of equal size; near it, 16 and 20 do"}},
		{"base and levels", "[base]\nencoder.width = 18\n[axes.norm]\nbn = { norm = \"bn\" }\ngn = { norm = \"gn+ws\" }\ngn2 = { norm = \"gn+ws\", batch = 64 }", nil, []string{"5: encoder.width = 18 does not work with norm.encoder = \"gn+ws\": its channels do not split into groups of equal size; near it, 16 and 20 do (cells gn, gn2)"}},
		{"base and a cell", "[base]\nnorm.predictor = \"ln\"\n[cells]\nx = { predictor = false }", nil, []string{"4: norm.predictor = \"ln\" needs a predictor, but predictor = false; leave norm.predictor out or set predictor = true"}},
		{"cells by themselves", "[cells]\nx = { predictor = false, norm.predictor = \"bn\" }\ny = { predictor = false, norm.predictor = \"bn\", batch = 64 }", nil, []string{"2: norm.predictor = ", "3: norm.predictor = "}},
		{"two axes", "[axes]\nnorm.predictor = [\"bn\", \"ln\"]\npredictor = [\ntrue,\nfalse]", nil, []string{"5: norm.predictor = \"bn\" needs a predictor, but predictor = false; leave norm.predictor out or set predictor = true (cell norm.predictor=bn,predictor=false)", "5: norm.predictor = \"ln\""}},
		{"excluded", "exclude = [{ norm.encoder = \"gn+ws\", encoder.width = 18 }]\n[axes]\nnorm.encoder = [\"bn\", \"gn+ws\"]\nencoder.width = [16, 18]", nil, nil},
		{"level in a table of its own", "[axes.norm.bn]\nnorm = \"bn\"\n[axes.norm.one]\nnorm = \"init\"\nbatch = 1", nil, []string{"5: batch = 1 has no statistics for norm.encoder = \"init\"; take at least 2"}},
		{"misspelled width", "[base]\nencoder.width = 18\n[axes.norm]\nbn = {}\ngn = { norm = \"gn+ws\", encoder.widht = 16 }", nil, []string{`5: unknown key "encoder.widht"; did you mean encoder.width?`}},

		// Overrides.
		{"override of nothing", "", []string{"foo=1"}, []string{`0: --set foo=1: unknown key "foo"`}},
		{"override without value", "", []string{"batch", "=3"}, []string{"0: --set batch: an override must be KEY=VALUE", "0: --set =3: an override must be"}},
		{"override of a root key", "", []string{"alpha=0.1", "seeds=0", "timeout=2", "memory=many"}, []string{"0: --set alpha=0.1: alpha is a key of the whole study; an override changes keys of [base], or seeds, timeout, memory", "0: --set seeds=0: seeds must be a count", "0: --set timeout=2: timeout must be a duration above 0", "0: --set memory=many: memory must be an amount above 0"}},
		{"limits", "timeout = \"-2h\"\nmemory = \"4 gigs\"", nil, []string{`1: timeout must be a duration above 0, such as "2h" or "1h30m", not "-2h"`, `2: memory must be an amount above 0 with its unit, such as "4GiB" or "1500 MB", not "4 gigs"`}},
		{"override's type", "", []string{"batch=many"}, []string{`0: --set batch=many: batch must be a whole number from 1 to 65536, not "many"`}},
		{"override's spelling", "", []string{"encoder.width=1e2"}, []string{"0: --set encoder.width=1e2: encoder.width must be a whole number from 1 to 1024, not 1e2"}},
		{"override's syntax", "", []string{"data={name=\"cifar10\""}, []string{`0: --set data={name="cifar10": data must be a table of name, train, test, size, not "{name=\"cifar10\""`}},
		{"override and levels", "[axes.norm]\nbn = { norm = \"bn\" }\ngn = { norm = \"gn+ws\" }\ngn2 = { norm = \"gn+ws\", batch = 64 }", []string{"encoder.width=18"}, []string{"0: --set encoder.width=18: encoder.width = 18 does not work with norm.encoder = \"gn+ws\""}},
		{"override without effect", "[axes]\nnorm = [\"bn\", \"ln\"]\n[cells]\nx = { norm = \"none\" }", []string{"norm=init", "norm.encoder=ln"}, []string{"0: --set norm=init: has no effect: every cell sets norm itself", "0: --set norm.encoder=ln: has no effect: every cell sets norm.encoder itself"}},

		{"override of another method's key", "[axes]\nnorm = [\"bn\", \"ln\"]", []string{"simclr.temperature=0.1"}, []string{`0: --set simclr.temperature=0.1: has no effect: simclr.temperature is for method = "simclr" only`}},
		{"override of another dataset's key", "[base]\ndata.name = \"fashion-mnist\"", []string{"data={size=64, train=500}"}, []string{`0: --set data={size=64, train=500}: has no effect: data.size is for data.name = "folder" only`}},
		{"override that one cell has a use for", "[axes]\nmethod = [\"byol\", \"simclr\"]", []string{"simclr.temperature=0.1", "target.tau=0.5"}, nil},
		{"override for several reasons", "[axes.a]\nx = { target.stop_gradient = false }\ny = { method = \"simclr\" }\nz = { target.tau = 0.9 }", []string{"target.tau=0.5"}, []string{
			"0: --set target.tau=0.5: has no effect: target.tau is for target.stop_gradient = true only: else the online network is its own target; simclr has neither predictor nor target for target.tau; the other cells set it themselves"}},
		{"override for a misspelled method", "[base]\nmethod = \"simclir\"", []string{"simclr.temperature=0.1"}, []string{"2: method must be"}},
		{"override for a misspelled override", "", []string{"methd=simclr", "simclr.temperature=0.1"}, []string{`0: --set methd=simclr: unknown key "methd"`}},
		{"override of the default", "", []string{"batch=128", "norm=bn", "norm.predictor=bn"}, nil},
		{"override hidden by components", "[axes.norm]\na = { norm = { encoder = \"bn\", projector = \"ln\", predictor = \"ln\" } }\nb = { norm = \"ln\" }", []string{"norm=init"}, []string{"0: --set norm=init: has no effect"}},
		{"override that counts in part", "[axes.norm]\na = { norm = { encoder = \"bn\", projector = \"ln\" } }\nb = { norm = \"ln\" }", []string{"norm=init"}, nil},

		// Claims.
		{"claim keys", "[[claims]]\nid = \"a\"\nsasy = \"x\"\nall = [{ collapsed = [\"base\"] }]\n[[claims]]\nfoo = 1", nil, []string{`3: unknown key "sasy"; did you mean says?`, `5: a claim must have the key "id"`, `5: a claim must have the key "says"`, `5: a claim must have the key "all"`, `6: unknown key "foo"; a claim has the keys`}},
		{"claim types", "[[claims]]\nid = 1\nsays = []\nall = {}\npaper = 3", nil, []string{"2: id must be a string, not 1", "3: says must be a string, not a list", "4: all must be a list, not a table", "5: paper must be a table, not 3"}},
		{"no parts", claimOn(""), nil, []string{"4: all must list at least one part"}},
		{"claim not a table", "claims = [\n1]", nil, []string{"2: a claim must be a table, not 1"}},
		{"ids", claimOn(`{ collapsed = ["base"] }`) + claimOn(`{ collapsed = ["base"] }`), nil, []string{"7: claim c is there twice, first at line 2"}},
		{"test", "test = \"u\"", nil, []string{`1: test must be "t", "sign-flip" or "welch", not "u"`}},
		{"paper's values", axis2 + "[paper]\nwhere = \" \"\nmetric = \"lin\"\nvalues = { bn = 1, \"norm=bn\" = 2, foo = 3, ln = \"4\" }", nil, []string{
			`4: paper must have the key "unit"`, `5: where must not be empty`, `6: unknown metric "lin"`, `7: bn and norm=bn are the same cell`, `7: unknown cell "foo"`, `7: the value of cell ln must be a number, not "4"`}},
		{"paper's kinds", "paper = 3", nil, []string{"1: paper must be a table, not 3"}},
		{"paper", claimOn(`{ collapsed = ["base"] }`) + "paper = { value = \"a\", against = inf, unit = 3 }", nil, []string{`6: paper must have the key "where"`, `6: value must be a number, not "a"`, "6: against must be a finite number, not inf", "6: unit must be a string, not 3"}},
		{"no kind", claimOn(`{ metric = "loss" }`), nil, []string{"5: a part must have exactly one of collapsed, not_collapsed, greater and equivalent"}},
		{"two kinds", claimOn(`{ collapsed = ["x"], not_collapsed = ["y"] }`), nil, []string{"5: a part must have exactly one of"}},
		{"misspelled kind", claimOn(`{ colapsed = ["x"] }`), nil, []string{`5: unknown key "colapsed"; did you mean collapsed?`}},
		{"key of another kind", claimOn(`{ collapsed = ["base"], by = 1 }`), nil, []string{`5: unknown key "by"; a collapsed part has the keys collapsed`}},
		{"margin missing", axis2 + claimOn(`{ metric = "loss", equivalent = ["bn", "ln"] }`), nil, []string{`8: an equivalent part must have the key "margin"`}},
		{"metric missing", axis2 + claimOn(`{ greater = ["bn", "ln"] }`), nil, []string{`8: a greater part must have the key "metric"`}},
		{"metric unknown", axis2 + claimOn(`{ metric = "knn_top", greater = ["bn", "ln"] }`), nil, []string{`8: unknown metric "knn_top"; did you mean knn_top1?`}},
		{"margin and by", axis2 + claimOn("{ metric = \"loss\", equivalent = [\"bn\", \"ln\"], margin = 0 },\n{ metric = \"loss\", greater = [\"bn\", \"ln\"], by = \"1\" }"), nil, []string{"8: margin must be a number above 0, not 0", `9: by must be a number of at least 0, not "1"`}},
		{"number of cells", axis2 + claimOn("{ metric = \"loss\", greater = [\"bn\"] },\n{ collapsed = [] },\n{ collapsed = \"bn\" }"), nil, []string{"8: greater must compare two cells, not 1", "9: collapsed must list at least one cell", `10: collapsed must be a list, not "bn"`}},
		{"same cell twice", axis2 + claimOn("{ metric = \"loss\", greater = [\"bn\", \"norm=bn\"] },\n{ collapsed = [\"ln\", \"ln\"] }"), nil, []string{"8: greater names the cell norm=bn twice", "9: collapsed names the cell ln twice"}},
		{"unknown cell", axis2 + "[cells]\nextra = {}\n" + claimOn("{ collapsed = [\"extar\",\n\"quux\", 5] }"), nil, []string{`10: unknown cell "extar"; did you mean extra?`, `11: unknown cell "quux"; there are norm=bn, norm=ln, predictor=true, predictor=false, extra`, "11: a cell must be named by a string, not 5"}},
		{"unknown cell, levels of one name", "[axes]\nbatch = [1]\n[base]\nnorm = \"ln\"\n[axes.aug]\na = {}\nab = { augment.flip = 0 }\n[axes.opt]\na = {}\nab = { optimizer.lr = 1 }\n[cells]\nx = { epochs = 1 }\n" + claimOn("{ collapsed = [\"quux\",\n\"abc\"] }"), nil, []string{`17: unknown cell "quux"; there are batch=1, aug=a, aug=ab, opt=a, opt=ab, x`, `18: unknown cell "abc"; did you mean aug=ab or opt=ab?`}},
		{"unknown cell without axes", claimOn(`{ collapsed = ["x"] }`), nil, []string{`5: unknown cell "x"; there are base`}},
		{"unknown cell among many", "[axes]\nepochs = [" + numbers(20) + "]\n" + claimOn(`{ collapsed = ["x"] }`), nil, []string{`7: unknown cell "x"; there are 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 8 more`}},
		{"levels of a selector", axis2 + claimOn("{ collapsed = [\"norm=lnn\", \"nomr=ln\",\n\"norm=ln,true\", \"norm=ln,norm=bn\"] }"), nil, []string{`8: unknown level "lnn"; did you mean ln?`, `8: unknown axis "nomr"; did you mean norm?`, `9: "norm=ln,true" must be axis=level pairs`, `9: "norm=ln,norm=bn" names the axis norm twice`}},
		{"ambiguous level", "[axes]\nnorm.encoder = [\"bn\", \"ln\"]\nnorm.projector = [\"bn\", \"ln\"]\n" + claimOn(`{ collapsed = ["ln"] }`), nil, []string{`8: "ln" is ambiguous: it is norm.encoder=ln and norm.projector=ln`}},
		{"ambiguous cell", axis2 + "[cells]\nln = { batch = 8 }\n" + claimOn(`{ collapsed = ["ln"] }`), nil, []string{`10: "ln" is ambiguous: it is norm=ln and the named cell`}},
		{"excluded cell", "exclude = [{ norm = \"ln\", predictor = false }]\n" + axis2 + claimOn(`{ collapsed = ["norm=ln,predictor=false", "ln"] }`), nil, []string{"9: cell norm=ln,predictor=false is excluded"}},
		{"excluded level", "exclude = [{ norm = \"ln\", predictor = true }]\n" + axis2 + claimOn("{ metric = \"loss\", greater = [\"ln\", \"ln@untrained\"] }, { collapsed = [\"ln\"] },\n{ collapsed = [\"norm=ln\"] }"), nil, []string{"9: ln means norm=ln,predictor=true, which exclude takes out", "10: norm=ln means norm=ln,predictor=true, which exclude takes out"}},
		{"untrained", axis2 + claimOn(`{ collapsed = ["ln@untrained", "bn@start"] }`), nil, []string{`8: "ln@untrained": @untrained is for comparisons`, `8: "bn@start": after @ stands untrained`}},
	} {
		t.Run(c.name, func(t *testing.T) { checkErrors(t, c.text, c.sets, c.want) })
	}
}

// checkErrors parses a study and compares its errors with what they must begin
// with.
func checkErrors(t *testing.T, text string, sets, want []string) {
	t.Helper()
	_, err := Parse("test.toml", []byte(text), sets)
	var errs Errors
	if err != nil && !errors.As(err, &errs) {
		t.Fatalf("not Errors: %v", err)
	}
	if len(errs) != len(want) {
		t.Fatalf("got %d errors, want %d:\n%v", len(errs), len(want), err)
	}
	for i, e := range errs {
		if got := fmt.Sprintf("%d: %s", e.Line, e.Message); !strings.HasPrefix(got, want[i]) {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "%d,", i+1)
	}
	return b.String()
}

func TestNameFromFile(t *testing.T) {
	if s, err := Parse("dir/my-study.toml", nil, nil); err != nil || s.Name != "my-study" {
		t.Errorf("got %+v, %v", s, err)
	}
	_, err := Parse("my study.toml", nil, nil)
	if want := "my study.toml:1: name is missing; give the study one of letters, digits and . _ + -"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestErrorText(t *testing.T) {
	_, err := Parse("a/b.toml", []byte("\n[base]\nbatch = 0\n"), []string{"epochs=x"})
	want := "--set epochs=x: epochs must be a whole number from 1 to 1000000, not \"x\"\n" +
		"a/b.toml:3: batch must be a whole number from 1 to 65536, not 0"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// Lines count the same whatever an editor puts at their ends.
func TestLineEndings(t *testing.T) {
	for _, text := range []string{
		"# x\n[base]\nbatch = 0",
		"# x\r\n[base]\r\nbatch = 0\r\n",
		"\xef\xbb\xbf# x\n[base]\nbatch = 0\n",
		"source = \"\"\"a\n\"\"\"\nbase = { batch = 0 }",
	} {
		_, err := Parse("f", []byte(text), nil)
		if err == nil || !strings.HasPrefix(err.Error(), "f:3: batch must be") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestCells(t *testing.T) {
	for _, c := range []struct {
		name, text, want string
	}{
		{"no axes", "", "base"},
		{"no axes, named cells", "[cells]\nb = { batch = 8 }\na = {}", "base b a"},
		{"one axis, in file order", "[axes.norm]\nnone = { norm = \"none\" }\nbn = { norm = \"bn\" }\n[axes.norm.\"a b\"]\nnorm = \"ln\"\n", "none bn a b"},
		{"first axis slowest", axis2 + "[cells]\nx = { batch = 8 }", "norm=bn,predictor=true norm=bn,predictor=false norm=ln,predictor=true norm=ln,predictor=false x"},
		{"axes in file order", "[axes]\nnorm.encoder = [\"bn\"]\nbatch = [8]\nnorm.projector = [\"ln\"]", "norm.encoder=bn,batch=8,norm.projector=ln"},
		{"levels before lists", "[axes.aug]\non = {}\noff = { augment.flip = 0 }\n[axes]\nbatch = [8]", "aug=on,batch=8 aug=off,batch=8"},
		{"printed values", "[axes]\noptimizer.weight_decay = [1e-05, 0.0, 5e-1, 1]", "1e-5 0 0.5 1"},
		{"exclude", "exclude = [{ norm = \"ln\", predictor = false }]\n" + axis2, "norm=bn,predictor=true norm=bn,predictor=false norm=ln,predictor=true"},
		{"exclude by value", "exclude = [{ optimizer.lr = 0.10 }, { optimizer.lr = 2, batch = 8 }]\n[axes]\noptimizer.lr = [1, 0.1, 2.0]\nbatch = [4, 8]", "optimizer.lr=1,batch=4 optimizer.lr=1,batch=8 optimizer.lr=2,batch=4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustParse(t, c.text)
			if got := cellNames(s); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			for i, cell := range s.Cells {
				if j, ok := s.Cell(cell.Name); !ok || i != j {
					t.Errorf("Cell(%q) = %d, %v, want %d", cell.Name, j, ok, i)
				}
			}
		})
	}
}

// Named cells lie on the base, not on the baseline.
func TestLayers(t *testing.T) {
	s := mustParse(t, `
[base]
norm = { encoder = "none-affine", predictor = "ln" }
optimizer.lr = 0.5
batch = 32
[axes.norm]
keep = { optimizer.lr = 0.7 }
mixed = { norm.encoder = "ln" }
bn = { norm = "bn" }
[cells]
x = { epochs = 3 }
`, "batch=64", "norm.projector = none", "data = { name = \"generated\", train = 500 }", "probe.every=2")
	for name, want := range map[string]string{
		"keep":  "none-affine none ln 0.7 64 20",
		"mixed": "ln none ln 0.5 64 20",
		"bn":    "bn bn bn 0.5 64 20",
		"x":     "none-affine none ln 0.5 64 3",
	} {
		i, _ := s.Cell(name)
		c, err := s.Cells[i].Settings().Config()
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprint(c.Norm.Encoder, " ", c.Norm.Projector, " ", c.Norm.Predictor, " ", c.Optimizer.LR, " ", c.Batch, " ", c.Epochs)
		if got != want || c.Data.Train != 500 || c.Data.Name != "generated" || c.Probe.Every != 2 {
			t.Errorf("%s: got %s (%+v), want %s", name, got, c, want)
		}
	}
	if lr := s.Axes[0].Levels[0].Set; len(lr) != 1 || lr["optimizer.lr"] != 0.7 {
		t.Errorf("level keep sets %v", lr)
	}
}

func TestSameAs(t *testing.T) {
	s := mustParse(t, `
[axes]
optimizer.name = ["sgd", "lars"]
optimizer.trust = [0.01, 0.02]
[cells]
again = { optimizer.name = "sgd" }
warm = { optimizer.warmup = 0.5 }
warm2 = { optimizer.warmup = 0.5 }
`)
	want := []int{-1, 0, -1, -1, 0, -1, 5} // SGD has no trust coefficient
	for i, c := range s.Cells {
		if c.SameAs != want[i] {
			t.Errorf("%s: SameAs = %d, want %d", c.Name, c.SameAs, want[i])
		}
	}
}

// SimCLR has no predictor and no target, whatever base and axes say of them.
func TestMethods(t *testing.T) {
	s := mustParse(t, `
[base]
norm.predictor = "ln"
simclr.temperature = 0.1
[axes]
method = ["byol", "simclr"]
target.tau = [0.9, 0.99]
[cells]
cold = { method = "simclr", simclr.temperature = 0.01 }
bare = { method = "simclr", predictor = false }
`)
	want := []int{-1, -1, -1, 2, -1, 2}
	for i, c := range s.Cells {
		if c.SameAs != want[i] {
			t.Errorf("%s: SameAs = %d, want %d", c.Name, c.SameAs, want[i])
		}
		typed, err := c.Settings().Config()
		if err != nil || typed.Predictor != (typed.Method == "byol") {
			t.Errorf("%s: %+v, %v", c.Name, typed, err)
		}
	}
}

func TestSelectors(t *testing.T) {
	text := "exclude = [{ norm = \"init\", predictor = false }]\n" + `
[axes.norm]
bn = { norm = "bn" }
ln = { norm = "ln" }
init = { norm = "init" }
[axes]
predictor = [true, false]
[cells]
ln-warm = { norm = "ln", optimizer.warmup = 0.5 }
init2 = { norm = "init", batch = 64 }
`
	base := mustParse(t, text)
	for selector, want := range map[string]string{
		"bn":                      "norm=bn,predictor=true",
		"ln":                      "norm=ln,predictor=true",
		"false":                   "norm=bn,predictor=false",
		"predictor=false":         "norm=bn,predictor=false",
		"norm=ln":                 "norm=ln,predictor=true",
		"predictor=false,norm=ln": "norm=ln,predictor=false",
		" norm = ln , predictor = false @untrained": "norm=ln,predictor=false",
		"ln-warm":        "ln-warm",
		"init2":          "init2",
		"init@untrained": "norm=init,predictor=true",
	} {
		cell, _ := base.Cell(want)
		other := "true@untrained"
		s := mustParse(t, text+claimOn(fmt.Sprintf("{ metric = \"loss\", greater = [%q, %q] }", selector, other)))
		got := s.Claims[0].All[0].Cells[0]
		if got.Cell != cell || got.Text != selector || got.Untrained != strings.Contains(selector, "@") {
			t.Errorf("%s: got %+v (%s), want %s", selector, got, s.Cells[got.Cell].Name, want)
		}
	}
}

func TestClaims(t *testing.T) {
	s := mustParse(t, `alpha = 0.1
[axes]
norm = ["bn", "ln"]

[[claims]]
id = "c"
says = "something"
paper = { value = 65.7, against = 1, unit = "%", where = "Table 2" }
all = [
  { collapsed = ["ln", "bn"] },
  { metric = "linear_top1", greater = ["bn", "bn@untrained"], by = 3 },
  { metric = "z_std", greater = ["bn", "ln"] },
  { metric = "loss", equivalent = ["bn", "ln"], margin = 0.5 },
]
`)
	if s.Alpha != 0.1 || len(s.Claims) != 1 {
		t.Fatalf("got %+v", s)
	}
	c := s.Claims[0]
	if c.ID != "c" || c.Says != "something" || c.Line != 5 || *c.Paper != (Paper{65.7, 1, "%", "Table 2"}) {
		t.Errorf("got %+v, %+v", c, c.Paper)
	}
	want := "[{collapsed  [{ln 1 false} {bn 0 false}] 0 0} " +
		"{greater linear_top1 [{bn 0 false} {bn@untrained 0 true}] 3 0} " +
		"{greater z_std [{bn 0 false} {ln 1 false}] 0 0} " +
		"{equivalent loss [{bn 0 false} {ln 1 false}] 0 0.5}]"
	if got := fmt.Sprint(c.All); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The order of tables and of keys in the base means nothing; that of axes,
// levels and cells is the order of the study.
func TestOrder(t *testing.T) {
	parts := []string{
		"[base]\nnorm = \"ln\"\nbatch = 64\noptimizer = { lr = 1, name = \"lars\" }\n",
		axis2,
		"[cells]\nb = { batch = 8, epochs = 2 }\na = { epochs = 2 }\n",
		claimOn(`{ not_collapsed = ["ln", "a"] }`),
	}
	want := fingerprint(t, mustParse(t, strings.Join(parts, "")))
	reordered := []string{
		parts[3], parts[2],
		"[base.optimizer]\nname = \"lars\"\nlr = 1.0\n[base]\nbatch = 0x40\nnorm = \"ln\"\n",
		parts[1],
	}
	if got := fingerprint(t, mustParse(t, strings.Join(reordered, ""))); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	swapped := "[axes]\npredictor = [true, false]\nnorm = [\"bn\", \"ln\"]\n"
	if got := cellNames(mustParse(t, swapped)); got != "predictor=true,norm=bn predictor=true,norm=ln predictor=false,norm=bn predictor=false,norm=ln" {
		t.Errorf("got %s", got)
	}
}

// fingerprint is everything of a study but its text.
func fingerprint(t *testing.T, s *Study) string {
	t.Helper()
	plan, err := NewPlan(s, fakeHash, "1")
	if err != nil {
		t.Fatal(err)
	}
	var claims []string
	for _, c := range s.Claims {
		claims = append(claims, fmt.Sprint(c.ID, c.All))
	}
	return fmt.Sprint(cellNames(s), s.Axes, claims, plan.Runs)
}

func FuzzParse(f *testing.F) {
	for _, name := range Shipped() {
		text, err := shipped.ReadFile("studies/" + name + ".toml")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text, "data.name=cifar10")
	}
	mistakes, err := os.ReadFile("testdata/mistakes.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(mistakes, "batch")
	f.Add([]byte("exclude = [{ norm.encoder = \"ln\" }]\n[axes]\nnorm.encoder = [\"bn\", \"ln\"]\n[[axes.x]]\n"), "norm={encoder=\"ln\"}")
	for _, text := range []string{zipped, conditional, parts, ownStudy + ownTrainer, ownStudy + ownTrainer + ownKeys,
		"expand = \"add_one_in\"\norder = 2\n" + conditional + "[cells]\nbare = {}\n" + claimOn(`{ collapsed = ["bare,norm=ln", "baseline"] }`)} {
		f.Add([]byte(text), "seeds=[3, 1]")
	}
	f.Add([]byte("a.b.c = 1\n[a.b]\nd = 2\n[[claims]]\n[[claims]]\n[claims.paper]\n"), "a=[{b=1}]")
	f.Add([]byte("seeds = [1]\n"+axis2+claimOn(`{ metric = "loss", greater = ["ln", "norm=ln,predictor=false@untrained"] }`)), "=")
	f.Fuzz(func(t *testing.T, text []byte, set string) {
		s, err := Parse("fuzz.toml", text, []string{set})
		if err == nil {
			if len(s.Cells) == 0 || len(s.Seeds) == 0 {
				t.Error("nothing to run")
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 {
			t.Fatalf("not Errors: %v", err)
		}
		if !slices.IsSortedFunc(errs, func(a, b Error) int { return a.Line - b.Line }) {
			t.Errorf("not sorted:\n%v", err)
		}
		last := bytes.Count(text, []byte("\n")) + 1
		for _, e := range errs {
			if e.Line > last || e.Line == 0 && !strings.HasPrefix(e.Message, "--set ") || e.Line < 0 {
				t.Errorf("line %d of %d: %s", e.Line, last, e.Message)
			}
		}
		if _, again := Parse("fuzz.toml", text, []string{set}); again.Error() != err.Error() {
			t.Errorf("errors differ from one time to the next:\n%v\n%v", err, again)
		}
	})
}

// FuzzTOML holds the tree to the decoder's judgement of what is valid.
func FuzzTOML(f *testing.F) {
	for _, text := range []string{
		"a.b = 1\na.c = 2\n[a]\n", "[a.b]\n[a]\nc = 1\n[a.b.c]\n", "[a]\nb.c = 1\n[a.b.d]\n[a.b]\n",
		"[[a]]\nb = 1\n[[a]]\n[a.c]\n[a]\n", "a = {b.c = 1, b.d = 2}\n[a.e]\n", "a = [{b = 1, b = 2}]\n[[a]]\n",
		"x = [nan, -inf, 1e400, 0x_1, 1_000]\n", "[a.b]\n[a]\nb.c = 1\n", "'' = 1\n\"\" = 2\n", "t = 2026-02-30\n",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var p problems
		readTOML(&p, text)
		var tree map[string]any
		err := toml.Unmarshal(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")), &tree)
		if (err == nil) != (len(p.list) == 0) {
			t.Errorf("the decoder says %v, the reader %v", err, p.list)
		}
	})
}
