package table

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files in testdata")

// golden compares got with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// ordinary is a table as studies have them.
func ordinary() Table {
	t := Table{Name: "comparison", Title: "Comparison", Again: []string{"ablate report quick"}}
	interval, again := t.Note("mean ± half-width [low, high] of the 95 % t interval over seeds"), t.Note("no-predictor has the settings of bn: the same runs")
	t.Columns = []Column{
		{Head: "cell", Left: true, Cells: []string{"bn", "gn+ws", "no-predictor"}},
		{Head: "linear_top1 % " + interval, Cells: []string{"72.4 ± 7.3 [65.1, 79.7]", "68.1 ± 1.5 [66.6, 69.6]", Nothing}, Values: []float64{72.4, 68.125, math.NaN()}},
		{Head: "vs bn", Cells: []string{Nothing, "−4.3 [−13.1, 4.5]", Nothing}, Values: []float64{math.NaN(), -4.275, math.NaN()}},
		{Head: "n", Cells: []string{"2", "2", "0"}, Values: []float64{2, 2, 0}},
		{Head: "outcome", Left: true, Cells: []string{"completed", "completed", "pending 2 of 2 " + again}},
	}
	t.General = []string{"2 seeds: no exact test (sign-flip) can reach 0.05"}
	return t
}

// evil is everything that some format takes for markup, and letters of many
// scripts.
const evil = "a&b%c_d$e#f{g}h~i^j\\k<l>m\"n'o`p|q*r[s]t, u -- v"

// nasty is a table of names that try to be markup.
func nasty() Table {
	t := Table{
		Name: "a <b>\"c", Title: evil, Names: 2,
		Again: []string{"ablate report 'a b' --set 'x=</code><script>'"},
	}
	mark := t.Note("note " + evil + "\nsecond line, \x1b[31m and \u009b")
	t.Columns = []Column{
		{Head: evil, Left: true, Cells: []string{evil, "größer ½ Ł ²", "中文 e\u0301 🚀"}},
		{Head: "λ & μ", Left: true, Cells: []string{"</th><script>alert(1)</script>", "[x](javascript:y)", "*[2mm]"}},
		{Group: "<i>one & two", Head: "=1+1", Cells: []string{"1,5 " + mark, "\"q\"", "line\nbreak"}, Values: []float64{math.Inf(1), -0.5, 1e300}},
		{Group: "<i>one & two", Head: "x_1 " + mark, Cells: []string{"−1.5", "≥ 2 × 3", "τ → ∞"}, Values: []float64{1, 2, 3}},
		{Head: "", Left: true, Cells: []string{"", "`code`", "~~~ $$ ^^ ##"}},
	}
	t.General = []string{"<!-- " + evil + " -->"}
	return t
}

func TestGolden(t *testing.T) {
	for name, table := range map[string]Table{"ordinary": ordinary(), "nasty": nasty()} {
		golden(t, name+"_120.txt", table.Text(120))
		golden(t, name+"_60.txt", table.Text(60))
		golden(t, name+".md", table.Markdown())
		golden(t, name+".tex", table.LaTeX())
		golden(t, name+".html", string(table.HTML()))
	}
}

// A terminal is given no control characters, and lines that fit.
func TestText(t *testing.T) {
	for _, columns := range []int{60, 80, 300} {
		for line := range strings.Lines(nasty().Text(columns)) {
			line = strings.TrimSuffix(line, "\n")
			if i := strings.IndexFunc(line, func(c rune) bool { return c < ' ' || c >= 0x7f && c < 0xa0 }); i >= 0 {
				t.Errorf("a control character in %q", line)
			}
			longest := Width(evil) + 2 + Width("</th><script>alert(1)</script>") + 2 + Width("<i>one & two") + 9
			if w := Width(line); w > max(columns, longest) {
				t.Errorf("%d columns for %d: %s", w, columns, line)
			}
		}
	}
}

func TestWidth(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "größer": 6, "中文": 4, "e\u0301": 1, "🚀": 2, "−1 ± 2 ¹": 8, "\u200b": 0, "한": 2} {
		if got := Width(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
	}
}

// The fragment is well-formed, says nothing but what the table does, and its
// links lead somewhere.
func TestHTML(t *testing.T) {
	d := xml.NewDecoder(strings.NewReader(string(nasty().HTML())))
	var tags, ids, links []string
	var text strings.Builder
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			tags = append(tags, token.Name.Local)
			for _, a := range token.Attr {
				switch a.Name.Local {
				case "id":
					ids = append(ids, a.Value)
				case "href":
					links = append(links, strings.TrimPrefix(a.Value, "#"))
				}
			}
		case xml.CharData:
			text.Write(token)
		}
	}
	if slices.Contains(tags, "script") || slices.Contains(tags, "i") {
		t.Errorf("names became markup: %q", tags)
	}
	for _, want := range []string{evil, "</th><script>alert(1)</script>", "größer ½ Ł ²"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text lacks %q", want)
		}
	}
	if len(links) != 2 {
		t.Errorf("links %q, want those of the two marks", links)
	}
	for _, l := range links {
		if !slices.Contains(ids, l) {
			t.Errorf("the link #%s leads nowhere; there are %q", l, ids)
		}
	}
}

