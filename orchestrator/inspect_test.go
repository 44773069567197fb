package orchestrator_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ablate/ablations"
	"ablate/orchestrator"
	"ablate/results"
	"ablate/results/journal"
	"ablate/trainer"
	"ablate/trainer/config"
)

// lab is a store, and how studies in it are planned.
type lab struct {
	t       *testing.T
	dir     string
	store   *results.Store
	data    string // hash of every dataset
	version string // of the embedded trainer
}

func newLab(t *testing.T) *lab {
	dir := t.TempDir()
	return &lab{t, dir, openStore(t, dir), "0123456789abcdef", "2"}
}

var here = orchestrator.Machine{Kernels: "fast", CPU: "cpu"}

func (l *lab) plan(text string) *ablations.Plan {
	l.t.Helper()
	s, err := ablations.Parse(filepath.Join(l.dir, "study.toml"), []byte(text), nil)
	must(l.t, err)
	p, err := ablations.NewPlan(s, func(config.Data) (string, error) { return l.data, nil }, l.version)
	must(l.t, err)
	return p
}

// did records a plan, and for those of its runs that end says, how they ended
// and that they took so many seconds.
func (l *lab) did(p *ablations.Plan, end func(cell string, seed int) (o results.Outcome, seconds int, step int64)) {
	l.t.Helper()
	_, err := orchestrator.Record(l.store, l.dir, p, func(string) {})
	must(l.t, err)
	seen := map[string]bool{}
	for _, r := range p.Runs {
		o, seconds, step := end(p.Study.Cells[r.Cell].Name, r.Seed)
		if seconds == 0 || seen[r.ID] {
			continue
		}
		seen[r.ID] = true
		must(l.t, l.store.BeginAttempt(r.ID, 1))
		path := filepath.Join(l.t.TempDir(), "journal")
		w, err := journal.Create(path)
		must(l.t, err)
		must(l.t, w.Write(journal.Line{Kind: journal.Start, Time: 1000, Start: &journal.StartInfo{Steps: 100, Kernels: here.Kernels, CPU: here.CPU}}))
		must(l.t, w.Write(journal.Line{Kind: journal.Progress, Time: int64(1000 + 1000*seconds), Progress: &journal.ProgressInfo{Step: step, Steps: 100}}))
		must(l.t, w.Close())
		must(l.t, l.store.Ingest(r.ID, 1, path))
		must(l.t, l.store.EndAttempt(r.ID, 1, o, ""))
	}
}

func all(seconds int) func(string, int) (results.Outcome, int, int64) {
	return func(string, int) (results.Outcome, int, int64) { return results.Completed, seconds, 100 }
}

func (l *lab) inspect(p *ablations.Plan) *orchestrator.Inspection {
	l.t.Helper()
	i, err := orchestrator.Inspect(l.store, l.dir, p)
	must(l.t, err)
	return i
}

func causes(i *orchestrator.Inspection) (list []string) {
	for _, c := range i.Causes {
		list = append(list, fmt.Sprintf("%d %s", c.Runs, c.Says))
	}
	return list
}

func studyText(name string, seeds int, base, axes string) string {
	return fmt.Sprintf("name = %q\nseeds = %d\n[base]\ndata.name = \"generated\"\n%s\n[axes]\n%s\n", name, seeds, base, axes)
}

const twoNorms = `norm = ["bn", "none"]`

func TestInspectCounts(t *testing.T) {
	l := newLab(t)
	if i, err := orchestrator.Inspect(nil, "nowhere", l.plan(studyText("s", 2, "", twoNorms))); err != nil || i.Total != 4 || i.Done != 0 || len(i.Causes) != 0 {
		t.Errorf("without a store: %+v, %v", i, err)
	}
	outcomes := map[string]results.Outcome{"bn1": results.Completed, "bn2": results.Cancelled, "none1": results.Failed, "none2": "", "none3": results.Diverged}
	p := l.plan(studyText("s", 3, "", twoNorms))
	l.did(p, func(cell string, seed int) (results.Outcome, int, int64) {
		o, begun := outcomes[fmt.Sprint(cell, seed)]
		if !begun {
			return "", 0, 0
		}
		return o, 10, 40
	})
	i := l.inspect(p)
	if i.Total != 6 || i.Done != 2 || i.Cancelled != 1 || i.Failed != 1 || i.Interrupted != 1 || i.AtWork != 0 || len(i.By) != 0 {
		t.Errorf("%+v", i)
	}
	if _, share := i.Progress(); share != 0.4 {
		t.Errorf("interrupted at %g", share)
	}
	// The other study shares all runs of bn's first seed, and has one more.
	other := l.inspect(l.plan(studyText("other", 1, "", `norm = ["bn", "ln"]`)))
	if other.Done != 1 || other.By["s"] != 1 || other.Total != 2 {
		t.Errorf("%+v", other)
	}
	if want := []string{"1 new: 1 cell and 1 seed that were not run together before"}; !slices.Equal(causes(other), want) {
		t.Errorf("%q", causes(other))
	}
}

