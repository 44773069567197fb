// Package orchestrator executes the runs of a study: it starts a worker for
// each, reads their journals into the store, tries again what crashed, and
// stops everything in good order when it is asked to.
//
// The process that does this is the store's head; there is one at a time
// (Acquire). Everything a worker has written counts, whoever started it: a
// head that takes over begins by reading what its predecessor left.
package orchestrator

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"ablate/orchestrator/engine"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/words"
)

const (
	// pollEvery is how often journals and requests are read.
	pollEvery = 200 * time.Millisecond
	// killAfter is how long a worker may take to stop when asked to. It gives
	// up its trainer before that.
	killAfter = 45 * time.Second
)

// Options are what a person chooses about the execution of a study. The queue
// keeps them with it.
type Options struct {
	Jobs      int           `json:"jobs"`                       // workers at a time
	Retries   int           `json:"retries"`                    // further attempts after a crash
	Timeout   time.Duration `json:"timeout,omitempty"`          // how long a run may be at work, however often it is interrupted; 0 = for ever
	Memory    int64         `json:"memory,omitempty"`           // bytes that a worker and what it starts may take; 0 = all there are
	FailFast  bool          `json:"fail_fast,omitempty"`        // stop everything when a run has failed for good
	GPUs      []string      `json:"gpus,omitempty"`             // CUDA_VISIBLE_DEVICES, one value for each worker at a time
	SaveEvery time.Duration `json:"checkpoint_every,omitempty"` // between checkpoints within an epoch; 0 = the trainer's default
	DataDir   string        `json:"data,omitempty"`             // handed to the workers; "" = the usual places
}

// Scheduler executes studies. The fields behind Options may be left out.
type Scheduler struct {
	Store   *results.Store
	Dir     string // the store's folder
	Lock    *Lock  // of the store: without it all ends; nil = nobody looks
	Engine  engine.Engine
	Display Display
	Options

	Until  time.Time       // when all work has to be saved and stopped; a block is begun only if it will have ended
	Fill   bool            // use what is left of that time for single runs
	Alone  bool            // let no run go on from where one of fewer epochs has ended
	Linger bool            // while the study is paused, wait for it to be resumed
	Kill   <-chan struct{} // closed to kill the workers instead of asking them to stop

	Backoff time.Duration               // before the first retry; doubles with each; 0 = a second
	Now     func() time.Time            // the clock on the wall; nil = the system's
	Cost    func(config []byte) float64 // relative duration of a run, to predict those of other cells from the measured ones
	Machine Machine                     // whose speeds in the store count
	Night   time.Duration               // how long there usually is until Until: a block that takes longer is begun all the same
}

// Stop is why a scheduler ended before all was done.
type Stop string

// The reasons to stop.
const (
	Interrupted Stop = "interrupted" // asked to
	OutOfTime   Stop = "out of time" // what is left does not fit in before Until
	Paused      Stop = "paused"
	FailedFast  Stop = "a run failed"
	NotBegun    Stop = "it could not be executed"
)

// Summary is what became of a study.
type Summary struct {
	Total    int // different runs in the study
	Before   int // of those, the ones that had a result already
	Done     int // the ones that have a result now
	Outcomes map[results.Outcome]int
	Failed   []Failure
	Stopped  Stop // "" = all was done
	Blocks   int  // seeds
	Whole    int  // of those, the ones of which every run has a result now
	Took     time.Duration
}

// Failure is a run that ended for good without a result.
type Failure struct {
	ID, Cell string
	Seed     int
	Outcome  results.Outcome
	Reason   string
	Log      string // file with what the last worker said
}

// RunDir is the folder of a run in the store at dir.
func RunDir(dir, id string) string { return filepath.Join(dir, "runs", id) }

// Run executes the runs of a stored study that have no outcome yet, all cells
// of a seed before those of the next. When ctx ends it asks the workers to save
// their state, reads the last they write, and returns with Stopped set. A run
// that fails for good is not an error; a store that cannot be written is.
func (s *Scheduler) Run(ctx context.Context, study *results.Study) (Summary, error) {
	began := time.Now()
	x := &execution{Scheduler: s, study: study, exits: make(chan exit), admitted: -1}
	x.prepare()
	if x.err == nil {
		x.loop(ctx)
	}
	if x.ended() == x.summary.Total && x.summary.Stopped != FailedFast {
		x.summary.Stopped = ""
	}
	x.countBlocks()
	x.summary.Took = time.Since(began)
	return x.summary, x.err
}

