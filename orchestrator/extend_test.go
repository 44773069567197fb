package orchestrator_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer"
	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
)

// extending is a store whose runs are trained here, one after the other.
type extending struct {
	t     *testing.T
	dir   string
	store *results.Store
}

func newExtending(t *testing.T) *extending {
	t.Helper()
	dir := t.TempDir()
	store, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &extending{t, dir, store}
}

// runOf is a run of tiny networks whose steps, of which there are three in an
// epoch, do not depend on their number, but for what over says.
func runOf(t *testing.T, id string, epochs int64, over config.Settings) results.Run {
	t.Helper()
	s, problems := config.Resolve(config.Settings{
		"data.name": "generated", "data.train": int64(48), "data.test": int64(40), "encoder.width": int64(4),
		"heads.hidden": int64(16), "heads.out": int64(8), "batch": int64(16), "epochs": epochs,
		"optimizer.schedule": "constant", "optimizer.warmup": 0.0, "target.schedule": "constant",
	}.Merge(over))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return results.Run{ID: id, Cell: "c", Seed: 1, Config: s.JSON(), Trainer: trainer.Version}
}

// train does a run as a scheduler would, and returns where it began and its last
// checkpoint.
func (x *extending) train(r results.Run) (from int64, state string) {
	x.t.Helper()
	if err := x.store.SaveStudy(&results.Study{Name: r.ID}, []results.Run{r}); err != nil {
		x.t.Fatal(err)
	}
	e := x.extension(r)
	spec := worker.Spec{ID: r.ID, Seed: r.Seed, Config: r.Config}
	if e.From != "" {
		if err := x.store.Extend(r.ID, e.From); err != nil {
			x.t.Fatal(err)
		}
		spec.Extends = orchestrator.RunDir(x.dir, e.From)
	}
	runDir := orchestrator.RunDir(x.dir, r.ID)
	if err := worker.WriteSpec(runDir, spec); err != nil {
		x.t.Fatal(err)
	}
	if err := (worker.Worker{Train: worker.Embedded(trainer.Run)}).Run(x.t.Context(), runDir); err != nil {
		x.t.Fatal(err)
	}
	a := worker.Attempt{RunDir: runDir, N: 1}
	if err := x.store.BeginAttempt(r.ID, 1); err != nil {
		x.t.Fatal(err)
	}
	if err := x.store.Ingest(r.ID, 1, a.Journal()); err != nil {
		x.t.Fatal(err)
	}
	attempts, err := x.store.Attempts(r.ID)
	if err != nil || len(attempts) != 1 || attempts[0].Outcome == "" {
		x.t.Fatalf("attempts %+v, %v", attempts, err)
	}
	paths, err := checkpoint.List(a.Checkpoints())
	if err != nil || len(paths) == 0 {
		x.t.Fatalf("no checkpoint: %v", err)
	}
	text, err := os.ReadFile(paths[0])
	if err != nil {
		x.t.Fatal(err)
	}
	return attempts[0].ResumeStep, string(text)
}

func (x *extending) extension(r results.Run) orchestrator.Extension {
	x.t.Helper()
	all, err := orchestrator.Extensions(x.store, x.dir, []results.Run{r})
	if err != nil {
		x.t.Fatal(err)
	}
	return all[r.ID]
}

func (x *extending) points(id string) map[string][]results.Point {
	x.t.Helper()
	all := map[string][]results.Point{}
	metrics, err := x.store.Ends([]string{id})
	if err != nil {
		x.t.Fatal(err)
	}
	for name := range metrics[id] {
		series, err := x.store.Series(id, name)
		if err != nil {
			x.t.Fatal(err)
		}
		all[name] = series
	}
	return all
}

// TestExtensionInTheStore: extended twice, a run is in the store and on disk
// what it is when it was never interrupted.
func TestExtensionInTheStore(t *testing.T) {
	whole, parts := newExtending(t), newExtending(t)
	_, want := whole.train(runOf(t, "e4", 4, nil))
	for i, r := range []results.Run{runOf(t, "e1", 1, nil), runOf(t, "e3", 3, nil), runOf(t, "e4", 4, nil)} {
		from, got := parts.train(r)
		if wantFrom := []int64{0, 3, 9}[i]; from != wantFrom {
			t.Errorf("run %s begins at step %d, want %d", r.ID, from, wantFrom)
		}
		if r.ID == "e4" && got != want {
			t.Error("the final state differs")
		}
	}
	got, wanted := parts.points("e4"), whole.points("e4")
	if !reflect.DeepEqual(got, wanted) {
		t.Errorf("the points are\n%v, want\n%v", got, wanted)
	}
	if len(got["loss"]) != 12 || len(got["z_std"]) != 5 || len(got["linear_top1"]) != 2 || len(got["z_spectrum_1"]) != 2 {
		t.Errorf("the points are %v", got)
	}
}

func TestExtensions(t *testing.T) {
	x := newExtending(t)
	cosine := config.Settings{"optimizer.schedule": "cosine"}
	x.train(runOf(t, "e1", 1, nil))
	x.train(runOf(t, "e2", 2, nil))
	x.train(runOf(t, "cosine1", 1, cosine))
	x.train(runOf(t, "cosine2", 2, cosine))

	if e := x.extension(runOf(t, "e4", 4, nil)); e != (orchestrator.Extension{From: "e2", Epochs: 2}) {
		t.Errorf("4 epochs: %+v", e)
	}
	if e := x.extension(runOf(t, "e2", 2, nil)); e != (orchestrator.Extension{From: "e1", Epochs: 1}) {
		t.Errorf("2 epochs: %+v", e)
	}
	for name, r := range map[string]results.Run{
		"shortest":     runOf(t, "e1", 1, nil),
		"another rate": runOf(t, "other", 4, config.Settings{"optimizer.lr": 0.2}),
		"external":     {ID: "ext", Seed: 1, Config: runOf(t, "", 4, nil).Config, Trainer: "external:abc"},
		"not ours":     {ID: "ext", Seed: 1, Config: []byte(`{"epochs":4}`), Trainer: trainer.Version},
	} {
		if e := x.extension(r); e != (orchestrator.Extension{}) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := x.extension(runOf(t, "cosine4", 4, cosine)); e.From != "" || !strings.HasPrefix(e.Why, `with 4 epochs in place of 2 every step is another one, for optimizer.schedule = "cosine"`) {
		t.Errorf("cosine: %+v", e)
	}

	// Without the state of the longer one, the next is as good as it can be.
	if err := os.RemoveAll(filepath.Join(orchestrator.RunDir(x.dir, "e2"), "1", "ckpt")); err != nil {
		t.Fatal(err)
	}
	if e := x.extension(runOf(t, "e4", 4, nil)); e != (orchestrator.Extension{From: "e1", Epochs: 1}) {
		t.Errorf("4 epochs, 2 epochs' state gone: %+v", e)
	}
	if err := os.RemoveAll(orchestrator.RunDir(x.dir, "e1")); err != nil {
		t.Fatal(err)
	}
	if e := x.extension(runOf(t, "e4", 4, nil)); e.From != "" || !strings.Contains(e.Why, "the trained state of run e2 of 2 epochs is not in the store any more") {
		t.Errorf("4 epochs, no state left: %+v", e)
	}
}
