package trainer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/probe"
)

// small is a run of 16 steps, 4 an epoch.
func small(norm string) config.Config {
	return config.Config{
		Method:    "byol",
		Data:      config.Data{Name: "generated", Train: 64, Test: 40},
		Encoder:   config.Encoder{Arch: "resnet8", Width: 4},
		Norm:      config.Norm{Encoder: norm, Projector: norm, Predictor: norm},
		Heads:     config.Heads{Hidden: 16, Out: 8},
		Predictor: true,
		Batch:     16,
		Epochs:    4,
		Optimizer: config.Optimizer{Name: "lars", LR: 0.5, WeightDecay: 1e-4, Momentum: 0.9, Trust: 0.02, Warmup: 0.1},
		Target:    config.Target{Tau: 0.9, Schedule: "cosine", StopGradient: true},
		Augment:   config.Augment{CropMin: 0.3, Flip: 0.5, Jitter: 0.8, Brightness: 0.4, Contrast: 0.4, Saturation: 0.2, Hue: 0.1, Grayscale: 0.2},
		Probe:     config.Probe{Every: 1, Images: 40},
	}
}

// winogradWidth is the width from which a resnet8 has convolutions by Winograd's
// algorithm, where the kernels know it: 32 channels on both sides in its second
// stage.
const winogradWidth = 16

// record is everything that a run reported, as it would stand in a store:
// what a later attempt repeats replaces what an earlier one said.
type record struct {
	metrics map[int64]map[string]float64
	events  []string
	resumed []int64
	outcome Outcome
	every   time.Duration // Job.SaveEvery
	extends int           // Job.Extends
	state   string        // bytes of the last checkpoint
}

// attempt executes the run in dir until stop steps are done (0 = to its end).
func (rec *record) attempt(t *testing.T, c config.Config, dir string, stop int64) error {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	outcome, err := Run(ctx, Job{Config: c, Seed: 3, Checkpoints: dir, SaveEvery: rec.every, Extends: rec.extends}, Hooks{
		Start: func(resume, steps int64) {
			if want := Steps(c, c.Data.Train); steps != want {
				t.Errorf("the run has %d steps, want %d", steps, want)
			}
			rec.resumed = append(rec.resumed, resume)
			maps.DeleteFunc(rec.metrics, func(step int64, _ map[string]float64) bool { return step >= resume })
		},
		Metrics: func(step int64, values map[string]float64) {
			if rec.metrics[step] == nil {
				rec.metrics[step] = make(map[string]float64)
			}
			maps.Copy(rec.metrics[step], values)
		},
		Progress: func(step, _ int64, _ float64, _ string) {
			if stop > 0 && step >= stop {
				cancel()
			}
		},
		Event: func(text string) { rec.events = append(rec.events, text) },
	})
	rec.outcome = outcome
	return err
}

func newRecord() *record { return &record{metrics: make(map[int64]map[string]float64)} }

// finish runs to the end and keeps the final state.
func (rec *record) finish(t *testing.T, c config.Config, dir string) {
	t.Helper()
	if err := rec.attempt(t, c, dir, 0); err != nil {
		t.Fatal(err)
	}
	paths, err := checkpoint.List(dir)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no checkpoint: %v", err)
	}
	raw, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	rec.state = string(raw)
}

// reported lists the names of all metrics of a run with projections of d
// dimensions.
func reported(d int) []string {
	var names []string
	for _, m := range config.Metrics {
		if _, ok := config.MetricByName(m.Name); ok {
			names = append(names, m.Name)
		}
	}
	for _, rank := range config.SpectrumRanks(d) {
		names = append(names, config.SpectrumName(rank))
	}
	return names
}

func TestRunReportsEverything(t *testing.T) {
	rec := newRecord()
	rec.finish(t, small(config.NormBN), t.TempDir())
	for step := int64(0); step < 16; step++ {
		if _, ok := rec.metrics[step]["loss"]; !ok {
			t.Errorf("no loss at step %d", step)
		}
	}
	for _, step := range []int64{0, 4, 8, 12, 16} {
		for _, name := range reported(small(config.NormBN).Heads.Out) {
			_, got := rec.metrics[step][name]
			want := name != "loss" || step < 16
			_, spectrum := config.SpectrumRank(name)
			if spectrum || name == "linear_top1" || strings.HasSuffix(name, "_batch_dependence") {
				want = step == 0 || step == 16
			}
			if got != want {
				t.Errorf("step %d: %s reported: %v, want %v", step, name, got, want)
			}
		}
		for name := range rec.metrics[step] {
			if _, ok := config.MetricByName(name); !ok {
				t.Errorf("the metric %s is not described", name)
			}
		}
	}
}