// execution is one study being executed. One goroutine does everything but
// wait for workers.
type execution struct {
	*Scheduler
	study    *results.Study
	waiting  []*task // in the order in which they will be started
	active   []*task // in the order of their start
	exits    chan exit
	idleGPUs []string
	paused   bool
	stopping bool
	admitted int      // the last block that may start
	refused  struct { // the first one that did not fit when it was looked at
		block int
		until time.Time // when to look again
	}
	left struct { // as predicted last
		time time.Duration
		at   time.Time
	}
	outcomes map[string]results.Outcome // by run
	summary  Summary
	estimate estimate
	costs    map[string]float64 // relative duration of a run, by cell; empty while unknown
	err      error              // the first error of the store; ends everything
}

// task is a run that has no outcome yet.
type task struct {
	id, cell string
	seed     int
	block    int    // 0 for all cells of the first seed, ...
	place    int    // in the study's order
	dataset  string // content hash
	dir      string
	cost     float64
	done     float64       // share of the training that earlier attempts have done
	got      float64       // what done was when an attempt was last tried again
	before   time.Duration // at work in the attempts that the next one goes on with
	failures int           // since this head started
	after    time.Time     // not to be started before

	begun int           // the newest attempt that the store knows of
	sizes map[int]int64 // by attempt: bytes of the journal at its last ingest
	heard int64         // key of the newest event that was passed on

	// While a worker is active:
	handle  engine.Handle
	token   string
	gpu     string
	status  Status
	ending  results.Outcome // why it is stopped: cancelled or timed out; "" = to go on later
	reason  string          // of that
	stopped time.Time       // when it was asked to stop
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
		if x.over() {
			return
		}
		select {
		case e := <-x.exits:
			x.finish(e)
		case <-ticker.C:
			x.poll()
		case <-interrupt:
			interrupt = nil
			x.stop(Interrupted)
			if n := len(x.active); n > 0 {
				x.Display.Say(fmt.Sprintf("stopping: %s to finish a step and save; press Ctrl-C again to stop at once", words.Plural(n, "worker")))
			}
		case <-kill:
			kill = nil
			x.stop(Interrupted)
			for _, t := range x.active {
				t.handle.Kill()
			}
		}
	}
}

// over reports whether there is nothing left to do or to wait for.
func (x *execution) over() bool {
	switch {
	case len(x.active) > 0:
		return false
	case len(x.waiting) == 0, x.stopping:
		return true
	case x.paused && x.Linger:
		return false
	case x.paused:
		x.summary.Stopped = Paused
		return true
	case !slices.ContainsFunc(x.waiting, x.fits):
		x.summary.Stopped = OutOfTime
		return true
	}
	return false
}

// stop starts nothing more and asks the workers to end.
func (x *execution) stop(why Stop) {
	x.stopping = true
	if x.summary.Stopped == "" {
		x.summary.Stopped = why
	}
	for _, t := range x.active {
		t.stop()
	}
}

// stop asks the task's worker to save its state and end.
func (t *task) stop() {
	if t.stopped.IsZero() {
		t.stopped = time.Now()
		t.handle.Stop()
	}
}

// fail ends everything because of an error that is not a run's. That the store
// is gone explains any other.
func (x *execution) fail(err error) {
	if err != nil && x.err == nil {
		x.err = cmp.Or(x.Lock.Lost(), err)
		x.stop(Interrupted)
	}
}

// launch starts workers while there are free places and runs that may start.
func (x *execution) launch(ctx context.Context) {
	for !x.stopping && !x.paused && len(x.active) < x.Jobs && ctx.Err() == nil {
		now := time.Now()
		next := slices.IndexFunc(x.waiting, func(t *task) bool { return !now.Before(t.after) && x.fits(t) })
		if next < 0 {
			return
		}
		t := x.waiting[next]
		x.waiting = slices.Delete(x.waiting, next, next+1)
		x.start(ctx, t)
	}
}

// wait puts a task back to where it was in the order.
func (x *execution) wait(t *task) {
	at, _ := slices.BinarySearchFunc(x.waiting, t, func(a, b *task) int { return a.place - b.place })
	x.waiting = slices.Insert(x.waiting, at, t)
}

