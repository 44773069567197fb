package cli

import (
	_ "embed"
	"io"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// The scripts only hand the command line to "ablate complete" and its answer to
// the shell: what there is to complete is known in one place.
var (
	//go:embed completion/ablate.bash
	bashScript string
	//go:embed completion/ablate.zsh
	zshScript string
	//go:embed completion/ablate.fish
	fishScript string
)

var shells = []struct{ name, script string }{{"bash", bashScript}, {"zsh", zshScript}, {"fish", fishScript}}

func completionCommand() *cli.Command {
	return &cli.Command{
		Name:      "completion",
		Usage:     "print a script that makes a shell complete ablate's command lines",
		UsageText: "ablate completion bash|zsh|fish",
		Description: "It completes commands, flags, studies, the keys of --set, and the runs of the\n" +
			"store. Put one of these where the shell begins:\n\n" +
			"  bash   source <(ablate completion bash)                  in ~/.bashrc\n" +
			"  zsh    source <(ablate completion zsh)                   in ~/.zshrc, after compinit\n" +
			"  fish   ablate completion fish | source                   in ~/.config/fish/config.fish",
		Action: completion,
	}
}

func completion(c *cli.Context) error {
	name, err := only(c, "a shell")
	if err != nil {
		return err
	}
	i := slices.IndexFunc(shells, func(s struct{ name, script string }) bool { return s.name == name })
	if i < 0 {
		var names []string
		for _, s := range shells {
			names = append(names, s.name)
		}
		return usagef("there is no completion for %q; there is for %s", name, strings.Join(names, ", "))
	}
	_, err = io.WriteString(c.App.Writer, shells[i].script)
	return err
}
