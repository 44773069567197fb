package table

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"ablate/words"
)

// LaTeXPackages is what the preamble of a document needs for LaTeX's tables.
const LaTeXPackages = `\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage{booktabs}
\usepackage{graphicx}
`

// rowsOnPage is how many rows a page has room for, with notes below them.
const rowsOnPage = 40

// LaTeX writes the table as a float with its title as caption, the rules of
// booktabs, and the notes below; a table wider than the lines is made smaller,
// and one longer than a page goes on in further floats, the notes below the
// last. It compiles with pdflatex and the packages of LaTeXPackages.
func (t Table) LaTeX() string {
	var s strings.Builder
	for first := 0; first == 0 || first < t.rows(); first += rowsOnPage {
		last := min(first+rowsOnPage, t.rows())
		caption, label := EscapeLaTeX(t.Title), idOf(t.Name)
		if first > 0 {
			s.WriteString("\\clearpage\n")
			caption, label = caption+", continued", fmt.Sprintf("%s-%d", label, first/rowsOnPage+1)
		}
		fmt.Fprintf(&s, "\\begin{table}[htbp]\n\\centering\n\\caption{%s}\n\\label{tab:%s}\n\\smallskip\n", caption, label)
		t.latexRows(&s, first, last)
		if last == t.rows() {
			t.latexNotes(&s)
		}
		s.WriteString("\\end{table}\n")
	}
	return s.String()
}

// latexRows writes the heads, and some of the rows.
func (t Table) latexRows(s *strings.Builder, first, last int) {
	s.WriteString("\\resizebox{\\ifdim\\width>\\linewidth\\linewidth\\else\\width\\fi}{!}{%\n\\begin{tabular}{@{}")
	for _, c := range t.Columns {
		if c.Left {
			s.WriteByte('l')
		} else {
			s.WriteByte('r')
		}
	}
	s.WriteString("@{}}\n\\toprule\n")
	t.latexGroups(s)
	t.latexRow(s, func(c Column) string { return c.Head })
	s.WriteString("\\midrule\n")
	for i := first; i < last; i++ {
		t.latexRow(s, func(c Column) string { return c.Cells[i] })
	}
	s.WriteString("\\bottomrule\n\\end{tabular}}\n")
}

// latexGroups writes the heads over several columns, with a rule under each.
func (t Table) latexGroups(s *strings.Builder) {
	var heads, rules []string
	first := 1
	for _, g := range groups(t.Columns) {
		last := first + g.columns - 1
		heads = append(heads, fmt.Sprintf(`\multicolumn{%d}{c}{%s}`, g.columns, EscapeLaTeX(g.text)))
		if g.text != "" {
			rules = append(rules, fmt.Sprintf(`\cmidrule(lr){%d-%d}`, first, last))
		}
		first = last + 1
	}
	if heads != nil {
		fmt.Fprintf(s, "%s \\\\\n%s\n", strings.Join(heads, " & "), strings.Join(rules, " "))
	}
}

func (t Table) latexRow(s *strings.Builder, text func(Column) string) {
	cells := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		cells[i] = latexCell(text(c), c.Left)
	}
	fmt.Fprintf(s, "%s \\\\\n", strings.Join(cells, " & "))
}

// latexCell escapes a cell. The marks of notes stand close behind its text, and
// behind a number they take no room, so that numbers stay under each other.
func latexCell(text string, left bool) string {
	parts := strings.Fields(text)
	n := len(parts)
	for n > 1 && number(parts[n-1]) > 0 {
		n--
	}
	text = EscapeLaTeX(strings.Join(parts[:n], " "))
	if n == len(parts) {
		return text
	}
	marks := EscapeLaTeX(strings.Join(parts[n:], " "))
	if left {
		return text + marks
	}
	return text + `\rlap{` + marks + "}"
}

func (t Table) latexNotes(s *strings.Builder) {
	if len(t.Notes)+len(t.General) == 0 {
		return
	}
	s.WriteString("\n\\smallskip\n\\begin{minipage}{\\linewidth}\\raggedright\\footnotesize\n")
	for i, n := range t.Notes {
		fmt.Fprintf(s, "%s %s\\par\n", EscapeLaTeX(Mark(i+1)), EscapeLaTeX(n))
	}
	for _, n := range t.General {
		fmt.Fprintf(s, "%s\\par\n", EscapeLaTeX(n))
	}
	s.WriteString("\\end{minipage}\n")
}

