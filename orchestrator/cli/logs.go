package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/results/journal"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func logsCommand() *cli.Command {
	return &cli.Command{
		Name:      "logs",
		Usage:     "print what a run's attempt has told, and what its process said",
		UsageText: "ablate logs RUN [-f] [--attempt N] [--json] [--store DIR]",
		Description: "RUN is a run's id, or the beginning of one (see \"ablate status\"). Of its newest\n" +
			"attempt, the lines are\n\n" +
			"  start      where it took over, and what runs it\n" +
			"  progress   when its phase changes, and now and then\n" +
			"  event      what is worth telling\n" +
			"  outcome    how it ended; an attempt without one was interrupted or crashed\n" +
			"  stderr     what its process said on standard error\n\n" +
			"Of a run whose worker did not get as far as an attempt, it prints what that said.\n" +
			"With -f it goes on as the attempt does, and with a newer attempt when there is\n" +
			"one, until the run has its outcome or nobody works on the store.",
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until the run has its outcome"},
			&cli.IntFlag{Name: "attempt", Usage: "print attempt `N`", DefaultText: "the newest"},
			&cli.BoolFlag{Name: "json", Usage: "print a JSON object a line"},
			storeFlag(),
		},
		Action: logs,
	}
}

// logJSON is one line of a log.
type logJSON struct {
	Attempt int        `json:"attempt"` // its number; 0 of a worker that has made none yet
	Time    *time.Time `json:"time"`    // by the clock of its machine; null if the line tells none
	Kind    string     `json:"kind"`    // "start", "progress", "event", "outcome", "damage" or "stderr"
	Text    string     `json:"text"`    // for a person to read
}

func logs(c *cli.Context) error {
	id, err := only(c, "a run")
	if err != nil {
		return err
	}
	number := c.Int("attempt")
	if c.IsSet("attempt") && number < 1 {
		return usagef("--attempt must be at least 1")
	}
	store, run, err := openRun(c, id)
	if err != nil {
		return err
	}
	defer store.Close()
	f := &follower{
		runDir: orchestrator.RunDir(storeDir(c), run.ID), number: number, print: printerOfLog(c),
		over: func() (bool, error) { return true, nil }, open: os.Open,
	}
	defer f.close()
	if err := f.check(run.ID, c.Bool("follow")); err != nil {
		return err
	}
	if c.Bool("follow") {
		f.over = func() (bool, error) { return isOver(store, run.ID, storeDir(c)) }
		f.wait = func() error {
			select {
			case <-c.Context.Done():
				return exitError{code: exitInterrupted}
			case <-time.After(logEvery):
				return nil
			}
		}
	}
	return f.follow()
}

// logEvery is how often a log that is followed is looked at.
const logEvery = 200 * time.Millisecond

// isOver reports whether nothing more is to come of a run for now.
func isOver(store *results.Store, id, dir string) (bool, error) {
	if orchestrator.CurrentHead(dir) == nil {
		return true, nil
	}
	run, err := store.Run(id)
	if err != nil {
		return false, err
	}
	return run.Outcome != "" && !run.Running, nil
}

// printerOfLog returns what prints the lines: as JSON, or in columns below a
// title for each attempt.
func printerOfLog(c *cli.Context) func(logJSON) error {
	w, titled := c.App.Writer, 0
	if c.Bool("json") {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return func(l logJSON) error { return e.Encode(l) }
	}
	return func(l logJSON) error {
		if l.Attempt != titled {
			titled = l.Attempt
			fmt.Fprintf(w, "attempt %d\n", titled)
		}
		at := strings.Repeat(" ", len(time.DateTime))
		if l.Time != nil {
			at = l.Time.Local().Format(time.DateTime)
		}
		_, err := fmt.Fprintf(w, "%s  %-8s  %s\n", at, l.Kind, words.Printable(l.Text))
		return err
	}
}