// TestResumeIsExact: interrupted anywhere, or killed and thrown back to an
// earlier checkpoint, a run ends with the same metrics and the same bytes.
func TestResumeIsExact(t *testing.T) {
	everywhere := map[int64]bool{1: false, 4: false, 5: true, 15: true}
	for _, test := range []struct {
		norm, optimizer string
		width           int
		stops           map[int64]bool // after which steps, and whether killed
	}{
		{config.NormBN, "lars", 4, everywhere},
		{config.NormInit, "sgd", 4, everywhere},
		{config.NormGNWS, "adam", 4, everywhere},
		{config.NormBN, "lars", winogradWidth, map[int64]bool{5: true}},
	} {
		c := small(test.norm)
		c.Optimizer.Name, c.Encoder.Width = test.optimizer, test.width
		want := newRecord()
		want.finish(t, c, t.TempDir())
		for stop, killed := range test.stops {
			t.Run(fmt.Sprintf("%s/%d/%d/killed=%v", test.norm, test.width, stop, killed), func(t *testing.T) {
				dir, got := t.TempDir(), newRecord()
				if err := got.attempt(t, c, dir, stop); !errors.Is(err, ErrInterrupted) {
					t.Fatalf("the run was not interrupted: %v", err)
				}
				if killed { // the newest checkpoint was never finished
					paths, err := checkpoint.List(dir)
					if err != nil {
						t.Fatal(err)
					}
					if err := os.Truncate(paths[0], 1000); err != nil {
						t.Fatal(err)
					}
				}
				got.finish(t, c, dir)
				if resumed := got.resumed[1]; (resumed == stop) == killed {
					t.Errorf("stopped after %d steps, resumed at %d", stop, resumed)
				}
				if killed && (len(got.events) == 0 || !strings.Contains(got.events[0], "damaged checkpoint")) {
					t.Errorf("the damaged checkpoint was passed over in silence: %q", got.events)
				}
				if fmt.Sprint(got.metrics) != fmt.Sprint(want.metrics) {
					t.Errorf("metrics differ:\n%v\n%v", got.metrics, want.metrics)
				}
				if got.state != want.state || got.outcome != want.outcome {
					t.Error("the final state differs")
				}
			})
		}
	}
}

// TestCheckpointIntervalDoesNotMatter: with a checkpoint after every step, at
// epochs' ends only, or now and then, a run that is killed in the middle of an
// epoch comes to the same metrics and the same bytes. With one after every
// step it loses none.
func TestCheckpointIntervalDoesNotMatter(t *testing.T) {
	c := small(config.NormBN)
	want := newRecord()
	want.finish(t, c, t.TempDir())
	for _, every := range []time.Duration{1, 5 * time.Millisecond, time.Hour} {
		dir, got := t.TempDir(), newRecord()
		got.every = every
		if err := got.attempt(t, c, dir, 6); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("the run was not interrupted: %v", err)
		}
		// Killed, it would not have saved step 6 when it was asked to stop.
		if err := os.Remove(filepath.Join(dir, checkpoint.Name(6))); err != nil {
			t.Fatal(err)
		}
		got.finish(t, c, dir)
		if resumed := got.resumed[1]; every == 1 && resumed != 5 || every == time.Hour && resumed != 4 {
			t.Errorf("checkpoints every %v: resumed at step %d", every, resumed)
		}
		if fmt.Sprint(got.metrics) != fmt.Sprint(want.metrics) || got.state != want.state {
			t.Errorf("checkpoints every %v: metrics or the final state differ", every)
		}
	}
}

// TestForeignCheckpointIsRefused: a state that another run made is not taken
// up, and the error says what differs. Another attempt would not help.
func TestForeignCheckpointIsRefused(t *testing.T) {
	c := small(config.NormNone)
	for key, change := range map[string]func(*checkpoint.File, *Job){
		"config":  func(_ *checkpoint.File, j *Job) { j.Config.Optimizer.LR = 0.25 },
		"seed":    func(_ *checkpoint.File, j *Job) { j.Seed = 4 },
		"dataset": func(f *checkpoint.File, _ *Job) { f.Meta["dataset"] = "another" },
		"trainer": func(f *checkpoint.File, _ *Job) { f.Meta["trainer"] = Version + "0" },
		"format":  func(f *checkpoint.File, _ *Job) { f.Meta["format"] = "ablate checkpoint 0" },
	} {
		t.Run(key, func(t *testing.T) {
			dir := t.TempDir()
			if err := newRecord().attempt(t, c, dir, 1); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			paths, err := checkpoint.List(dir)
			if err != nil || len(paths) == 0 {
				t.Fatalf("no checkpoint: %v", err)
			}
			f, err := checkpoint.Read(paths[0])
			if err != nil {
				t.Fatal(err)
			}
			job := Job{Config: c, Seed: 3, Checkpoints: dir}
			change(f, &job)
			if err := checkpoint.Write(paths[0], f); err != nil {
				t.Fatal(err)
			}
			_, err = Run(t.Context(), job, Hooks{})
			if err == nil || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "of another run: its "+key) {
				t.Errorf("error is %v", err)
			}
		})
	}
}

