package ablations

import (
	"fmt"
	"strings"
	"testing"
)

const zipped = `zip = [["norm", "encoder.width"]]
[axes]
norm = ["bn", "ln", "none"]
predictor = [true, false]
encoder.width = [8, 16, 32]
`

const conditional = `[axes]
norm = ["bn", "none", "ln"]
batch = [64, 128]
[[when]]
match = { norm = ["none", "ln"] }
vary = ["batch"]
`

const parts = `[axes]
predictor = [true, false]
augment.flip = [0.5, 0]
norm = ["bn", "ln", "none"]
`

func TestCombinations(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"zip", zipped, []string{
			"norm=bn,predictor=true,encoder.width=8", "norm=bn,predictor=false,encoder.width=8",
			"norm=ln,predictor=true,encoder.width=16", "norm=ln,predictor=false,encoder.width=16",
			"norm=none,predictor=true,encoder.width=32", "norm=none,predictor=false,encoder.width=32"}},
		{"zip all", "zip = [[\"norm\", \"batch\"]]\n[axes]\nnorm = [\"bn\", \"ln\"]\nbatch = [64, 128]", []string{"norm=bn,batch=64", "norm=ln,batch=128"}},
		{"zip and exclude", "exclude = [{ encoder.width = [16, 32], predictor = false }]\n" + zipped, []string{
			"norm=bn,predictor=true,encoder.width=8", "norm=bn,predictor=false,encoder.width=8",
			"norm=ln,predictor=true,encoder.width=16", "norm=none,predictor=true,encoder.width=32"}},
		{"zip, leave one out", "expand = \"leave_one_out\"\n" + zipped, []string{
			"baseline", "norm=ln,encoder.width=16", "norm=none,encoder.width=32", "predictor=false"}},
		{"vary", conditional, []string{"norm=bn,batch=64", "norm=none,batch=64", "norm=none,batch=128", "norm=ln,batch=64", "norm=ln,batch=128"}},
		{"vary, or", conditional + "[[when]]\nmatch = { norm = \"bn\", predictor = \"off\" }\nvary = [\"batch\"]\n[axes.predictor]\non = {}\noff = { predictor = false }", []string{
			"norm=bn,batch=64,predictor=on", "norm=bn,batch=64,predictor=off", "norm=bn,batch=128,predictor=off",
			"norm=none,batch=64,predictor=on", "norm=none,batch=64,predictor=off", "norm=none,batch=128,predictor=on", "norm=none,batch=128,predictor=off",
			"norm=ln,batch=64,predictor=on", "norm=ln,batch=64,predictor=off", "norm=ln,batch=128,predictor=on", "norm=ln,batch=128,predictor=off"}},
		{"vary, in a chain", conditional + "[[when]]\nmatch = { batch = 128 }\nvary = [\"epochs\"]\n[axes.epochs]\nfew = { epochs = 2 }\nmany = { epochs = 9 }", []string{
			"norm=bn,batch=64,epochs=few", "norm=none,batch=64,epochs=few", "norm=none,batch=128,epochs=few", "norm=none,batch=128,epochs=many",
			"norm=ln,batch=64,epochs=few", "norm=ln,batch=128,epochs=few", "norm=ln,batch=128,epochs=many"}},
		{"leave one out", "expand = \"leave_one_out\"\n" + parts, []string{"baseline", "predictor=false", "augment.flip=0", "norm=ln", "norm=none"}},
		{"leave one out, one axis", "expand = \"leave_one_out\"\n[axes]\nnorm = [\"bn\", \"ln\", \"none\"]", []string{"bn", "ln", "none"}},
		{"leave two out", "expand = \"leave_one_out\"\norder = 2\n" + parts, []string{"baseline", "predictor=false", "augment.flip=0", "norm=ln", "norm=none",
			"predictor=false,augment.flip=0", "predictor=false,norm=ln", "predictor=false,norm=none", "augment.flip=0,norm=ln", "augment.flip=0,norm=none"}},
		{"leave one out, with extras", "expand = \"leave_one_out\"\nexclude = [{ norm = \"ln\" }]\n" + parts + "[cells]\nx = { batch = 64 }", []string{
			"baseline", "predictor=false", "augment.flip=0", "norm=none", "x"}},
		{"add one in", "expand = \"add_one_in\"\n" + parts, []string{"baseline", "bare", "bare,predictor=true", "bare,augment.flip=0.5", "bare,norm=bn", "bare,norm=ln"}},
		{"add two in", "expand = \"add_one_in\"\norder = 2\n" + parts, []string{"baseline", "bare", "bare,predictor=true", "bare,augment.flip=0.5", "bare,norm=bn", "bare,norm=ln",
			"bare,predictor=true,augment.flip=0.5", "bare,predictor=true,norm=bn", "bare,predictor=true,norm=ln", "bare,augment.flip=0.5,norm=bn", "bare,augment.flip=0.5,norm=ln"}},
		{"add one in, two axes", "expand = \"add_one_in\"\norder = 2\n" + axis2, []string{"baseline", "bare", "bare,norm=bn", "bare,predictor=true"}},
		{"add one in, conditional", "expand = \"add_one_in\"\n" + conditional, []string{"baseline", "bare", "bare,norm=none", "bare,batch=64"}},
		{"add one in, a chain backwards", "expand = \"add_one_in\"\n[axes]\nepochs = [2, 9]\nbatch = [64, 128]\nnorm = [\"bn\", \"ln\"]\n[[when]]\nmatch = { norm = \"ln\" }\nvary = [\"batch\"]\n[[when]]\nmatch = { batch = 128 }\nvary = [\"epochs\"]",
			[]string{"baseline", "bare", "bare,epochs=2", "bare,epochs=2,batch=64"}},
		{"add two in, held at the bare cell", "expand = \"add_one_in\"\norder = 2\n[axes]\nnorm = [\"ln\", \"bn\", \"none\"]\nbatch = [64, 128]\n[[when]]\nmatch = { norm = \"ln\" }\nvary = [\"batch\"]",
			[]string{"baseline", "bare", "bare,norm=bn", "bare,norm=ln,batch=128"}},
		{"leave two out, conditional", "expand = \"leave_one_out\"\norder = 2\n" + conditional, []string{"baseline", "norm=none", "norm=ln", "norm=none,batch=128", "norm=ln,batch=128"}},
		{"thirty axes", "expand = \"leave_one_out\"\n" + manyAxes(30), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := mustParse(t, c.text)
			var got []string
			for _, cell := range s.Cells {
				got = append(got, cell.Name)
			}
			if c.want == nil {
				if len(got) != 31 {
					t.Errorf("%d cells: %v", len(got), got)
				}
			} else if strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			// The name of every cell selects it.
			for i, cell := range s.Cells {
				again := mustParse(t, c.text+"\n"+claimOn(fmt.Sprintf("{ collapsed = [%q] }", cell.Name)))
				if got := again.Claims[0].All[0].Cells[0].Cell; got != i {
					t.Errorf("%s selects %s", cell.Name, s.Cells[got].Name)
				}
			}
		})
	}
}

