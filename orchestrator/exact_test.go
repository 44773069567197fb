package orchestrator_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/orchestrator/engine"
	"ablate/orchestrator/engine/local"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/trainer/data"
)

// exactStudy has the three optimizers, and norms with and without statistics
// of the batch, in runs of nine steps that are trained for real. One network is
// wide enough for convolutions by Winograd's algorithm.
const exactStudy = `name = "exact"
seeds = 1
[base]
data    = { name = "generated", train = 48, test = 40 }
encoder = { arch = "resnet8", width = 4 }
heads   = { hidden = 16, out = 8 }
batch   = 16
epochs  = 3
[axes.norm]
bn    = { norm = "bn", optimizer.name = "lars", encoder.width = 16 }
init  = { norm = "init", optimizer.name = "sgd" }
gn-ws = { norm = "gn+ws", optimizer.name = "adam" }
`

const (
	exactSteps = 9
	exactLines = exactSteps + 4 // a loss at every step, and a probe at both ends of every epoch
)

// newTraining is a fixture whose workers train. dataset overrides the hash
// that the plan has of the data, unless it is empty.
func newTraining(t *testing.T, dataset string) *fixture {
	t.Helper()
	f := &fixture{t: t, dir: t.TempDir()}
	s, err := ablations.Parse("exact.toml", []byte(exactStudy), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.plan, err = ablations.NewPlan(s, func(d config.Data) (string, error) {
		if dataset != "" {
			return dataset, nil
		}
		return data.Fingerprint(d.Name, "")
	}, "1")
	if err != nil {
		t.Fatal(err)
	}
	if f.store, err = results.Open(f.dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.store.Close() })
	return f
}

func (f *fixture) trainer(jobs int) *orchestrator.Scheduler {
	s := f.scheduler(jobs)
	e := s.Engine.(local.Engine)
	e.Args, e.Env = []string{"tiny", "train"}, []string{"GOMAXPROCS=1", "OMP_NUM_THREADS=1"}
	s.Engine = e
	return s
}

// leaves is all that the runs of a plan leave behind, to the last bit, by run:
// metrics, outcomes, and the hash of the last checkpoint.
func (f *fixture) leaves() map[string]string {
	f.t.Helper()
	left := map[string]string{}
	for _, r := range f.plan.Runs {
		run, err := f.store.Run(r.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		text := fmt.Sprintf("%s %s\n", run.Outcome, run.Reason)
		points := 0
		metrics, err := f.store.Ends([]string{r.ID})
		if err != nil {
			f.t.Fatal(err)
		}
		for _, name := range slices.Sorted(maps.Keys(metrics[r.ID])) {
			series, err := f.store.Series(r.ID, name)
			if err != nil {
				f.t.Fatal(err)
			}
			for _, p := range series {
				text += fmt.Sprintf("%s %d %b\n", name, p.Step, p.Value)
			}
			points += len(series)
		}
		if points < 50 {
			f.t.Fatalf("run %s reported %d points only", r.ID, points)
		}
		attempts, err := worker.Attempts(orchestrator.RunDir(f.dir, r.ID))
		if err != nil || len(attempts) == 0 {
			f.t.Fatalf("no attempts: %v", err)
		}
		weights, err := os.ReadFile(attempts[len(attempts)-1].Checkpoints() + "/" + checkpoint.Name(exactSteps))
		if err != nil {
			f.t.Fatal(err)
		}
		left[r.ID] = fmt.Sprintf("%sweights %x\n", text, sha256.Sum256(weights))
	}
	return left
}

// sameAs checks that the runs left what others did.
func (f *fixture) sameAs(want map[string]string) {
	f.t.Helper()
	got := f.leaves()
	for id := range maps.Keys(want) {
		if got[id] == want[id] {
			continue
		}
		ours, theirs := strings.Split(got[id], "\n"), strings.Split(want[id], "\n")
		for i := range min(len(ours), len(theirs)) {
			if ours[i] != theirs[i] {
				f.t.Errorf("run %s: %q, undisturbed %q", id, ours[i], theirs[i])
				break
			}
		}
	}
}

// TestBitForBit: however many runs are at work at a time, however often a
// checkpoint is made and whenever a worker is killed with SIGKILL, the same
// study gives the same bytes of weights and metrics. There are two rounds of
// kills, with checkpoints at epochs' ends alone, so that a worker loses steps
// that it has reported, and with one after every step; or KILL_ROUNDS many.
func TestBitForBit(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for a few seconds")
	}
	undisturbed := newTraining(t, "")
	undisturbed.run(undisturbed.trainer(1))
	want := undisturbed.leaves()

	t.Run("two at a time", func(t *testing.T) {
		f := newTraining(t, "")
		s := f.trainer(2)
		s.SaveEvery = 20 * time.Millisecond
		f.run(s)
		f.sameAs(want)
	})
	rounds := 2
	if n, err := strconv.Atoi(os.Getenv("KILL_ROUNDS")); err == nil {
		rounds = n
	}
	for round := range rounds {
		t.Run(fmt.Sprintf("killed/%d", round), func(t *testing.T) {
			f := newTraining(t, "")
			s := f.trainer(2)
			rng := rand.New(rand.NewPCG(uint64(round), 1))
			s.SaveEvery = []time.Duration{time.Hour, 1, 20 * time.Millisecond}[round%3]
			s.Retries = 100
			k := &killer{Engine: s.Engine, rng: rng, kills: map[string]int{}, each: 2}
			s.Engine = k
			f.run(s)
			f.sameAs(want)
			if k.killed.Load() == 0 {
				t.Error("no worker was killed")
			}
			t.Logf("%d workers were killed", k.killed.Load())
		})
	}
}

