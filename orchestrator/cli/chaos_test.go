package cli

import (
	"bytes"
	"database/sql"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/results/journal"
)

// chaosStudy has the three optimizers, norms with and without statistics of the
// batch, and results of two kinds, in runs of less than a second.
const chaosStudy = `name = "chaos"
seeds = 2
[base]
data    = { name = "generated", train = 48, test = 40 }
encoder = { arch = "resnet8", width = 4 }
heads   = { hidden = 16, out = 8 }
batch   = 16
[axes.norm]
bn    = { norm = "bn", optimizer.name = "lars" }
init  = { norm = "init", optimizer.name = "sgd" }
gn-ws = { norm = "gn+ws", optimizer.name = "adam" }
`

// chaos is a study that is executed by the program itself.
type chaos struct {
	name string
	args []string // of "ablate run"
	took time.Duration
	want map[string]string // what its runs leave if nobody disturbs them
}

// TestChaos: whenever the head, a worker, a worker with all that it has started,
// or all of them at once are killed with SIGKILL, or a worker is frozen while
// another takes its run over, or all are frozen for a while, as by a machine that
// sleeps, the same command goes on. In the end the study has left what an
// undisturbed one leaves, to the last bit, and neither a process nor a file
// outside the store. There are five rounds, each in a store of its own; or
// CHAOS_ROUNDS many, of longer runs.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for some seconds")
	}
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("finds processes by /proc")
	}
	rounds, length := 5, 1
	if n, err := strconv.Atoi(os.Getenv("CHAOS_ROUNDS")); err == nil {
		rounds, length = n, 3
	}
	studies := chaosStudies(t, length)
	for round := range rounds {
		c := studies[round%len(studies)]
		t.Run(fmt.Sprintf("%s/%d", c.name, round), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(round), 7))
			r := &chaosRound{t: t, chaos: c, store: filepath.Join(t.TempDir(), "store"), rng: rng}
			r.disturb(1 + rng.IntN(6))
			r.check()
		})
	}
}

// chaosStudies are the studies to disturb, each undisturbed at first.
func chaosStudies(t *testing.T, length int) []*chaos {
	t.Setenv("ABLATE_DATA", "")
	dir := t.TempDir()
	file := filepath.Join(dir, "chaos.toml")
	if err := os.WriteFile(file, []byte(chaosStudy), 0o666); err != nil {
		t.Fatal(err)
	}
	epochs := fmt.Sprintf("epochs=%d", 15*length)
	studies := []*chaos{
		{name: "coarse", args: []string{file, "--set", epochs, "--checkpoint-every", "1h"}},
		{name: "fine", args: []string{file, "--set", epochs, "--checkpoint-every", "20ms"}},
	}
	if _, err := exec.LookPath("python3"); err == nil {
		external, err := filepath.Abs("../../docs/trainers/minimal.toml")
		if err != nil {
			t.Fatal(err)
		}
		studies = append(studies, &chaos{name: "external", args: []string{external, "--set", "seeds=2", "--set", fmt.Sprintf("epochs=%d", 120*length)}})
	}
	for i, c := range studies {
		if c.name == "fine" { // checkpoints change nothing
			c.took, c.want = studies[i-1].took, studies[i-1].want
			continue
		}
		r := &chaosRound{t: t, chaos: c, store: filepath.Join(dir, c.name)}
		began := time.Now()
		r.start()
		if err := r.wait(); err != nil {
			t.Fatalf("undisturbed: %v", err)
		}
		c.took, c.want = time.Since(began), r.leaves()
	}
	return studies
}

// chaosRound is a study in a store, and its present head.
type chaosRound struct {
	*chaos
	t     *testing.T
	store string
	rng   *rand.Rand

	head   *exec.Cmd
	ended  chan error
	said   bytes.Buffer // by all heads
	frozen sync.WaitGroup
}

// tmp is the folder of temporary files for the head and its workers.
func (r *chaosRound) tmp() string { return filepath.Join(filepath.Dir(r.store), "tmp") }

func (r *chaosRound) start() {
	if err := os.MkdirAll(r.tmp(), 0o777); err != nil {
		r.t.Fatal(err)
	}
	r.head = exec.Command("ablate", slices.Concat([]string{"run"}, r.args, []string{"--store", r.store, "--jobs", "2", "--retries", "100"})...)
	r.head.Stderr, r.head.Env = &r.said, append(os.Environ(), "TMPDIR="+r.tmp())
	if err := r.head.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.ended = make(chan error, 1)
	go func(cmd *exec.Cmd) { r.ended <- cmd.Wait() }(r.head)
}

