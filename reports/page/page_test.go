package page

import (
	"bytes"
	"encoding/json"
	"fmt"
	stdhtml "html"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"

	"ablate/reports/table"
)

// hostile is text that every format takes for something else.
const hostile = `</script><script>alert(1)</script><b onclick='x' style="color:red">&amp;"` + "\u202e\u2028\x1b[31m"

// drawingOf is an SVG file of the kind that the figures are, with text in it.
func drawingOf(text string) []byte {
	return []byte(`<?xml version="1.0"?>
<svg width="300pt" height="90pt" viewBox="0 0 300 90" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">
<title>A drawing</title><style>text { fill: red }</style>
<defs><clipPath id="a"><rect x="0" y="0" width="300" height="90"/></clipPath></defs>
<g clip-path="url(#a)" transform="translate(0, 1)"><path d="M0,0L300,0L300,90L0,90Z" style="fill:#FFFFFF"/>
<path d="M10,80L290,80" style="fill:none;stroke:#888888;stroke-width:0.7"/><circle cx="120" cy="50" r="5" style="fill:#0072B2"/>
<text x="12" y="20" style="font-family:'Liberation Sans',sans-serif;font-weight:bold;font-size:13px;fill:#222222">` +
		xmlText(text) + `</text></g></svg>`)
}

func xmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\x1b", "").Replace(s)
}

// example is a page with everything on it; name stands where users' words do.
func example(name string) *Page {
	number := func(v ...float64) []float64 { return v }
	comparison := table.Table{
		Name: "comparison", Title: "Comparison",
		Columns: []table.Column{
			{Head: "cell", Left: true, Cells: []string{"bn", name, "gn+ws", "none"}},
			{
				Head: "linear_top1 % ¹", Cells: []string{"76.3 ± 9.2 [67.1, 85.5]", "53.8 ± 14.0 [39.8, 67.8]", "9.2", "–"},
				Values: number(76.3, 53.8, 9.2, math.NaN()),
			},
			{Head: "n", Cells: []string{"2", "2", "1", "0"}, Values: number(2, 2, 1, 0)},
			{Head: "outcome", Left: true, Cells: []string{"completed", "collapsed 2 of 2 ²", "completed", "failed 2 of 2"}},
		},
		Notes:   []string{"mean ± half-width [low, high] of the 95 % t interval over seeds", name + " was stopped early"},
		General: []string{"untrained: the same networks at step 0"},
		Again:   []string{"ablate run quick", "ablate report quick"},
	}
	dependence := comparison
	dependence.Name, dependence.Title = "dependence", "Depends on the batch"
	return &Page{
		Title:    "Which normalization keeps " + name + " from collapsing?",
		Facts:    []string{"study quick", "12 of 12 runs · " + name},
		Warnings: []string{"2 seeds: no exact test can reach 0.05", "mixed " + name},
		Claims: []Claim{
			{
				ID: "controls", Says: "Collapse is seen where it is known", Verdict: "supported",
				Parts: []Part{{"supported", "none collapsed: 2 of 2 runs"}, {"supported", "bn not"}},
			},
			{
				ID: name, Says: name, Verdict: "contradicted", Flags: []string{"edited after results were there; before, " + name},
				Parts: []Part{{"contradicted", name}}, Measured: "batch statistics in " + name, Paper: "73.9 against 74.3 top-1 % (Table 2)",
			},
			{
				ID: "learns", Says: "It learns", Verdict: "inconclusive", Advice: "about 3 more seeds, 40 minutes",
				Parts: []Part{{"inconclusive", "p = 0.2"}},
			},
			{ID: "later", Verdict: "not run", Parts: []Part{{"not run", "2 of 2 runs without a result"}}},
		},
		Rule: "Comparisons: paired by seed, Holm over 2 claims at 0.05.",
		Figures: []Figure{
			{"comparison", "Linear evaluation", "Every cell's mean", drawingOf(name)},
			{"loss", "Loss of " + name, "", drawingOf("loss")},
		},
		Tables:     []table.Table{comparison, dependence},
		Omitted:    []string{"Not shown: " + name},
		Method:     []Term{{"linear_top1", "linear evaluation of the frozen encoder"}, {name, name}},
		Provenance: []Term{{"Program", "v0.1.0"}, {"Data", name}},
		Again:      []string{"ablate run '" + name + "'"},
		Data:       json.RawMessage(`{"study": ` + quoted(name) + `}`),
	}
}

func quoted(s string) string {
	q, _ := json.Marshal(s)
	return string(q)
}

