// Package trainer executes one run: it builds the networks, trains them and
// looks at them from outside. It knows nothing of studies, stores or
// processes: whoever calls it passes Hooks.
package trainer

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"

	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
	"ablate/trainer/probe"
)

// Version numbers what a run computes. It is part of every run's identity:
// raise it when equal configurations no longer give equal numbers. A metric that
// comes to those that there are, as the spectrum did under version 2, changes no
// number: runs that were done without it stay as good as they were, and whoever
// shows it says which of them lack it.
const Version = "2"

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
	Dataset     string // the data's fingerprint that the run was planned with; other data is refused; "" = any will do
	Checkpoints string // folder of this attempt's checkpoints; holds the one to resume from, if any; "" = none

	// Extends is the number of epochs of a shorter run of the same seed, data and
	// otherwise the same configuration, whose checkpoints may lie in Checkpoints
	// and be gone on from where config.Extends allows it; 0 = there is none.
	Extends int

	// SaveEvery is the time after which a step is followed by a checkpoint
	// although the epoch goes on; 0 = DefaultSaveEvery. No result depends
	// on it.
	SaveEvery time.Duration
}

// DefaultSaveEvery is what a run loses at most if it is killed.
const DefaultSaveEvery = 10 * time.Minute

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

// ErrRefused is matched by errors that another attempt would meet again:
// something is wrong with what the run was given.
var ErrRefused = errors.New("refused")

type refusedError struct{ error }

func (e refusedError) Is(target error) bool { return target == ErrRefused }
func (e refusedError) Unwrap() error        { return e.error }

// Refuse is fmt.Errorf; its error matches ErrRefused.
func Refuse(format string, args ...any) error { return refusedError{fmt.Errorf(format, args...)} }

// Steps is the number of optimizer steps of a run on train images. What is
// left of an epoch after its last whole batch is not seen in that epoch.
func Steps(c config.Config, train int) int64 {
	return int64(c.Epochs) * int64(train/c.Batch)
}

// Fits refuses numbers of images that are too small for c.
func Fits(c config.Config, train, test int) error {
	if train < c.Batch {
		return Refuse("batch = %d, but %s has only %d training images: no step would be made", c.Batch, c.Data.Name, train)
	}
	if test < 2 {
		return Refuse("%s has too few test images: %d; the probes need two to compare", c.Data.Name, test)
	}
	return nil
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
	outcome, err := r.loop(ctx)
	if err == nil {
		r.hooks.Event(r.clock.String())
	}
	return outcome, err
}

// run is the state of one run.
type run struct {
	job    Job
	hooks  Hooks
	set    *data.Set
	inputs inputs
	aug    *data.Augmenter
	model  *net.Model[float32]

	online, target *net.Weights[float32] // target is nil where the method has none
	optimizer      *optimizer[float32]
	step           *step[float32]
	evaluator      *evaluator
	dependence     *dependence[float32]
	linear         func(ctx context.Context, train, test probe.Features) (float64, error) // probe.Linear

	done, steps int64
	saved       int64     // the step of the newest checkpoint, -1 = none
	savedAt     time.Time // when that was made, or the run begun
	zStd        []float64 // at every probe so far, step 0 first
	order       []int     // of the current epoch
	speed       speed
	clock       *clock
}

// newRun loads the data and builds everything as it is at step 0.
func newRun(job Job, hooks Hooks) (r *run, err error) {
	defer func() {
		// The graph is built by ops that panic on shapes that do not fit.
		if p := recover(); p != nil {
			r, err = nil, Refuse("building the network: %v", p)
		}
	}()
	clock := newClock()
	set, err := load(job)
	if err != nil {
		return nil, err
	}
	if job.Dataset != "" && job.Dataset != set.Hash {
		return nil, changed(job.Config.Data.Name, set, job.Dataset)
	}
	r = &run{job: job, hooks: hooks.complete(), set: set, saved: -1, savedAt: time.Now(), clock: clock, linear: probe.Linear}
	if r.job.SaveEvery == 0 {
		r.job.SaveEvery = DefaultSaveEvery
	}
	if err := Fits(job.Config, set.Train.Len(), set.Test.Len()); err != nil {
		return nil, err
	}
	r.steps = Steps(job.Config, set.Train.Len())
	standard := set.Standardize()
	r.inputs = inputs{set.Height, set.Width, set.Channels, standard.Mean, standard.Std}
	r.aug = data.NewAugmenter(job.Config.Augment, set, standard)
	r.model = &net.Model[float32]{
		Config: job.Config, Height: set.Height, Width: set.Width, Channels: set.Channels,
		Random: func(name string) *rand.Rand { return data.Stream(job.Seed, "init/"+name) },
	}
	if err := r.build(); err != nil {
		return nil, Refuse("building the network: %w", err)
	}
	return r, nil
}

