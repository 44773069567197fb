package orchestrator

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"ablate/orchestrator/worker"
	"ablate/results"
)

// prepare reads what earlier heads left behind, and lists what is to be done.
func (x *execution) prepare() {
	x.paused, x.idleGPUs = x.study.Paused, slices.Clone(x.GPUs)
	x.summary.Outcomes, x.outcomes = map[results.Outcome]int{}, map[string]results.Outcome{}
	stored, err := x.Store.Runs(x.study)
	x.fail(err)
	tasks := x.tasks(stored)
	x.summary.Total = len(tasks)
	x.learn(tasks, stored)
	for _, t := range tasks {
		x.admit(t, stored[t.id])
	}
	x.closeOthers(stored)
}

// tasks lists the runs of the study in the order of execution, each once.
func (x *execution) tasks(stored map[string]results.Run) []*task {
	known := map[string]bool{}
	var tasks []*task
	block, seed := -1, 0 // seeds begin with 1
	for _, slot := range inOrder(x.study) {
		if slot.Seed != seed {
			block, seed = block+1, slot.Seed
		}
		if known[slot.RunID] || x.err != nil {
			continue
		}
		known[slot.RunID] = true
		t := x.newTask(stored[slot.RunID])
		t.cell, t.block, t.place = x.study.Cells[slot.Cell], block, len(tasks)
		t.cost = cmp.Or(x.costs[t.cell], 1)
		tasks = append(tasks, t)
	}
	return tasks
}

// learn takes over what the store knows of the speed of runs like these.
func (x *execution) learn(tasks []*task, stored map[string]results.Run) {
	if x.Cost == nil || len(tasks) == 0 || x.err != nil {
		return
	}
	speeds, err := Measured(x.Store, stored[tasks[0].id].Trainer, x.Machine, x.Cost)
	x.fail(err)
	configs, err := x.Store.Configs(x.study)
	x.fail(err)
	x.costs = map[string]float64{}
	for _, t := range tasks {
		if _, known := x.costs[t.cell]; !known {
			x.costs[t.cell] = cmp.Or(speeds.costOf(configs[t.id]), 1)
			speeds.inform(&x.estimate, t.cell, configs[t.id])
		}
		t.cost = x.costs[t.cell]
	}
}

// admit queues a run, or counts it if it has an outcome.
func (x *execution) admit(t *task, run results.Run) {
	if run.Outcome == "" {
		run = x.takeOver(t, run)
	}
	if run.Outcome == "" {
		t.open(run)
		x.waiting = append(x.waiting, t)
		return
	}
	if run.Outcome.IsResult() {
		x.summary.Before++
		x.summary.Done++
		x.measure(t, run)
	}
	x.note(t.id, run.Outcome)
}

// note counts an outcome.
func (x *execution) note(id string, o results.Outcome) {
	x.outcomes[id] = o
	x.summary.Outcomes[o]++
}

// open takes over what earlier attempts at a run have cost and achieved.
func (t *task) open(run results.Run) {
	if run.Steps > 0 {
		t.done = float64(run.Step) / float64(run.Steps)
	}
}

func (x *execution) newTask(run results.Run) *task {
	return &task{
		id: run.ID, cell: run.Cell, seed: run.Seed, dataset: run.Dataset,
		dir: RunDir(x.Dir, run.ID), begun: run.Attempts, sizes: map[int]int64{},
	}
}

// closeOthers takes over the runs of other studies that a dead head left open.
func (x *execution) closeOthers(ours map[string]results.Run) {
	running, err := x.Store.Running()
	x.fail(err)
	for _, run := range running {
		if _, mine := ours[run.ID]; !mine && x.err == nil {
			x.takeOver(x.newTask(run), run)
		}
	}
}

// takeOver reads all that earlier attempts at a run have written, and records
// those without an outcome as interrupted. It returns the run as it is then.
// Their workers may still be at work on their last step; what they write in it
// is read when the run is followed.
func (x *execution) takeOver(t *task, run results.Run) results.Run {
	x.follow(t)
	if t.begun == 0 || x.err != nil {
		return run // never attempted
	}
	x.closeAttempts(t)
	now, err := x.Store.Run(t.id)
	if err != nil {
		x.fail(err)
		return run
	}
	return *now
}