// follower reads what an attempt leaves behind while it is being written.
type follower struct {
	runDir string
	number int // of the attempt, 0 for the newest
	print  func(logJSON) error
	over   func() (bool, error) // whether nothing more will come
	wait   func() error
	open   func(path string) (*os.File, error)
	most   int64 // bytes to read of what a process has said so far; 0 for all

	current *attemptLog
	launch  tail // what a worker says before it has an attempt
}

// check says what there is not to be read.
func (f *follower) check(id string, follow bool) error {
	attempts, err := worker.Attempts(f.runDir)
	if err != nil {
		return err
	}
	known := slices.ContainsFunc(attempts, func(a worker.Attempt) bool { return a.N == f.number })
	switch n := len(attempts); {
	case f.number > 0 && n > 0 && !known:
		return fmt.Errorf("run %s has no attempt %d; its attempts are %d to %d", id, f.number, attempts[0].N, attempts[n-1].N)
	case n == 0 && (f.number > 0 || !follow && !holdsText(worker.LaunchLog(f.runDir))):
		return fmt.Errorf("run %s has not been attempted yet, so there is nothing to read", id)
	}
	return nil
}

func holdsText(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Size() > 0
}

// follow prints until it is over. What was written before that is printed.
func (f *follower) follow() error {
	for {
		over, err := f.over()
		if err != nil {
			return err
		}
		if err := f.read(over); err != nil || over {
			return err
		}
		if err := f.wait(); err != nil {
			return err
		}
	}
}

// read prints what is new, of the attempt at hand and of newer ones. At the
// end it takes the last line for whole.
func (f *follower) read(end bool) error {
	attempts, err := worker.Attempts(f.runDir)
	if err != nil {
		return err
	}
	if f.number > 0 {
		attempts = slices.DeleteFunc(attempts, func(a worker.Attempt) bool { return a.N != f.number })
	} else if f.current == nil && len(attempts) > 0 {
		attempts = attempts[len(attempts)-1:]
	}
	if len(attempts) == 0 {
		f.launch.path, f.launch.open, f.launch.most = worker.LaunchLog(f.runDir), f.open, f.most
		return f.said(&f.launch, 0, end)
	}
	for _, a := range attempts {
		if f.current != nil && a.N < f.current.N {
			continue
		}
		if f.current != nil && a.N > f.current.N {
			if err := f.drain(true); err != nil {
				return err
			}
			f.current.close()
			f.current = nil
		}
		if f.current == nil {
			f.current = &attemptLog{Attempt: a, open: f.open, stderr: tail{path: a.Stderr(), open: f.open, most: f.most}}
		}
		if err := f.drain(end); err != nil {
			return err
		}
	}
	return nil
}

// drain prints what is new of the attempt at hand.
func (f *follower) drain(end bool) error {
	if err := f.current.told(f.print); err != nil {
		return err
	}
	return f.said(&f.current.stderr, f.current.N, end)
}

// said prints the new lines of a standard error.
func (f *follower) said(t *tail, attempt int, end bool) error {
	lines, err := t.lines(end)
	for _, line := range lines {
		if err := f.print(logJSON{Attempt: attempt, Kind: "stderr", Text: line}); err != nil {
			return err
		}
	}
	return err
}

func (f *follower) close() {
	f.launch.close()
	if f.current != nil {
		f.current.close()
	}
}

// attemptLog is what an attempt writes.
type attemptLog struct {
	worker.Attempt
	open   func(path string) (*os.File, error)
	file   *os.File
	reader *journal.Reader
	shown  journal.Line // the newest progress that was printed
	bad    bool         // the journal cannot be read any further
	stderr tail
}

func (a *attemptLog) close() {
	a.stderr.close()
	if a.file != nil {
		a.file.Close()
	}
}

