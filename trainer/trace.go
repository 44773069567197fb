package trainer

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"ablate/trainer/checkpoint"
)

// layout is how a trace's tensors are laid out.
const layout = "images NHWC, convolutions OHWI, linear maps [out, in]"

// Trace trains job from its beginning, in memory and without probes, and lays
// one optimizer step bare: the one that step others come before. The result
// has these tensors, all of float32, for batches of B images:
//
//	views              [2B, H, W, C]: the first views of B images, then their second ones
//	loss               a scalar
//	output/encoder     [2B, features], of the online network
//	output/projection  [2B, heads.out]
//	output/prediction  [2B, heads.out], if there is a predictor
//	output/target      [2B, heads.out], the target network's projection
//	gradient/NAME      of the loss with respect to online/NAME
//	before/STATE       the state that the step begins with
//	after/STATE        the state that it leaves
//
// where STATE is
//
//	online/NAME        a weight, or batch norm's running mean or variance (.../mean, .../var)
//	target/NAME        the same weight of the target network, which has no predictor
//	momentum/NAME      of SGD and LARS the momentum, of Adam the first moment
//	variance/NAME      Adam's second moment
//
// and NAME is a path such as encoder/stage1/block1/conv1/weight (see
// net.Tensor). Where the method has no target network, there is nothing of
// one. The metadata are format, config (canonical JSON), seed, step, steps,
// learning_rate, tau (with a target network), layout, dataset (content hash),
// trainer, kernels and instruction set.
//
// A step that the run does not have is an error, also if it diverges before. The
// step at which it diverges leaves the state as it was, but for batch norm's
// running means and variances, which moved with what it saw and mean nothing
// any more; why it diverges stands in the metadata as diverged. Trace returns
// ErrInterrupted if ctx ends.
func Trace(ctx context.Context, job Job, step int64) (*checkpoint.File, error) {
	r, err := newRun(job, Hooks{})
	if err != nil {
		return nil, err
	}
	defer r.close()
	if step < 0 || step >= r.steps {
		return nil, fmt.Errorf("there is no step %d: the run has %d steps, 0 to %d", step, r.steps, r.steps-1)
	}
	for r.done < step {
		if ctx.Err() != nil {
			return nil, ErrInterrupted
		}
		why, err := r.train()
		if err != nil {
			return nil, err
		}
		if why != "" {
			return nil, fmt.Errorf("the run has no step %d: %s", step, why)
		}
	}
	return r.trace()
}

// trace does the next step and tells everything about it.
func (r *run) trace() (*checkpoint.File, error) {
	f := &checkpoint.File{Meta: r.traceMeta()}
	r.snapshot(f, "before/")
	why, err := r.train()
	if err != nil {
		return nil, err
	}
	if why != "" {
		f.Meta["diverged"] = why
	}
	n := 2 * r.job.Config.Batch
	add := func(name string, data []float32, shape ...int) {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: name, Shape: append([]int{}, shape...), Data: data})
	}
	add("views", r.step.views, n, r.set.Height, r.set.Width, r.set.Channels)
	add("loss", r.step.loss)
	for _, o := range r.step.outputs {
		add("output/"+o.name, o.data, n, len(o.data)/n)
	}
	for i, t := range r.online.Trainable() {
		add("gradient/"+t.Name, r.step.grads[i], t.Shape...)
	}
	r.snapshot(f, "after/")
	return f, nil
}

// snapshot adds a copy of the run's state to f.
func (r *run) snapshot(f *checkpoint.File, prefix string) {
	r.eachTensor(func(name string, shape []int, data []float32) {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: prefix + name, Shape: shape, Data: slices.Clone(data)})
	})
}

func (r *run) traceMeta() map[string]string {
	c := r.job.Config
	meta := arithmetic()
	meta["format"] = "ablate trace 1"
	meta["config"] = string(c.JSON())
	meta["seed"] = strconv.Itoa(r.job.Seed)
	meta["step"] = strconv.FormatInt(r.done, 10)
	meta["steps"] = strconv.FormatInt(r.steps, 10)
	meta["learning_rate"] = decimal(learningRate(c.Optimizer, r.done, r.steps))
	if hasTarget(c) {
		meta["tau"] = decimal(targetRate(c.Target, r.done, r.steps))
	}
	meta["layout"] = layout
	meta["dataset"] = r.set.Hash
	meta["trainer"] = Version
	return meta
}

// decimal writes x so that reading it gives x again.
func decimal(x float64) string { return strconv.FormatFloat(x, 'g', -1, 64) }
