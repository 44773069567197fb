package cli

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// Whatever the command, a command line that is wrong ends with 2 and a sentence
// that begins with the program's name, and makes nothing.
func TestUsageExitCodes(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("ABLATE_STORE", "store")
	n := 0
	eachCommand(newApp(io.Discard, io.Discard).Commands, nil, func(c *cli.Command, path []string) {
		lines := []string{"--no-such-flag", "--store", "one two three four --no-such-flag=1", "--json=maybe"}
		if argument(c, path, 4) == "" { // it does not take any number of them
			lines = append(lines, "one two three four")
		}
		if len(c.Subcommands) == 0 && argument(c, path, 0) != "" && !strings.Contains(c.UsageText, " [STUDY]") {
			lines = append(lines, "")
		}
		for _, line := range lines {
			args := append(append([]string{}, path...), strings.Fields(line)...)
			var stdout, stderr bytes.Buffer
			code := Main(t.Context(), args, &stdout, &stderr)
			if code != exitUsage || !strings.HasPrefix(stderr.String(), "ablate: ") || stdout.Len() > 0 {
				t.Errorf("ablate %s ends with %d and says %q, %q", strings.Join(args, " "), code, stdout.String(), stderr.String())
			}
			n++
		}
	})
	if n < 50 {
		t.Errorf("only %d command lines", n)
	}
	if left, _ := os.ReadDir("."); len(left) > 0 {
		t.Errorf("%s was made", left[0].Name())
	}
}
