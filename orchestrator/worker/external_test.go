package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ablate/results/journal"
	"ablate/trainer"
)

// TestMain is also a worker that a test can kill.
func TestMain(m *testing.M) {
	if dir := os.Getenv("TEST_WORKER_RUN"); dir != "" {
		err := Worker{Claimed: RedirectStderr}.Run(context.Background(), dir)
		os.Exit(ExitCode(err))
	}
	os.Exit(m.Run())
}

// external is a run whose trainer is a shell script.
type external struct {
	t   *testing.T
	dir string // of the run
}

func newExternal(t *testing.T, script string) external {
	t.Helper()
	frozen := filepath.Join(t.TempDir(), "trainers", "1234")
	if err := os.MkdirAll(filepath.Join(frozen, FrozenFiles), 0o777); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(frozen, FrozenJSON), `{"command":["sh","train.sh","{optimizer.lr}","{norm}-{seed}"]}`)
	write(t, filepath.Join(frozen, FrozenFiles, "train.sh"), script)
	dir := filepath.Join(t.TempDir(), "runs", "77")
	spec := Spec{ID: "77", Cell: "bn", Seed: 3, Config: []byte(`{"norm":"b n","optimizer":{"lr":1e-05}}`), DataDir: "/data", Trainer: frozen}
	if err := WriteSpec(dir, spec); err != nil {
		t.Fatal(err)
	}
	return external{t, dir}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// run makes an attempt with its standard error in the attempt's log.
func (e external) run(ctx context.Context) error {
	e.t.Helper()
	stderr := os.Stderr
	defer func() { os.Stderr = stderr }()
	w := Worker{Kernels: "none of its", Grace: 200 * time.Millisecond, Claimed: func(a Attempt) (err error) {
		os.Stderr, err = os.Create(a.Stderr())
		return err
	}}
	return w.Run(ctx, e.dir)
}

// said is what attempt n's journal tells, a line each.
func (e external) said(n int) (told []string) {
	e.t.Helper()
	for _, l := range lines(e.t, Attempt{e.dir, n}) {
		switch l.Kind {
		case journal.Start:
			told = append(told, fmt.Sprintf("start %d of %d", l.Start.ResumeStep, l.Start.Steps))
		case journal.Metrics:
			text, _ := json.Marshal(l.Metrics)
			told = append(told, fmt.Sprintf("%d %s", l.Step, text))
		case journal.Progress:
			told = append(told, fmt.Sprintf("progress %d of %d %s %g", l.Progress.Step, l.Progress.Steps, l.Progress.Phase, l.Progress.ImagesPerSecond))
		case journal.Event:
			told = append(told, "event "+l.Text)
		case journal.Outcome:
			told = append(told, strings.TrimSpace("outcome "+l.Outcome+" "+l.Text))
		}
	}
	return told
}