// start starts a worker for a run.
func (x *execution) start(ctx context.Context, t *task) {
	t.token = rand.Text()
	t.status = Status{ID: t.id, Cell: t.cell, Seed: t.seed, Began: time.Now()}
	t.ending, t.reason, t.stopped = "", "", time.Time{}
	run, err := x.Store.Run(t.id)
	x.fail(err)
	attempts, err := x.Store.Attempts(t.id)
	x.fail(err)
	if x.err != nil {
		return
	}
	t.before = interruptedFor(attempts)
	spec := x.spec(t, run)
	if spec.Extends, err = x.extend(run); err != nil {
		x.fail(err)
		return
	}
	if err := worker.WriteSpec(t.dir, spec); err != nil {
		x.fail(explain(x.Dir, err))
		return
	}
	h, err := x.Engine.Launch(ctx, engine.Launch{RunDir: t.dir, Token: t.token, Env: x.takeGPU(t), Memory: x.Memory})
	if err != nil {
		x.giveGPU(t)
	}
	switch {
	case worker.NoRoom(err):
		x.fail(explain(x.Dir, err))
	case errors.Is(err, context.Canceled):
		x.wait(t)
	case passing(err):
		t.after = time.Now().Add(x.backoff(3))
		x.wait(t)
		x.Display.Say(fmt.Sprintf("no worker can be started at the moment (%v); trying again", err))
	case err != nil:
		x.fail(fmt.Errorf("no worker can be started: %w; see to that and start again, nothing is lost", err))
	default:
		t.handle = h
		x.active = append(x.active, t)
		go func() { x.exits <- exit{t, h.Wait()} }()
	}
}

// passing reports whether an error of starting a process is likely to pass.
func passing(err error) bool {
	for _, e := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETXTBSY} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (x *execution) spec(t *task, run *results.Run) worker.Spec {
	return worker.Spec{
		ID: t.id, Cell: t.cell, Seed: t.seed, Config: run.Config,
		Dataset: t.dataset, DataDir: x.DataDir, SaveEvery: x.SaveEvery, Trainer: TrainerDir(x.Dir, run.Trainer),
	}
}

// takeGPU gives a task a GPU that no other has, and returns what tells its
// worker so.
func (x *execution) takeGPU(t *task) []string {
	if len(x.idleGPUs) == 0 {
		return nil
	}
	t.gpu, x.idleGPUs = x.idleGPUs[0], x.idleGPUs[1:]
	return []string{"CUDA_VISIBLE_DEVICES=" + t.gpu}
}

func (x *execution) giveGPU(t *task) {
	if t.gpu != "" {
		x.idleGPUs = append(x.idleGPUs, t.gpu)
		t.gpu = ""
	}
}

// poll reads what the active workers have written and what was asked of the
// head, sees to the limits, and shows how far all is.
func (x *execution) poll() {
	x.fail(x.Lock.Lost())
	for _, t := range x.active {
		x.follow(t)
		x.limit(t)
	}
	if x.err == nil {
		x.fail(x.answer())
	}
	if !x.Until.IsZero() && !x.now().Before(x.Until) && !x.stopping {
		x.Display.Say("it is " + x.Until.Format("15:04") + ": the runs at work save their state and stop")
		x.stop(OutOfTime)
	}
	x.Display.Progress(x.statuses(), x.total())
}

// limit stops a run that has been at work for too long, and kills a worker that
// does not stop.
func (x *execution) limit(t *task) {
	atWork := t.before + time.Since(t.status.Began)
	if x.Timeout > 0 && atWork > x.Timeout && t.ending == "" {
		t.ending, t.reason = results.TimedOut, fmt.Sprintf("it was at work for longer than the %v of its time limit; --timeout gives it more", x.Timeout)
		t.stop()
	}
	if !t.stopped.IsZero() && time.Since(t.stopped) > killAfter {
		t.handle.Kill()
	}
}

func (x *execution) now() time.Time {
	if x.Now != nil {
		return x.Now()
	}
	return time.Now().Round(0) // what the clock on the wall says, also after a sleep of the machine
}

func (x *execution) statuses() []Status {
	statuses := make([]Status, len(x.active))
	for i, t := range x.active {
		statuses[i] = t.status
	}
	return statuses
}

// ended is how many runs have an outcome.
func (x *execution) ended() (n int) {
	for _, count := range x.summary.Outcomes {
		n += count
	}
	return n
}

// total sums up the study. The time left is a sum over all that waits, so it is
// not made anew for each of a thousand runs that end in a second.
func (x *execution) total() Total {
	if now := time.Now(); now.Sub(x.left.at) > pollEvery {
		x.left.at = now
		x.left.time = x.estimate.left(x.waiting, x.active, x.Jobs, now)
		x.left.at = x.left.at.Add(10 * time.Since(now)) // and takes a tenth of the time at most
	}
	return Total{Done: x.ended(), All: x.summary.Total, Left: x.left.time, Paused: x.paused}
}