// manyAxes have far more combinations than there may be cells.
func manyAxes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[axes.a%d]\noff = {}\non = { cells.a%d = 1 }\n", i, i)
	}
	return "[trainer]\ncommand = [\"x\"]\n" + b.String()
}

// A study is as large as the cells that its conditions leave, wherever the axis
// stands that they are about.
func TestConditionalSize(t *testing.T) {
	const axes = 60 // 2^60 combinations
	var selector, conditional, whens strings.Builder
	selector.WriteString("[axes.which]\nnone = {}\n")
	for i := range axes {
		fmt.Fprintf(&selector, "w%d = { cells.w%d = 1 }\n", i, i)
		fmt.Fprintf(&conditional, "[axes.a%d]\noff = {}\non = { cells.a%d = 1 }\n", i, i)
		fmt.Fprintf(&whens, "[[when]]\nmatch = { which = \"w%d\" }\nvary = [\"a%d\"]\n", i, i)
	}
	const begin = "[trainer]\ncommand = [\"x\"]\n"
	first := mustParse(t, begin+selector.String()+conditional.String()+whens.String())
	last := mustParse(t, begin+conditional.String()+selector.String()+whens.String())
	if want := 1 + 2*axes; len(first.Cells) != want || len(last.Cells) != want {
		t.Fatalf("%d and %d cells, want %d", len(first.Cells), len(last.Cells), want)
	}
	for i, name := range map[int]string{0: "none", 1: "w0", axes: fmt.Sprintf("w%d", axes-1), axes + 1: fmt.Sprintf("w%d", axes-1), 2 * axes: "w0"} {
		if levels := last.Cells[i].Levels; levels[axes] != name {
			t.Errorf("cell %d is %v, want %s: the first axis is the slowest", i, levels, name)
		}
	}

	// Conditions in a circle: all of them on, or none; and more than can be tried.
	circle := func(n int) string {
		text := manyAxes(n)
		for i := range n {
			text += fmt.Sprintf("[[when]]\nmatch = { a%d = \"on\" }\nvary = [\"a%d\"]\n", (i+1)%n, i)
		}
		return text
	}
	if s := mustParse(t, circle(30)); len(s.Cells) != 2 {
		t.Errorf("%d cells", len(s.Cells))
	}
	const tooLarge = "3: the study has more than 250000 cells"
	checkErrors(t, manyAxes(30), nil, []string{tooLarge})
	vain := manyAxes(40) + "[[when]]\nmatch = { a1 = \"on\""
	for i := range 38 {
		vain += fmt.Sprintf(", a%d = \"on\"", i+2)
	}
	vain += " }\nvary = [\"a0\"]\n[[when]]\nmatch = { a0 = \"on\" }\nvary = [\"a1\""
	for i := range 38 {
		vain += fmt.Sprintf(", \"a%d\"", i+2)
	}
	checkErrors(t, vain+"]\n", nil, []string{tooLarge})
}