func (e external) tells(n int, want ...string) {
	e.t.Helper()
	if got := e.said(n); strings.Join(got, "\n") != strings.Join(want, "\n") {
		e.t.Errorf("attempt %d tells\n%s\nwant\n%s", n, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestExternal(t *testing.T) {
	e := newExternal(t, `
echo "out"; echo "err" >&2
cat > got <<END
$1|$2|$ABLATE_RUN|$ABLATE_ATTEMPT|$ABLATE_SEED|$ABLATE_DATA|$(cat "$ABLATE_CONFIG")
END
mv got "$ABLATE_CHECKPOINTS/got"
cat >> "$ABLATE_METRICS" <<END
{"event": "warming up"}
{"steps": 3}

{"step": 0, "linear_top1": 10}
{"step": 1, "loss": NaN, "a \"NaN\"": -Infinity, "phase": "fit", "images_per_second": 12.5}
  {"loss": Infinity, "step": 2.0}
{"step": 3}
END
printf '{"outcome": "collapsed", "why": "flat"}' >> "$ABLATE_METRICS"`)
	if err := e.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.tells(1,
		"start 0 of 3", "event warming up", `0 {"linear_top1":10}`, `1 {"a \"NaN\"":"-Inf","loss":"NaN"}`, `2 {"loss":"+Inf"}`,
		"progress 3 of 3 fit 12.5", "outcome collapsed flat")
	a := Attempt{e.dir, 1}
	got, _ := os.ReadFile(filepath.Join(a.Checkpoints(), "got"))
	if want := "1e-05|b n-3|77|1|3|/data|{\"norm\":\"b n\",\"optimizer\":{\"lr\":1e-05}}\n"; string(got) != want {
		t.Errorf("the program got %q, want %q", got, want)
	}
	if log, _ := os.ReadFile(a.Stderr()); string(log) != "out\nerr\n" {
		t.Errorf("log %q", log)
	}
	if start := lines(t, a)[0].Start; start.Kernels != "" || start.Version == "" {
		t.Errorf("provenance %+v", start)
	}
}

func TestExternalEnds(t *testing.T) {
	tests := []struct {
		name, script string
		code         int
		want         string // in the error
	}{
		{"well", `true`, 0, ""},
		{"badly", `echo why >&2; echo "" >&2; exit 3`, 1, "the trainer ended with exit code 3: why"},
		{"in silence", `exit 4`, 1, "the trainer ended with exit code 4"},
		{"behind a bar", `printf 'one\rtwo\r' >&2; exit 1`, 1, "the trainer ended with exit code 1: two"},
		{"to go on later", `exit 75`, ExitInterrupted, "to be started again"},
		{"out of memory", `kill -9 $$`, 1, "the trainer was killed from outside, perhaps for want of memory"},
		{"by a signal", `kill -6 $$`, 1, "the trainer died of signal: aborted"},
		{"badly after its outcome", `echo '{"outcome":"completed"}' > "$ABLATE_METRICS"; exit 3`, 1, "exit code 3"},
		{"after its outcome", `echo '{"outcome":"completed"}' > "$ABLATE_METRICS"; echo '{"step":1}' >> "$ABLATE_METRICS"`, ExitRefused, "line 2 of"},
		{"with nonsense", `printf '{"step":1}\n{"step":2,"loss":"x"}\n' > "$ABLATE_METRICS"; exit 3`, ExitRefused, `line 2 of `},
		{"in the middle of a line", `printf '{"step":1}\n{"step":2,"lo' > "$ABLATE_METRICS"`, ExitRefused, `"{\"step\":2,\"lo", cannot be used: it is no JSON object`},
		{"in the middle of a line, badly", `printf '{"step":1}\n{"step":2,"lo' > "$ABLATE_METRICS"; exit 1`, 1, `exit code 1`},
		{"with a second start", `printf '{"step":1}\n{"steps":2}\n' > "$ABLATE_METRICS"`, ExitRefused, `before the first figures`},
		{"with its report replaced", `echo '{"step":1}' > new; mv new "$ABLATE_METRICS"`, ExitRefused, "removed, replaced or cut"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			e := newExternal(t, test.script)
			err := e.run(t.Context())
			if ExitCode(err) != test.code || test.want != "" && !strings.Contains(err.Error(), test.want) {
				t.Errorf("exit code %d for %v, want %d for %s", ExitCode(err), err, test.code, test.want)
			}
			said := e.said(1)
			if ended := len(said) > 0 && said[len(said)-1] == "outcome completed"; ended != (test.code == 0) {
				t.Errorf("tells %q", said)
			}
		})
	}
}

func TestExternalCannotStart(t *testing.T) {
	for command, want := range map[string]string{
		`["no-such-program"]`: "the trainer no-such-program cannot be started",
		`["./train.sh"]`:      "permission denied",
		`["train.sh"]`:        "write ./train.sh",
		`["sh", "{heads}"]`:   "{heads}",
		`[]`:                  "it has no command",
	} {
		e := newExternal(t, "true")
		spec, err := ReadSpec(e.dir)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(spec.Trainer, FrozenJSON), `{"command":`+command+`}`)
		if err := e.run(t.Context()); ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: exit code %d for %v", command, ExitCode(err), err)
		}
	}
}

