// Package trainer executes one run: it builds the networks, trains them and
// looks at them from outside. It knows nothing of studies, stores or
// processes: whoever calls it passes Hooks.
package trainer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
	"ablate/trainer/probe"
)

// Version numbers what a run computes. It is part of every run's identity:
// raise it when equal configurations no longer give equal numbers.
const Version = "1"

// Outcome is how a run ended.
type Outcome struct {
	Kind string // "completed", "collapsed", "never_separated" or "diverged"
	Why  string // one sentence, empty if completed
}

// Job is one run to execute.
type Job struct {
	Config      config.Config
	Seed        int
	DataDir     string // where datasets lie; "" searches the usual places
	Checkpoints string // folder of this attempt's checkpoints; holds the one to resume from, if any; "" = none
}

// Hooks are told what happens. All may be nil.
type Hooks struct {
	Start    func(resumeStep, steps int64)                                  // once, before the first step
	Metrics  func(step int64, values map[string]float64)                    // at a step, in order of steps
	Progress func(step, steps int64, imagesPerSecond float64, phase string) // often; rate-limit it
	Event    func(text string)                                              // worth telling a person

	// BeforeSave is called before every checkpoint. What was reported must
	// be as durable as the checkpoint when it returns, since a resumed run
	// does not report it again. Its error ends the run.
	BeforeSave func() error
}

// ErrInterrupted reports that Run stopped because its context ended, after it
// saved its state.
var ErrInterrupted = errors.New("interrupted")

// Steps is the number of optimizer steps of a run on train images. What is
// left of an epoch after its last whole batch is not seen in that epoch.
func Steps(c config.Config, train int) int64 {
	return int64(c.Epochs) * int64(train/c.Batch)
}

// Run executes job to its end, or resumes it from its newest good checkpoint.
// Killed at any instant and resumed, it reports the same metrics as if it had
// not been: the metrics of a step follow the checkpoint of that step.
func Run(ctx context.Context, job Job, hooks Hooks) (Outcome, error) {
	r, err := newRun(job, hooks)
	if err != nil {
		return Outcome{}, err
	}
	defer r.close()
	if err := r.restore(); err != nil {
		return Outcome{}, err
	}
	r.hooks.Start(r.done, r.steps)
	return r.loop(ctx)
}

// run is the state of one run.
type run struct {
	job   Job
	hooks Hooks
	set   *data.Set
	aug   *data.Augmenter
	model *net.Model[float32]

	online, target *net.Weights[float32]
	optimizer      *optimizer[float32]
	step           *step[float32]
	evaluator      *evaluator

	done, steps int64
	zStd        []float64 // at every probe so far, step 0 first
	order       []int     // of the current epoch
	speed       speed
}

// newRun loads the data and builds everything as it is at step 0.
func newRun(job Job, hooks Hooks) (r *run, err error) {
	defer func() {
		// The graph is built by ops that panic on shapes that do not fit.
		if p := recover(); p != nil {
			r, err = nil, fmt.Errorf("building the network: %v", p)
		}
	}()
	set, err := data.Load(job.Config.Data, job.DataDir)
	if err != nil {
		return nil, err
	}
	r = &run{job: job, hooks: hooks.complete(), set: set}
	if r.steps = Steps(job.Config, set.Train.Len()); r.steps == 0 {
		return nil, fmt.Errorf("a batch of %d images is larger than the %d training images", job.Config.Batch, set.Train.Len())
	}
	r.aug = data.NewAugmenter(job.Config.Augment, set, set.Standardize())
	r.model = &net.Model[float32]{
		Config: job.Config, Height: set.Height, Width: set.Width, Channels: set.Channels,
		Random: func(name string) *rand.Rand { return data.Stream(job.Seed, "init/"+name) },
	}
	return r, r.build()
}

// build makes the initial weights and the graphs over them. The statistics
// that init norms and batch norms start from are those of the first batch.
func (r *run) build() error {
	k := kernel.Best[float32]()
	r.online = net.NewWeights[float32]()
	first := make([]float32, 2*r.job.Config.Batch*r.set.Height*r.set.Width*r.set.Channels)
	r.draw(first)
	if err := r.model.Calibrate(k, r.online, first, 2*r.job.Config.Batch); err != nil {
		return err
	}
	r.target = r.online.Target()
	r.optimizer = newOptimizer(r.job.Config.Optimizer, r.online)
	var err error
	if r.step, err = newStep(r.model, k, r.online, r.target); err != nil {
		return err
	}
	r.evaluator, err = newEvaluator(r.model, r.online, r.aug, max(r.set.Train.Len(), r.set.Test.Len()))
	return err
}

func (r *run) close() {
	r.step.close()
	r.evaluator.close()
}

// perEpoch is the number of steps of an epoch.
func (r *run) perEpoch() int64 { return r.steps / int64(r.job.Config.Epochs) }

// draw fills views [2B, H, W, C] with both views of the next batch. Each view
// has a random stream of its own, so that it is the same in whatever order
// and process it is drawn.
func (r *run) draw(views []float32) {
	epoch, batch := int(r.done/r.perEpoch()), int(r.done%r.perEpoch())
	if r.order == nil || batch == 0 {
		r.order = data.Order(r.job.Seed, epoch, r.set.Train.Len())
	}
	size := r.set.Height * r.set.Width * r.set.Channels
	b := r.job.Config.Batch
	for i, image := range r.order[batch*b : (batch+1)*b] {
		for view := range 2 {
			at := (view*b + i) * size
			r.aug.View(views[at:at+size], r.set.Train.Image(image), view, data.Stream(r.job.Seed, "augment", epoch, image, view))
		}
	}
}

