package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ablate/trainer"
	"ablate/trainer/config"
)

// External runs programs as trainers: docs/trainers.md is the contract.
//
// The program leads a process group of its own, which is asked to stop with
// SIGTERM, and killed whole when the program has ended or does not end in time.
// It dies with the worker, however that dies.
type External struct {
	Grace time.Duration // how long the program may take to stop when asked to
}

// FrozenCommand is the content of trainer.json in a frozen trainer's folder:
// what a worker has to know of it. Its files lie beside it, in FrozenFiles.
type FrozenCommand struct {
	Command []string `json:"command"` // with placeholders for the settings, see config.Fill
}

// Names in the folder of a frozen trainer.
const (
	FrozenJSON  = "trainer.json"
	FrozenFiles = "files"
)

const (
	// readEvery is how often a trainer's report is read.
	readEvery = 100 * time.Millisecond
	// afterKill is how long a killed program may take to be gone.
	afterKill = 10 * time.Second
)

// setUp gives a the checkpoints of the attempt before, and an empty report, once
// nothing that earlier attempts have started is at work any more. The
// folder of checkpoints changes hands as it is, since nobody knows how its files
// are written: a link to one that is written in place would be no copy. An older
// attempt whose program lives cannot find it any more.
func (External) setUp(a Attempt) error {
	f, err := os.OpenFile(a.Reports(), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	attempts, err := Attempts(a.RunDir)
	if err != nil {
		return err
	}
	for _, earlier := range attempts {
		if earlier.N < a.N {
			earlier.killLeft()
		}
	}
	err = fs.ErrNotExist
	for i := len(attempts) - 1; i >= 0 && errors.Is(err, fs.ErrNotExist); i-- {
		if attempts[i].N < a.N {
			err = os.Rename(attempts[i].Checkpoints(), a.Checkpoints())
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = os.Mkdir(a.Checkpoints(), 0o777)
	}
	if err != nil {
		return fmt.Errorf("taking over checkpoints: %w", err)
	}
	return nil
}

// Run is the Trainer that runs the program of job.Spec.Trainer.
func (e External) Run(ctx context.Context, job Job, hooks trainer.Hooks) (trainer.Outcome, error) {
	cmd, err := command(job)
	if err != nil {
		return trainer.Outcome{}, err
	}
	reports, err := openReports(job.Attempt.Reports())
	if err != nil {
		return trainer.Outcome{}, err
	}
	defer reports.close()
	done, err := start(cmd)
	if err != nil {
		return trainer.Outcome{}, cannotStart(cmd, err)
	}
	x := &program{External: e, cmd: cmd, attempt: job.Attempt, done: done, relay: relay{hooks: hooks, attempt: job.Attempt, reports: reports}}
	return x.follow(ctx)
}

// command makes the command of a job, with its environment.
func command(job Job) (*exec.Cmd, error) {
	argv, err := argv(job.Spec)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(job.Attempt.Dir())
	if err != nil {
		return nil, err
	}
	a := Attempt{filepath.Dir(dir), job.Attempt.N}
	settings := filepath.Join(dir, "config.json")
	if err := os.WriteFile(settings, append(job.Spec.Config, '\n'), 0o666); err != nil {
		return nil, err
	}
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = filepath.Join(job.Spec.Trainer, FrozenFiles)
	cmd.Env = append(os.Environ(),
		"ABLATE_RUN="+job.Spec.ID,
		"ABLATE_ATTEMPT="+strconv.Itoa(a.N),
		"ABLATE_SEED="+strconv.Itoa(job.Spec.Seed),
		"ABLATE_CONFIG="+settings,
		"ABLATE_CHECKPOINTS="+a.Checkpoints(),
		"ABLATE_METRICS="+a.Reports())
	if job.Spec.DataDir != "" {
		cmd.Env = append(cmd.Env, "ABLATE_DATA="+job.Spec.DataDir)
	}
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr // the attempt's log
	cmd.SysProcAttr = processGroup()
	return cmd, nil
}

// argv is the command of the frozen trainer with the run's settings in it.
func argv(spec Spec) ([]string, error) {
	path := filepath.Join(spec.Trainer, FrozenJSON)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, trainer.Refuse("the study's trainer is not in the store: %w", err)
	}
	var frozen FrozenCommand
	if err := json.Unmarshal(text, &frozen); err != nil || len(frozen.Command) == 0 {
		return nil, trainer.Refuse("%s is damaged: it has no command", path)
	}
	values, err := flat(spec)
	if err != nil {
		return nil, trainer.Refuse("the configuration of run %s: %w", spec.ID, err)
	}
	argv := make([]string, len(frozen.Command))
	for i, arg := range frozen.Command {
		argv[i], err = config.Fill(arg, func(name string) (string, bool) { v, ok := values[name]; return v, ok })
		if err != nil {
			return nil, trainer.Refuse("the trainer's command: %w", err)
		}
	}
	return argv, nil
}

// flat returns the run's settings, and its seed, as text by their dotted paths.
func flat(spec Spec) (map[string]string, error) {
	values, err := config.Flat(spec.Config)
	if err != nil {
		return nil, err
	}
	values["seed"] = strconv.Itoa(spec.Seed)
	return values, nil
}

func cannotStart(cmd *exec.Cmd, err error) error {
	name := cmd.Args[0]
	if _, missing := os.Stat(filepath.Join(cmd.Dir, name)); missing == nil && filepath.Base(name) == name {
		return trainer.Refuse("the trainer %s cannot be started: %w; to run the file of this name among the study's, write ./%s", name, err, name)
	}
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return trainer.Refuse("the trainer %s cannot be started: %w", name, err)
	}
	return fmt.Errorf("the trainer %s cannot be started: %w", name, err)
}

