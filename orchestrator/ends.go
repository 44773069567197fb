package orchestrator

import (
	"fmt"
	"slices"
	"time"

	"ablate/orchestrator/worker"
	"ablate/results"
)

// finish takes leave of a worker that is gone: what it wrote last decides.
func (x *execution) finish(e exit) {
	t := e.task
	x.active = slices.DeleteFunc(x.active, func(a *task) bool { return a == t })
	x.giveGPU(t)
	x.refused.until = time.Time{} // what did not fit may now
	x.fail(x.Lock.Lost())
	x.follow(t)
	if x.err != nil {
		return
	}
	run, err := x.Store.Run(t.id)
	if err != nil {
		x.fail(err)
		return
	}
	t.open(*run)
	switch {
	case run.Outcome.IsResult():
		x.done(t, run)
	case t.ending != "":
		x.end(t, t.ending, t.reason)
	case exited(e.err, worker.ExitNoRoom):
		x.unwritable(t, e.err)
	case !t.stopped.IsZero():
		x.interrupted(t, "interrupted")
	default:
		x.crashed(t, e.err)
	}
}

// interrupted records an attempt after which the run can go on.
func (x *execution) interrupted(t *task, reason string) {
	if n := t.status.Attempt; n > 0 {
		x.fail(x.Store.EndAttempt(t.id, n, "", reason))
	}
	x.wait(t)
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
	x.measure(t, *run)
	x.count(t, run)
}

// count counts a run that has its outcome, and shows it.
func (x *execution) count(t *task, run *results.Run) {
	x.note(t.id, run.Outcome)
	x.Display.End(t.status, End{
		Outcome: run.Outcome, Reason: run.Reason,
		Took:  time.Duration(run.Seconds * float64(time.Second)),
		Total: x.total(),
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
	over := overMemory(x.Memory, ended, a.Stderr())
	if over != "" {
		reason = over
	}
	if damage := x.distrust(t); damage != "" {
		reason = damage
	}
	what := "failed"
	if exited(ended, worker.ExitInterrupted) && t.done > t.got {
		what = "ended early" // but had got on, which is no failure
	} else {
		t.failures++
	}
	t.got = t.done
	if t.failures > x.Retries || exited(ended, worker.ExitRefused) || over != "" {
		x.end(t, results.Failed, reason)
		return
	}
	if err := x.Store.RetryAttempt(t.id, a.N, reason); err != nil {
		x.fail(err)
		return
	}
	pause := x.backoff(max(1, t.failures))
	t.after = time.Now().Add(pause)
	x.wait(t)
	x.Display.Idle(t.status)
	x.Display.Say(fmt.Sprintf("%s seed %d: attempt %d %s (%s); trying again in %v", t.cell, t.seed, a.N, what, reason, pause))
}

func (x *execution) backoff(failures int) time.Duration {
	first := x.Backoff
	if first == 0 {
		first = time.Second
	}
	return first << min(failures-1, 10)
}

// end records and counts a run that ended for good without a result.
func (x *execution) end(t *task, o results.Outcome, reason string) {
	a, err := x.attemptOf(t)
	if err == nil {
		err = x.Store.EndAttempt(t.id, a.N, o, reason)
	}
	if err != nil {
		x.fail(explain(x.Dir, err))
		return
	}
	run, err := x.Store.Run(t.id)
	if err != nil {
		x.fail(err)
		return
	}
	if o != results.Cancelled {
		x.summary.Failed = append(x.summary.Failed, Failure{ID: t.id, Cell: t.cell, Seed: t.seed, Outcome: o, Reason: reason, Log: a.Stderr()})
	}
	x.count(t, run)
	if x.FailFast && o != results.Cancelled && !x.stopping {
		x.Display.Say("a run has failed: the others save their state and stop")
		x.stop(FailedFast)
	}
}
