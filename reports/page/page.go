// Package page writes a report as one HTML file that needs nothing else: its
// style, its script, its figures and its data are inside, it asks no network
// for anything, and its Content-Security-Policy sees to that.
//
// A Page is what there is to show. HTML writes it as a document of its own;
// Body writes what stands below the heading, for a document that has Style and
// Script already, such as the live page.
package page

import (
	"embed"
	"encoding/json"
	"html/template"
	"io"

	"ablate/reports/table"
)

// Page is what a report's page shows. All strings are plain text, which is
// escaped where it is written.
type Page struct {
	Title    string
	Facts    []string // lines below the title: what was run, on what, by what
	Warnings []string // what a reader must know before believing
	Claims   []Claim
	Rule     string // how the claims were tested; may be empty

	// Figures and Tables are in reading order. The first figure stands beside
	// the verdicts, the first table right below.
	Figures []Figure
	Tables  []table.Table
	Omitted []string // figures that are not shown, and why

	Method     []Term   // how each number was made
	Provenance []Term   // what made the numbers
	Again      []string // commands that make it all again

	Data json.RawMessage // the report as JSON, for programs to read; nil leaves it out
}

// Claim is a claim with its verdict.
type Claim struct {
	ID       string
	Says     string
	Verdict  string   // "supported", "contradicted", "inconclusive" or "not run"
	Flags    []string // what speaks against taking it for a prediction: "edited after results were there"
	By       string   // the part that decided against it or left it open; may be empty
	Advice   string   // what it would take to decide it; may be empty
	Parts    []Part
	Measured string // what the runs measured that it is about; may be empty
	Paper    string // what the paper found, and where; may be empty
}

// Part is a part of a claim.
type Part struct{ Verdict, Says string }

// Figure is a drawing.
type Figure struct {
	Name  string // short, of its own: "comparison"
	Title string
	Alt   string // what it shows, for those who do not see it
	SVG   []byte // a whole SVG file
}

// Term is a word or a thing, and what there is to say of it.
type Term struct{ Name, Text string }

// Style and Script are what Body's HTML is shown with. A document allows them
// by their Hash; whenever it has put a body in place it calls
// page.enhance(element).
var (
	//go:embed page.css
	Style string
	//go:embed page.js
	Script string

	//go:embed *.html
	files     embed.FS
	templates = template.Must(template.New("").Funcs(helpers).ParseFS(files, "*.html"))
)

// HTML writes the page as a document.
func (p *Page) HTML(w io.Writer) error { return p.write(w, "page.html") }

// Body writes all of the page but its title and the list of its contents.
func (p *Page) Body(w io.Writer) error { return p.write(w, "body.html") }