// Adding seeds, cells, levels or claims leaves the identities of what was there.
func TestExtendingKeepsIdentities(t *testing.T) {
	ids := func(text string, sets ...string) map[string]string {
		s := mustParse(t, text, sets...)
		found := map[string]string{}
		for _, r := range mustPlan(t, s).Runs {
			found[fmt.Sprint(s.Cells[r.Cell].Settings()["norm.encoder"], s.Cells[r.Cell].Settings()["predictor"], r.Seed)] = r.ID
		}
		return found
	}
	before := ids("seeds = 2\n" + axis2)
	if len(before) != 8 {
		t.Fatalf("%d runs: %v", len(before), before)
	}
	for name, after := range map[string]map[string]string{
		"seeds":       ids("seeds = 4\n" + axis2),
		"--set seeds": ids("seeds = 2\n"+axis2, "seeds=[3, 2, 1]"),
		"a level":     ids("seeds = 2\n" + strings.Replace(axis2, `"bn", `, `"none", "bn", `, 1)),
		"cells":       ids("seeds = 2\n" + axis2 + "[cells]\nx = { norm = \"init\" }"),
		"limits":      ids("seeds = 2\n"+axis2, "timeout=1h", "memory=1GiB"),
	} {
		for run, id := range before {
			if after[run] != id {
				t.Errorf("%s: run %s was %s and is %q", name, run, id, after[run])
			}
		}
	}
}