func htmlOf(t *testing.T, p *Page) string {
	t.Helper()
	var b bytes.Buffer
	if err := p.HTML(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestEscapes: whatever stands in names and texts, the document has the scripts
// and the markup that it has with plain names, and the texts are in it.
func TestEscapes(t *testing.T) {
	plain, html := htmlOf(t, example("init")), htmlOf(t, example(hostile))
	tag := regexp.MustCompile(`<(/?[a-zA-Z!][^\s>]*)`)
	names := func(html string) (names []string) {
		for _, m := range tag.FindAllStringSubmatch(html, -1) {
			names = append(names, m[1])
		}
		return names
	}
	if got, want := names(html), names(plain); !slices.Equal(got, want) {
		t.Errorf("the elements are %v, want %v", got, want)
	}
	if strings.ContainsRune(html, '\x1b') {
		t.Error("a control character is in it")
	}
	if n := strings.Count(html, "&lt;b onclick="); n < 12 {
		t.Errorf("the text stands in %d places only", n)
	}
	data, ok := Data([]byte(html))
	var report struct{ Study string }
	if err := json.Unmarshal(data, &report); !ok || err != nil || report.Study != hostile {
		t.Errorf("the data say %q, %v, %v; want the text as it was", report.Study, ok, err)
	}
}

// TestSelfContained: the document names nothing outside of itself, no style
// stands in an attribute, no id is there twice and every link has its target.
func TestSelfContained(t *testing.T) {
	html := htmlOf(t, example("init"))
	body := html[strings.Index(html, "<body>"):]
	if found := regexp.MustCompile(`(?:src|style|on[a-z]+)=|https?:|url\((?:[^#]|$)|@import`).FindString(body + Style); found != "" {
		t.Errorf("%q is in it", found)
	}
	ids := map[string]int{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		ids[m[1]]++
	}
	for id, n := range ids {
		if n > 1 {
			t.Errorf("id %s is there %d times", id, n)
		}
	}
	for _, m := range regexp.MustCompile(`(?:href="|url\()#([^")]*)`).FindAllStringSubmatch(html, -1) {
		if ids[m[1]] == 0 {
			t.Errorf("nothing has the id %s", m[1])
		}
	}
	for _, text := range []string{Style, Script} {
		if !strings.Contains(stdhtml.UnescapeString(html), Hash(text)) || !strings.Contains(html, ">"+text+"</") {
			t.Errorf("the text is not there as it is, or not allowed: %.40q", text)
		}
	}
}

// TestInline: of an SVG file the page keeps what draws.
func TestInline(t *testing.T) {
	file := `<?xml version="1.0"?><!DOCTYPE svg><svg width="9pt" height="9pt" viewBox="0 0 30 9" onload="x()" xmlns="http://www.w3.org/2000/svg">
<title>gone</title><desc>gone</desc><style>gone</style><script>gone</script><foreignObject><p>gone</p></foreignObject><image href="gone"/>
<defs><clipPath id="c"><rect width="3" height="3"/></clipPath></defs>
<g clip-path="url(#c)" onclick="x()" style="fill:#FFFFFF; stroke : #000000;background:url(gone)" fill-opacity="url(http://gone)"><title>a tooltip</title>
<text x="1" style="font-family:gone;font-weight:normal;font-size:10px">a &lt; b</text></g></svg>`
	want := `<svg viewBox="0 0 30 9" width="75.0%" role="img" aria-label="A &lt;label&gt;">` +
		`<defs><clipPath id="f-c"><rect width="3" height="3"></rect></clipPath></defs>` +
		`<g clip-path="url(#f-c)" fill="#FFFFFF" stroke="#000000"><title>a tooltip</title><text x="1" font-size="10px">a &lt; b</text></g></svg>`
	got, err := inline([]byte(file), "f", "A <label>", 40)
	if err != nil || strings.ReplaceAll(string(got), "\n", "") != want {
		t.Errorf("%v\n%s\nwant\n%s", err, got, want)
	}
	for _, broken := range []string{"", "text", "<svg><g></svg>", "<p/>"} {
		if got, err := inline([]byte(broken), "f", "", 40); err == nil {
			t.Errorf("%q becomes %q", broken, got)
		}
	}
}

// TestLittle: a page of which there is little has no empty sections.
func TestLittle(t *testing.T) {
	html := htmlOf(t, &Page{Title: "A study", Facts: []string{"study a"}})
	if strings.Contains(html, "<section") || strings.Contains(html, `id="report"`) || !strings.Contains(html, "study a") {
		t.Error(html[strings.Index(html, "<body>"):])
	}
	p := example("init")
	p.Figures = nil
	html = htmlOf(t, p)
	if !strings.Contains(html, "<h2 id=\"findings-title\">") || strings.Contains(html, `class="drawing"`) {
		t.Error("without figures, the verdicts are the findings")
	}
}

func TestTally(t *testing.T) {
	if got, want := example("").Tally(), "4 claims: 1 contradicted, 1 supported, 1 inconclusive, 1 not run"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestLargeData: a report too large to be carried is not, and the page says so.
func TestLargeData(t *testing.T) {
	p := example("init")
	p.Data = json.RawMessage(`"` + strings.Repeat("x", maxData) + `"`)
	html := htmlOf(t, p)
	if len(html) > maxData || !strings.Contains(html, "report.json") {
		t.Errorf("%d bytes", len(html))
	}
	if data, ok := Data([]byte(html)); ok {
		t.Errorf("there are data: %.50s", data)
	}
}

func TestNoData(t *testing.T) {
	for _, file := range []string{"", "{}", dataStart, dataStart + "{}", dataStart + "{" + dataEnd} {
		if data, ok := Data([]byte(file)); ok {
			t.Errorf("%q has data: %q", file, data)
		}
	}
}

// TestScale: the figures below each other are drawn to one scale.
func TestScale(t *testing.T) {
	svg := func(width int) []byte { return fmt.Appendf(nil, `<svg viewBox="0 0 %d 9"></svg>`, width) }
	html := htmlOf(t, &Page{Figures: []Figure{{"a", "", "", svg(900)}, {"b", "", "", svg(300)}, {"c", "", "", svg(400)}}})
	var got []string
	for _, m := range regexp.MustCompile(`<svg viewBox="[^"]*" width="([^"]*)"`).FindAllStringSubmatch(html, -1) {
		got = append(got, m[1])
	}
	if want := []string{"100.0%", "75.0%", "100.0%"}; !slices.Equal(got, want) {
		t.Errorf("widths %v, want %v", got, want)
	}
	if n := strings.Count(html, `class="wide"`); n != 1 {
		t.Errorf("%d figures get more room, want the first", n)
	}
}
