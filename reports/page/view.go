package page

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode"

	"ablate/reports/table"
	"ablate/words"
)

// view is a Page with all that its templates need.
type view struct {
	*Page
	First    *drawing  // beside the verdicts; nil without figures
	Drawings []drawing // the others
	Main     *table.Table
	Others   []table.Table
	Sections []section

	Policy string // of the document
	Style  template.CSS
	Script template.JS
}

// section is an entry of the list of contents.
type section struct{ ID, Title string }

// drawing is a figure whose SVG is fit to stand in the page.
type drawing struct {
	ID, Title, Alt string
	SVG            template.HTML
}

// write executes a template, all or nothing.
func (p *Page) write(w io.Writer, name string) error {
	v, err := p.view()
	if err != nil {
		return err
	}
	var text bytes.Buffer
	if err := templates.ExecuteTemplate(&text, name, v); err != nil {
		return fmt.Errorf("writing the page: %w", err)
	}
	_, err = w.Write(text.Bytes())
	return err
}

func (p *Page) view() (*view, error) {
	v := &view{Page: p, Policy: policy(), Style: template.CSS(Style), Script: template.JS(Script)}
	others := widest(p.Figures[min(1, len(p.Figures)):])
	for i, f := range p.Figures {
		id, scale := "figure-"+word(f.Name), others
		if i == 0 {
			scale = widest(p.Figures[:1])
		}
		svg, err := inline(f.SVG, id, f.label(), scale)
		if err != nil {
			return nil, fmt.Errorf("the figure %s cannot stand in a page: %w", f.Name, err)
		}
		d := drawing{id, f.Title, f.Alt, svg}
		if i == 0 {
			v.First = &d
		} else {
			v.Drawings = append(v.Drawings, d)
		}
	}
	if len(p.Tables) > 0 {
		v.Main, v.Others = &p.Tables[0], p.Tables[1:]
	}
	v.Sections = v.contents()
	return v, nil
}

// label is what a screen reader says of the figure.
func (f Figure) label() string {
	if f.Alt == "" {
		return f.Title
	}
	return f.Title + ". " + f.Alt
}

// contents lists the sections that there is something for, in their order.
func (v *view) contents() (s []section) {
	for _, c := range []struct {
		section
		there bool
	}{
		{section{"findings", "Findings"}, v.Glance()},
		{section{"warnings", "Warnings"}, len(v.Warnings) > 0},
		{section{"main-table", v.mainTitle()}, v.Main != nil},
		{section{"claims", "Claims"}, len(v.Claims) > 0},
		{section{"figures", "Figures"}, len(v.Drawings)+len(v.Omitted) > 0},
		{section{"tables", "Tables"}, len(v.Others) > 0},
		{section{"method", "Method"}, len(v.Method) > 0},
		{section{"provenance", "Provenance"}, len(v.Provenance) > 0},
		{section{"again", "Make it again"}, len(v.Again) > 0},
	} {
		if c.there {
			s = append(s, c.section)
		}
	}
	return s
}

// Glance reports whether there is anything to see at first sight.
func (v *view) Glance() bool { return len(v.Claims) > 0 || v.First != nil }

func (v *view) mainTitle() string {
	if v.Main == nil {
		return ""
	}
	return v.Main.Title
}

// verdicts in the order in which they are counted.
var verdicts = []string{"contradicted", "supported", "inconclusive", "not run"}

// Tally counts the claims by verdict: "3 claims: 2 supported, 1 not run".
func (p *Page) Tally() string {
	n := map[string]int{}
	for _, c := range p.Claims {
		n[c.Verdict]++
	}
	var counts []string
	for _, v := range verdicts {
		if n[v] > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n[v], v))
		}
	}
	return words.Plural(len(p.Claims), "claim") + ": " + strings.Join(counts, ", ")
}

// maxData bounds the report's JSON within a page: more than that is slow to
// open, and lies beside the page in a file of its own.
const maxData = 4 << 20

// Inside is the JSON that the page carries, fit to stand in it; "" if it is too
// much.
func (v *view) Inside() (template.JS, error) {
	var compact, escaped bytes.Buffer
	if err := json.Compact(&compact, v.Data); err != nil && v.Data != nil {
		return "", fmt.Errorf("the page's data: %w", err)
	}
	if compact.Len() > maxData {
		return "", nil
	}
	json.HTMLEscape(&escaped, compact.Bytes())
	return template.JS(escaped.String()), nil
}

const dataStart, dataEnd = `<script type="application/json" id="report">`, `</script>`

// Data finds the report's JSON in a page that HTML wrote. It is false where
// there is none: the file is no such page, or its report was too large.
func Data(html []byte) (report json.RawMessage, ok bool) {
	_, rest, found := bytes.Cut(html, []byte(dataStart))
	data, _, ends := bytes.Cut(rest, []byte(dataEnd))
	if data = bytes.TrimSpace(data); !found || !ends || !json.Valid(data) {
		return nil, false
	}
	return data, true
}

// Hash is the source expression that allows an inline style or script of this
// very text in a Content-Security-Policy.
func Hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// policy allows the page's own style, script and icon, and nothing else.
func policy() string {
	return fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; img-src data:; base-uri 'none'; form-action 'none'", Hash(Style), Hash(Script))
}

var helpers = template.FuncMap{
	"class": func(verdict string) string { return word(verdict) },
	"text":  text,
	"inc":   func(i int) int { return i + 1 },
}

// text is s fit to be shown among our own words, which run from left to right:
// numbers that follow a word of a script that runs from right to left would be
// drawn before it, but for a mark (U+200E) between the two.
func text(s string) string {
	var marked strings.Builder
	rtl := false
	for _, c := range words.Printable(s) {
		switch {
		case unicode.In(c, unicode.Hebrew, unicode.Arabic, unicode.Syriac, unicode.Thaana, unicode.Nko):
			rtl = true
		case rtl && (unicode.IsLetter(c) || unicode.IsNumber(c)):
			rtl = false
			marked.WriteRune('\u200e')
		}
		marked.WriteRune(c)
	}
	return marked.String()
}

// word makes s fit for a class or an id.
func word(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return c
		}
		return '-'
	}, s)
}