// start starts cmd and returns a channel that tells how it ended. By then its
// whole process group is gone.
//
// The program is to die with its parent, which to Linux is the thread that
// started it: that thread waits for it and does nothing else.
func start(cmd *exec.Cmd) (<-chan error, error) {
	started, done := make(chan error), make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocks it: the thread ends with the goroutine
		err := cmd.Start()
		started <- err
		if err == nil {
			done <- waitForGroup(cmd)
		}
	}()
	return done, <-started
}

// program is a trainer at work.
type program struct {
	External
	cmd     *exec.Cmd
	attempt Attempt
	done    <-chan error
	relay   relay

	stopped bool  // it was asked to stop
	err     error // why it was killed before its end
}

// follow passes on what the program reports until it has ended.
func (p *program) follow(ctx context.Context) (trainer.Outcome, error) {
	ticker := time.NewTicker(readEvery)
	defer ticker.Stop()
	stop := ctx.Done()
	var late <-chan time.Time
	looked := time.Now()
	for {
		select {
		case ended := <-p.done:
			return p.end(ended)
		case <-stop:
			stop = nil
			p.stopped = true
			p.signal(syscall.SIGTERM)
			late = time.After(p.Grace)
		case <-late:
			p.signal(syscall.SIGKILL)
		case <-ticker.C:
			if p.err == nil {
				p.fail(p.relay.pass())
			}
			if time.Since(looked) >= progressEvery {
				looked = time.Now()
				if p.attempt.Superseded() {
					p.fail(ErrSuperseded)
				}
			}
		}
	}
}

// fail kills the program because of err.
func (p *program) fail(err error) {
	if err != nil && p.err == nil {
		p.err = err
		p.signal(syscall.SIGKILL)
	}
}

func (p *program) signal(s syscall.Signal) { syscall.Kill(-p.cmd.Process.Pid, s) }

// end says what became of the run: the program has ended with this error.
func (p *program) end(ended error) (trainer.Outcome, error) {
	if p.err == nil {
		p.err = p.relay.finish(ended == nil && !p.stopped)
	}
	said := p.relay.outcome
	switch code := p.cmd.ProcessState.ExitCode(); {
	case p.err != nil:
		return trainer.Outcome{}, p.err
	case ended == nil && said != nil:
		return *said, nil
	case p.stopped: // without an outcome, also if it ended well: it has saved its state
		return trainer.Outcome{}, trainer.ErrInterrupted
	case ended == nil:
		return trainer.Outcome{Kind: "completed"}, nil
	case code == ExitInterrupted:
		return trainer.Outcome{}, fmt.Errorf("the trainer ended with exit code %d, to be started again: %w", code, ErrInterrupted)
	}
	return trainer.Outcome{}, errors.New(p.failure())
}