// load reads the job's dataset. What is wrong with the files stays wrong, but
// an error of the system that reads them may pass.
func load(job Job) (*data.Set, error) {
	set, err := data.Load(job.Config.Data, job.DataDir)
	var system *fs.PathError
	if err == nil || errors.As(err, &system) && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return set, err
	}
	return nil, Refuse("%w", err)
}

// changed says that the data is not what the run was planned with. A run's
// name is made of its data's hash, so that it can have one only.
func changed(name string, set *data.Set, planned string) error {
	where := ""
	if set.Dir != "" {
		where = " in " + set.Dir
	}
	return Refuse("the dataset %s%s has changed since the run was planned: its hash is %.10s now and was %.10s; "+
		"put the old files back, or give the command again to plan new runs on the new ones", name, where, set.Hash, planned)
}

// build makes the initial weights and the graphs over them. The statistics
// that init norms and batch norms start from are those of the first batch, and
// the dependence probe keeps to the first images of it.
func (r *run) build() error {
	k := kernel.Best[float32]()
	r.online = net.NewWeights[float32]()
	first := make([]float32, 2*r.job.Config.Batch*r.set.Height*r.set.Width*r.set.Channels)
	r.draw(first)
	if err := r.model.Calibrate(k, r.online, first, 2*r.job.Config.Batch); err != nil {
		return err
	}
	r.target = targetOf(r.job.Config, r.online)
	r.optimizer = newOptimizer(r.job.Config.Optimizer, r.online)
	var err error
	if r.step, err = newStep(r.model, k, r.online, r.target); err != nil {
		return err
	}
	if r.evaluator, err = newEvaluator(r.model, r.online, r.aug, max(r.set.Train.Len(), r.set.Test.Len())); err != nil {
		return err
	}
	if r.dependence, err = newDependence(r.model, k, r.online, min(dependenceBatch, 2*r.job.Config.Batch)); err != nil {
		return err
	}
	copy(r.dependence.images, first[:len(r.dependence.images)])
	return nil
}

func (r *run) close() {
	r.step.close()
	r.evaluator.close()
	r.dependence.close()
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
		boundary := r.done%r.perEpoch() == 0
		if boundary || time.Since(r.savedAt) >= r.job.SaveEvery {
			if err := r.save(); err != nil {
				return Outcome{}, err
			}
		}
		if boundary && r.probeDue() {
			why, err := r.probe(ctx)
			if err != nil {
				return Outcome{}, err
			}
			if why != "" {
				return Outcome{"diverged", why}, nil
			}
		}
		if r.ends(r.zStd) {
			return r.outcome(), nil
		}
		if ctx.Err() != nil {
			return Outcome{}, r.interrupt()
		}
		why, err := r.train()
		if err != nil {
			return Outcome{}, err
		}
		if why != "" {
			return Outcome{"diverged", why}, nil
		}
	}
}

// ends reports whether the run ends at its current step, where zStd are its
// probes, one at that step included.
func (r *run) ends(zStd []float64) bool {
	return r.done == r.steps || stops(r.job.Config, zStd)
}

// outcome says how the run that ends at its current step ended, and, if it had
// more to do, that it was stopped.
func (r *run) outcome() Outcome {
	o := judge(r.zStd)
	if r.done < r.steps {
		o.Why += fmt.Sprintf("; stopped early, at step %d of %d (stop_when = %q)", r.done, r.steps, r.job.Config.StopWhen)
	}
	return o
}

// interrupt saves the state, unless that was just done: saved again after the
// probe of an epoch's end, the state would count that probe twice.
func (r *run) interrupt() error {
	if r.saved != r.done {
		if err := r.save(); err != nil {
			return err
		}
	}
	return ErrInterrupted
}