func TestCauses(t *testing.T) {
	before := studyText("s", 2, "epochs = 4\noptimizer.lr = 0.1", twoNorms)
	tests := []struct {
		name   string
		change func(l *lab) string
		want   []string
	}{
		{"nothing", func(*lab) string { return before }, nil},
		{"a presentation field", func(*lab) string { return strings.Replace(before, "seeds", "title = \"T\"\nseeds", 1) }, nil},
		{"a key", func(*lab) string { return strings.Replace(before, "lr = 0.1", "lr = 0.2", 1) },
			[]string{"4 anew: optimizer.lr: 0.1 → 0.2"}},
		{"two keys", func(*lab) string { return strings.Replace(before, "lr = 0.1", "lr = 0.2\nbatch = 8", 1) },
			[]string{"4 anew: batch: 128 → 8, optimizer.lr: 0.1 → 0.2"}},
		{"a key that had its default", func(*lab) string {
			return strings.Replace(before, "epochs = 4", "epochs = 4\nstop_when = \"collapsed\"", 1)
		}, []string{"4 anew: stop_when: never → collapsed"}},
		{"the data", func(l *lab) string { l.data = "fedcba9876543210"; return before },
			[]string{"4 anew: dataset generated: 0123456789 → fedcba9876"}},
		{"the trainer", func(l *lab) string { l.version = "3"; return before }, []string{"4 anew: trainer: 2 → 3"}},
		{"seeds and cells", func(*lab) string {
			return studyText("s", 3, "epochs = 4\noptimizer.lr = 0.1", `norm = ["bn", "none", "ln"]`)
		},
			[]string{"5 new: 3 cells and 3 seeds that were not run together before"}},
		{"another study", func(*lab) string {
			return strings.Replace(strings.Replace(before, `"s"`, `"copy"`, 1), "lr = 0.1", "lr = 0.2", 1)
		}, []string{"4 anew: optimizer.lr: 0.1 → 0.2 (against the study s)"}},
		{"epochs, which a cosine does not allow", func(*lab) string { return strings.Replace(before, "epochs = 4", "epochs = 8", 1) },
			[]string{"4 anew: epochs: 4 → 8; what is done of them cannot be used: with 8 epochs in place of 4 every step is another one"}},
		{"a cell like another one, counted once", func(*lab) string {
			return strings.Replace(before, "lr = 0.1", "lr = 0.2", 1) + "[cells]\nagain = { norm = \"none\" }\n"
		}, []string{"4 anew: optimizer.lr: 0.1 → 0.2"}},
		{"one level", func(*lab) string {
			return studyText("s", 2, "epochs = 4\noptimizer.lr = 0.1", "norm = { bn = { norm = \"bn\" }, none = { norm = \"none\", batch = 8 } }")
		}, []string{"2 anew: batch: 128 → 8"}},
	}
	for _, test := range tests {
		l := newLab(t)
		l.did(l.plan(before), all(10))
		text := test.change(l)
		got := causes(l.inspect(l.plan(text)))
		if len(got) == len(test.want) && slices.EqualFunc(got, test.want, strings.HasPrefix) {
			continue
		}
		t.Errorf("%s: %q, want %q", test.name, got, test.want)
	}
}