// killer kills the first workers of every run, each at some instant of its
// life.
type killer struct {
	engine.Engine
	rng    *rand.Rand     // of the scheduler's goroutine, which launches
	kills  map[string]int // kills so far, by run folder
	each   int            // kills of a run
	killed atomic.Int32
}

func (k *killer) Launch(ctx context.Context, l engine.Launch) (engine.Handle, error) {
	h, err := k.Engine.Launch(ctx, l)
	if err != nil || k.kills[l.RunDir] == k.each {
		return h, err
	}
	k.kills[l.RunDir]++
	d := &doomed{Handle: h, gone: make(chan struct{})}
	go k.kill(d, l, k.rng.IntN(exactLines), time.Duration(k.rng.IntN(30_000))*time.Microsecond)
	return d, nil
}

// kill kills a worker a while after it has reported so many times.
func (k *killer) kill(d *doomed, l engine.Launch, lines int, after time.Duration) {
	for {
		select {
		case <-d.gone:
			return
		case <-time.After(time.Millisecond):
		}
		if reports(l) >= lines {
			break
		}
	}
	select {
	case <-d.gone:
	case <-time.After(after):
		k.killed.Add(1)
		d.Kill()
	}
}

// reports counts what the worker of a launch has reported.
func reports(l engine.Launch) int {
	attempts, _ := worker.Attempts(l.RunDir)
	for _, a := range slices.Backward(attempts) {
		if claim, err := a.Claimed(); err == nil && claim.Token == l.Token {
			text, _ := os.ReadFile(a.Journal())
			return bytes.Count(text, []byte(`"kind":"metrics"`))
		}
	}
	return -1
}

// doomed is a worker of whose end the killer is told.
type doomed struct {
	engine.Handle
	gone chan struct{}
}

func (d *doomed) Wait() error {
	defer close(d.gone)
	return d.Handle.Wait()
}

// Data that was changed between two runs of a study makes its runs others, and
// nobody is left to wonder why they begin anew.
func TestSchedulerTellsOfChangedData(t *testing.T) {
	f := newFixture(t)
	f.run(f.scheduler(2))
	if len(f.shown.said) > 0 {
		t.Errorf("said %q", f.shown.said)
	}
	same := f.plan
	for _, hash := range []string{"another", "hash"} {
		var err error
		f.plan, err = ablations.NewPlan(same.Study, func(config.Data) (string, error) { return hash, nil }, "1")
		if err != nil {
			t.Fatal(err)
		}
		f.run(f.scheduler(2))
		want := "the dataset \"generated\" is not what tiny was last run on: its hash is " + hash + " now"
		if len(f.shown.said) != 1 || !strings.HasPrefix(f.shown.said[0], want) || !strings.Contains(f.shown.said[0], "All runs on it begin anew") {
			t.Errorf("said %q", f.shown.said)
		}
	}
	f.run(f.scheduler(2))
	if len(f.shown.said) > 0 {
		t.Errorf("with the data of last time, said %q", f.shown.said)
	}
}

// What another attempt would meet again is not tried again: here, data that is
// not what the plan has seen.
func TestSchedulerChangedData(t *testing.T) {
	f := newTraining(t, "0123456789abcdef")
	s := f.trainer(2)
	s.Retries = 5
	summary := f.run(s)
	if len(summary.Failed) != 3 {
		t.Fatalf("%+v", summary)
	}
	for _, failure := range summary.Failed {
		if !strings.HasPrefix(failure.Reason, "the dataset generated has changed since the run was planned: its hash is ") {
			t.Errorf("reason %q", failure.Reason)
		}
	}
	if n := len(f.attempts(f.plan.Runs[0])); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
}