// wait waits for the end of the head.
func (r *chaosRound) wait() error {
	select {
	case err := <-r.ended:
		return err
	case <-time.After(patience):
		r.head.Process.Kill()
		<-r.ended
		return fmt.Errorf("the head does not end; it said:\n%s", r.said.Bytes())
	}
}

// disturb executes the study and kills so many times, at any moment of it.
func (r *chaosRound) disturb(kills int) {
	r.t.Helper()
	r.start()
	for range kills {
		select {
		case err := <-r.ended: // it was done before
			r.ended <- err
		case <-time.After(time.Duration(r.rng.Int64N(int64(r.took)))):
			r.kill()
		}
	}
	if err := r.wait(); err != nil {
		r.t.Errorf("the last head: %v; it said:\n%s", err, r.said.Bytes())
	}
	r.frozen.Wait()
}

// kill kills or freezes some of the processes, and sees to it that there is a
// head again.
func (r *chaosRound) kill() {
	var workers []int
	for _, pid := range processesOf(r.store) {
		if pid != r.head.Process.Pid {
			workers = append(workers, pid)
		}
	}
	victim := 0
	if len(workers) > 0 {
		victim = workers[r.rng.IntN(len(workers))]
	}
	what := r.rng.IntN(7)
	names := []string{"the head", "a worker", "the head and a worker", "a worker's group", "everything", "the head, and froze a worker", "nothing, but froze everything"}
	r.t.Logf("killed %s, of %d workers and trainers", names[what], len(workers))
	switch {
	case what == 4:
		for _, pid := range workers {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	case what == 6:
		r.sleep(append(workers, r.head.Process.Pid))
	case victim == 0:
	case what == 1, what == 2:
		syscall.Kill(victim, syscall.SIGKILL)
	case what == 3:
		if group, err := syscall.Getpgid(victim); err == nil && group != syscall.Getpgrp() {
			syscall.Kill(-group, syscall.SIGKILL)
		}
	case what == 5:
		syscall.Kill(victim, syscall.SIGSTOP)
		thawed := time.Duration(r.rng.Int64N(int64(r.took)))
		r.frozen.Go(func() {
			time.Sleep(thawed)
			syscall.Kill(victim, syscall.SIGCONT)
		})
	}
	if what == 0 || what == 2 || what == 4 || what == 5 {
		r.head.Process.Kill()
		if <-r.ended; r.rng.IntN(2) == 0 { // what is left has time to end, or has not
			time.Sleep(time.Duration(r.rng.IntN(300)) * time.Millisecond)
		}
		r.start()
	}
}

// sleep freezes processes for a while.
func (r *chaosRound) sleep(pids []int) {
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	time.Sleep(time.Duration(r.rng.IntN(1000)) * time.Millisecond)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGCONT)
	}
}

// check compares what the study has left.
func (r *chaosRound) check() {
	r.t.Helper()
	for end := time.Now().Add(patience / 3); len(processesOf(r.store)) > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			for _, pid := range processesOf(r.store) {
				line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				r.t.Errorf("process %d is left: %q", pid, line)
				syscall.Kill(pid, syscall.SIGKILL)
			}
			break
		}
	}
	if left, err := os.ReadDir(r.tmp()); err != nil || len(left) > 0 {
		r.t.Errorf("%d files are left among the temporary files, %v", len(left), err)
	}
	status, err := exec.Command("ablate", "status", "--store", r.store).CombinedOutput()
	if err != nil || bytes.Contains(status, []byte("running")) || bytes.Contains(status, []byte("interrupted")) {
		r.t.Errorf("status: %v:\n%s", err, status)
	}
	got := r.leaves()
	if len(got) != len(r.want) {
		r.t.Errorf("%d runs, undisturbed %d", len(got), len(r.want))
	}
	for id, want := range r.want {
		r.same(id, got[id], want)
	}
	if r.t.Failed() {
		r.t.Logf("the heads said:\n%s", r.said.Bytes())
	}
}

func (r *chaosRound) same(id, got, want string) {
	r.t.Helper()
	if got == want {
		return
	}
	ours, theirs := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(ours), len(theirs)) {
		if ours[i] != theirs[i] {
			r.t.Errorf("run %s: %q, undisturbed %q", id, ours[i], theirs[i])
			return
		}
	}
	r.t.Errorf("run %s: %d lines, undisturbed %d", id, len(ours), len(theirs))
}