func TestWhenSets(t *testing.T) {
	s := mustParse(t, `
[base]
epochs = 3
[axes.norm]
bn = { norm = "bn", optimizer.lr = 0.5 }
gn = { norm = "gn+ws" }
init = { norm = "init" }
[axes]
predictor = [true, false]
[[when]]
match = { norm = ["init", "gn"] }
set = { optimizer.warmup = 0.25, batch = 64 }
[[when]]
match = { norm = "init", predictor = false }
set = { batch = 32 }
[cells]
x = { norm = "init" }
`, "optimizer.warmup=0.5")
	for name, want := range map[string]string{
		"norm=bn,predictor=true":    "0.5 0.5 128",
		"norm=gn,predictor=false":   "0.25 0.1 64", // a when is about its cells: it goes over the override of all
		"norm=init,predictor=true":  "0.25 0.1 64",
		"norm=init,predictor=false": "0.25 0.1 32",
		"x":                         "0.5 0.1 128",
	} {
		i, _ := s.Cell(name)
		c, err := s.Cells[i].Settings().Config()
		if got := fmt.Sprint(c.Optimizer.Warmup, c.Optimizer.LR, c.Batch); err != nil || got != want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, want)
		}
	}
}

func TestCombinationErrors(t *testing.T) {
	const when = "[[when]]\n"
	for _, c := range []struct {
		name, text string
		sets       []string
		want       []string
	}{
		// Zip.
		{"zip type", "zip = \"norm\"\n" + axis2, nil, []string{`1: zip must be a list, not "norm"`}},
		{"zip of names", "zip = [\"norm\", \"predictor\"]\n" + axis2, nil, []string{`1: zip must list lists of axes, such as [["norm", "encoder.width"]], not "norm"`, "1: zip must list lists"}},
		{"zip of one", "zip = [[\"norm\"], []]\n" + axis2, nil, []string{"1: a zip must name at least two axes"}},
		{"zip of other", "zip = [[\"norm\", 3]]\n" + axis2, nil, []string{"1: zip names axes, not 3"}},
		{"zip of unknown axis", "zip = [[\"norm\", \"predicter\"]]\n" + axis2, nil, []string{`1: unknown axis "predicter"; did you mean predictor?`}},
		{"zip lengths", "zip = [[\"norm\", \"batch\"]]\n[axes]\nnorm = [\"bn\", \"ln\"]\nbatch = [1, 2, 3]", nil, []string{"1: axes that are zipped go together level by level, but norm has 2 levels and batch has 3"}},
		{"zipped twice", "zip = [\n[\"norm\", \"predictor\"],\n[\"predictor\", \"batch\"], [\"batch\", \"batch\"]]\n" + axis2 + "batch = [1, 2]", nil, []string{"3: axis predictor is zipped twice, first at line 2", "3: axis batch is zipped twice"}},
		{"near zip", "zips = [[\"norm\", \"predictor\"]]\n" + axis2 + claimOn(`{ collapsed = ["predictor=false"] }`), nil, []string{`1: unknown key "zips"; did you mean zip?`}},
		{"contradicting selector", zipped + claimOn(`{ collapsed = ["norm=ln,encoder.width=32", "norm=ln,encoder.width=16", "ln"] }`), nil, []string{
			`10: "norm=ln,encoder.width=32" contradicts zip: encoder.width=32 goes with norm=none`, "10: collapsed names the cell ln twice"}},
		{"near zip, impossible without it", "zips = [[\"norm.encoder\", \"encoder.width\"]]\n[axes]\nnorm.encoder = [\"bn\", \"gn+ws\"]\nencoder.width = [18, 16]", nil, []string{`1: unknown key "zips"; did you mean zip?`}},
		{"names that zipped axes share", "zip = [[\"a\", \"b\"]]\n[axes.a]\nx = {}\ny = { batch = 8 }\n[axes.b]\nx = {}\ny = { epochs = 2 }\n" + claimOn(`{ collapsed = ["y"] }`), nil, nil},
		{"levels that only an exclude tells apart", "exclude = [{ a = \"y\", batch = 16 }]\n[axes.a]\nx = {}\ny = {}\n[axes]\nbatch = [8, 16]", nil, nil},
		{"exclude against zip", "exclude = [{ norm = \"ln\", encoder.width = 32 }]\n" + zipped, nil, []string{"1: this entry excludes nothing: no cell that earlier entries leave is like that"}},
		{"identical zipped levels", "zip = [[\"a\", \"b\"]]\n[axes.a]\nx = {}\ny = { batch = 64 }\nz = {}\n[axes.b]\nx = {}\ny = {}\nz = { batch = 128 }", nil, []string{"5: level z of axis a, with what is zipped to it, is identical to level x at line 3"}},
		{"levels that only a zip tells apart", "zip = [[\"a\", \"b\"]]\n[axes.a]\nx = {}\ny = {}\n[axes.b]\nx = {}\ny = { batch = 64 }", nil, nil},
		{"empty pattern list", "exclude = [{ norm = [] }]\n" + axis2, nil, []string{"1: the list of levels of axis norm is empty"}},
		{"unknown in a pattern list", "exclude = [{ norm = [\"ln\", \"foo\"] }]\n" + axis2, nil, []string{`1: unknown level "foo"; axis norm has bn, ln`}},

		// When.
		{"when type", "when = 3\n" + axis2, nil, []string{"1: when must be a list, not 3"}},
		{"when items", "when = [3]\n" + axis2, nil, []string{"1: when must be tables under [[when]], not 3"}},
		{"when keys", axis2 + when + "mach = { norm = \"ln\" }\nset = { batch = 8 }\n" + when + "match = { norm = \"ln\" }\n" + when, nil, []string{`5: unknown key "mach"; did you mean match? a when has the keys match, set, vary`, "7: a when must have set = { key = value } or vary = [axes]", `9: a when must have the key "match"`, "9: a when must have set"}},
		{"when types", axis2 + when + "match = 3\nset = 4\nvary = 5", nil, []string{"5: match must be a table, not 3", "6: set must be a table, not 4", "7: vary must be a list, not 5"}},
		{"match nothing", axis2 + when + "match = {}\nset = { batch = 8 }", nil, []string{"5: match must name at least one axis"}},
		{"match unknown", axis2 + when + "match = { nrom = \"ln\", predictor = \"of\" }\nset = { batch = 8 }", nil, []string{`5: unknown axis "nrom"; did you mean norm?`, `5: unknown level "of"; axis predictor has true, false`}},
		{"set unknown", axis2 + when + "match = { norm = \"ln\" }\nset = { bacth = 8 }", nil, []string{`6: unknown key "bacth"; did you mean batch?`}},
		{"set wrong", axis2 + when + "match = { norm = \"ln\" }\nset = { batch = 0 }", nil, []string{"6: batch must be a whole number from 1"}},
		{"set impossible", axis2 + when + "match = { norm = \"bn\", predictor = false }\nset = { norm.predictor = \"ln\" }", nil, []string{`6: norm.predictor = "ln" needs a predictor, but predictor = false; leave norm.predictor out or set predictor = true (cell norm=bn,predictor=false)`}},
		{"matches no cell", "exclude = [{ norm = \"ln\", predictor = false }]\n" + axis2 + when + "match = { norm = \"ln\", predictor = false }\nset = { batch = 8 }", nil, []string{"5: this when matches no cell"}},
		{"changes nothing", axis2 + when + "match = { norm = \"ln\" }\nset = { norm = \"ln\", batch = 128 }", nil, []string{"4: this when changes nothing: the cells that it matches have these settings without it"}},
		{"has no meaning", axis2 + when + "match = { norm = \"ln\" }\nset = { simclr.temperature = 0.1, batch = 8 }", nil, []string{`6: simclr.temperature has no effect in this when: simclr.temperature is for method = "simclr" only`}},
		{"hidden by a later when", axis2 + when + "match = { norm = \"ln\" }\nset = { batch = 8 }\n" + when + "match = { norm = [\"ln\", \"bn\"] }\nset = { batch = 16 }", nil, []string{"6: batch has no effect in this when: later whens set batch itself"}},
		{"override that whens hide", axis2 + when + "match = { norm = [\"ln\", \"bn\"] }\nset = { batch = 16 }", []string{"batch=8"}, []string{"0: --set batch=8: has no effect: every cell sets batch itself"}},
		{"vary unknown", axis2 + when + "match = { norm = \"ln\" }\nvary = [\"predicter\", 3]", nil, []string{`6: unknown axis "predicter"; did you mean predictor?`, "6: vary names axes, not 3"}},
		{"vary on itself", axis2 + when + "match = { norm = \"ln\", predictor = true }\nvary = [\"predictor\"]", nil, []string{"6: axis predictor cannot vary on a condition about its own levels"}},
		{"vary everywhere", axis2 + when + "match = { norm = [\"ln\", \"bn\"] }\nvary = [\"predictor\"]", nil, []string{"4: vary has no effect: axis predictor varies everywhere"}},
		{"vary nowhere", "expand = \"leave_one_out\"\n" + axis2 + when + "match = { norm = \"ln\" }\nvary = [\"predictor\"]", nil, []string{"5: axis predictor varies in no cell that this when matches"}},
		{"vary one level", axis2 + "batch = [8]\n" + when + "match = { norm = \"ln\" }\nvary = [\"batch\"]", nil, []string{"5: axis batch has one level alone and cannot vary"}},
		{"selector of what does not vary", axis2 + when + "match = { norm = \"ln\" }\nvary = [\"predictor\"]\n" + claimOn(`{ collapsed = ["false", "norm=bn,predictor=false", "norm=ln,predictor=false"] }`), nil, []string{
			"11: false means norm=bn,predictor=false, which is not there: axis predictor varies only where the when at line 4 matches", "11: cell norm=bn,predictor=false is not there: axis predictor varies only"}},
		{"identical conditional levels", axis2 + "[axes.a]\nx = {}\ny = { batch = 8 }\nz = {}\n" + when + "match = { norm = \"ln\" }\nvary = [\"a\"]", nil, []string{"7: level z of axis a is identical to level x at line 5"}},

		// Expand.
		{"expand", "expand = \"leave-one-out\"\n" + axis2, nil, []string{`1: expand must be "product", "leave_one_out" or "add_one_in", not "leave-one-out"`}},
		{"expand type", "expand = 1\norder = 2\n" + axis2, nil, []string{"1: expand must be a string, not 1"}},
		{"expand what", "expand = \"leave_one_out\"", nil, []string{`1: expand = "leave_one_out" is about axes, and there are none; add [axes]`}},
		{"order", "expand = \"leave_one_out\"\norder = 3\n" + axis2, nil, []string{"2: order must be 1, or 2 for pairs of axes too, not 3"}},
		{"order of a product", "order = 2\n" + axis2, nil, []string{`1: order is for expand = "leave_one_out" or "add_one_in"`}},
		{"left out", "expand = \"leave_one_out\"\n" + parts + claimOn(`{ collapsed = ["predictor=false,augment.flip=0", "ln"] }`), nil, []string{
			`10: predictor=false,augment.flip=0 means predictor=false,augment.flip=0,norm=bn, which is not there: expand = "leave_one_out" with order = 1 leaves it out`}},
		{"excluded from it", "expand = \"leave_one_out\"\nexclude = [{ predictor = false, norm = \"ln\" }]\n" + parts, nil, []string{"2: this entry excludes nothing"}},
		{"names of cells", "expand = \"add_one_in\"\n" + axis2 + "[cells]\nbare = { batch = 8 }\nbaseline = { batch = 16 }", nil, []string{"6: cell bare has the name of one of the axes' cells", "7: cell baseline has the name"}},
		{"too many pairs", "expand = \"leave_one_out\"\norder = 2\n[axes]\nbatch = [" + numbers(600) + "]\nepochs = [" + numbers(600) + "]", nil, []string{"4: the study has more than 250000 cells"}},
	} {
		t.Run(c.name, func(t *testing.T) { checkErrors(t, c.text, c.sets, c.want) })
	}
}
