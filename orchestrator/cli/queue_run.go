package cli

import (
	"bytes"
	"context"
	"encoding/json"
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
	"ablate/reports"
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
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "until", Usage: "have all work saved and stopped at `TIME`, as in 08:00"},
			&cli.StringFlag{Name: "nightly", Usage: "work in this part of every day, `FROM-TO`, as in 22:00-08:00, and wait for more"},
			&cli.BoolFlag{Name: "fill", Usage: "use what is left of the time for single runs"},
			&cli.BoolFlag{Name: "detach", Usage: "work on in the background, also when the terminal is closed"},
			notifyFlag(),
		},
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
	notify, err := notifier(c)
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
	log, err := os.OpenFile(queueLogPath(h.dir), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return err
	}
	defer log.Close()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // see execute
	c.App.ErrWriter = io.MultiWriter(c.App.ErrWriter, &stamped{w: log})
	return h.workOff(n, notify)
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
func (h *head) workOff(n *orchestrator.Night, notify func(notice)) error {
	failed := 0
	n.Store, n.Lock, n.Say = h.store, h.lock, h.say
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
		notify(h.notice(study, s))
	}
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
		h.say("the queue is done")
	}
	notify(notice{Event: "queue", Store: h.dir, Stopped: string(stopped)})
	if failed > 0 {
		return exitError{code: exitFailed}
	}
	return nil
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
	said, err := os.CreateTemp(dir, ".detach-*")
	if err != nil {
		return err
	}
	defer os.Remove(said.Name())
	defer said.Close()
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
			return detachedEnd(said.Name(), err)
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
// at once.
func detachedEnd(said string, err error) error {
	text, _ := os.ReadFile(said)
	lines := strings.TrimPrefix(strings.TrimSpace(string(text)), "ablate: ")
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return exitError{exit.ExitCode(), lines}
	case err != nil:
		return err
	}
	fmt.Fprintln(os.Stderr, "ablate: "+lines)
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
			return err
		}
		select {
		case <-c.Context.Done():
			return nil
		case <-time.After(200 * time.Millisecond):
		}
	}
}

func notifyFlag() cli.Flag {
	return &cli.StringFlag{Name: "notify-command", Usage: "start `COMMAND` when a study or the queue has ended, with what\n\tbecame of it as JSON on its standard input; a program and arguments with spaces\n\tbetween, or a JSON list of them"}
}

// notice is what a notify command is told.
type notice struct {
	Event    string                  `json:"event"`              // "study" or "queue": what has ended
	Store    string                  `json:"store"`              // its folder
	Stopped  string                  `json:"stopped"`            // why before all was done, such as "out of time"; "" if all was done
	Study    string                  `json:"study,omitempty"`    // its name
	Total    int                     `json:"total,omitempty"`    // its different runs
	Done     int                     `json:"done,omitempty"`     // those that have a result
	Outcomes map[results.Outcome]int `json:"outcomes,omitempty"` // how many runs ended how
	Failed   []failureJSON           `json:"failed,omitempty"`   // the runs that ended without a result
	Claims   []verdictJSON           `json:"claims,omitempty"`   // what became of the study's claims
	Seconds  float64                 `json:"seconds,omitempty"`  // how long it took this time
}

type failureJSON struct {
	Run    string `json:"run"`    // its id
	Cell   string `json:"cell"`   // name
	Seed   int    `json:"seed"`   // of all its random streams
	Reason string `json:"reason"` // why
	Log    string `json:"log"`    // file with what its worker said
}

type verdictJSON struct {
	ID      string `json:"id"`      // the claim's name
	Verdict string `json:"verdict"` // "supported", "contradicted", "inconclusive" or "not run"
}

// notice tells what became of a study.
func (h *head) notice(study *results.Study, s orchestrator.Summary) notice {
	n := notice{
		Event: "study", Store: h.dir, Stopped: string(s.Stopped), Study: study.Name, Total: s.Total, Done: s.Done,
		Outcomes: s.Outcomes, Seconds: s.Took.Seconds(),
	}
	for _, f := range s.Failed {
		n.Failed = append(n.Failed, failureJSON{f.ID, f.Cell, f.Seed, f.Reason, f.Log})
	}
	report, err := reports.Build(h.store, study)
	if err != nil {
		h.say(fmt.Sprintf("%s cannot be reported on: %v", study.Name, err))
		return n
	}
	for _, claim := range report.Claims {
		n.Claims = append(n.Claims, verdictJSON{claim.ID, string(claim.Verdict)})
	}
	return n
}

// notifyPatience is how long a notify command may take.
const notifyPatience = time.Minute

// notifier returns what passes notices to the --notify-command.
func notifier(c *cli.Context) (func(notice), error) {
	text := strings.TrimSpace(c.String("notify-command"))
	if text == "" {
		return func(notice) {}, nil
	}
	argv := strings.Fields(text)
	if strings.HasPrefix(text, "[") {
		argv = nil
		if err := json.Unmarshal([]byte(text), &argv); err != nil || len(argv) == 0 {
			return nil, usagef("--notify-command must be a program and its arguments, or a JSON list of them, not %q", text)
		}
	}
	if _, err := exec.LookPath(argv[0]); err != nil {
		return nil, usagef("--notify-command: %v", err)
	}
	return func(n notice) {
		if err := notifyOf(c.Context, argv, n); err != nil {
			fmt.Fprintf(c.App.ErrWriter, "ablate: the notify command failed: %v\n", err)
		}
	}, nil
}

func notifyOf(ctx context.Context, argv []string, n notice) error {
	text, err := json.Marshal(n)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notifyPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin = bytes.NewReader(append(text, '\n'))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && len(out) > 0 {
		err = fmt.Errorf("%w: %s", err, bytes.TrimSpace(out))
	}
	return err
}
