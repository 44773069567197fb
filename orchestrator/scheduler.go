// Package orchestrator executes the runs of a plan: it starts a worker for
// each, reads their journals into the store, tries again what crashed, and
// stops everything in good order when it is asked to.
//
// The process that does this is the store's head; there is one at a time
// (Acquire). Everything a worker has written counts, whoever started it: a
// head that takes over begins by reading what its predecessor left.
package orchestrator

import (
	"context"
	"crypto/rand"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"ablate/ablations"
	"ablate/orchestrator/engine"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"
)

// pollEvery is how often journals are read.
const pollEvery = 200 * time.Millisecond

// Scheduler executes plans. All fields are needed but those that say
// otherwise.
type Scheduler struct {
	Store   *results.Store
	Dir     string // the store's folder
	Engine  engine.Engine
	Display Display
	DataDir string          // handed to the workers; "" = the usual places
	Jobs    int             // workers at a time
	Retries int             // further attempts after a crash
	Backoff time.Duration   // before the first retry; doubles with each; 0 = a second
	Kill    <-chan struct{} // closed to kill the workers instead of asking them to stop; may be nil

	SaveEvery time.Duration // between checkpoints within an epoch; 0 = the trainer's default
}

// Summary is what became of a plan.
type Summary struct {
	Total       int // runs in the plan
	Before      int // of those, the ones that had a result already
	Done        int // the ones that have a result now
	Outcomes    map[results.Outcome]int
	Failed      []Failure
	Interrupted bool // asked to stop before all was done
	Took        time.Duration
}

// Failure is a run that failed for good.
type Failure struct {
	ID, Cell string
	Seed     int
	Reason   string
	Log      string // file with what the last worker said
}

// RunDir is the folder of a run in the store at dir.
func RunDir(dir, id string) string { return filepath.Join(dir, "runs", id) }

// Run executes the plan's runs that have no result yet, in the plan's order.
// When ctx ends it asks the workers to save their state, reads the last they
// write, and returns with Interrupted set. A run that fails for good is not an
// error; a store that cannot be written is.
func (s *Scheduler) Run(ctx context.Context, plan *ablations.Plan) (Summary, error) {
	began := time.Now()
	x := &execution{Scheduler: s, exits: make(chan exit), summary: Summary{Outcomes: map[results.Outcome]int{}}}
	x.prepare(plan)
	if x.err == nil {
		x.loop(ctx)
	}
	x.summary.Interrupted = x.summary.Interrupted && x.total(nil).Done < x.summary.Total
	x.summary.Took = time.Since(began)
	return x.summary, x.err
}

// execution is one plan being executed. One goroutine does everything but
// wait for workers.
type execution struct {
	*Scheduler
	waiting  []*task // in the plan's order
	active   []*task // in the order of their start
	exits    chan exit
	stopping bool
	summary  Summary
	estimate estimate
	err      error // the first error of the store; ends everything
}

// task is a run that has no result yet.
type task struct {
	id, cell string
	seed     int
	config   config.Settings
	dataset  string // content hash
	dir      string
	failures int       // since this head started
	after    time.Time // not to be started before

	begun int           // the newest attempt that the store knows of
	sizes map[int]int64 // by attempt: bytes of the journal at its last ingest
	heard int           // events that the store had of it then

	// While a worker is active:
	handle engine.Handle
	token  string
	status Status
}

// exit tells that a task's worker is gone.
type exit struct {
	task *task
	err  error
}

// loop starts workers and follows them until nothing is left to do.
func (x *execution) loop(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	interrupt, kill := ctx.Done(), x.Kill
	for {
		x.launch(ctx)
		if len(x.active) == 0 && (len(x.waiting) == 0 || x.stopping) {
			return
		}
		select {
		case e := <-x.exits:
			x.finish(e)
		case <-ticker.C:
			x.poll()
		case <-interrupt:
			interrupt = nil
			x.summary.Interrupted = true
			x.stop()
			if n := len(x.active); n > 0 {
				x.Display.Say(fmt.Sprintf("stopping: %s to finish a step and save; press Ctrl-C again to stop at once", words.Plural(n, "worker")))
			}
		case <-kill:
			kill = nil
			x.summary.Interrupted, x.stopping = true, true
			for _, t := range x.active {
				t.handle.Kill()
			}
		}
	}
}

// stop starts nothing more and asks the workers to end.
func (x *execution) stop() {
	x.stopping = true
	for _, t := range x.active {
		t.handle.Stop()
	}
}

// fail ends everything because of an error that is not a run's.
func (x *execution) fail(err error) {
	if err != nil && x.err == nil {
		x.err = err
		x.stop()
	}
}

// launch starts workers while there are free places and runs that may start.
func (x *execution) launch(ctx context.Context) {
	for i := 0; i < len(x.waiting) && len(x.active) < x.Jobs && !x.stopping && ctx.Err() == nil; {
		t := x.waiting[i]
		if time.Now().Before(t.after) {
			i++
			continue
		}
		x.waiting = slices.Delete(x.waiting, i, i+1)
		x.start(ctx, t)
	}
}