// A program that is asked to stop may save its state, and ends as interrupted
// even if it then ends well.
func TestExternalStops(t *testing.T) {
	e := newExternal(t, `
trap 'echo saved > "$ABLATE_CHECKPOINTS/state"; exit 0' TERM
echo '{"step": 5, "loss": 1}' >> "$ABLATE_METRICS"
echo > "$ABLATE_CHECKPOINTS/ready"
while true; do sleep 0.01; done`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await(t, filepath.Join(e.dir, "1", "ckpt", "ready"))
		cancel()
	}()
	if err := e.run(ctx); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	e.tells(1, "start 0 of 0", `5 {"loss":1}`, "progress 5 of 0 train 0", "event interrupted at step 5")
	if _, err := os.Stat(filepath.Join(e.dir, "1", "ckpt", "state")); err != nil {
		t.Error(err)
	}
}

// One that does not stop is killed, with all that it has started.
func TestExternalDoesNotStop(t *testing.T) {
	e := newExternal(t, `
trap '' TERM
sleep 600 &
echo $! > pid; mv pid "$ABLATE_CHECKPOINTS/child"
wait; wait; sleep 600`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		await(t, filepath.Join(e.dir, "1", "ckpt", "child"))
		cancel()
	}()
	if err := e.run(ctx); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	awaitEnd(t, filepath.Join(e.dir, "1", "ckpt", "child"))
}

// What a program leaves behind is gone when the attempt is over.
func TestExternalLeavesNothing(t *testing.T) {
	e := newExternal(t, `sleep 600 & echo $! > "$ABLATE_CHECKPOINTS/child"`)
	if err := e.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, filepath.Join(e.dir, "1", "ckpt", "child"))
}

// A worker that is killed takes the program with it.
func TestExternalDiesWithTheWorker(t *testing.T) {
	e := newExternal(t, `echo $$ > pid; mv pid "$ABLATE_CHECKPOINTS/pid"; exec sleep 600`)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := exec.Command(self)
	w.Env = append(os.Environ(), "TEST_WORKER_RUN="+e.dir)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	pid := filepath.Join(e.dir, "1", "ckpt", "pid")
	await(t, pid)
	w.Process.Kill()
	w.Wait()
	awaitEnd(t, pid)
}