// What was begun is not explained: it goes on.
func TestCausesOfBegun(t *testing.T) {
	l := newLab(t)
	l.did(l.plan(studyText("s", 1, "optimizer.lr = 0.1", twoNorms)), all(10))
	p := l.plan(studyText("s", 1, "optimizer.lr = 0.2", twoNorms))
	l.did(p, func(cell string, _ int) (results.Outcome, int, int64) {
		if cell == "bn" {
			return "", 5, 50
		}
		return "", 0, 0
	})
	if got, want := causes(l.inspect(p)), []string{"1 anew: optimizer.lr: 0.1 → 0.2"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// A trainer of the study's own is compared by its command and its files.
func TestCausesOfExternal(t *testing.T) {
	l := newLab(t)
	text := "name = \"own\"\n[trainer]\ncommand = [\"./train.sh\", \"{lr}\"]\nfiles = [\"train.sh\", \"lib.sh\"]\n[axes]\nlr = [1, 2]\n"
	putFile(t, filepath.Join(l.dir, "train.sh"), "one", 0o755)
	putFile(t, filepath.Join(l.dir, "lib.sh"), "lib", 0o644)
	p := l.plan(text)
	must(t, orchestrator.Freeze(l.dir, p))
	l.did(p, all(10))

	putFile(t, filepath.Join(l.dir, "train.sh"), "two", 0o755)
	got := causes(l.inspect(l.plan(text)))
	if len(got) != 1 || !strings.HasPrefix(got[0], "2 anew: file train.sh: ") || strings.Contains(got[0], "lib.sh") {
		t.Errorf("a file: %q", got)
	}
	putFile(t, filepath.Join(l.dir, "train.sh"), "one", 0o755)
	got = causes(l.inspect(l.plan(strings.Replace(text, `"{lr}"`, `"--lr", "{lr}"`, 1))))
	if want := "2 anew: command: ./train.sh {lr} → ./train.sh --lr {lr}"; len(got) != 1 || got[0] != want {
		t.Errorf("the command: %q, want %q", got, want)
	}
	must(t, os.RemoveAll(orchestrator.TrainerDir(l.dir, p.Trainer)))
	got = causes(l.inspect(l.plan(strings.Replace(text, `"{lr}"`, `"--lr", "{lr}"`, 1))))
	if len(got) != 1 || !strings.HasPrefix(got[0], "2 anew: trainer: ") {
		t.Errorf("without its copy: %q", got)
	}
}

func (l *lab) predict(p *ablations.Plan, machine orchestrator.Machine, jobs int) (orchestrator.Prediction, orchestrator.Speeds) {
	l.t.Helper()
	cost := func(text []byte) float64 {
		c, err := config.Parse(text)
		must(l.t, err)
		return float64(c.Epochs)
	}
	s, err := orchestrator.Measured(l.store, p.Trainer, machine, cost)
	must(l.t, err)
	return s.Predict(p, l.inspect(p), jobs), s
}

func TestPredict(t *testing.T) {
	l := newLab(t)
	text := studyText("s", 3, "epochs = 4", twoNorms)
	if p, _ := l.predict(l.plan(text), here, 1); p.Known {
		t.Errorf("nothing was measured: %+v", p)
	}
	// bn takes 10 s, none 30 s; the second seed of none is interrupted at 50 %.
	l.did(l.plan(text), func(cell string, seed int) (results.Outcome, int, int64) {
		switch fmt.Sprint(cell, seed) {
		case "bn1":
			return results.Completed, 10, 100
		case "none1":
			return results.Collapsed, 30, 100
		case "none2":
			return "", 15, 50
		}
		return "", 0, 0
	})
	tests := []struct {
		name   string
		text   string
		jobs   int
		want   float64 // seconds
		blocks []float64
	}{
		{"one worker", text, 1, 10 + 15 + 40, []float64{0, 25, 65}},
		{"two workers", text, 2, 32.5, []float64{0, 15, 32.5}},
		{"many", text, 100, 30, []float64{0, 15, 30}},
		{"twice the epochs, by the cost", studyText("s", 1, "epochs = 8", twoNorms), 1, 80, []float64{80}},
		{"equal ones in another study, with another seed", studyText("new", 4, "epochs = 4", `norm = ["none"]`), 1, 75, []float64{0, 15, 45, 75}},
	}
	for _, test := range tests {
		p, speeds := l.predict(l.plan(test.text), here, test.jobs)
		var blocks []float64
		for _, b := range p.Blocks {
			blocks = append(blocks, b.Seconds())
		}
		if !p.Known || speeds.Runs != 2 || speeds.Elsewhere || p.Time != time.Duration(test.want*float64(time.Second)) || !slices.Equal(blocks, test.blocks) {
			t.Errorf("%s: %+v from %d runs, want %g and %g", test.name, p, speeds.Runs, test.want, test.blocks)
		}
	}
	if p, speeds := l.predict(l.plan(text), orchestrator.Machine{Kernels: "slow", CPU: "cpu"}, 1); !p.Known || !speeds.Elsewhere {
		t.Errorf("elsewhere: %+v", p)
	}
	if i := l.inspect(l.plan(text)); i.Done != 2 {
		t.Errorf("%+v", i)
	}
}

// More cells than are looked at: the others get the mean.
func TestPredictSamples(t *testing.T) {
	l := newLab(t)
	l.did(l.plan(studyText("one", 1, "", "")), all(10))
	var lr strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&lr, "%d.0e-4, ", i+1)
	}
	p, _ := l.predict(l.plan(studyText("big", 1, "", "optimizer.lr = ["+lr.String()+"]")), here, 1)
	if got := p.Time.Seconds(); got < 9980 || got > 10001 {
		t.Errorf("%g s for 1000 runs of 10 s", got)
	}
}

