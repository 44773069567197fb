package reports

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ablate/ablations"
	"ablate/reports/page"
	"ablate/reports/page/browser"
	"ablate/results"
)

// strange are names that are hard to write, by the cell that gets them.
var strange = map[int]string{
	1: "batch-norm-in-the-encoder-and-nowhere-else-with-a-momentum-of-0.9-and-no-affine-parameters-at-all",
	2: "بدون تطبيع",
	3: "初期化のみ",
	4: `<b onclick="x">&amp;</b>`,
	5: "a name of several words, which can be broken, with an e\u0301 and a 👩‍🔬 in it",
}

// renamed is a report of cells with strange names, of which some went wrong.
func renamed() *Report {
	study, runs := fixture(1, 2, 3)
	for i, name := range strange {
		study.Cells[i].Name = name
	}
	for i, claim := range study.Claims {
		for _, part := range claim.All {
			for k, s := range part.Cells {
				part.Cells[k].Text = study.Cells[s.Cell].Name
			}
		}
		study.Claims[i].ID = strange[i+1]
	}
	runs[4][1].outcome, runs[4][1].reason = results.Failed, "<script>alert(1)</script>"
	study.Title = "Which of " + strange[4] + " and " + strange[2] + " collapses?"
	r := reportOf(study, runs)
	r.Warnings = append(r.Warnings, "mixed kernel sets: "+strings.Repeat("x86-64-", 40))
	r.Claims[1].Flags = []string{"edited when 12 runs had a result; before, its margin was 2"}
	r.Claims[1].Advice = "7 seeds in all would probably settle it"
	return r
}

// crowd is a report of n cells, none of which is like another.
func crowd(n int, seeds ...int) *Report {
	study, runs := fixture(seeds...)
	six := len(runs)
	for i := six; i < n; i++ {
		cell := study.Cells[i%six]
		cell.Name = fmt.Sprintf("%s,width=%d", cell.Name, i/six)
		study.Cells = append(study.Cells, cell)
		var row []run
		for _, seed := range seeds {
			r := arms[i%six].run(i, seed)
			r.id = fmt.Sprintf("%s-%d", cell.Name, seed)
			row = append(row, r)
		}
		runs = append(runs, row)
	}
	return reportOf(study, runs)
}

// failed is a report of which no run has a result.
func failed() *Report {
	study, runs := fixture(1, 2)
	for _, row := range runs {
		for i := range row {
			row[i].outcome, row[i].metrics, row[i].reason = results.Failed, nil, "out of memory"
		}
	}
	return reportOf(study, runs)
}

