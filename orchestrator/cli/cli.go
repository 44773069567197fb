// Package cli is the command line: it wires studies, scheduler, store and
// reports together. There is one file per command.
//
// Data goes to standard output, talk to standard error. Exit codes: 0 done, 1
// a run failed or the command could not do its work, 2 a wrong command line or
// study, 3 a claim contradicted with --check, 130 interrupted.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/orchestrator/worker"
	"ablate/words"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"
)

// The exit codes.
const (
	exitDone         = 0
	exitFailed       = 1
	exitUsage        = 2
	exitContradicted = 3
	exitInterrupted  = 130
)

// exitCodes says what they mean, for the help and the man page.
var exitCodes = []struct {
	code int
	says string
}{
	{exitDone, "done, or as much as fits in before --until"},
	{exitFailed, "a run failed, nothing could be done, or report --check finds a claim not run"},
	{exitUsage, "a wrong command line or study"},
	{exitContradicted, "report --check finds a claim contradicted"},
	{exitInterrupted, "interrupted"},
}

func exitCodesText() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitCodes {
		fmt.Fprintf(&b, "  %-3d  %s\n", e.code, e.says)
	}
	return strings.TrimSpace(b.String())
}

// environment lists the variables that change what the program does.
var environment = []struct{ name, says string }{
	{"ABLATE_STORE", "the folder of all results, unless --store names one (default: " + defaultStore + ")"},
	{"ABLATE_DATA", "a folder of datasets to look in first, unless --data names one"},
}

func environmentText() string {
	var b strings.Builder
	b.WriteString("Environment:\n")
	for _, e := range environment {
		fmt.Fprintf(&b, "  %-12s  %s\n", e.name, e.says)
	}
	return strings.TrimRight(b.String(), "\n")
}

// exitError ends the program with a code of its own. An empty text says that
// all has been said.
type exitError struct {
	code int
	text string
}

func (e exitError) Error() string { return e.text }

// studyError is an error of loading a study.
type studyError struct{ err error }

func (e studyError) Error() string { return e.err.Error() }
func (e studyError) Unwrap() error { return e.err }

// Main runs the program with args, which lack the program's name, and returns
// its exit code. When ctx ends, work in hand is saved and stopped; see
// Interruptible.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	app := newApp(stdout, stderr)
	args, err := arrange(app, args)
	if err == nil {
		err = runApp(ctx, app, args)
	}
	if err == nil {
		return exitDone
	}
	complain(stderr, err)
	return exitCode(err)
}

// runApp runs a command. Those that have work to save see to the end of ctx
// themselves; the others are left where they are.
func runApp(ctx context.Context, app *cli.App, args []string) error {
	done := make(chan error, 1)
	go func() { done <- app.RunContext(ctx, append([]string{app.Name}, args...)) }()
	if len(args) > 0 && (slices.Contains([]string{"run", "retry", "queue", "worker", "serve", "export", "verify"}, args[0])) {
		return <-done
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return exitError{code: exitInterrupted}
	}
}

func complain(stderr io.Writer, err error) {
	var wrong ablations.Errors
	switch {
	case errors.As(err, &wrong):
		for _, e := range wrong {
			fmt.Fprintln(stderr, words.Printable(e.Error()))
		}
	case err.Error() != "":
		text := "ablate: " + err.Error()
		for line := range strings.SplitSeq(text, "\n") {
			fmt.Fprintln(stderr, words.Printable(line))
		}
	}
}

func exitCode(err error) int {
	var exit exitError
	var usage usageError
	var study studyError
	switch {
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &usage), errors.As(err, &study):
		return exitUsage
	}
	return exitFailed
}

func newApp(stdout, stderr io.Writer) *cli.App {
	app := &cli.App{
		Name:     "ablate",
		HelpName: "ablate", // whatever its file is called
		Usage:    "find out which part of a method matters",
		UsageText: "ablate COMMAND [ARGUMENTS] [FLAGS]\n\n" +
			"ablate run quick            run the shipped study \"quick\" and report on it\n" +
			"ablate report quick         the report again\n" +
			"ablate studies              what else is there",
		Description:               exitCodesText() + "\n\n" + environmentText(),
		Version:                   worker.Version(),
		Writer:                    stdout,
		ErrWriter:                 stderr,
		HideHelpCommand:           true,
		DisableSliceFlagSeparator: true,
		ExitErrHandler:            func(*cli.Context, error) {},
		Flags:                     []cli.Flag{storeFlag()},
		Commands: []*cli.Command{
			runCommand(), planCommand(), queueCommand(), retryCommand(), pauseCommand(), resumeCommand(), cancelCommand(),
			statusCommand(), showCommand(), logsCommand(), reportCommand(), verifyCommand(), diffCommand(), serveCommand(),
			studiesCommand(), importCommand(), cleanCommand(), keysCommand(), benchCommand(), traceCommand(), exportCommand(), workerCommand(),
			completionCommand(), manCommand(), completeCommand(),
		},
	}
	for _, c := range app.Commands {
		tame(c)
	}
	return app
}

// defaultStore is the store where no other is named.
const defaultStore = ".ablate"

// tame makes a command's errors of usage ours to print, and lets --store stand
// with every command.
func tame(c *cli.Command) {
	c.HideHelpCommand = true
	if find(c.Flags, "store") == nil {
		c.Flags = append(c.Flags, storeFlag())
	}
	for _, f := range c.Flags {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true // that one is off unless given goes without saying
		}
	}
	c.OnUsageError = func(_ *cli.Context, err error, _ bool) error { return wrongValue(c.Flags, err) }
	for _, sub := range c.Subcommands {
		tame(sub)
	}
}

var flagInError = regexp.MustCompile(` for (?:flag )?-([^-:\s][^:\s]*)`)

// wrongValue makes the flag package's error of a value ours, which says what
// the flag takes.
func wrongValue(flags []cli.Flag, err error) error {
	text := strings.TrimSuffix(err.Error(), ": parse error")
	place := flagInError.FindStringSubmatchIndex(text)
	if place == nil {
		return usageError{text}
	}
	name := text[place[2]:place[3]]
	text = text[:place[2]] + "-" + text[place[2]:]
	switch find(flags, name).(type) {
	case *cli.IntFlag, *cli.Int64Flag:
		text += "; it takes a whole number"
	case *cli.DurationFlag:
		text += "; it takes a time with its unit, as in 90s, 5m or 1h30m"
	case *cli.BoolFlag:
		text += "; it takes true or false, or no value"
	}
	return usageError{text}
}

// The flags that several commands have.

func storeFlag() cli.Flag {
	return &cli.StringFlag{Name: "store", Value: defaultStore, EnvVars: []string{"ABLATE_STORE"}, Usage: "the `DIR` of all results, checkpoints and logs", TakesFile: true}
}

func outFlag() cli.Flag {
	return &cli.StringFlag{Name: "out", Usage: "also write tables and figures to `DIR`", TakesFile: true}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON"}
}

// choiceFlag chooses among the studies of a name in the store.
func choiceFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "set", Usage: "the study as it was run with this `KEY=VALUE`; \"\" for no overrides"}
}

func setFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "set", Usage: "override a key of the study's base with `KEY=VALUE`, see \"ablate keys\""}
}

func dataFlag() cli.Flag {
	return &cli.StringFlag{Name: "data", Usage: "the `DIR` of the datasets", DefaultText: "what ABLATE_DATA names, then the usual places", TakesFile: true}
}

// writeJSON prints v, indented.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// terminal returns the width of the terminal that w is, or 0 if it is none.
func terminal(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}