// told prints the new lines of the journal.
func (a *attemptLog) told(print func(logJSON) error) error {
	if a.file == nil {
		file, err := a.open(a.Journal())
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		a.file, a.reader = file, journal.NewReader(file, 1)
	}
	for !a.bad {
		line, err := a.reader.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		l := logJSON{Attempt: a.N, Kind: string(line.Kind), Time: timeOfLine(line)}
		var damage *journal.CorruptError
		switch {
		case errors.As(err, &damage):
			a.bad, l.Kind, l.Text = true, "damage", damage.Error()
		case err != nil:
			return err
		default:
			l.Text = a.text(line)
		}
		if l.Text == "" {
			continue
		}
		if err := print(l); err != nil {
			return err
		}
	}
	return nil
}

func timeOfLine(l journal.Line) *time.Time {
	if l.Time == 0 {
		return nil
	}
	t := time.UnixMilli(l.Time).UTC()
	return &t
}

// text is a line in words, "" if it is not worth one.
func (a *attemptLog) text(l journal.Line) string {
	switch l.Kind {
	case journal.Start:
		return startText(l.Start)
	case journal.Progress:
		if !a.worthShowing(l) {
			return ""
		}
		a.shown = l
		return progressText(l.Progress)
	case journal.Event:
		return l.Text
	case journal.Outcome:
		text := results.Outcome(l.Outcome).Words()
		if l.Text != "" {
			text += ": " + l.Text
		}
		return text
	}
	return "" // metrics
}

// worthShowing reports whether a line of progress is in another phase than the
// one shown last, or much later.
func (a *attemptLog) worthShowing(l journal.Line) bool {
	last := a.shown.Progress
	if last == nil || last.Phase != l.Progress.Phase {
		return true
	}
	far := float64(l.Progress.Step-last.Step) >= lineShare*float64(max(1, l.Progress.Steps))
	return far || time.Duration(l.Time-a.shown.Time)*time.Millisecond >= lineEvery
}

func startText(s *journal.StartInfo) string {
	text := fmt.Sprintf("at step %d of %d", s.ResumeStep, s.Steps)
	for _, part := range []struct{ name, value string }{{"ablate", s.Version}, {"kernels", s.Kernels}, {"on", s.CPU}} {
		if part.value != "" {
			text += ", " + part.name + " " + part.value
		}
	}
	return text + fmt.Sprintf(", process %d on %s", s.PID, s.Host)
}

func progressText(p *journal.ProgressInfo) string {
	text := fmt.Sprintf("step %d of %d", p.Step, p.Steps)
	if p.Phase != "" {
		text = p.Phase + ", " + text
	}
	if p.ImagesPerSecond > 0 && p.Phase == "train" {
		text += fmt.Sprintf(", %.0f images/s", p.ImagesPerSecond)
	}
	return text
}

// tail reads the lines of a file that grows.
type tail struct {
	path string
	open func(path string) (*os.File, error)
	most int64 // bytes to read of what is there at first; 0 for all
	file *os.File
	part []byte // a line whose end is not there yet
}

// lines returns the new lines; at the end, one without a newline too. A file
// that is not there has none.
func (t *tail) lines(end bool) ([]string, error) {
	if t.file == nil {
		file, err := t.open(t.path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		t.file = file
		if t.most > 0 {
			if err := t.skip(); err != nil {
				return nil, err
			}
		}
	}
	text, err := io.ReadAll(t.file)
	text = append(t.part, text...)
	whole := bytes.LastIndexByte(text, '\n') + 1
	if end {
		whole = len(text)
	}
	t.part = slices.Clone(text[whole:])
	if whole == 0 {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(text[:whole]), "\n"), "\n"), err
}

// skip passes over all but the end of a long file, to the beginning of a line.
func (t *tail) skip() error {
	info, err := t.file.Stat()
	if err != nil || info.Size() <= t.most {
		return err
	}
	if _, err := t.file.Seek(-t.most, io.SeekEnd); err != nil {
		return err
	}
	text := make([]byte, t.most)
	n, err := io.ReadFull(t.file, text)
	t.part = slices.Clone(text[bytes.IndexByte(text[:n], '\n')+1 : n])
	return err
}

func (t *tail) close() {
	if t.file != nil {
		t.file.Close()
	}
}