// TestChangedDataIsRefused: a run goes on with the data only that it was
// planned with.
func TestChangedDataIsRefused(t *testing.T) {
	job := Job{Config: small(config.NormNone), Seed: 3, Dataset: "0123456789abcdef"}
	_, err := Run(t.Context(), job, Hooks{Start: func(int64, int64) { t.Error("it started") }})
	if err == nil || !errors.Is(err, ErrRefused) {
		t.Fatalf("error is %v", err)
	}
	hash, err2 := data.Fingerprint("generated", "")
	if err2 != nil {
		t.Fatal(err2)
	}
	for _, part := range []string{"generated", "0123456789;", hash[:10], "has changed"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	job.Dataset = hash
	_, err = Run(ctx, job, Hooks{Start: func(int64, int64) { cancel() }})
	if !errors.Is(err, ErrInterrupted) {
		t.Errorf("the right data: error is %v", err)
	}
}

// alter changes the checkpoints of dir.
func alter(t *testing.T, dir string, change func(*checkpoint.File)) {
	t.Helper()
	paths, err := checkpoint.List(dir)
	if err != nil || len(paths) == 0 {
		t.Fatalf("no checkpoint: %v", err)
	}
	for _, p := range paths {
		f, err := checkpoint.Read(p)
		if err != nil {
			t.Fatal(err)
		}
		change(f)
		if err := checkpoint.Write(p, f); err != nil {
			t.Fatal(err)
		}
	}
}

// holds is the steps of the checkpoints of dir, newest first.
func holds(t *testing.T, dir string) (steps []int64) {
	t.Helper()
	paths, err := checkpoint.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		var step int64
		if _, err := fmt.Sscanf(filepath.Base(p), "step-%d", &step); err != nil {
			t.Fatal(err)
		}
		steps = append(steps, step)
	}
	return steps
}

// TestOtherArithmeticStartsOver: a state that other kernels made is not taken
// up, and the run does not get stuck on it: interrupted before it is as far as
// that state, it goes on from there.
func TestOtherArithmeticStartsOver(t *testing.T) {
	dir, c := t.TempDir(), small(config.NormNone)
	want := newRecord()
	want.finish(t, c, t.TempDir())
	if err := newRecord().attempt(t, c, dir, 10); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	alter(t, dir, func(f *checkpoint.File) { f.Meta["kernels"] = "abacus 1.0" })
	var events []string
	ctx, cancel := context.WithCancel(t.Context())
	_, err := Run(ctx, Job{Config: c, Seed: 3, Checkpoints: dir}, Hooks{
		Event: func(text string) { events = append(events, text) },
		Start: func(int64, int64) {
			if steps := holds(t, dir); !slices.Equal(steps, []int64{0}) {
				t.Errorf("when it starts over, there are checkpoints of the steps %v", steps)
			}
			cancel()
		},
	})
	if !errors.Is(err, ErrInterrupted) || len(events) != 1 || !strings.Contains(events[0], "abacus 1.0") {
		t.Errorf("error %v, events %q", err, events)
	}
	got := newRecord()
	for _, stop := range []int64{6, 7} {
		if err := got.attempt(t, c, dir, stop); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
	}
	if len(got.events) > 0 {
		t.Errorf("events %q", got.events)
	}
	if steps := holds(t, dir); !slices.Equal(steps, []int64{7, 6}) {
		t.Errorf("there are checkpoints of the steps %v", steps)
	}
	got.finish(t, c, dir)
	if !slices.Equal(got.resumed, []int64{0, 6, 7}) {
		t.Errorf("resumed at the steps %v", got.resumed)
	}
	if fmt.Sprint(got.metrics) != fmt.Sprint(want.metrics) || got.state != want.state {
		t.Error("metrics or the final state differ")
	}
}