// loop alternates between looking and training. Every epoch's end is saved
// before it is probed, so that a resumed run repeats the probe rather than
// miss it.
func (r *run) loop(ctx context.Context) (Outcome, error) {
	for {
		if r.done%r.perEpoch() == 0 {
			if err := r.save(); err != nil {
				return Outcome{}, err
			}
			if r.probeDue() {
				if err := r.look(ctx); err != nil {
					return Outcome{}, err
				}
			}
		}
		if r.done == r.steps {
			return judge(r.zStd), nil
		}
		if ctx.Err() != nil {
			return Outcome{}, r.interrupt()
		}
		loss, err := r.train()
		if err != nil {
			return Outcome{}, err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return Outcome{"diverged", fmt.Sprintf("the loss became %v at step %d", loss, r.done-1)}, nil
		}
	}
}

// interrupt saves the state, unless the end of an epoch just did: saved again
// after its probe, the state would count that probe twice.
func (r *run) interrupt() error {
	if r.done%r.perEpoch() != 0 {
		if err := r.save(); err != nil {
			return err
		}
	}
	return ErrInterrupted
}

// train does one optimizer step and reports its loss.
func (r *run) train() (float64, error) {
	start := time.Now()
	r.draw(r.step.views)
	if err := r.step.run(); err != nil {
		return 0, err
	}
	loss := float64(r.step.loss[0])
	r.hooks.Metrics(r.done, map[string]float64{"loss": loss})
	c := r.job.Config
	r.optimizer.update(r.online, r.step.grads, learningRate(c.Optimizer, r.done, r.steps), r.done)
	follow(r.target, r.online, targetRate(c.Target, r.done, r.steps))
	r.done++
	r.hooks.Progress(r.done, r.steps, r.speed.add(c.Batch, time.Since(start)), "train")
	return loss, nil
}

func (r *run) probeDue() bool {
	epoch := r.done / r.perEpoch()
	return r.done == r.steps || epoch%int64(r.job.Config.Probe.Every) == 0
}

// look probes the online network, and evaluates it in full before the first
// step and after the last. It returns ErrInterrupted if ctx ends: the state is
// saved, and a resumed run looks again.
func (r *run) look(ctx context.Context) error {
	r.hooks.Progress(r.done, r.steps, r.speed.mean(), "probe")
	images := min(r.job.Config.Probe.Images, r.set.Test.Len())
	full := r.done == 0 || r.done == r.steps
	bank, queries := min(images, r.set.Train.Len()), images
	if full {
		bank, queries = r.set.Train.Len(), r.set.Test.Len()
	}
	train, _, err := r.evaluator.run(ctx, r.set.Train, bank)
	if err != nil {
		return err
	}
	test, z, err := r.evaluator.run(ctx, r.set.Test, queries)
	if err != nil {
		return err
	}
	values := make(map[string]float64)
	d := r.evaluator.featureSize
	projection := probe.Measure(z[:images*r.evaluator.projectionSize], r.evaluator.projectionSize)
	report(values, "z", projection)
	report(values, "y", probe.Measure(test[:images*d], d))
	values["knn_top1"] = probe.KNN(r.features(train, r.set.Train, min(images, r.set.Train.Len())), r.features(test, r.set.Test, images))
	if full {
		r.hooks.Progress(r.done, r.steps, r.speed.mean(), "evaluate")
		top1, err := probe.Linear(ctx, r.features(train, r.set.Train, bank), r.features(test, r.set.Test, queries))
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err != nil {
			return err
		}
		values["linear_top1"] = top1
	}
	r.zStd = append(r.zStd, projection.Std)
	r.hooks.Metrics(r.done, values)
	return nil
}

// features pairs the first n rows of x with their labels.
func (r *run) features(x []float32, s data.Split, n int) probe.Features {
	d := r.evaluator.featureSize
	return probe.Features{X: x[:n*d], Dim: d, Labels: s.Labels[:n], Classes: r.set.Classes}
}

func report(values map[string]float64, prefix string, g probe.Geometry) {
	values[prefix+"_std"] = g.Std
	values[prefix+"_cosine"] = g.Cosine
	values[prefix+"_rankme"] = g.RankMe
	values[prefix+"_uniformity"] = g.Uniformity
}

// complete replaces absent hooks with ones that do nothing.
func (h Hooks) complete() Hooks {
	if h.Start == nil {
		h.Start = func(int64, int64) {}
	}
	if h.Metrics == nil {
		h.Metrics = func(int64, map[string]float64) {}
	}
	if h.Progress == nil {
		h.Progress = func(int64, int64, float64, string) {}
	}
	if h.Event == nil {
		h.Event = func(string) {}
	}
	if h.BeforeSave == nil {
		h.BeforeSave = func() error { return nil }
	}
	return h
}

// speed is a run's pace, smoothed.
type speed struct{ secondsPerImage float64 }

func (s *speed) add(images int, d time.Duration) float64 {
	now := d.Seconds() / float64(images)
	if s.secondsPerImage == 0 {
		s.secondsPerImage = now
	}
	s.secondsPerImage += 0.1 * (now - s.secondsPerImage)
	return s.mean()
}

// mean is the pace in images per second, 0 before the first step.
func (s *speed) mean() float64 {
	if s.secondsPerImage == 0 {
		return 0
	}
	return 1 / s.secondsPerImage
}