// closeAttempts records as interrupted what has no end in the store.
func (x *execution) closeAttempts(t *task) {
	attempts, err := x.Store.Attempts(t.id)
	x.fail(err)
	for _, a := range attempts {
		if a.State == results.Running {
			x.fail(x.Store.EndAttempt(t.id, a.Number, "", "the program that had started it was gone"))
		}
	}
	x.distrust(t)
}

// distrust looks whether the newest attempt's journal is damaged, and says
// how. What it reported behind the damage is lost: the checkpoints from there
// on go too, so that the next attempt reports it again.
func (x *execution) distrust(t *task) (damage string) {
	attempts, err := x.Store.Attempts(t.id)
	if err != nil || len(attempts) == 0 {
		x.fail(err)
		return ""
	}
	newest := attempts[len(attempts)-1]
	if newest.Damage == "" {
		return ""
	}
	run, err := x.Store.Run(t.id)
	if err != nil {
		x.fail(err)
		return ""
	}
	x.fail(worker.Attempt{RunDir: t.dir, N: newest.Number}.DropCheckpoints(run.Step))
	return newest.Damage
}

// follow reads what the attempts at a run have written since the last look,
// oldest first: the last lines of an attempt that was given up must be in the
// store before the outcome of the one that took over.
func (x *execution) follow(t *task) {
	if x.err != nil {
		return
	}
	attempts, err := worker.Attempts(t.dir)
	if err != nil {
		x.fail(err)
		return
	}
	for _, a := range attempts {
		x.fail(x.read(t, a))
	}
}

// read brings one attempt's new lines into the store.
func (x *execution) read(t *task, a worker.Attempt) error {
	if a.N > t.begun {
		if err := x.begin(t, a); err != nil {
			return err
		}
	}
	info, err := os.Stat(a.Journal())
	if err != nil || info.Size() == t.sizes[a.N] {
		return nil // nothing new, or nothing at all
	}
	if err := x.Store.Ingest(t.id, a.N, a.Journal()); err != nil {
		return err
	}
	t.sizes[a.N] = info.Size()
	if err := x.hear(t); err != nil {
		return err
	}
	return x.look(t)
}

// hear passes on what the active attempt at a run has told since the last look,
// but for what every attempt tells at its end.
func (x *execution) hear(t *task) error {
	events, err := x.Store.EventsAfter(t.id, t.heard)
	if err != nil {
		return err
	}
	for _, e := range events {
		if e.Attempt == t.status.Attempt && !worker.Usual(e.Text) {
			x.Display.Say(fmt.Sprintf("%s seed %d: %s", t.cell, t.seed, e.Text))
		}
		t.heard = e.Key
	}
	return nil
}

// look brings what is shown of a run up to date.
func (x *execution) look(t *task) error {
	run, err := x.Store.Run(t.id)
	if err != nil || run.Attempts != t.status.Attempt {
		return err
	}
	if t.status.Steps == 0 {
		t.status.From = run.Step
	}
	t.status.Phase, t.status.Step, t.status.Steps, t.status.ImagesPerSecond = run.Phase, run.Step, run.Steps, run.ImagesPerSecond
	return nil
}

// begin makes an attempt known that a worker has claimed.
func (x *execution) begin(t *task, a worker.Attempt) error {
	if err := x.Store.BeginAttempt(t.id, a.N); err != nil {
		return err
	}
	t.begun = a.N
	claim, err := a.Claimed()
	if err == nil && t.token != "" && claim.Token == t.token {
		t.status.Attempt = a.N
		x.Display.Begin(t.status)
	}
	return err
}

// attemptOf returns the attempt of the task's last launch. For a worker that
// died before it had one the head claims it, so that the failure has its place.
func (x *execution) attemptOf(t *task) (worker.Attempt, error) {
	if n := t.status.Attempt; n > 0 {
		return worker.Attempt{RunDir: t.dir, N: n}, nil
	}
	a, err := worker.Claim(t.dir, t.token)
	if err != nil {
		return a, err
	}
	if err := x.begin(t, a); err != nil {
		return a, err
	}
	err = os.Rename(worker.LaunchLog(t.dir), a.Stderr())
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // not even started
	}
	return a, err
}
