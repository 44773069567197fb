package cli

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"ablate/orchestrator"
	"ablate/orchestrator/engine/local"
	"ablate/reports"
	"ablate/results"
	"ablate/trainer"
	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

// head is this process while it is the head of a store.
type head struct {
	c     *cli.Context
	dir   string
	lock  *orchestrator.Lock
	store *results.Store
}

// openHead makes this process the head of the command's store, which is made if
// need be.
func openHead(c *cli.Context) (*head, error) {
	return openHeadIn(c, storeDir(c))
}

// openHeadIn is openHead for the store in a folder.
func openHeadIn(c *cli.Context, dir string) (*head, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	lock, err := orchestrator.Acquire(dir)
	if err != nil {
		return nil, err
	}
	store, err := results.Open(dir)
	if err != nil {
		lock.Release()
		return nil, err
	}
	return &head{c, dir, lock, store}, nil
}

func (h *head) close() {
	h.store.Close()
	h.lock.Release()
}

// say tells a person something.
func (h *head) say(text string) {
	fmt.Fprintf(h.c.App.ErrWriter, "ablate: %s\n", words.Printable(text))
}

// scheduler is what executes studies with these options on this machine.
func (h *head) scheduler(o orchestrator.Options) *orchestrator.Scheduler {
	return &orchestrator.Scheduler{
		Store: h.store, Dir: h.dir, Lock: h.lock, Engine: local.Self(), Options: o, Kill: killed(h.c.Context), Linger: true,
		Cost: costOf, Machine: thisMachine(),
	}
}

// costOf is the relative duration of a run of the embedded trainer. Nobody knows
// that of others.
func costOf(text []byte) float64 {
	c, err := config.Parse(text)
	if err != nil {
		return 1
	}
	return trainer.PlannedCost(c)
}

// execute executes a stored study and shows it.
func (h *head) execute(s *orchestrator.Scheduler, study *results.Study) (orchestrator.Summary, error) {
	// Ctrl-C also ends whoever reads our output in a pipe; the workers are to be
	// stopped in good order all the same.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	if notice := kernel.Notice(); notice != "" && !hasOwnTrainer(h.store, study) {
		h.say(notice)
	}
	d := newDisplay(h.c.App.ErrWriter)
	s.Display = d
	summary, err := s.Run(h.c.Context, study)
	d.close()
	if err != nil {
		return summary, fmt.Errorf("the work was stopped: %w", err)
	}
	h.conclude(study, summary)
	return summary, nil
}

// hasOwnTrainer reports whether the runs of a stored study are trained by a
// program of its own.
func hasOwnTrainer(store *results.Store, study *results.Study) bool {
	runs, err := store.Runs(study)
	for _, r := range runs {
		return orchestrator.TrainerDir("", r.Trainer) != "" && err == nil
	}
	return false
}

// conclude says how it went.
func (h *head) conclude(study *results.Study, s orchestrator.Summary) {
	h.say(summaryLine(study.Name, s))
	for _, f := range s.Failed {
		h.say(fmt.Sprintf("%s seed %d %s: %s; its log is %s", f.Cell, f.Seed, f.Outcome.Words(), f.Reason, f.Log))
	}
	if n := s.Outcomes[results.Cancelled]; n > 0 {
		h.say(fmt.Sprintf("%s: ablate retry %s --cancelled%s%s takes that back", words.Plural(n, "run")+" cancelled", study.Name, repeatSets(study.Sets), storeArgument(h.c)))
	}
}

// exitOf is what a command ends with after a study was executed.
func exitOf(s orchestrator.Summary) error {
	switch {
	case s.Stopped == orchestrator.Interrupted:
		return exitError{code: exitInterrupted}
	case s.Outcomes[results.Failed]+s.Outcomes[results.TimedOut] > 0:
		return exitError{code: exitFailed}
	}
	return nil
}

// finish executes a stored study and reports on it.
func (h *head) finish(s *orchestrator.Scheduler, study *results.Study, notify notifier) error {
	summary, err := h.execute(s, study)
	if err != nil {
		return err
	}
	notify.study(h, study, summary)
	switch summary.Stopped {
	case orchestrator.Interrupted:
		h.say("to go on, give the same command again" + without(h.c, "force"))
		return exitOf(summary)
	case orchestrator.OutOfTime:
		h.say(fmt.Sprintf("what is left will not have ended in time: %d of %s complete; to go on, give the same command again%s",
			summary.Whole, words.Plural(summary.Blocks, "seed"), without(h.c, "force")))
	case orchestrator.FailedFast:
		h.say("to go on with the others, give the same command again without --fail-fast")
	}
	if err := h.report(study); err != nil {
		return err
	}
	return exitOf(summary)
}

// without warns of a flag that was given and would do harm the next time.
func without(c *cli.Context, flag string) string {
	if c.Bool(flag) {
		return " without --" + flag
	}
	return ""
}

// report prints the report on a stored study, and writes it where --out says.
func (h *head) report(study *results.Study) error {
	report, err := reports.Build(h.store, study)
	if err != nil {
		return err
	}
	if err := printText(h.c, report); err != nil {
		return err
	}
	if err := writeReport(h.c, report); err != nil {
		return err
	}
	if h.c.String("out") == "" {
		h.say(fmt.Sprintf("for figures and tables: ablate report %s%s%s --out DIR", study.Name, repeatSets(study.Sets), storeArgument(h.c)))
	}
	return nil
}

func summaryLine(study string, s orchestrator.Summary) string {
	have := "have"
	if s.Total == 1 {
		have = "has"
	}
	text := fmt.Sprintf("%s: %d of %s %s a result", study, s.Done, words.Plural(s.Total, "run"), have)
	if s.Before > 0 {
		text += fmt.Sprintf(" (%d had one before)", s.Before)
	}
	var parts []string
	for _, o := range results.Outcomes {
		if n := s.Outcomes[o]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.Words()))
		}
	}
	if len(parts) > 0 {
		text += ": " + strings.Join(parts, ", ")
	}
	return text + "; " + words.Duration(s.Took)
}

// storeArgument repeats --store if it was given, for hints.
func storeArgument(c *cli.Context) string {
	if dir := storeDir(c); dir != defaultStore {
		return " --store " + words.Quote(dir)
	}
	return ""
}

// display shows what the scheduler does until it is closed.
type display interface {
	orchestrator.Display
	close()
}

func newDisplay(w io.Writer) display {
	if terminal(w) > 0 && os.Getenv("TERM") != "dumb" {
		return newBars(w)
	}
	return newLines(w)
}