// TestDamagedCheckpointMakesRoom: a checkpoint that was passed over does not
// take the place of a good one.
func TestDamagedCheckpointMakesRoom(t *testing.T) {
	dir, rec := t.TempDir(), newRecord()
	c := small(config.NormNone)
	damage := func(steps ...int64) {
		for _, step := range steps {
			if err := os.Truncate(filepath.Join(dir, checkpoint.Name(step)), 1000); err != nil {
				t.Fatal(err)
			}
		}
	}
	attempt := func(stop int64, want ...int64) {
		t.Helper()
		if err := rec.attempt(t, c, dir, stop); !errors.Is(err, ErrInterrupted) {
			t.Fatal(err)
		}
		if got := holds(t, dir); !slices.Equal(got, want) {
			t.Errorf("there are checkpoints of the steps %v, want %v", got, want)
		}
	}
	attempt(10, 10, 8)
	damage(10)
	attempt(9, 9, 8)
	damage(9, 8)
	attempt(5, 5, 4)
	if !slices.Equal(rec.resumed, []int64{0, 8, 0}) || len(rec.events) != 4 {
		t.Errorf("resumed at the steps %v, events %q", rec.resumed, rec.events)
	}
}

// TestSenselessCheckpointIsRefused: what a good file lacks it will lack at the
// next attempt too. Of several things that are wrong, the same one is named
// every time.
func TestSenselessCheckpointIsRefused(t *testing.T) {
	c := small(config.NormNone)
	for want, change := range map[string]func(*checkpoint.File){
		"has no step":   func(f *checkpoint.File) { delete(f.Meta, "step") },
		"has no probes": func(f *checkpoint.File) { delete(f.Meta, "z_std") },
		"lacks the tensor online/encoder/stem/conv/weight": func(f *checkpoint.File) { f.Tensors = nil },
		"its config is": func(f *checkpoint.File) {
			for k := range identity(Job{}, "") {
				f.Meta[k] = "another"
			}
		},
	} {
		t.Run(want, func(t *testing.T) {
			dir := t.TempDir()
			if err := newRecord().attempt(t, c, dir, 1); !errors.Is(err, ErrInterrupted) {
				t.Fatal(err)
			}
			alter(t, dir, change)
			for range 5 {
				_, err := Run(t.Context(), Job{Config: c, Seed: 3, Checkpoints: dir}, Hooks{})
				if !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), want) {
					t.Errorf("error is %v", err)
				}
			}
		})
	}
}