// What the program of a killed worker has started is gone before the next attempt
// begins, if nobody else has seen to that. A process that has its environment
// alone, as a shell may, lives, and so does one in a session of that number.
func TestExternalLeft(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux tells the processes of a session")
	}
	e := newExternal(t, `
cd "$ABLATE_CHECKPOINTS"
test "$ABLATE_ATTEMPT" = 1 || exit 0
env -u ABLATE_METRICS sleep 600 </dev/null >/dev/null 2>&1 &
echo $! > foreign
sleep 600 </dev/null >/dev/null 2>&1 &
echo $! > new; mv new pid; wait`)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := exec.Command(self)
	w.Env = append(os.Environ(), "TEST_WORKER_RUN="+e.dir)
	w.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, filepath.Join(e.dir, "1", "ckpt", "pid"))
	other := exec.Command("sleep", "600")
	other.Env = append(os.Environ(), "ABLATE_METRICS="+Attempt{e.dir, 1}.Reports())
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	defer other.Wait()
	defer other.Process.Kill()
	w.Process.Kill()
	w.Wait()
	pids := Session(w.Process.Pid)
	if len(pids) < 2 {
		t.Fatalf("the worker has left %v", pids)
	}
	defer func() {
		for _, pid := range pids {
			if slices.Contains(Session(w.Process.Pid), pid) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}()
	if err := e.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	awaitEnd(t, filepath.Join(e.dir, "2", "ckpt", "pid"))
	foreign, err := os.ReadFile(filepath.Join(e.dir, "2", "ckpt", "foreign"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pid := range []string{strconv.Itoa(other.Process.Pid), strings.TrimSpace(string(foreign))} {
		if stat, err := os.ReadFile("/proc/" + pid + "/stat"); err != nil || strings.Contains(string(stat), ") Z ") {
			t.Errorf("another process was killed: %s, %v", stat, err)
		}
	}
}

// A newer attempt makes an older one's program end.
func TestExternalSuperseded(t *testing.T) {
	e := newExternal(t, `echo > "$ABLATE_CHECKPOINTS/ready"; exec sleep 600`)
	go func() {
		await(t, filepath.Join(e.dir, "1", "ckpt", "ready"))
		if _, err := Claim(e.dir, "newer"); err != nil {
			t.Error(err)
		}
	}()
	if err := e.run(t.Context()); !errors.Is(err, ErrSuperseded) {
		t.Error(err)
	}
}

// A program goes on from what the attempt before has left, whatever that is.
func TestExternalResumes(t *testing.T) {
	e := newExternal(t, `
cd "$ABLATE_CHECKPOINTS"
from=0; test -f sub/state && from=$(cat sub/state)
echo "{\"steps\": 9, \"resume_step\": $from}" >> "$ABLATE_METRICS"
echo "{\"step\": 1, \"loss\": $ABLATE_ATTEMPT}" >> "$ABLATE_METRICS"
echo "{\"step\": 7, \"loss\": $ABLATE_ATTEMPT}" >> "$ABLATE_METRICS"
mkdir -p sub; echo $((from + 2)) > sub/state
test $ABLATE_ATTEMPT = 3`)
	for range 2 {
		if err := e.run(t.Context()); ExitCode(err) != 1 {
			t.Fatal(err)
		}
	}
	if _, err := Claim(e.dir, "died before it took over anything"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(Attempt{e.dir, 3}.claim()); err != nil { // so that it is attempt 3 after all
		t.Fatal(err)
	}
	if err := e.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.tells(1, "start 0 of 9", `1 {"loss":1}`, `7 {"loss":1}`, "progress 7 of 9 train 0")
	e.tells(3, "start 4 of 9", `7 {"loss":3}`, "progress 7 of 9 train 0",
		"event 1 lines with figures of steps before 4, where the trainer said that it goes on, do not count", "outcome completed")
}

// All of a large report arrives, and large output harms nobody.
func TestExternalTellsMuch(t *testing.T) {
	e := newExternal(t, `
yes 'a line of output that nobody wants to read' | head -c 3000000 >&2
seq 1 20000 | sed 's/.*/{"step": &, "loss": 0.&}/' >> "$ABLATE_METRICS"`)
	if err := e.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	told := 0
	for _, l := range lines(t, Attempt{e.dir, 1}) {
		if l.Kind == journal.Metrics {
			if told++; l.Step != int64(told) {
				t.Fatalf("line %d is of step %d", told, l.Step)
			}
		}
	}
	if told != 20000 {
		t.Errorf("%d lines arrived", told)
	}
}

func TestExternalLimits(t *testing.T) {
	for _, test := range []struct{ script, want string }{
		{`head -c 600000 /dev/zero | tr '\0' x > "$ABLATE_METRICS"; sleep 600`, "longer than 512 KiB"},
		{`seq 1 1001 | sed 's/.*/{"step": &, "loss_&": 1}/' > "$ABLATE_METRICS"; sleep 600`, `"loss_1001" is the metric number 1001`},
	} {
		e := newExternal(t, test.script)
		if err := e.run(t.Context()); ExitCode(err) != ExitRefused || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v, want %s", err, test.want)
		}
	}
}

func TestParseReport(t *testing.T) {
	bad := map[string]string{
		`hello`:                           "no JSON object",
		`[1]`:                             "no JSON object",
		`null`:                            "no JSON object",
		`{"step":1}{"step":2}`:            "no JSON object",
		`{"loss":1}`:                      `none of the keys "step"`,
		`{"step":-1}`:                     `"step" must be a whole number from 0 on, not -1`,
		`{"step":1.5}`:                    `not 1.5`,
		`{"step":"1"}`:                    `not "1"`,
		`{"step":null}`:                   `not null`,
		`{"step":NaN}`:                    `not "NaN"`,
		`{"step":1e300}`:                  `not 1e300`,
		`{"step":1,"loss":null}`:          `"loss" must be a number, not null`,
		`{"step":1,"loss":true}`:          `not true`,
		`{"step":1,"loss":[1]}`:           `not [1]`,
		`{"step":1,"loss":1e999}`:         `not 1e999`,
		`{"step":1,"":1}`:                 `"" is no good name`,
		`{"step":1,"a\nb":1}`:             `is no good name`,
		`{"step":1,"steps":9}`:            `on a line of its own`,
		`{"step":1,"event":"x"}`:          `on a line of its own`,
		`{"steps":9,"loss":1}`:            `"loss" cannot stand beside "steps"`,
		`{"steps":-9}`:                    `"steps" must be`,
		`{"resume_step":"9"}`:             `"resume_step" must be`,
		`{"event":1}`:                     `"event" must be a string, not 1`,
		`{"event":""}`:                    `empty`,
		`{"event":"x","why":"y"}`:         `"why" cannot stand beside "event"`,
		`{"outcome":"failed"}`:            `no outcome "failed"; it must be one of completed, collapsed, never_separated, diverged`,
		`{"outcome":"completed","why":1}`: `"why" must be a string`,
		`{"event":"` + strings.Repeat("x", maxText+1) + `"}`:    "at most 8192 bytes",
		`{"step":1,"` + strings.Repeat("x", maxName+1) + `":1}`: "no good name",
	}
	for line, want := range bad {
		if _, err := parseReport([]byte(line)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", line, err, want)
		}
	}
	r, err := parseReport([]byte(`{"a\"NaN\\":NaN,"b":[]}`))
	if err == nil {
		t.Errorf("%+v", r)
	}
	r, err = parseReport([]byte(`{"step":7,"\\":-Infinity,"NaN":1,"x":NaN}`))
	if err != nil || r.figures.step != 7 || !math.IsInf(r.figures.metrics[`\`], -1) || r.figures.metrics["NaN"] != 1 || !math.IsNaN(r.figures.metrics["x"]) {
		t.Errorf("%+v, %v", r.figures, err)
	}
}

// However often worker and program are killed, at whatever line, every step's
// figures count once: those of the newest attempt that reported the step and
// whose state the run went on from.
func TestNoFigureIsLost(t *testing.T) {
	recovered := 0
	for seed := range uint64(100) {
		random := rand.New(rand.NewPCG(seed, 0))
		const steps, attempts = 12, 6
		dir := t.TempDir()
		saved, want, got := 0, map[int64]float64{}, map[int64]float64{}
		for n := 1; n <= attempts; n++ {
			a := Attempt{dir, n}
			if err := os.Mkdir(a.Dir(), 0o777); err != nil {
				t.Fatal(err)
			}
			write(t, a.claim(), "{}")
			last := n == attempts
			// The program goes on from what is saved, reports each step, and saves
			// after some of them, until it is killed.
			resume := saved
			text := fmt.Sprintf("{\"steps\":%d,\"resume_step\":%d}\n", steps, resume)
			forget(want, int64(resume))
			for step := resume; step < steps && (last || random.IntN(5) > 0); step++ {
				text += fmt.Sprintf("{\"step\":%d,\"attempt\":%d}\n", step, n)
				want[int64(step)] = float64(n)
				if random.IntN(2) > 0 {
					saved = step + 1
				}
			}
			if !last {
				text += `{"step":`[:random.IntN(9)]
			}
			write(t, a.Reports(), text)
			// The worker writes some of that into the journal, until it is killed.
			most := random.IntN(steps)
			if last {
				most = math.MaxInt
			}
			start, told := tell(t, a, most)
			if start >= 0 {
				forget(got, start)
			}
			if start >= 0 && start < int64(resume) {
				recovered++
			}
			for step, by := range told {
				got[step] = by
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || len(got) != steps {
			t.Errorf("seed %d: figures by step %v, want %v", seed, got, want)
		}
	}
	if recovered < 30 {
		t.Errorf("only %d attempts had to tell again what an earlier one had not", recovered)
	}
}

func forget(byStep map[int64]float64, from int64) {
	for step := range byStep {
		if step >= from {
			delete(byStep, step)
		}
	}
}

// tell passes what an attempt's program has reported on to the attempt's
// journal, of which no more than a number of lines are written. It returns
// what is in the journal.
func tell(t *testing.T, a Attempt, most int) (start int64, byStep map[int64]float64) {
	t.Helper()
	j, err := journal.Create(a.Journal())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	put := func(l journal.Line) {
		if most--; most >= 0 {
			if err := j.Write(l); err != nil {
				t.Error(err)
			}
		}
	}
	reports, err := openReports(a.Reports())
	if err != nil {
		t.Fatal(err)
	}
	defer reports.close()
	r := relay{attempt: a, reports: reports, hooks: trainer.Hooks{
		Start: func(from, steps int64) {
			put(journal.Line{Kind: journal.Start, Start: &journal.StartInfo{ResumeStep: from, Steps: steps}})
		},
		Metrics: func(step int64, v map[string]float64) {
			put(journal.Line{Kind: journal.Metrics, Step: step, Metrics: map[string]journal.Value{"attempt": journal.Value(v["attempt"])}})
		},
		Progress: func(int64, int64, float64, string) {},
	}}
	if err := r.pass(); err != nil {
		t.Fatal(err)
	}
	start, byStep = -1, map[int64]float64{}
	for _, l := range lines(t, a) {
		if l.Kind == journal.Start {
			start = l.Start.ResumeStep
		} else if l.Step >= start {
			byStep[l.Step] = float64(l.Metrics["attempt"])
		}
	}
	return start, byStep
}

// killed runs the example of the documentation until it has saved its state
// twice, or is about to the third time.
const killed = `
import os, runpy, signal
replace, saves, odd = os.replace, 0, int(os.environ["ABLATE_ATTEMPT"]) % 2
def counted(a, b):
    global saves
    saves += 1
    if odd and saves == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(a, b)
    if not odd and saves == 2:
        os.kill(os.getpid(), signal.SIGKILL)
os.replace = counted
runpy.run_path("minimal.py")
`

// The example of the documentation, killed again and again, ends with the same
// figures as undisturbed.
func TestMinimalExample(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("there is no python3")
	}
	program, err := os.ReadFile("../../docs/trainers/minimal.py")
	if err != nil {
		t.Fatal(err)
	}
	example := func(command string) external {
		e := newExternal(t, "")
		spec, err := ReadSpec(e.dir)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(spec.Trainer, FrozenJSON), `{"command":["python3","`+command+`"]}`)
		write(t, filepath.Join(spec.Trainer, FrozenFiles, "minimal.py"), string(program))
		write(t, filepath.Join(spec.Trainer, FrozenFiles, "killed.py"), killed)
		spec.Config = []byte(`{"epochs":6,"lr":0.01,"standardize":true}`)
		if err := WriteSpec(e.dir, spec); err != nil {
			t.Fatal(err)
		}
		return e
	}
	undisturbed, disturbed := example("minimal.py"), example("killed.py")
	if err := undisturbed.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	attempts := 1
	for ; attempts < 10; attempts++ {
		if err := disturbed.run(t.Context()); err == nil {
			break
		} else if !strings.Contains(err.Error(), "killed from outside") {
			t.Fatal(err)
		}
	}
	want, got := undisturbed.counted(1), disturbed.counted(attempts)
	if fmt.Sprint(got) != fmt.Sprint(want) || len(want) != 7 {
		t.Errorf("after %d attempts %v, undisturbed %v", attempts, got, want)
	}
	if attempts != 4 { // seven steps, two an attempt
		t.Errorf("it took %d attempts", attempts)
	}
}

// counted returns the figures by step that count after n attempts.
func (e external) counted(n int) map[int64]string {
	e.t.Helper()
	byStep := map[int64]string{}
	for i := range n {
		for _, l := range lines(e.t, Attempt{e.dir, i + 1}) {
			switch l.Kind {
			case journal.Start:
				for step := range byStep {
					if step >= l.Start.ResumeStep {
						delete(byStep, step)
					}
				}
			case journal.Metrics:
				text, _ := json.Marshal(l.Metrics)
				byStep[l.Step] += string(text)
			}
		}
	}
	return byStep
}

// await waits until a file is there.
func await(t *testing.T, path string) {
	t.Helper()
	for range 3000 {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("waited in vain for %s", path)
}

// awaitEnd waits until the process whose number is in a file is gone, or dead
// and not yet reaped by whoever inherited it.
func awaitEnd(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) || err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d lives", pid)
}
