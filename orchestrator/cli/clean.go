package cli

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func cleanCommand() *cli.Command {
	return &cli.Command{
		Name:      "clean",
		Usage:     "remove files of the store that nobody needs any more",
		UsageText: "ablate clean [--checkpoints none|last|all] [--older-than TIME] [--yes] [--json] [--store DIR]",
		Description: "Without --yes it removes nothing and says what would go:\n\n" +
			"  attempt     logs, journals and checkpoints of older attempts at a run, which are\n" +
			"              in the store already\n" +
			"  checkpoint  those of runs with a result, but for the newest good one, which\n" +
			"              \"ablate export encoder\" and longer runs need; --checkpoints all keeps\n" +
			"              every one, none keeps none\n" +
			"  leftover    files that were never finished, an hour old or more\n" +
			"  orphan      folders of runs that no study has\n" +
			"  program, trainer   frozen ones that nothing in the store needs\n\n" +
			"No figure is lost, and what was interrupted goes on as it would have.",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "checkpoints", Value: string(orchestrator.KeepLast), Usage: "of runs with a result, keep `WHICH` checkpoints: none, last or all"},
			&cli.DurationFlag{Name: "older-than", DefaultText: "any age", Usage: "only what has not changed for `TIME`, as in 90m or 168h"},
			&cli.BoolFlag{Name: "yes", Usage: "remove it"},
			jsonFlag(),
			storeFlag(),
		},
		Action: clean,
	}
}

// cleanJSON is what "clean --json" prints.
type cleanJSON struct {
	Removed bool          `json:"removed"` // whether it was removed: with --yes
	Bytes   int64         `json:"bytes"`   // of disk that this frees
	Remove  []removalJSON `json:"remove"`  // what goes
	Kept    []keptJSON    `json:"kept"`    // what may look as if it could go, and stays
}

type removalJSON struct {
	Path  string `json:"path"`  // file or folder, relative to the store's folder
	Kind  string `json:"kind"`  // "attempt", "checkpoint", "leftover", "orphan", "program" or "trainer"
	Bytes int64  `json:"bytes"` // that this frees, with those before it; 0 if all its files have other names too
}

type keptJSON struct {
	Path string `json:"path"` // relative to the store's folder
	Why  string `json:"why"`  // it stays
}

func clean(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	o := orchestrator.CleanOptions{
		Checkpoints: orchestrator.Retention(c.String("checkpoints")), OlderThan: c.Duration("older-than"), Now: time.Now(),
	}
	switch o.Checkpoints {
	case orchestrator.KeepNone, orchestrator.KeepLast, orchestrator.KeepAll:
	default:
		return usagef("--checkpoints takes none, last or all, not %q", o.Checkpoints)
	}
	if o.OlderThan < 0 {
		return usagef("--older-than takes a time from 0 on, not %v", o.OlderThan)
	}
	found, err := cleanStore(storeDir(c), o, c.Bool("yes"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, describeClean(found, c.Bool("yes")))
	}
	return printClean(c.App.Writer, found, c.Bool("yes"))
}

// cleanStore finds what can go, as the store's head, and lets it go if it is
// told to.
func cleanStore(dir string, o orchestrator.CleanOptions, remove bool) (*orchestrator.Cleaning, error) {
	if err := results.Exists(dir); err != nil {
		return nil, err
	}
	lock, err := orchestrator.Acquire(dir)
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	store, err := results.Open(dir)
	if err != nil {
		return nil, err
	}
	defer store.Close()
	found, err := orchestrator.FindRemovable(store, dir, o)
	if err == nil && remove {
		err = found.Do(dir)
	}
	return found, err
}

func describeClean(found *orchestrator.Cleaning, removed bool) cleanJSON {
	j := cleanJSON{Removed: removed, Bytes: found.Bytes, Remove: []removalJSON{}, Kept: []keptJSON{}}
	for _, r := range found.Remove {
		j.Remove = append(j.Remove, removalJSON{r.Path, r.Kind, r.Bytes})
	}
	for _, k := range found.Kept {
		j.Kept = append(j.Kept, keptJSON{k.Path, k.Why})
	}
	return j
}

func printClean(w io.Writer, found *orchestrator.Cleaning, removed bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, r := range found.Remove {
		fmt.Fprintf(t, "%s\t%s\t%s\n", r.Kind, size(r.Bytes), words.Printable(r.Path))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, k := range found.Kept {
		fmt.Fprintf(w, "%s stays: %s\n", words.Printable(k.Path), k.Why)
	}
	what := fmt.Sprintf("%s, %s", words.Plural(len(found.Remove), "item"), size(found.Bytes))
	switch {
	case len(found.Remove) == 0:
		fmt.Fprintln(w, "nothing to remove")
	case removed:
		fmt.Fprintf(w, "removed %s\n", what)
	default:
		fmt.Fprintf(w, "%s could go: ablate clean --yes, with the same flags, removes them\n", what)
	}
	return nil
}

// size writes a number of bytes for people.
func size(bytes int64) string {
	const kib = 1024
	switch {
	case bytes < kib:
		return fmt.Sprintf("%d B", bytes)
	case bytes < kib*kib:
		return fmt.Sprintf("%.1f KiB", float64(bytes)/kib)
	case bytes < kib*kib*kib:
		return fmt.Sprintf("%.1f MiB", float64(bytes)/(kib*kib))
	}
	return fmt.Sprintf("%.1f GiB", float64(bytes)/(kib*kib*kib))
}