// Infinities and NaN are no sort keys.
func TestSortKeys(t *testing.T) {
	for v, want := range map[float64]string{1.5: "1.5", -1e-9: "-1e-09", math.Inf(1): "", math.Inf(-1): ""} {
		if got := sortKey(v); got != want {
			t.Errorf("%v: %q, want %q", v, got, want)
		}
	}
	if got := sortKey(math.NaN()); got != "" {
		t.Errorf("NaN: %q", got)
	}
}

func TestEscapeLaTeX(t *testing.T) {
	for in, want := range map[string]string{
		"linear_top1 %":     `linear\_top1~\%`,
		"a -- b --- c,,d":   `a -{}- b -{}-{}- c,{},d`,
		"x ¹² y³":           `x \textsuperscript{12} y\textsuperscript{3}`,
		"−1.5 ± 2":          `$-$1.5 $\pm$ 2`,
		"中 é":               `{[}U+4E2D{]} é`,
		"gn+ws-tuned, none": `gn+ws-tuned, none`,
		"[a]*\\\n":          `{[}a{]}{*}\textbackslash{} `,
		"¹":                 `\textsuperscript{1}`,
	} {
		if got := EscapeLaTeX(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// A long table goes on on further pages: every row is there once, the notes
// stand below the last.
func TestLongLaTeX(t *testing.T) {
	table := Table{Name: "long", Title: "Long", General: []string{"a note"}}
	names := Column{Head: "cell", Left: true}
	for i := range 2*rowsOnPage + 1 {
		names.Cells = append(names.Cells, fmt.Sprintf("row%d", i))
	}
	table.Columns = []Column{names}
	text := table.LaTeX()
	for _, name := range names.Cells {
		if strings.Count(text, name+" \\\\\n") != 1 {
			t.Errorf("%s is there %d times", name, strings.Count(text, name+" \\\\\n"))
		}
	}
	if strings.Count(text, `\begin{table}`) != 3 || strings.Count(text, "a note") != 1 || !strings.HasSuffix(text, "a note\\par\n\\end{minipage}\n\\end{table}\n") {
		t.Errorf("%d tables, the end is %q", strings.Count(text, `\begin{table}`), text[len(text)-80:])
	}
	if !strings.Contains(text, `\caption{Long, continued}`) || !strings.Contains(text, `\label{tab:long-3}`) {
		t.Error("the further tables have no captions of their own")
	}
}

func TestNotes(t *testing.T) {
	var table Table
	if a, b, again := table.Note("a"), table.Note("b"), table.Note("a"); a != "¹" || b != "²" || again != a || len(table.Notes) != 2 {
		t.Errorf("marks %s %s %s, notes %q", a, b, again, table.Notes)
	}
	for n, mark := range map[int]string{1: "¹", 12: "¹²", 305: "³⁰⁵"} {
		if Mark(n) != mark || number(mark) != n {
			t.Errorf("%d: %s, read back %d", n, Mark(n), number(mark))
		}
	}
	for _, s := range []string{"", "x", "1", "¹x", strings.Repeat("⁹", 40)} {
		if n := number(s); n != 0 {
			t.Errorf("%q is read as the mark of note %d", s, n)
		}
	}
}

// A table of names alone, without rows, or without columns is one too.
func TestSmall(t *testing.T) {
	for name, table := range map[string]Table{
		"no columns": {}, "no rows": {Columns: []Column{{Head: "cell"}, {Head: "n"}}}, "names alone": {Columns: []Column{{Head: "cell", Cells: []string{"a"}}}},
	} {
		for format, text := range map[string]string{
			"text": table.Text(80), "Markdown": table.Markdown(), "LaTeX": table.LaTeX(), "HTML": string(table.HTML()),
		} {
			for _, c := range table.Columns {
				if !strings.Contains(text, c.Head) {
					t.Errorf("%s as %s lacks %q", name, format, c.Head)
				}
			}
		}
	}
}

// pdflatex has every character that is not written by its number.
func TestLaTeXCompilesCharacters(t *testing.T) {
	if os.Getenv("ABLATE_SLOW") == "" {
		t.Skip("slow: ./justw slow compiles the LaTeX")
	}
	var all strings.Builder
	all.WriteString("\\documentclass{article}\n" + LaTeXPackages + "\\begin{document}\n")
	for c := rune(' '); c < 0x2300; c++ {
		if text := EscapeLaTeX("x" + string(c) + "x"); !strings.Contains(text, "U+") {
			all.WriteString(text + "\n\n")
		}
	}
	all.WriteString(nasty().LaTeX() + "\\end{document}\n")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "all.tex"), []byte(all.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	c := exec.Command("pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex")
	c.Dir = dir
	if said, err := c.CombinedOutput(); err != nil || strings.Contains(string(said), "Missing character") {
		t.Errorf("%v\n%s", err, said)
	}
}