// start starts a worker for a run.
func (x *execution) start(ctx context.Context, t *task) {
	t.token = rand.Text()
	t.status = Status{ID: t.id, Cell: t.cell, Seed: t.seed, Began: time.Now()}
	spec := worker.Spec{
		ID: t.id, Cell: t.cell, Seed: t.seed, Config: t.config.JSON(),
		Dataset: t.dataset, DataDir: x.DataDir, SaveEvery: x.SaveEvery,
	}
	if err := worker.WriteSpec(t.dir, spec); err != nil {
		x.fail(explain(x.Dir, err))
		return
	}
	h, err := x.Engine.Launch(ctx, engine.Launch{RunDir: t.dir, Token: t.token})
	if worker.NoRoom(err) {
		x.fail(explain(x.Dir, err))
		return
	}
	if err != nil {
		x.crashed(t, err)
		return
	}
	t.handle = h
	x.active = append(x.active, t)
	go func() { x.exits <- exit{t, h.Wait()} }()
}

// poll reads what the active workers have written and shows how far they are.
func (x *execution) poll() {
	for _, t := range x.active {
		x.follow(t)
	}
	statuses := x.statuses()
	x.Display.Progress(statuses, x.total(statuses))
}

func (x *execution) statuses() []Status {
	statuses := make([]Status, len(x.active))
	for i, t := range x.active {
		statuses[i] = t.status
	}
	return statuses
}

// finish takes leave of a worker that is gone: what it wrote last decides.
func (x *execution) finish(e exit) {
	t := e.task
	x.active = slices.DeleteFunc(x.active, func(a *task) bool { return a == t })
	x.follow(t)
	if x.err != nil {
		return
	}
	run, err := x.Store.Run(t.id)
	switch {
	case err != nil:
		x.fail(err)
	case run.Outcome.IsResult():
		x.done(t, run)
	case x.stopping:
		x.interrupted(t, "interrupted")
	case exited(e.err, worker.ExitNoRoom):
		x.unwritable(t, e.err)
	default:
		x.crashed(t, e.err)
	}
}

// interrupted records an attempt after which the run can go on.
func (x *execution) interrupted(t *task, reason string) {
	if n := t.status.Attempt; n > 0 {
		x.fail(x.Store.EndAttempt(t.id, n, "", reason))
	}
	x.Display.Idle(t.status)
}

// unwritable ends everything because a worker could not write: the others
// will not be able to either.
func (x *execution) unwritable(t *task, ended error) {
	log := worker.LaunchLog(t.dir)
	if n := t.status.Attempt; n > 0 {
		log = worker.Attempt{RunDir: t.dir, N: n}.Stderr()
	}
	reason := crash(ended, log)
	x.fail(fullDisk(x.Dir, reason))
	x.interrupted(t, reason)
}

// done counts a run that has its result.
func (x *execution) done(t *task, run *results.Run) {
	x.summary.Done++
	x.summary.Outcomes[run.Outcome]++
	x.estimate.add(t.cell, run.Seconds)
	x.ended(t, run)
}

func (x *execution) ended(t *task, run *results.Run) {
	x.Display.End(t.status, End{
		Outcome: run.Outcome, Reason: run.Reason,
		Took:  time.Duration(run.Seconds * float64(time.Second)),
		Total: x.total(x.statuses()),
	})
}

// crashed records an attempt that ended without an outcome, and lets the run
// be tried again unless its retries are used up.
func (x *execution) crashed(t *task, ended error) {
	a, err := x.attemptOf(t)
	if err != nil {
		x.fail(explain(x.Dir, err))
		return
	}
	reason := crash(ended, a.Stderr())
	if damage := x.distrust(t); damage != "" {
		reason = damage
	}
	t.failures++
	if t.failures > x.Retries || exited(ended, worker.ExitRefused) {
		x.failed(t, a, reason)
		return
	}
	if err := x.Store.RetryAttempt(t.id, a.N, reason); err != nil {
		x.fail(err)
		return
	}
	pause := x.backoff(t.failures)
	t.after = time.Now().Add(pause)
	x.waiting = slices.Insert(x.waiting, 0, t) // where it came from
	x.Display.Idle(t.status)
	x.Display.Say(fmt.Sprintf("%s seed %d: attempt %d failed (%s); trying again in %v", t.cell, t.seed, a.N, reason, pause))
}

func (x *execution) backoff(failures int) time.Duration {
	first := x.Backoff
	if first == 0 {
		first = time.Second
	}
	return first << min(failures-1, 10)
}

// failed records and counts a run that failed for good.
func (x *execution) failed(t *task, a worker.Attempt, reason string) {
	if err := x.Store.EndAttempt(t.id, a.N, results.Failed, reason); err != nil {
		x.fail(err)
		return
	}
	x.summary.Failed = append(x.summary.Failed, Failure{ID: t.id, Cell: t.cell, Seed: t.seed, Reason: reason, Log: a.Stderr()})
	x.summary.Outcomes[results.Failed]++
	run, err := x.Store.Run(t.id)
	if err != nil {
		x.fail(err)
		return
	}
	x.ended(t, run)
}

// total sums up the plan.
func (x *execution) total(active []Status) Total {
	waiting := make([]string, len(x.waiting))
	for i, t := range x.waiting {
		waiting[i] = t.cell
	}
	return Total{
		Done: x.summary.Done + len(x.summary.Failed),
		All:  x.summary.Total,
		Left: x.estimate.left(waiting, active, x.Jobs, time.Now()),
	}
}