// train does one optimizer step and reports its loss. It says why if there is
// something in the step that is not finite, and moves no weight then.
func (r *run) train() (diverged string, err error) {
	start := time.Now()
	r.clock.turn(inAugmentation)
	r.draw(r.step.views)
	r.clock.turn(inStep)
	if err := r.step.run(); err != nil {
		return "", err
	}
	loss := float64(r.step.loss[0])
	r.clock.turn(inLogging)
	r.hooks.Metrics(r.done, map[string]float64{"loss": loss})
	if why := r.whyDiverged(loss); why != "" {
		return why, nil
	}
	c := r.job.Config
	r.clock.turn(inStep)
	r.step.finish(c, r.optimizer, r.online, r.target, r.done, r.steps)
	r.done++
	r.clock.turn(inLogging)
	r.hooks.Progress(r.done, r.steps, r.speed.add(c.Batch, time.Since(start)), "train")
	return "", nil
}

func (r *run) probeDue() bool {
	epoch := r.done / r.perEpoch()
	return r.done == r.steps || epoch%int64(r.job.Config.Probe.Every) == 0
}

// look probes the online network, and evaluates it in full before the first
// step and where the run ends, which this probe may be the one to tell. It
// returns ErrInterrupted if ctx ends: the state is saved, and a resumed run
// looks again.
func (r *run) look(ctx context.Context) error {
	defer r.clock.turn(r.clock.turn(inProbes))
	r.hooks.Progress(r.done, r.steps, r.speed.mean(), "probe")
	images := min(r.job.Config.Probe.Images, r.set.Test.Len())
	bank := min(images, r.set.Train.Len())
	train, _, err := r.evaluator.run(ctx, r.set.Train, 0, bank)
	if err != nil {
		return err
	}
	test, z, err := r.evaluator.run(ctx, r.set.Test, 0, images)
	if err != nil {
		return err
	}
	values := make(map[string]float64)
	projection := probe.Measure(z, r.evaluator.projectionSize)
	report(values, "z", projection)
	report(values, "y", probe.Measure(test, r.evaluator.featureSize))
	values["knn_top1"] = probe.KNN(r.features(train, r.set.Train, bank), r.features(test, r.set.Test, images))
	zStd := append(slices.Clone(r.zStd), projection.Std)
	if r.done == 0 || r.ends(zStd) {
		reportSpectrum(values, projection.Spectrum)
		if err := r.evaluate(ctx, train, test, values); err != nil {
			return err
		}
	}
	r.zStd = zStd
	r.hooks.Metrics(r.done, values)
	return nil
}

// evaluate adds the linear evaluation, on all images, and the dependence on
// the batch to values; train and test are the features of the first images of
// each split. It returns ErrInterrupted if ctx ends.
func (r *run) evaluate(ctx context.Context, train, test []float32, values map[string]float64) error {
	r.hooks.Progress(r.done, r.steps, r.speed.mean(), "evaluate")
	d := r.evaluator.featureSize
	moreTrain, _, err := r.evaluator.run(ctx, r.set.Train, len(train)/d, r.set.Train.Len())
	if err != nil {
		return err
	}
	moreTest, _, err := r.evaluator.run(ctx, r.set.Test, len(test)/d, r.set.Test.Len())
	if err != nil {
		return err
	}
	train, test = slices.Concat(train, moreTrain), slices.Concat(test, moreTest)
	top1, err := r.linear(ctx, r.features(train, r.set.Train, r.set.Train.Len()), r.features(test, r.set.Test, r.set.Test.Len()))
	switch {
	case ctx.Err() != nil:
		return ErrInterrupted
	case errors.Is(err, probe.ErrNotConverged): // all else that the run shows stands
		r.hooks.Event(fmt.Sprintf("no linear_top1 at step %d: %v", r.done, err))
	case err != nil:
		return err
	default:
		values["linear_top1"] = top1
	}
	return r.dependence.measure(values)
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

// reportSpectrum adds the projection's spectrum, which is thinned out, to
// values.
func reportSpectrum(values map[string]float64, spectrum []float64) {
	for _, rank := range config.SpectrumRanks(len(spectrum)) {
		values[config.SpectrumName(rank)] = spectrum[rank-1]
	}
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