// failure says in a line how the program failed.
func (p *program) failure() string {
	how := fmt.Sprintf("the trainer ended with exit code %d", p.cmd.ProcessState.ExitCode())
	if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		how = "the trainer died of signal: " + status.Signal().String()
		if status.Signal() == syscall.SIGKILL {
			how = "the trainer was killed from outside, perhaps for want of memory"
		}
	}
	if said := lastLine(p.attempt.Stderr()); said != "" {
		how += ": " + said
	}
	return how
}

// lastLine is the last line of a log that is not empty. Progress bars write
// lines that end in a carriage return.
func lastLine(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 4 << 10
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	text, _ := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-most), most))
	last := ""
	for line := range strings.FieldsFuncSeq(string(text), func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
	}
	return last[:min(len(last), 500)]
}

// relay passes a program's report on to hooks.
type relay struct {
	hooks   trainer.Hooks
	attempt Attempt
	reports *reportReader

	begun  bool
	resume int64 // first step whose figures are this attempt's
	steps  int64 // of the whole run; 0 = unknown
	early  int   // lines of figures before that
	names  map[string]bool

	newest  figures // the newest that it reported, for its progress
	fresh   bool    // it is not passed on yet
	outcome *trainer.Outcome
}

// pass passes on what is new.
func (r *relay) pass() error {
	for {
		said, err := r.reports.next()
		if err == io.EOF {
			r.progress()
			return nil
		}
		if err == nil {
			err = r.reports.wrong(r.tell(said))
		}
		if err != nil {
			return err
		}
	}
}

// finish passes on the rest, once the program has ended. The last line of one
// that came to its end may lack its newline.
func (r *relay) finish(whole bool) error {
	if err := r.pass(); err != nil {
		return err
	}
	if err := r.reports.intact(); err != nil {
		return err
	}
	if whole {
		said, err := r.reports.rest()
		if err == nil {
			err = r.reports.wrong(r.tell(said))
		}
		if err != nil && err != io.EOF {
			return err
		}
		if err := r.begin(startReport{}); err != nil {
			return err
		}
	}
	if r.early > 0 {
		r.hooks.Event(fmt.Sprintf("%d lines with figures of steps before %d, where the trainer said that it goes on, do not count", r.early, r.resume))
	}
	r.progress()
	return nil
}

// tell passes on one line.
func (r *relay) tell(said report) error {
	switch {
	case r.outcome != nil:
		return errors.New("it comes after the outcome, which must be the last line")
	case said.event != "":
		r.hooks.Event(said.event)
		return nil
	case said.start != nil && r.begun:
		return errors.New(`"steps" and "resume_step" must stand on one line, before the first figures`)
	case said.start != nil:
		return r.begin(*said.start)
	}
	if err := r.begin(startReport{}); err != nil {
		return err
	}
	if said.outcome != nil {
		r.outcome = said.outcome
		return nil
	}
	return r.figures(*said.figures)
}

// begin tells from where on the attempt speaks, with what the ones before have
// left untold.
func (r *relay) begin(s startReport) error {
	if r.begun {
		return nil
	}
	r.begun, r.resume, r.steps = true, s.resume, s.steps
	from, lost, err := r.attempt.missing(s.resume)
	if err != nil {
		return err
	}
	r.hooks.Start(from, s.steps)
	for _, f := range lost {
		r.hooks.Metrics(f.step, f.metrics)
	}
	r.newest.step = s.resume
	return nil
}

func (r *relay) figures(f figures) error {
	if f.step < r.resume {
		r.early++
		return nil
	}
	for name := range f.metrics {
		if !r.names[name] {
			if len(r.names) == maxNames {
				return fmt.Errorf("%q is the metric number %d of this run; at most %d are allowed, do not put steps into names", name, maxNames+1, maxNames)
			}
			if r.names == nil {
				r.names = map[string]bool{}
			}
			r.names[name] = true
		}
	}
	if len(f.metrics) > 0 {
		r.hooks.Metrics(f.step, f.metrics)
	}
	f.metrics = nil
	if f.phase == "" {
		f.phase = r.newest.phase
	}
	if f.speed == 0 {
		f.speed = r.newest.speed
	}
	r.newest, r.fresh = f, true
	return nil
}

// progress tells how far the program is, if that is new.
func (r *relay) progress() {
	if r.fresh {
		r.fresh = false
		phase := r.newest.phase
		if phase == "" {
			phase = "train"
		}
		r.hooks.Progress(r.newest.step, r.steps, r.newest.speed, phase)
	}
}