// TestUnusableDataIsRefused: files that are wrong or missing stay so, but a
// reading error of the system may pass.
func TestUnusableDataIsRefused(t *testing.T) {
	c := small(config.NormNone)
	refused := func(dir string) bool {
		t.Helper()
		_, err := Run(t.Context(), Job{Config: c, DataDir: dir}, Hooks{})
		if err == nil {
			t.Fatal("no error")
		}
		return errors.Is(err, ErrRefused)
	}
	c.Data.Train = 1 << 40
	if !refused("") {
		t.Error("more images than there are: another attempt would be made")
	}
	c.Data = config.Data{Name: "cifar10"}
	if !refused(t.TempDir()) {
		t.Error("no data: another attempt would be made")
	}
	dir := t.TempDir()
	for _, name := range []string{"data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5", "test_batch"} {
		if err := os.WriteFile(filepath.Join(dir, name+".bin"), []byte("cut"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if !refused(dir) {
		t.Error("damaged data: another attempt would be made")
	}
	first := filepath.Join(dir, "data_batch_1.bin")
	if err := os.Remove(first); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/mem", first); err != nil { // reading its beginning fails with EIO
		t.Fatal(err)
	}
	if _, err := os.Stat(first); err != nil {
		t.Skip("no file here that cannot be read: ", err)
	}
	if refused(dir) {
		t.Error("the system's error: no other attempt would be made")
	}
}

// TestLinearEvaluationFails: a fit that does not converge costs its metric, and
// the run says so; nothing else is lost. Another error ends the run.
func TestLinearEvaluationFails(t *testing.T) {
	var events []string
	metrics := map[int64]map[string]float64{}
	r, err := newRun(Job{Config: small(config.NormNone), Seed: 3}, Hooks{
		Event: func(text string) { events = append(events, text) },
		Metrics: func(step int64, values map[string]float64) {
			if _, probed := values["z_std"]; probed {
				metrics[step] = values
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	failure := fmt.Errorf("%w: penalty 0.1", probe.ErrNotConverged)
	r.linear = func(context.Context, probe.Features, probe.Features) (float64, error) { return 12.5, failure }
	outcome, err := r.loop(t.Context())
	if err != nil || outcome.Kind == "diverged" {
		t.Fatalf("%+v, %v", outcome, err)
	}
	want := []string{"no linear_top1 at step 0: " + failure.Error(), "no linear_top1 at step 16: " + failure.Error()}
	if !slices.Equal(events, want) {
		t.Errorf("events %q", events)
	}
	for _, step := range []int64{0, 16} {
		if _, ok := metrics[step]["linear_top1"]; ok {
			t.Errorf("step %d has a linear_top1", step)
		}
		for _, name := range []string{"knn_top1", "z_std", "encoder_batch_dependence"} {
			if _, ok := metrics[step][name]; !ok {
				t.Errorf("step %d has no %s", step, name)
			}
		}
	}
	failure = errors.New("something else")
	if _, err := r.loop(t.Context()); !errors.Is(err, failure) {
		t.Errorf("error is %v", err)
	}
}

// TestInterruptedProbe: a run that is asked to stop while it probes, or just
// when it has, resumes as if nothing had been.
func TestInterruptedProbe(t *testing.T) {
	c, want := small(config.NormBN), newRecord()
	want.finish(t, c, t.TempDir())
	for name, stop := range map[string]func(cancel func()) Hooks{
		"while": func(cancel func()) Hooks {
			return Hooks{Progress: func(_, _ int64, _ float64, phase string) {
				if phase == "evaluate" {
					cancel()
				}
			}}
		},
		"after": func(cancel func()) Hooks {
			return Hooks{Metrics: func(step int64, values map[string]float64) {
				if _, probed := values["z_std"]; probed && step == 4 {
					cancel()
				}
			}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, got := t.TempDir(), newRecord()
			ctx, cancel := context.WithCancel(t.Context())
			if _, err := Run(ctx, Job{Config: c, Seed: 3, Checkpoints: dir}, stop(cancel)); !errors.Is(err, ErrInterrupted) {
				t.Fatalf("error is %v", err)
			}
			got.finish(t, c, dir)
			for step := range got.resumed[0] { // what the first attempt has reported
				got.metrics[step] = want.metrics[step]
			}
			if fmt.Sprint(got.metrics) != fmt.Sprint(want.metrics) || got.state != want.state {
				t.Error("the resumed run differs")
			}
		})
	}
}

// TestSimCLRRuns: the control method goes through a whole run.
func TestSimCLRRuns(t *testing.T) {
	c := small(config.NormGNWS)
	c.Method, c.SimCLR.Temperature, c.Predictor, c.Norm.Predictor, c.Target = "simclr", 0.5, false, "", config.Target{Schedule: "constant"}
	rec := newRecord()
	rec.finish(t, c, t.TempDir())
	if first, last := rec.metrics[0]["loss"], rec.metrics[15]["loss"]; !(last < first) {
		t.Errorf("the loss went from %g to %g", first, last)
	}
	if strings.Contains(rec.state, `"target/`) {
		t.Error("the checkpoint has a target network, which the method has not")
	}
	dir, resumed := t.TempDir(), newRecord()
	if err := resumed.attempt(t, c, dir, 6); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	resumed.finish(t, c, dir)
	if resumed.resumed[1] != 6 || fmt.Sprint(resumed.metrics) != fmt.Sprint(rec.metrics) || resumed.state != rec.state {
		t.Errorf("resumed at step %d, metrics or the final state differ", resumed.resumed[1])
	}
}

func TestBench(t *testing.T) {
	c := small(config.NormGNWS)
	s, err := Bench(c, 8, 2, func() {})
	if err != nil {
		t.Fatal(err)
	}
	if !(s.ImagesPerSecond > 0 && s.GFLOPS > 0 && s.LimitGFLOPS > 0) || len(s.Ops) < 10 {
		t.Errorf("%+v", s)
	}
	c.Encoder.Arch = "resnet9"
	if _, err := Bench(c, 8, 2, func() {}); err == nil {
		t.Error("no error for an unknown architecture")
	}
}

// TestTooFewImages: what no configuration alone can tell is refused before a
// graph is built.
func TestTooFewImages(t *testing.T) {
	c := small(config.NormNone)
	c.Batch = 65
	_, err := Run(t.Context(), Job{Config: c}, Hooks{})
	if err == nil || !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "batch = 65, but generated has only 64 training images") {
		t.Errorf("error is %v", err)
	}
	if err := Fits(c, 65, 1); err == nil || err.Error() != "generated has too few test images: 1; the probes need two to compare" {
		t.Errorf("error is %v", err)
	}
	if err := Fits(c, 65, 2); err != nil {
		t.Error(err)
	}
}

func TestUnknownArchitectureIsAnError(t *testing.T) {
	c := small(config.NormNone)
	c.Encoder.Arch = "resnet9"
	if _, err := Run(context.Background(), Job{Config: c}, Hooks{}); !errors.Is(err, ErrRefused) {
		t.Errorf("error is %v", err)
	}
}