// An extension by epochs costs only what is added.
func TestInspectExtension(t *testing.T) {
	x := newExtending(t)
	text := func(epochs int) string {
		return studyText("s", 1, fmt.Sprintf("data.train = 48\ndata.test = 40\nencoder.width = 4\nheads.hidden = 16\nheads.out = 8\nbatch = 16\nepochs = %d\n"+
			"optimizer.schedule = \"constant\"\noptimizer.warmup = 0.0\ntarget.schedule = \"constant\"", epochs), "")
	}
	l := &lab{t, x.dir, x.store, "", trainer.Version}
	short := l.plan(text(1))
	_, runs := orchestrator.Stored(short)
	_, err := orchestrator.Record(x.store, x.dir, short, func(string) {})
	must(t, err)
	x.train(runs[0])
	i := l.inspect(l.plan(text(4)))
	if want := []string{"1 on top of the 1 epoch done: epochs: 1 → 4"}; !slices.Equal(causes(i), want) || i.Causes[0].Reused != 1 {
		t.Errorf("%q, want %q", causes(i), want)
	}
	p, s := l.predict(l.plan(text(4)), here, 1)
	run, err := x.store.Run(runs[0].ID)
	must(t, err)
	if got, want := p.Time.Seconds(), 3*run.Seconds; s.Runs == 0 && run.Seconds > 0 || got < want*0.99-1e-6 || got > want*1.01+1e-6 {
		t.Errorf("%g s, want %g", got, want)
	}
}

// BenchmarkInspect looks up a study of 100,000 runs in a store with 10,000 that
// stood in their places and differ in a key.
func BenchmarkInspect(b *testing.B) {
	for _, axes := range []int{5, 3} {
		seeds := map[int]int{5: 1, 3: 100}[axes]
		b.Run(fmt.Sprintf("cells=%.0f/seeds=%d", math.Pow10(axes), seeds), func(b *testing.B) {
			var levels strings.Builder
			for _, key := range []string{"optimizer.lr", "optimizer.weight_decay", "target.tau", "augment.flip", "augment.grayscale"}[:axes] {
				levels.WriteString(key + " = [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]\n")
			}
			dir := b.TempDir()
			store, err := results.Open(dir)
			if err != nil {
				b.Fatal(err)
			}
			defer store.Close()
			plan := func(batch int) *ablations.Plan {
				s, err := ablations.Parse("big.toml", []byte(studyText("big", seeds, fmt.Sprint("batch = ", batch), levels.String())), nil)
				if err != nil {
					b.Fatal(err)
				}
				p, err := ablations.NewPlan(s, func(config.Data) (string, error) { return "hash", nil }, "2")
				if err != nil {
					b.Fatal(err)
				}
				return p
			}
			before, now := plan(16), plan(8)
			before.Runs = before.Runs[:10_000]
			if _, err := orchestrator.Record(store, dir, before, func(string) {}); err != nil {
				b.Fatal(err)
			}
			for _, r := range before.Runs {
				if err := store.BeginAttempt(r.ID, 1); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				i, err := orchestrator.Inspect(store, dir, now)
				if err != nil || len(i.Causes) != 2 {
					b.Fatal(i, err)
				}
			}
		})
	}
}
