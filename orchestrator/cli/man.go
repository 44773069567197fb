package cli

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"ablate/orchestrator/worker"

	"github.com/urfave/cli/v2"
)

func manCommand() *cli.Command {
	return &cli.Command{
		Name:      "man",
		Usage:     "print the manual page",
		UsageText: "ablate man > ablate.1",
		Description: "It holds the help of all commands, for man(1): put it into a folder man1 of\n" +
			"MANPATH, or read it with \"man ./ablate.1\".",
		Action: func(c *cli.Context) error {
			if err := none(c); err != nil {
				return err
			}
			_, err := io.WriteString(c.App.Writer, manual(newApp(nil, nil)))
			return err
		},
	}
}

// manFiles are the files and folders that a person may meet.
var manFiles = []struct{ name, says string }{
	{defaultStore, "the store: all results, checkpoints and logs, where --store and ABLATE_STORE name no other"},
	{"STORE/store.db", "outcomes, metrics and events, in SQLite"},
	{"STORE/runs/RUN/N", "attempt N at a run: journal.jsonl, stderr.log, and checkpoints in ckpt"},
	{"data, ~/.local/share/ablate/data, /usr/share/datasets", "where datasets are looked for, after ABLATE_DATA"},
	{"~/.cache/ablate/images", "resized images of one's own folders; may be deleted"},
}

// manual is the page ablate(1) in the man macros of roff, made of what the
// help is made of.
func manual(app *cli.App) string {
	m := &roff{}
	m.macro("TH", "ABLATE", "1", buildDate(), "ablate "+worker.Version(), "User Commands")
	m.macro("SH", "NAME")
	m.line("ablate \\- " + escaped(app.Usage))
	m.macro("SH", "SYNOPSIS")
	usage, examples, _ := strings.Cut(app.UsageText, "\n\n")
	m.verbatim(usage)
	m.macro("SH", "DESCRIPTION")
	m.text("ablate takes a question about a method as a study, one TOML file: a matrix of settings, the seeds to repeat each with, " +
		"and the claims to decide. It runs every cell of the matrix, goes on where it was stopped, stores every metric, and reports " +
		"a table, figures, and a verdict for each claim.\n\n" +
		"Flags stand before or after the arguments. Data goes to standard output, and all else to standard error.")
	m.macro("SH", "COMMANDS")
	eachCommand(app.Commands, nil, m.command)
	m.macro("SH", "EXIT STATUS")
	for _, e := range exitCodes {
		m.item(fmt.Sprint(e.code), e.says)
	}
	m.macro("SH", "ENVIRONMENT")
	for _, e := range environment {
		m.item(e.name, e.says)
	}
	m.macro("SH", "FILES")
	for _, f := range manFiles {
		m.item(f.name, f.says)
	}
	m.macro("SH", "EXAMPLES")
	m.verbatim(examples)
	return m.String()
}

// command writes the part of one command.
func (m *roff) command(c *cli.Command, path []string) {
	m.macro("SS", "ablate "+strings.Join(path, " "))
	m.text(c.Usage)
	m.verbatim(c.UsageText)
	m.text(c.Description)
	for _, f := range c.Flags {
		if isVisible(f) {
			m.flag(f)
		}
	}
}

func (m *roff) flag(f cli.Flag) {
	var names []string
	for _, name := range f.Names() {
		if len(name) == 1 {
			names = append(names, "-"+name)
		} else {
			names = append(names, "--"+name)
		}
	}
	says, ending := f.(cli.DocGenerationFlag), ""
	title := strings.Join(names, ", ")
	if value := placeholder(f); value != "" {
		title += " " + value
	}
	if says.TakesValue() && says.GetDefaultText() != "" && says.GetDefaultText() != "0" {
		ending = " (default: " + strings.Trim(says.GetDefaultText(), `"`) + ")"
	}
	m.item(title, meaning(f)+ending)
}

// buildDate is the day of the source that the program was built of, if it is
// known.
func buildDate() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.time" && len(s.Value) >= len("2006-01-02") {
				return s.Value[:len("2006-01-02")]
			}
		}
	}
	return ""
}

// roff writes the man macros.
type roff struct {
	strings.Builder
	begun bool // the section has its first paragraph, and the next one needs to be told from it
}

// line writes a line that is roff already.
func (m *roff) line(text string) { m.WriteString(text + "\n") }

// macro writes a request with its arguments.
func (m *roff) macro(name string, args ...string) {
	m.WriteString("." + name)
	for _, a := range args {
		m.WriteString(` "` + strings.ReplaceAll(escaped(a), `"`, `\(dq`) + `"`)
	}
	m.WriteString("\n")
	if name == "SH" || name == "SS" {
		m.begun = false
	}
}

// paragraph begins one.
func (m *roff) paragraph() {
	if m.begun {
		m.line(".PP")
	}
	m.begun = true
}

// item writes a term and what it means.
func (m *roff) item(term, says string) {
	m.begun = true
	m.line(".TP")
	m.macro("B", term)
	m.line(escaped(says))
}

// text writes paragraphs, which blank lines separate. Indented lines of a
// paragraph stay as they are; the others are filled.
func (m *roff) text(text string) {
	for paragraph := range strings.SplitSeq(text, "\n\n") {
		filled, kept := []string{}, []string{}
		flush := func() {
			if len(filled) > 0 {
				m.paragraph()
				m.line(strings.Join(filled, "\n"))
			}
			if len(kept) > 0 {
				m.verbatim(strings.Join(kept, "\n"))
			}
			filled, kept = nil, nil
		}
		for line := range strings.Lines(paragraph) {
			line = strings.TrimRight(line, "\n")
			switch {
			case strings.HasPrefix(line, "  "):
				kept = append(kept, line)
			case len(kept) > 0:
				flush()
				fallthrough
			default:
				if line != "" {
					filled = append(filled, escaped(line))
				}
			}
		}
		flush()
	}
}

// verbatim writes lines as they are.
func (m *roff) verbatim(text string) {
	m.paragraph()
	m.line(".nf")
	for line := range strings.SplitSeq(text, "\n") {
		m.line(escaped(line))
	}
	m.line(".fi")
}

// escaped makes plain text of one line roff.
func escaped(text string) string {
	var b strings.Builder
	for i, r := range text {
		switch {
		case i == 0 && (r == '.' || r == '\''):
			b.WriteString(`\&` + string(r))
		case r == '\\':
			b.WriteString(`\e`)
		case r == '-':
			b.WriteString(`\-`)
		case r == '\'':
			b.WriteString(`\(aq`)
		case r == '`':
			b.WriteString(`\(ga`)
		case r == '~':
			b.WriteString(`\(ti`)
		case r == '^':
			b.WriteString(`\(ha`)
		case r > '~':
			fmt.Fprintf(&b, `\[u%04X]`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}
