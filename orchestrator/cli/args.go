package cli

import (
	"fmt"
	"slices"
	"strings"

	"ablate/trainer/config"

	"github.com/urfave/cli/v2"
)

// arrange puts every flag right behind its command and before the arguments,
// where urfave/cli looks for them: it stops at the first argument. Flags are
// given their full names. Unknown commands and flags are usage errors that
// name the near ones.
func arrange(app *cli.App, args []string) ([]string, error) {
	var path, options, used, rest []string
	var cmd *cli.Command
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(arg) > 1 && arg[0] == '-' {
			name, value, attached := strings.Cut(strings.TrimLeft(arg, "-"), "=")
			f := find(flagsOf(app, cmd), name)
			if n := attachedNumber(arg); f == nil && n != "" {
				name, value, attached = arg[1:2], n, true
				f = find(flagsOf(app, cmd), name)
			}
			if f == nil {
				return nil, unknownFlag(app, path, cmd, arg)
			}
			used = append(used, name)
			if takesValue(f) && !attached {
				if i++; i == len(args) {
					return nil, usagef("flag %s needs a value", arg)
				}
				value, attached = args[i], true
			}
			option := "--" + f.Names()[0]
			if attached {
				option += "=" + value
			}
			options = append(options, option)
			continue
		}
		sub := command(subcommands(app, cmd), arg)
		switch {
		case sub != nil && len(rest) == 0:
			cmd = sub
			path = append(path, arg)
		case cmd == nil && (arg == "help" || arg == "version"):
			options = append(options, "--"+arg)
		case cmd == nil || len(cmd.Subcommands) > 0:
			return nil, unknownCommand(path, subcommands(app, cmd), arg)
		default:
			rest = append(rest, arg)
		}
	}
	for _, name := range used { // those before the command were taken on trust
		if cmd != nil && find(flagsOf(app, cmd), name) == nil {
			return nil, unknownFlag(app, path, cmd, "--"+name)
		}
	}
	arranged := slices.Concat(path, options)
	if len(rest) > 0 && !slices.Contains(options, "--help") { // help takes arguments for topics
		arranged = slices.Concat(arranged, []string{"--"}, rest)
	}
	return arranged, nil
}

// attachedNumber returns the number of a flag like -j2, or "".
func attachedNumber(arg string) string {
	if len(arg) > 2 && arg[1] != '-' && arg[2] >= '0' && arg[2] <= '9' {
		return arg[2:]
	}
	return ""
}

// flagsOf lists the flags that may be used with cmd. Before the command is
// known it may be any.
func flagsOf(app *cli.App, cmd *cli.Command) []cli.Flag {
	if cmd != nil {
		return append(slices.Clone(cmd.Flags), cli.HelpFlag)
	}
	flags := append(slices.Clone(app.Flags), cli.HelpFlag, cli.VersionFlag)
	for _, c := range app.Commands {
		flags = append(flags, c.Flags...)
	}
	return flags
}

func find(flags []cli.Flag, name string) cli.Flag {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return f
		}
	}
	return nil
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}

func subcommands(app *cli.App, cmd *cli.Command) []*cli.Command {
	if cmd != nil {
		return cmd.Subcommands
	}
	return app.Commands
}

func command(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.HasName(name) {
			return c
		}
	}
	return nil
}

func unknownCommand(path []string, commands []*cli.Command, name string) error {
	var names []string
	for _, c := range commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	whole := strings.Join(append(path, name), " ")
	if near := config.Near(name, names); len(near) > 0 {
		return usagef("there is no command %q; did you mean %s?", whole, strings.Join(near, " or "))
	}
	return usagef("there is no command %q; there is %s", whole, strings.Join(names, ", "))
}

func unknownFlag(app *cli.App, path []string, cmd *cli.Command, arg string) error {
	flag, _, _ := strings.Cut(arg, "=")
	whose, names := app.Name, []string{}
	if cmd != nil {
		whose = strings.Join(path, " ")
	}
	for _, f := range flagsOf(app, cmd) {
		if v, ok := f.(cli.VisibleFlag); ok && v.IsVisible() && !slices.Contains(names, f.Names()[0]) {
			names = append(names, f.Names()[0])
		}
	}
	if near := config.Near(strings.TrimLeft(flag, "-"), names); len(near) > 0 {
		return usagef("%s has no flag %s; did you mean --%s?", whose, flag, strings.Join(near, " or --"))
	}
	return usagef("%s has no flag %s; it has --%s", whose, flag, strings.Join(names, ", --"))
}

// usageError is an error of the command line.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

func usagef(format string, args ...any) error { return usageError{fmt.Sprintf(format, args...)} }

// nameOf is the command as it is typed: "bench trainer".
func nameOf(c *cli.Context) string { return strings.TrimPrefix(c.Command.HelpName, c.App.Name+" ") }

// only returns a command's single argument.
func only(c *cli.Context, what string) (string, error) {
	arg, err := optional(c, what)
	if err == nil && arg == "" {
		err = usagef("%s needs %s: %s", nameOf(c), what, c.Command.UsageText)
	}
	return arg, err
}

// optional returns a command's argument, or "" without one.
func optional(c *cli.Context, what string) (string, error) {
	if c.NArg() > 1 {
		return "", usagef("%s takes %s, and no more: %q is too much", nameOf(c), what, c.Args().Get(1))
	}
	return c.Args().First(), nil
}

// none checks that a command got no arguments.
func none(c *cli.Context) error {
	if c.NArg() > 0 {
		return usagef("%s takes no arguments: %q is too much", nameOf(c), c.Args().First())
	}
	return nil
}