// latexCharacters are those that mean something to LaTeX or that its fonts lack.
var latexCharacters = map[rune]string{
	'\\': `\textbackslash{}`, '{': `\{`, '}': `\}`, '$': `\$`, '&': `\&`, '%': `\%`, '#': `\#`, '_': `\_`,
	'~': `\textasciitilde{}`, '^': `\textasciicircum{}`, '<': `\textless{}`, '>': `\textgreater{}`, '|': `\textbar{}`,
	'"': `\textquotedbl{}`, '\'': `\textquotesingle{}`,
	'`': `\textasciigrave{}`, '[': `{[}`, ']': `{]}`, '*': `{*}`,
	'−': `$-$`, '–': `--`, '—': `---`, '±': `$\pm$`, '×': `$\times$`, '÷': `$\div$`, '·': `$\cdot$`,
	'√': `$\surd$`, '∞': `$\infty$`,
	'≤': `$\leq$`, '≥': `$\geq$`, '≠': `$\neq$`, '≈': `$\approx$`, '→': `$\rightarrow$`, '←': `$\leftarrow$`, '…': `\dots{}`,
	'“': `\textquotedblleft{}`, '”': `\textquotedblright{}`, '‘': `\textquoteleft{}`, '’': `\textquoteright{}`, '„': `\quotedblbase{}`, '•': `\textbullet{}`,
	'α': `$\alpha$`, 'β': `$\beta$`, 'γ': `$\gamma$`, 'δ': `$\delta$`, 'ε': `$\varepsilon$`, 'ζ': `$\zeta$`, 'η': `$\eta$`,
	'θ': `$\theta$`, 'ι': `$\iota$`, 'κ': `$\kappa$`, 'λ': `$\lambda$`, 'μ': `$\mu$`, 'ν': `$\nu$`, 'ξ': `$\xi$`, 'π': `$\pi$`,
	'ρ': `$\rho$`, 'σ': `$\sigma$`, 'τ': `$\tau$`, 'υ': `$\upsilon$`, 'φ': `$\varphi$`, 'χ': `$\chi$`, 'ψ': `$\psi$`,
	'ω': `$\omega$`, 'Γ': `$\Gamma$`, 'Δ': `$\Delta$`, 'Θ': `$\Theta$`, 'Λ': `$\Lambda$`, 'Ξ': `$\Xi$`, 'Π': `$\Pi$`,
	'Σ': `$\Sigma$`, 'Φ': `$\Phi$`, 'Ψ': `$\Psi$`, 'Ω': `$\Omega$`, 'µ': `$\mu$`, '°': `\textdegree{}`,
	'\u00a0': `~`, '\u00ad': `\-`,
}

// EscapeLaTeX makes s mean itself in LaTeX, on one line. A character that the
// fonts of pdflatex lack is written by its number: [U+4E2D]. Long words may be
// broken behind a punctuation mark.
func EscapeLaTeX(s string) string {
	parts := strings.Split(words.Printable(s), " ")
	for i, w := range parts {
		parts[i] = escapeWord(w)
	}
	return strings.ReplaceAll(strings.Join(parts, " "), ` \%`, `~\%`) // 95 % is one word
}

// longWord is how many characters a line of LaTeX is sure to have room for.
const longWord = 30

func escapeWord(word string) string {
	long := utf8.RuneCountInString(word) > longWord
	var out strings.Builder
	raised := "" // digits of a superscript that is not written yet
	var last rune
	for _, c := range word + "\x00" {
		if n := number(string(c)); n > 0 || c == '⁰' {
			raised += fmt.Sprint(n)
			continue
		}
		if raised != "" {
			out.WriteString(`\textsuperscript{` + raised + "}")
			raised = ""
		}
		if c == last && (c == '-' || c == ',') {
			out.WriteString("{}") // two of them would become another sign
		}
		last = c
		switch safe, ok := latexCharacters[c]; {
		case ok:
			out.WriteString(safe)
		case c < 0x7f, inT1(c):
			out.WriteRune(c)
		default:
			fmt.Fprintf(&out, "{[}U+%04X{]}", c)
		}
		if long && strings.ContainsRune(",=_/|&", c) {
			out.WriteString(`\allowbreak{}`)
		}
	}
	return strings.TrimSuffix(out.String(), "\x00")
}

// inT1 reports whether LaTeX's fonts have a letter: those of western and central
// Europe.
func inT1(c rune) bool {
	return c >= 0xa1 && c < 0x17f && !strings.ContainsRune("ĦħĸĿŀŉŦŧ", c)
}
