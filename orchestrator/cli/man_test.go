package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// The manual page has every command with its usage and its flags, every exit
// code and every variable.
func TestManual(t *testing.T) {
	app := newApp(io.Discard, io.Discard)
	page := manual(app)
	need := func(text string) {
		t.Helper()
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks\n%s", text)
		}
	}
	eachCommand(app.Commands, nil, func(c *cli.Command, path []string) {
		_, rest, _ := strings.Cut(page, `.SS "ablate `+strings.Join(path, " ")+"\"\n")
		part, _, _ := strings.Cut(rest, "\n.S")
		for _, line := range strings.Split(c.UsageText, "\n") {
			if !strings.Contains(part, escaped(line)+"\n") {
				t.Errorf("%s: its part lacks the usage %q", path, line)
			}
		}
		for _, f := range c.Flags {
			if title := `.B "` + escaped("--"+f.Names()[0]); isVisible(f) != strings.Contains(part, title) {
				t.Errorf("%s: is --%s visible? %v", path, f.Names()[0], isVisible(f))
			}
		}
	})
	for _, e := range exitCodes {
		need(escaped(e.says))
	}
	for _, e := range environment {
		need(escaped(e.name))
	}
	for _, f := range app.Flags {
		for _, name := range f.(cli.DocGenerationFlag).GetEnvVars() {
			need(escaped(name))
		}
	}
	if strings.Contains(page, escaped("RUNDIR")) {
		t.Error("the page has a hidden command")
	}
}

func TestRoff(t *testing.T) {
	m := &roff{}
	m.macro("SH", `a "b"`)
	m.text("one\ntwo\n  kept  \\ as it is\n.three\n\n  'tis")
	m.item("-x", "é")
	want := `.SH "a \(dqb\(dq"
one
two
.PP
.nf
  kept  \e as it is
.fi
.PP
\&.three
.PP
.nf
  \(aqtis
.fi
.TP
.B "\-x"
\[u00E9]
`
	if got := m.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}
