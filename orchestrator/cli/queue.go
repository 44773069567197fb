package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/engine/local"
	"ablate/results"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func queueCommand() *cli.Command {
	entry := func(kind, usage, what string) *cli.Command {
		return &cli.Command{
			Name: kind, Usage: usage, UsageText: "ablate queue " + kind + " ENTRY ... [--store DIR]",
			Description: "ENTRY is the number that \"ablate queue list\" shows. " + what,
			Action:      func(c *cli.Context) error { return demandOfEntries(c, kind) },
		}
	}
	return &cli.Command{
		Name:      "queue",
		Usage:     "line studies up and work them off, at night for example",
		UsageText: "ablate queue add STUDY [--priority N] [--after ENTRY]\nablate queue run [--until TIME | --nightly 22:00-08:00] [--detach]\nablate queue list",
		Subcommands: []*cli.Command{
			queueAddCommand(),
			{
				Name: "list", Usage: "show what is in the queue, in the order of execution", UsageText: "ablate queue list [--json] [--store DIR]",
				Flags: []cli.Flag{jsonFlag()}, Action: queueList,
			},
			{
				Name: "move", Usage: "put an entry before another, or at the end", UsageText: "ablate queue move ENTRY [--before ENTRY] [--store DIR]",
				Description: "An entry that is moved before another gets its priority.",
				Flags:       []cli.Flag{&cli.Int64Flag{Name: "before", Usage: "the `ENTRY` to come before", DefaultText: "to the end of its priority"}},
				Action:      queueMove,
			},
			entry(orchestrator.AskPause, "hold entries back", "One that is executed saves its state and stops."),
			entry(orchestrator.AskResume, "let entries wait for their turn again", ""),
			entry(orchestrator.AskRemove, "take entries out of the queue", "Their results stay."),
			queueRunCommand(),
			queueLogCommand(),
		},
		Action: func(c *cli.Context) error {
			return usagef("queue needs to know what to do: %s", strings.ReplaceAll(c.Command.UsageText, "\n", " or "))
		},
	}
}

func queueAddCommand() *cli.Command {
	flags := []cli.Flag{
		setFlag(),
		&cli.IntFlag{Name: "priority", Usage: "`N`: higher ones come first"},
		&cli.Int64Flag{Name: "after", Usage: "only when this `ENTRY` has ended", DefaultText: "none"},
		&cli.BoolFlag{Name: "hold", Usage: "not before \"ablate queue resume\""},
		&cli.BoolFlag{Name: "json", Usage: "print the entry as JSON"},
	}
	return &cli.Command{
		Name: "add", Usage: "put a study into the queue",
		UsageText: "ablate queue add STUDY [--set KEY=VALUE ...] [--priority N] [--after ENTRY] [--hold]\n   [--jobs N] [--retries N] [--timeout TIME] ... [--data DIR] [--store DIR]",
		Description: "STUDY is named as for \"ablate run\". Its text, its configurations, the hashes of its\n" +
			"data and this very program are kept: what is changed or built anew until the night\n" +
			"changes nothing. Runs of it that failed or timed out before are tried again.",
		Flags:  append(flags, optionFlags()...),
		Action: queueAdd,
	}
}

// openWriter opens the store for short writes, beside its head if it has one. A
// store that is not there is made.
func openWriter(c *cli.Context) (*results.Store, error) {
	store, err := results.OpenShared(storeDir(c))
	if !errors.Is(err, results.ErrNoStore) {
		return store, err
	}
	h, err := openHead(c)
	if err != nil {
		return nil, err
	}
	h.close()
	return results.OpenShared(storeDir(c))
}

func queueAdd(c *cli.Context) error {
	p, o, err := plannedWithOptions(c)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(storeDir(c))
	if err != nil {
		return err
	}
	store, err := openWriter(c)
	if err != nil {
		return err
	}
	defer store.Close()
	program, err := local.Keep(filepath.Join(dir, orchestrator.Programs))
	if err != nil {
		return err
	}
	text, err := json.Marshal(o)
	if err != nil {
		return err
	}
	e := results.Entry{Priority: c.Int("priority"), After: c.Int64("after"), Options: text, Program: filepath.Join(orchestrator.Programs, program)}
	if c.Bool("hold") {
		e.State, e.Reason = results.EntryHeld, "held when it was added"
	}
	if err := orchestrator.Enqueue(store, dir, p, &e); err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, describeEntry(e))
	}
	fmt.Fprintf(c.App.Writer, "entry %d: %s, %s, %d of them done\n", e.ID, e.Name, words.Plural(e.Total, "run"), e.Done)
	if orchestrator.CurrentHead(dir) == nil {
		fmt.Fprintf(c.App.ErrWriter, "ablate: nobody works off the queue yet: ablate queue run%s\n", storeArgument(c))
	}
	return nil
}