// leaves is what is in the store of every run: its outcome and, to the last bit,
// all points of all metrics. It checks that the database is intact and
// every run has its one outcome.
func (r *chaosRound) leaves() map[string]string {
	r.t.Helper()
	checkIntegrity(r.t, r.store)
	store, err := results.OpenReadOnly(r.store)
	if err != nil {
		r.t.Fatal(err)
	}
	defer store.Close()
	studies, err := store.Studies()
	if err != nil || len(studies) != 1 {
		r.t.Fatalf("%d studies, %v", len(studies), err)
	}
	runs, err := store.Runs(&studies[0])
	if err != nil {
		r.t.Fatal(err)
	}
	ends, err := store.Ends(slices.Collect(maps.Keys(runs)))
	if err != nil {
		r.t.Fatal(err)
	}
	left := map[string]string{}
	for id, run := range runs {
		r.outcome(store, run)
		text := fmt.Sprintf("%s %s; %d of %d steps\n", run.Outcome, run.Reason, run.Step, run.Steps)
		for _, metric := range slices.Sorted(maps.Keys(ends[id])) {
			series, err := store.Series(id, metric)
			if err != nil || len(series) == 0 {
				r.t.Fatalf("%s of run %s: %d points, %v", metric, id, len(series), err)
			}
			for _, p := range series {
				text += fmt.Sprintf("%s %d %x\n", metric, p.Step, math.Float64bits(p.Value))
			}
		}
		if strings.Count(text, "\n") < 100 {
			r.t.Errorf("run %s has reported %d points only", id, strings.Count(text, "\n")-1)
		}
		left[id] = text
	}
	return left
}

// outcome checks that the newest attempt of a run has brought its outcome, and
// that the journals tell no other. One may tell it, too: of an attempt that ended
// while its successor was being started.
func (r *chaosRound) outcome(store *results.Store, run results.Run) {
	r.t.Helper()
	attempts, err := store.Attempts(run.ID)
	if err != nil {
		r.t.Fatal(err)
	}
	for i, a := range attempts {
		newest := i == len(attempts)-1
		if newest && a.State != results.Ended || a.State == results.Running || a.Damage != "" {
			r.t.Errorf("run %s: attempt %d of %d is %s, damage %q", run.ID, a.Number, len(attempts), a.State, a.Damage)
		}
		if a.Outcome != run.Outcome && (newest || a.Outcome.IsResult()) {
			r.t.Errorf("run %s %s, its attempt %d of %d %s", run.ID, run.Outcome, a.Number, len(attempts), a.Outcome)
		}
	}
	files, err := worker.Attempts(orchestrator.RunDir(r.store, run.ID))
	if err != nil || len(files) != len(attempts) {
		r.t.Errorf("run %s: %d attempts, %d folders, %v", run.ID, len(attempts), len(files), err)
	}
	told, same := 0, 0
	for _, a := range files {
		text, _ := os.ReadFile(a.Journal()) // none if it was killed at once
		told += bytes.Count(text, []byte(`"kind":"`+journal.Outcome+`"`))
		same += bytes.Count(text, []byte(`"outcome":"`+run.Outcome+`"`))
	}
	if told == 0 || told != same {
		r.t.Errorf("of run %s the journals tell %d outcomes, %d of them %s", run.ID, told, same, run.Outcome)
	}
	if told > 1 {
		r.t.Logf("of run %s the journals tell the outcome %d times", run.ID, told)
	}
}

// checkIntegrity has SQLite check the database of a store.
func checkIntegrity(t *testing.T, store string) {
	t.Helper()
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(store, "store.db")+"?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var result string
	if err := db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Errorf("the database of %s: %s, %v", store, result, err)
	}
}

// processesOf lists the processes that have to do with a store: that name it in
// their command line or environment, or work in it.
func processesOf(store string) (pids []int) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		environ, _ := os.ReadFile(dir + "/environ")
		cwd, _ := os.Readlink(dir + "/cwd")
		pid, err := strconv.Atoi(filepath.Base(dir))
		inside := bytes.Contains(cmdline, []byte(store)) || bytes.Contains(environ, []byte(store)) || strings.HasPrefix(cwd, store)
		if err == nil && inside && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}
