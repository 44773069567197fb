package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/engine/local"
	"ablate/results"

	"github.com/urfave/cli/v2"
)

func queueRunCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "work off the queue",
		UsageText: "ablate queue run [--until TIME | --nightly FROM-TO] [--fill] [--detach]\n   [--notify-command COMMAND] [--store DIR]",
		Description: "Executes the entries one after the other. Ctrl-C saves and stops; the same command\n" +
			"goes on later. With --until or --nightly a seed is begun only if all its runs will\n" +
			"have ended, so that the morning finds whole comparisons; a study of which nothing\n" +
			"more fits in waits, and the next one is looked at.\n\n" +
			"What is done also goes to queue.log in the store, see \"ablate queue log\".",
		Flags: append(untilFlags(),
			&cli.StringFlag{Name: "nightly", Usage: "work in this part of every day, `FROM-TO`, as in 22:00-08:00, and wait for more"},
			&cli.BoolFlag{Name: "detach", Usage: "work on in the background, also when the terminal is closed"},
			notifyFlag(),
		),
		Action: queueRun,
	}
}

func queueLogCommand() *cli.Command {
	return &cli.Command{
		Name: "log", Usage: "show what was done of the queue", UsageText: "ablate queue log [-f] [--store DIR]",
		Flags:  []cli.Flag{&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on while somebody works off the queue"}},
		Action: queueLog,
	}
}

func queueLogPath(dir string) string { return filepath.Join(dir, "queue.log") }

func queueRun(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	n, err := night(c)
	if err != nil {
		return err
	}
	notify, err := newNotifier(c)
	if err != nil {
		return err
	}
	if c.Bool("detach") {
		return detach(c)
	}
	h, err := openHead(c)
	if err != nil {
		return err
	}
	defer h.close()
	log, err := openQueueLog(h.dir)
	if err != nil {
		return err
	}
	defer log.Close()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // see execute
	c.App.ErrWriter = logged(log, c.App.ErrWriter)
	return h.workOff(n, notify)
}

func openQueueLog(dir string) (*os.File, error) {
	return os.OpenFile(queueLogPath(dir), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o666)
}

// logged is a writer to the queue's log, and to w unless that is the same file.
// It outlives w: a terminal may be closed.
func logged(log *os.File, w io.Writer) io.Writer {
	if f, ok := w.(*os.File); ok {
		a, errA := f.Stat()
		b, errB := log.Stat()
		if errA == nil && errB == nil && os.SameFile(a, b) {
			return &stamped{w: log}
		}
	}
	return io.MultiWriter(&stamped{w: log}, deaf{w})
}

// deaf is a writer whose errors do not matter.
type deaf struct{ w io.Writer }

func (d deaf) Write(text []byte) (int, error) {
	d.w.Write(text)
	return len(text), nil
}

// night reads the flags that say when to work.
func night(c *cli.Context) (*orchestrator.Night, error) {
	n := &orchestrator.Night{Fill: c.Bool("fill")}
	if text := c.String("nightly"); text != "" {
		if c.IsSet("until") {
			return nil, usagef("--until and --nightly exclude each other")
		}
		w, err := orchestrator.ParseWindow(text)
		if err != nil {
			return nil, usagef("--nightly: %v", err)
		}
		n.Window, n.Stay = &w, true
		return n, nil
	}
	var err error
	n.Until, err = until(c, time.Now())
	return n, err
}

// workOff executes the queue.
func (h *head) workOff(n *orchestrator.Night, notify notifier) error {
	failed := 0
	n.Store, n.Dir, n.Lock, n.Say = h.store, h.dir, h.lock, h.say
	n.Prepare = func(e results.Entry, o orchestrator.Options) (*orchestrator.Scheduler, error) {
		program := filepath.Join(h.dir, e.Program)
		if _, err := os.Stat(program); err != nil {
			return nil, fmt.Errorf("the program that was kept for it is gone: %w; add the study again", err)
		}
		h.say(fmt.Sprintf("entry %d: %s", e.ID, e.Name))
		s := h.scheduler(o)
		s.Engine, s.Display = local.Program(program), newLines(h.c.App.ErrWriter)
		return s, nil
	}
	n.Ended = func(e results.Entry, s orchestrator.Summary) {
		study, err := h.store.StudyByID(e.Study)
		if err != nil {
			h.say(err.Error())
			return
		}
		h.conclude(study, s)
		failed += s.Outcomes[results.Failed] + s.Outcomes[results.TimedOut]
		if s.Stopped == orchestrator.NotBegun {
			failed++
		}
		notify.study(h, study, s)
	}
	n.Rest = func() { notify.tell(notice{Event: "rest", Store: h.dir}) }
	stopped, err := n.Run(h.c.Context)
	if err != nil {
		return err
	}
	switch {
	case stopped == orchestrator.Interrupted:
		h.say("to go on, give the same command again")
		return exitError{code: exitInterrupted}
	case stopped == orchestrator.OutOfTime:
		h.say("the time is up; what is left waits in the queue")
	default:
		h.say("the queue is done" + h.held())
	}
	notify.tell(notice{Event: "queue", Store: h.dir, Stopped: string(stopped)})
	if failed > 0 {
		return exitError{code: exitFailed}
	}
	return nil
}

// held says how many entries of the queue are held.
func (h *head) held() string {
	queue, err := h.store.Queue()
	n := 0
	for _, e := range queue {
		if e.State == results.EntryHeld {
			n++
		}
	}
	if err != nil || n == 0 {
		return ""
	}
	return fmt.Sprintf(", but for %d held back: \"ablate queue list\" says why, and \"ablate queue resume ENTRY\" lets one wait for the next run", n)
}

// stamped puts the time before every line.
type stamped struct {
	w    io.Writer
	mu   sync.Mutex
	part []byte // of a line
}

func (s *stamped) Write(text []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.part = append(s.part, text...)
	for {
		line, rest, whole := bytes.Cut(s.part, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		if _, err := fmt.Fprintf(s.w, "%s %s\n", time.Now().Format("2006-01-02 15:04:05"), line); err != nil {
			return 0, err
		}
		s.part = rest
	}
}

// detach starts this command again in a session of its own, and waits until it
// is at work.
func detach(c *cli.Context) error {
	dir, err := filepath.Abs(storeDir(c))
	if err != nil {
		return err
	}
	store, err := openWriter(c) // makes the folder, and finds out whether it can be used
	if err != nil {
		return err
	}
	store.Close()
	said, err := openQueueLog(dir)
	if err != nil {
		return err
	}
	defer said.Close()
	if _, err := said.Seek(0, io.SeekEnd); err != nil {
		return err
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(path, detachedArgs(c, dir)...)
	cmd.Stderr = said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	gone := make(chan error, 1)
	go func() { gone <- cmd.Wait() }()
	for {
		if head := orchestrator.CurrentHead(dir); head != nil && head.PID == cmd.Process.Pid {
			fmt.Fprintf(c.App.Writer, "process %d works off the queue\n", head.PID)
			fmt.Fprintf(c.App.ErrWriter, "ablate: to watch it: ablate queue log -f%s; to stop it: kill %d\n", storeArgument(c), head.PID)
			return nil
		}
		select {
		case err := <-gone:
			return detachedEnd(c, said, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// detachedArgs are the command's arguments without --detach.
func detachedArgs(c *cli.Context, dir string) []string {
	args := []string{"queue", "run", "--store", dir}
	for _, flag := range []string{"until", "nightly", "notify-command"} {
		if c.IsSet(flag) {
			args = append(args, "--"+flag, c.String(flag))
		}
	}
	if c.Bool("fill") {
		args = append(args, "--fill")
	}
	return args
}

// detachedEnd tells how a process ended that did not get to work, or was done
// at once: by what it has said since.
func detachedEnd(c *cli.Context, said io.Reader, err error) error {
	text, _ := io.ReadAll(said)
	lines := strings.TrimPrefix(strings.TrimSpace(string(text)), "ablate: ")
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exitError{exit.ExitCode(), lines}
	case err != nil:
		return err
	}
	fmt.Fprintln(c.App.ErrWriter, lines)
	return nil
}

func queueLog(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	f, err := os.Open(queueLogPath(storeDir(c)))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("nobody has worked off a queue in %s yet", storeDir(c))
	}
	if err != nil {
		return err
	}
	defer f.Close()
	for {
		if _, err := io.Copy(c.App.Writer, f); err != nil || !c.Bool("follow") {
			return err
		}
		if orchestrator.CurrentHead(storeDir(c)) == nil {
			_, err := io.Copy(c.App.Writer, f) // what it said last
			fmt.Fprintln(c.App.ErrWriter, "ablate: nobody works off the queue any more")
			return err
		}
		select {
		case <-c.Context.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}
