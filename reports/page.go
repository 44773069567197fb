package reports

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"ablate/reports/figure"
	"ablate/reports/page"
	"ablate/words"
)

// Page is the report as a page for a browser. The store that the report was
// built from must still be open.
func (r *Report) Page() (*page.Page, error) {
	figures, err := r.Figures()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, f := range figures {
		svg, err := f.SVG()
		if errors.Is(err, figure.ErrTooLarge) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[f.Name+".svg"] = svg
	}
	var json bytes.Buffer
	if err := r.JSON(&json); err != nil {
		return nil, err
	}
	files["report.json"] = json.Bytes()
	return r.page(figures, files, ""), nil
}

// page makes the page of the report's files: its JSON and the figures, of which
// those that nobody could look at have no file. The study's file beside it has
// the given name, if any.
func (r *Report) page(figures []Figure, files map[string][]byte, study string) *page.Page {
	p := &page.Page{
		Title: r.heading(), Facts: r.facts(), Warnings: r.Warnings,
		Rule: r.rule(), Tables: r.Tables(),
		Method: r.method(), Provenance: r.made(), Again: r.commands(study), Data: files["report.json"],
	}
	for _, c := range r.Claims {
		p.Claims = append(p.Claims, r.pageClaim(c))
	}
	for _, f := range figures {
		if svg, drawn := files[f.Name+".svg"]; drawn {
			p.Figures = append(p.Figures, page.Figure{Name: f.Name, Title: f.Title, Alt: f.Alt, SVG: svg})
		} else {
			p.Omitted = append(p.Omitted, fmt.Sprintf("Not shown: %s. A figure of %s would be too large to look at; the table has all of them.",
				f.Title, words.Plural(len(r.Cells), "cell")))
		}
	}
	return p
}

func (r *Report) pageClaim(c Claim) page.Claim {
	claim := page.Claim{
		ID: c.ID, Says: c.Says, Verdict: string(c.Verdict), Flags: c.Flags, Advice: c.Advice, Measured: c.Statistics,
	}
	for _, p := range c.Parts {
		claim.Parts = append(claim.Parts, page.Part{Verdict: string(p.Verdict), Says: p.Says})
	}
	if i := slices.IndexFunc(c.Parts, func(p Part) bool { return p.Verdict == c.Verdict }); i >= 0 && c.Verdict != Supported && len(c.Parts) > 1 {
		claim.By = c.Parts[i].Says
	}
	if c.Paper != nil {
		claim.Paper = r.paper(c)
	}
	return claim
}

// made lists what made the numbers, and how many of them.
func (r *Report) made() (terms []page.Term) {
	if r.Identity != "" {
		terms = append(terms, page.Term{Name: "Study", Text: r.Name + ", " + r.Identity})
	}
	if len(r.Sets) > 0 {
		terms = append(terms, page.Term{Name: "Overrides", Text: strings.Join(r.Sets, ", ")})
	}
	if g := r.Registration; !g.At.IsZero() {
		terms = append(terms, page.Term{Name: "Claims", Text: fmt.Sprintf("as they are since %s, %s; SHA-256 %s", date(g.At), g.says(), g.Claims)})
	}
	for _, p := range []struct {
		what   string
		counts []Count
	}{
		{"Data", r.Provenance.Data},
		{"Data set contents", r.Provenance.Datasets},
		{"Trainer", r.Provenance.Trainers},
		{"Program", r.Provenance.Versions},
		{"Kernels", r.Provenance.Kernels},
		{"Processor", r.Provenance.CPUs},
	} {
		if len(p.counts) > 0 {
			terms = append(terms, page.Term{Name: p.what, Text: list(p.counts)})
		}
	}
	return terms
}
