package cli

import (
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// tab completes a command line, whose last word is empty if it ends in a blank.
func tab(line string) string {
	var all []string
	for _, c := range complete(newApp(io.Discard, io.Discard), strings.Split(line, " ")) {
		all = append(all, c.text)
	}
	return strings.Join(all, " ")
}

func TestComplete(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"my.toml", "my.txt", ".hidden.toml"} {
		if err := os.WriteFile(name, nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"mine/deep", ".hid"} {
		if err := os.MkdirAll(name, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", ".")
	for line, want := range map[string]string{
		"ru":                                "run",
		"wor":                               "", // hidden
		"run qui":                           "quick",
		"plan m":                            "mine/ my.toml",
		"plan ./m":                          "./mine/ ./my.toml",
		"plan mine/":                        "mine/deep/",
		"plan ~/m":                          "~/mine/ ~/my.toml",
		"plan .h":                           ".hid/ .hidden.toml",
		"plan quick ":                       "", // one study is enough
		"run --out m":                       "mine/",
		"run --out=m":                       "--out=mine/",
		"run --data mine --re":              "--retries",
		"run --jobs 2 --jo":                 "", // once is enough
		"run --set a=1 --se":                "--set",
		"run --set optimizer.l":             "optimizer.lr=",
		"run --set predictor=":              "predictor=true predictor=false",
		"run --set=method=s":                "--set=method=simclr",
		"run --set epochs=":                 "",
		"run --jobs ":                       "",
		"run -- --":                         "",
		"run -- qui":                        "quick",
		"--sto":                             "--store",
		"--store x ru":                      "run",
		"studies sh":                        "show",
		"studies show qui":                  "quick",
		"trace quick --out m":               "mine/ my.toml my.txt",
		"trace quick --cell g":              "gn+ws",
		"trace --cell g":                    "",
		"export ":                           "csv jsonl parquet tensorboard mlflow encoder",
		"completion ":                       "bash zsh fish",
		"bench trainer --arch resnet1":      "resnet14 resnet18",
		"no-such-command m":                 "",
		"run --no-such-flag ":               tab("run "),
		"run --no-such-flag=":               "",
		"bench trainer --method simclr --m": "",
	} {
		if got := tab(line); got != want {
			t.Errorf("%q is completed to %q, want %q", line, got, want)
		}
	}
}

// Every name that the help has for an argument or a value means something to
// the tab key, or is known to be what nobody can list.
func TestKinds(t *testing.T) {
	known := func(name string) bool {
		free := []string{"", "N", "K", "TIME", "PIXELS", "SIZE", "LIST", "FROM-TO", "COMMAND", "WHICH", "HOST:PORT"}
		return kinds[name] != nil || strings.Contains(name, "|") || slices.Contains(free, name)
	}
	seen := 0
	eachCommand(newApp(io.Discard, io.Discard).Commands, nil, func(c *cli.Command, path []string) {
		for _, f := range c.Flags {
			if name := placeholder(f); isVisible(f) && takesValue(f) && (name == "" || !known(name)) {
				t.Errorf("%s --%s: nothing completes %q; add it to kinds in complete.go, or name it here", strings.Join(path, " "), f.Names()[0], name)
			}
			seen++
		}
		for i := range 3 {
			if len(c.Subcommands) > 0 {
				break // which are what it takes
			}
			if name := argument(c, path, i); !known(name) {
				t.Errorf("%s: nothing completes %q; add it to kinds in complete.go, or name it here", strings.Join(path, " "), name)
			}
		}
	})
	if seen < 20 {
		t.Errorf("only %d flags", seen)
	}
}