// entryJSON is an entry of the queue.
type entryJSON struct {
	ID       int64      `json:"id"`       // its number, which the other commands take
	Study    string     `json:"study"`    // its name
	Sets     []string   `json:"sets"`     // its overrides
	State    string     `json:"state"`    // "waiting", "held", "running", "interrupted" (its head is dead), "done" or "failed"
	Reason   string     `json:"reason"`   // why it is in its state
	Priority int        `json:"priority"` // higher ones come first
	After    int64      `json:"after"`    // the entry that has to have ended first; 0 if none
	Total    int        `json:"total"`    // different runs
	Done     int        `json:"done"`     // those that have an outcome
	Added    time.Time  `json:"added"`    // when it was put into the queue
	Started  *time.Time `json:"started"`  // when it was last begun; null before that
	Ended    *time.Time `json:"ended"`    // null while it has not
}

func describeEntry(e results.Entry) entryJSON {
	return entryJSON{
		ID: e.ID, Study: e.Name, Sets: listed(e.Sets), State: string(e.State), Reason: e.Reason, Priority: e.Priority, After: e.After,
		Total: e.Total, Done: e.Done, Added: e.Added.UTC(), Started: timeOrNull(e.Started), Ended: timeOrNull(e.Ended),
	}
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

func queueList(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	list, err := listEntries(storeDir(c))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(c.App.ErrWriter, "ablate: the queue is empty")
		return nil
	}
	t := tabwriter.NewWriter(c.App.Writer, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ENTRY\tSTUDY\tSTATE\tDONE\tPRIORITY\tAFTER\tADDED\tWHY")
	for _, e := range list {
		after := "-"
		if e.After != 0 {
			after = strconv.FormatInt(e.After, 10)
		}
		fmt.Fprintf(t, "%d\t%s%s\t%s\t%d/%d\t%d\t%s\t%s\t%s\n", e.ID, e.Study, words.Printable(repeatSets(e.Sets)), e.State,
			e.Done, e.Total, e.Priority, after, e.Added.Local().Format("2006-01-02 15:04"), words.Printable(orElse(e.Reason, "-")))
	}
	return t.Flush()
}

// listEntries describes the queue. There need not be a store yet. What a dead head
// was at is interrupted.
func listEntries(dir string) ([]entryJSON, error) {
	list := []entryJSON{}
	store, err := results.OpenReadOnly(dir)
	if errors.Is(err, results.ErrNoStore) {
		return list, nil
	}
	if err != nil {
		return nil, err
	}
	defer store.Close()
	entries, err := store.Queue()
	atWork := orchestrator.CurrentHead(dir) != nil
	for _, e := range entries {
		d := describeEntry(e)
		if e.State == results.EntryRunning && !atWork {
			d.State = "interrupted"
		}
		list = append(list, d)
	}
	return list, err
}

// entryNumber reads the number of an entry.
func entryNumber(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, usagef("an entry is a number that \"ablate queue list\" shows, not %q", text)
	}
	return id, nil
}

// demandOfEntries has something done with each entry that the command names, and
// prints what became of it.
func demandOfEntries(c *cli.Context, kind string) error {
	if c.NArg() == 0 {
		return usagef("%s needs an entry: %s", nameOf(c), c.Command.UsageText)
	}
	store, err := openShared(c)
	if err != nil {
		return err
	}
	defer store.Close()
	for _, arg := range c.Args().Slice() {
		id, err := entryNumber(arg)
		if err != nil {
			return err
		}
		answer, err := orchestrator.DemandOfEntry(c.Context, store, storeDir(c), kind, id)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(c.App.Writer, answer); err != nil {
			return err
		}
	}
	return nil
}

// openShared opens a store that is there for short writes.
func openShared(c *cli.Context) (*results.Store, error) {
	store, err := results.OpenShared(storeDir(c))
	if errors.Is(err, results.ErrNoStore) {
		return nil, noStore(c)
	}
	return store, err
}

func queueMove(c *cli.Context) error {
	arg, err := only(c, "an entry")
	if err != nil {
		return err
	}
	id, err := entryNumber(arg)
	if err != nil {
		return err
	}
	store, err := openShared(c)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := store.MoveEntry(id, c.Int64("before")); err != nil {
		return err
	}
	e, err := store.Entry(id)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.App.Writer, "entry %d, %s, is %s\n", id, e.Name, e.State)
	return err
}
