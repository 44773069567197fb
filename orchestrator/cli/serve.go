package cli

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"os"
	"path/filepath"
	"strings"
	"time"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/serve"
	"ablate/reports"
	"ablate/results"

	"github.com/urfave/cli/v2"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "show studies in a browser as they go on",
		UsageText: "ablate serve [STUDY] [--addr HOST:PORT] [--token | --token-file FILE] [--set KEY=VALUE ...]\n" +
			"   [--store DIR]",
		Description: choosing + "\n\n" +
			"Prints the address of a page with the progress, the runs at work and their curves,\n" +
			"the queue, the logs, and the report, all kept up to date. There need not be a study\n" +
			"yet. The page can be seen on this machine only, and changes nothing. With --token\n" +
			"it can pause, resume, cancel and retry, and change the queue: the address that is\n" +
			"printed then has a token in it, which is for nobody else. Ctrl-C ends it; what is\n" +
			"at work goes on.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "addr", Usage: "listen at `HOST:PORT` of this machine, or PORT; 0 for any that is free",
				DefaultText: fmt.Sprintf("127.0.0.1:%d, or the next port that is free", serve.DefaultPort)},
			&cli.BoolFlag{Name: "token", Usage: "let whoever has the printed address change something"},
			&cli.StringFlag{Name: "token-file", Usage: "let whoever knows the token in `FILE` change something", TakesFile: true},
			choiceFlag(), storeFlag(),
		},
		Action: serveStore,
	}
}

func serveStore(c *cli.Context) error {
	address, err := addressOf(c)
	if err != nil {
		return err
	}
	path, err := pageOf(c)
	if err != nil {
		return err
	}
	token, fragment, err := tokenOf(c)
	if err != nil {
		return err
	}
	listener, err := serve.Listen(address)
	if err != nil {
		return err
	}
	dir := storeDir(c)
	server := serve.New(c.Context, serve.Options{
		Store: dir, Token: token, Title: titleOf, Report: reportBody(dir), Cost: costOf, Log: logOf(dir), Diff: compared,
	})
	fmt.Fprintf(c.App.Writer, "http://%s%s%s\n", listener.Addr(), path, fragment)
	fmt.Fprintf(c.App.ErrWriter, "ablate: this is the live page of the store %s; Ctrl-C ends it\n", dir)
	if err := server.Serve(listener); err != nil {
		return err
	}
	return exitError{code: exitInterrupted}
}

func addressOf(c *cli.Context) (string, error) {
	if !c.IsSet("addr") {
		return "", nil
	}
	address, err := serve.Address(c.String("addr"))
	if err != nil {
		return "", usagef("--addr: %v", err)
	}
	return address, nil
}

// pageOf is the page of the command's study, or the first one. Without a study
// there need not be a store.
func pageOf(c *cli.Context) (string, error) {
	name, err := optional(c, "a study")
	if err != nil {
		return "", err
	}
	if name != "" || c.IsSet("set") {
		store, study, err := openStudy(c)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("/study/%d", study.ID), store.Close()
	}
	store, err := results.OpenReadOnly(storeDir(c))
	if errors.Is(err, results.ErrNoStore) {
		return "/", nil
	}
	if err != nil {
		return "", err
	}
	return "/", store.Close()
}

// shortest is how short a token may be.
const shortest = 16

// tokenOf is the token that allows changes, "" if none does, and what the printed
// address ends in. A token in a file is known to whoever wrote it.
func tokenOf(c *cli.Context) (token, fragment string, err error) {
	path := c.String("token-file")
	switch {
	case c.Bool("token") && path != "":
		return "", "", usagef("--token makes a token and --token-file names one; give one of them")
	case c.Bool("token"):
		token = rand.Text()
		return token, "#token=" + token, nil
	case path == "":
		return "", "", nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", "", fmt.Errorf("the token cannot be read: %w", err)
	}
	if info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		return "", "", fmt.Errorf("others may read the token in %s; take that right from them: chmod 600 %s", path, path)
	}
	text, err := os.ReadFile(path)
	if token = strings.TrimSpace(string(text)); err == nil && len(token) < shortest {
		err = fmt.Errorf("the token in %s can be guessed: it has %d letters, and must have at least %d", path, len(token), shortest)
	}
	return token, "", err
}

// titleOf is what a stored study calls itself besides its name, "" if nothing.
func titleOf(study *results.Study) string {
	parsed, err := ablations.Parse(study.Name, study.Text, study.Sets)
	if err != nil {
		return "" // the report will say so
	}
	return parsed.Title
}

// reportBody makes the body of a report's page, with commands for the store in
// dir.
func reportBody(dir string) func(*results.Store, *results.Study) (template.HTML, error) {
	return func(store *results.Store, study *results.Study) (template.HTML, error) {
		r, err := reports.Build(store, study)
		if err != nil {
			return "", err
		}
		if dir != defaultStore {
			r.Store = dir
		}
		p, err := r.Page()
		if err != nil {
			return "", err
		}
		p.Data = nil // the document is not a report's
		var b bytes.Buffer
		err = p.Body(&b)
		return template.HTML(b.String()), err
	}
}

// compared says in what two cells or runs differ.
func compared(store *results.Store, study *results.Study, a, b string) (serve.Comparison, error) {
	d, err := reports.Diff(store, study, a, b)
	if err != nil {
		return serve.Comparison{}, err
	}
	return serve.Comparison{Summary: d.Summary(), Tables: d.Tables()}, nil
}

// lastSaid is how many bytes the page gets of what a process has said before.
const lastSaid = 1 << 20

// logOf follows the logs of runs in the store in dir. It opens nothing outside
// the store, wherever links in it lead.
func logOf(dir string) func(string, int, func(serve.LogLine) error, func() (bool, error), func() error) error {
	open := func(path string) (*os.File, error) {
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return nil, err
		}
		return os.OpenInRoot(dir, name)
	}
	return func(id string, attempt int, line func(serve.LogLine) error, over func() (bool, error), wait func() error) error {
		f := &follower{
			runDir: orchestrator.RunDir(dir, id), number: attempt, over: over, wait: wait, open: open, most: lastSaid,
			print: func(l logJSON) error {
				var at time.Time
				if l.Time != nil {
					at = *l.Time
				}
				return line(serve.LogLine{Attempt: l.Attempt, Time: at, Kind: l.Kind, Text: l.Text})
			},
		}
		defer f.close()
		if err := f.check(id, true); err != nil {
			return err
		}
		return f.follow()
	}
}
