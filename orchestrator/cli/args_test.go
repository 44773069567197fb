package cli

import (
	"io"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestArrange(t *testing.T) {
	tests := []struct{ args, want string }{
		{"", ""},
		{"run quick", "run -- quick"},
		{"run quick --jobs 2", "run --jobs=2 -- quick"},
		{"run --jobs 2 quick", "run --jobs=2 -- quick"},
		{"run quick -j=2 --set a=1 --set b=2", "run --jobs=2 --set=a=1 --set=b=2 -- quick"},
		{"run quick -j1", "run --jobs=1 -- quick"},
		{"-j12 run quick", "run --jobs=12 -- quick"},
		{"help", "--help"},
		{"help run", "run --help"},
		{"version", "--version"},
		{"show help", "show -- help"},
		{"--store X run quick", "run --store=X -- quick"},
		{"run quick --store X", "run --store=X -- quick"},
		{"report quick --json --out D", "report --json --out=D -- quick"},
		{"report --json quick", "report --json -- quick"},
		{"report --json=false quick", "report --json=false -- quick"},
		{"studies show quick", "studies show -- quick"},
		{"studies --json", "studies --json"},
		{"run -- --odd.toml", "run -- --odd.toml"},
		{"run - --jobs 1", "run --jobs=1 -- -"},
		{"run quick --help", "run --help"},
		{"--help run", "run --help"},
		{"-h", "--help"},
		{"--version", "--version"},
		{"show studies", "show -- studies"},
	}
	for _, test := range tests {
		got, err := arrange(newApp(io.Discard, io.Discard), strings.Fields(test.args))
		if err != nil || strings.Join(got, " ") != test.want {
			t.Errorf("arrange(%q) = %q, %v, want %q", test.args, got, err, test.want)
		}
	}
}

func TestArrangeRefuses(t *testing.T) {
	var visible []string
	for _, c := range newApp(io.Discard, io.Discard).VisibleCommands() {
		visible = append(visible, c.Name)
	}
	var flags []string
	for _, f := range append(runCommand().Flags, cli.HelpFlag) {
		flags = append(flags, f.Names()[0])
	}
	tests := []struct{ args, want string }{
		{"rnu quick", `there is no command "rnu"; did you mean run?`},
		{"frobnicate", `there is no command "frobnicate"; there is ` + strings.Join(visible, ", ")},
		{"studies shw quick", `there is no command "studies shw"; did you mean show?`},
		{"run quick --job 2", "run has no flag --job; did you mean --jobs?"},
		{"run quick --jsno", "run has no flag --jsno; it has --" + strings.Join(flags, ", --")},
		{"--check run quick", "run has no flag --check; it has --" + strings.Join(flags, ", --")},
		{"run quick --jobs", "flag --jobs needs a value"},
		{"--stor X run", "ablate has no flag --stor; did you mean --store?"},
	}
	for _, test := range tests {
		_, err := arrange(newApp(io.Discard, io.Discard), strings.Fields(test.args))
		if err == nil || err.Error() != test.want || exitCode(err) != exitUsage {
			t.Errorf("arrange(%q): %v, want %q", test.args, err, test.want)
		}
	}
}