// htmlOf is the report's page, which is left beside the screenshots, if those
// are asked for.
func htmlOf(t *testing.T, name string, r *Report) []byte {
	t.Helper()
	p, err := r.Page()
	if err != nil {
		t.Fatal(err)
	}
	var html bytes.Buffer
	if err := p.HTML(&html); err != nil {
		t.Fatal(err)
	}
	if dir := os.Getenv(browser.Screenshots); dir != "" {
		if err := os.WriteFile(filepath.Join(dir, name+".html"), html.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return html.Bytes()
}

var element = regexp.MustCompile(`(?s)<script.*?</script>|<style.*?</style>|<[^>]*>`)

// textOf is what a reader of a page sees, its words joined by single blanks.
func textOf(page []byte) string {
	text := html.UnescapeString(element.ReplaceAllString(string(page), " "))
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\u200e", "")), " ")
}

// ownTrainer is a report of a study whose trainer knows other metrics.
func ownTrainer() *Report { return reportOf(ownStudy([]string{"f1"}, "f1", "recall", "loss")) }

// TestPage: the page shows what the report says, and carries its JSON.
func TestPage(t *testing.T) {
	for name, r := range map[string]*Report{
		"two seeds": report(1, 2), "one seed": report(7), "troubled": troubled(), "nothing": nothingYet(), "failed": failed(),
		"fifteen": crowd(15, 1, 2, 3), "renamed": renamed(), "own trainer": ownTrainer(),
	} {
		t.Run(name, func(t *testing.T) {
			html := htmlOf(t, name, r)
			text := textOf(html)
			says := slices.Concat(r.Warnings, []string{r.heading(), r.rule()}, r.facts(), r.commands(""))
			for _, c := range r.Claims {
				says = append(says, c.Says, c.Statistics, c.Advice)
				says = append(says, c.Flags...)
				for _, p := range c.Parts {
					says = append(says, p.Says)
				}
			}
			for _, table := range r.Tables() {
				says = append(append(says, table.Notes...), table.General...)
			}
			for _, s := range says {
				if s = strings.Join(strings.Fields(s), " "); !strings.Contains(text, s) {
					t.Errorf("the page does not say %q", s)
				}
			}
			figures, err := r.Figures()
			if err != nil {
				t.Fatal(err)
			}
			if n := bytes.Count(html, []byte(`role="img"`)); n != len(figures) {
				t.Errorf("%d figures, want %d", n, len(figures))
			}
			checkData(t, r, html)
		})
	}
}

// checkData compares the JSON in the page with the report's.
func checkData(t *testing.T, r *Report, html []byte) {
	t.Helper()
	var want, got bytes.Buffer
	if err := r.JSON(&want); err != nil {
		t.Fatal(err)
	}
	data, ok := page.Data(html)
	if !ok {
		t.Fatal("the page has no data")
	}
	if err := json.Compact(&got, data); err != nil {
		t.Fatal(err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, want.Bytes()); err != nil {
		t.Fatal(err)
	}
	var escaped bytes.Buffer
	json.HTMLEscape(&escaped, compact.Bytes())
	if got.String() != escaped.String() {
		t.Error("the page's data are not the report's")
	}
}

// grey is a colour without hue in an attribute of an SVG file.
var grey = regexp.MustCompile(`(?:fill|stroke)(?:="|:)#([0-9A-Fa-f]{6})\b`)

// TestFiguresFollowTheTheme: each grey that a figure is drawn with has another
// in the dark.
func TestFiguresFollowTheTheme(t *testing.T) {
	figures, err := troubled().Figures()
	if err != nil {
		t.Fatal(err)
	}
	greys := map[string]bool{}
	for _, f := range figures {
		svg, err := f.SVG()
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range grey.FindAllStringSubmatch(string(svg), -1) {
			if c := strings.ToUpper(m[1]); c[:2] == c[2:4] && c[:2] == c[4:] {
				greys[c] = true
			}
		}
	}
	for c := range greys {
		if !strings.Contains(page.Style, `="#`+c+`"]`) {
			t.Errorf("page.css has no rule for the figures' #%s", c)
		}
	}
	if len(greys) < 3 {
		t.Errorf("the greys %v are too few: the test looks in the wrong place", greys)
	}
}

// TestLargePage: a study of 2,000 cells makes a page that a browser can open.
func TestLargePage(t *testing.T) {
	html := htmlOf(t, "crowd", crowd(2000, 1, 2))
	if n := len(html); n > 6<<20 {
		t.Errorf("the page has %d bytes", n)
	}
	if n := bytes.Count(html, []byte(`<th scope="row"`)); n < 2000 {
		t.Errorf("%d rows", n)
	}
}

// TestMethod: what the page says of a test is what the study has chosen.
func TestMethod(t *testing.T) {
	for test, want := range map[ablations.Test]string{
		ablations.T: "one-sample t test", ablations.SignFlip: "exact sign-flip test", ablations.Welch: "Welch's t test, which",
	} {
		study, runs := fixture(1, 2, 3)
		study.Test, study.Alpha = test, 0.1
		text := textOf(htmlOf(t, "method-"+string(test), reportOf(study, runs)))
		for _, s := range []string{want, "for 90 %.", "at most 0.1,", "Holm over the 5 comparisons"} {
			if !strings.Contains(text, s) {
				t.Errorf("%s: the page does not say %q", test, s)
			}
		}
		const cannot = "With 3 seeds the sign-flip test can show nothing at 0.1: its smallest two-sided p is 0.25."
		if strings.Contains(text, cannot) != (test != ablations.Welch) {
			t.Errorf("%s: the page says, or not, %q", test, cannot)
		}
	}
}

// TestPageInBrowser opens a page of names that are hard to write.
func TestPageInBrowser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, htmlOf(t, "browser", renamed()), 0o666); err != nil {
		t.Fatal(err)
	}
	browser.Check(t, "file://"+file)
}
