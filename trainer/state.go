package trainer

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	"ablate/trainer/checkpoint"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// The state of a run is its step, the weights of both networks, the momentum
// and the probes so far. Random streams depend on the step alone, so there is
// nothing of theirs to keep.

// save writes a checkpoint of the current step.
func (r *run) save() error {
	if r.job.Checkpoints == "" {
		return nil
	}
	if err := r.hooks.BeforeSave(); err != nil {
		return err
	}
	zStd, err := json.Marshal(r.zStd)
	if err != nil {
		return err
	}
	meta := r.identity()
	maps.Copy(meta, arithmetic())
	meta["step"] = strconv.FormatInt(r.done, 10)
	meta["z_std"] = string(zStd)
	f := &checkpoint.File{Meta: meta}
	r.eachTensor(func(name string, shape []int, data []float32) {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: name, Shape: shape, Data: data})
	})
	return checkpoint.Save(r.job.Checkpoints, r.done, f)
}

// restore takes up the newest good checkpoint, if there is one.
func (r *run) restore() error {
	if r.job.Checkpoints == "" {
		return nil
	}
	f, damaged, err := checkpoint.Load(r.job.Checkpoints)
	if err != nil {
		return err
	}
	for _, d := range damaged {
		r.hooks.Event("passed over a damaged checkpoint: " + d.Error())
	}
	if f == nil {
		return nil
	}
	if err := r.ours(f); err != nil {
		return err
	}
	for k, want := range arithmetic() {
		if f.Meta[k] != want {
			r.hooks.Event(fmt.Sprintf("starting over: the checkpoint was made with %s %q, which may round otherwise than %q", k, f.Meta[k], want))
			return nil
		}
	}
	if r.done, err = strconv.ParseInt(f.Meta["step"], 10, 64); err != nil {
		return fmt.Errorf("the checkpoint in %s has no step: %w", r.job.Checkpoints, err)
	}
	if err := json.Unmarshal([]byte(f.Meta["z_std"]), &r.zStd); err != nil {
		return fmt.Errorf("the checkpoint in %s has no probes: %w", r.job.Checkpoints, err)
	}
	r.order = nil // drawn anew for the epoch that the step lies in
	return r.restoreTensors(f)
}

func (r *run) restoreTensors(f *checkpoint.File) (err error) {
	r.eachTensor(func(name string, shape []int, data []float32) {
		saved := f.Get(name)
		if len(saved) != len(data) {
			err = fmt.Errorf("the checkpoint in %s lacks the tensor %s of shape %v", r.job.Checkpoints, name, shape)
			return
		}
		copy(data, saved)
	})
	return err
}

// ours reports whether f is a state of this very run.
func (r *run) ours(f *checkpoint.File) error {
	for k, want := range r.identity() {
		if f.Meta[k] != want {
			return fmt.Errorf("the checkpoint in %s is of another run: its %s is %q, not %q", r.job.Checkpoints, k, f.Meta[k], want)
		}
	}
	return nil
}

// identity is what a checkpoint must have in common with the run that takes
// it up.
func (r *run) identity() map[string]string {
	work, err := json.Marshal(r.job.Config)
	if err != nil {
		panic(err) // plain data always marshals
	}
	return map[string]string{
		"format":  "ablate checkpoint 1",
		"config":  fmt.Sprintf("%x", sha256.Sum256(work)),
		"seed":    strconv.Itoa(r.job.Seed),
		"dataset": r.set.Hash,
		"trainer": Version,
	}
}

// arithmetic is what decides the last digits. A state made by another one is
// given up, since a run must not be half of either.
func arithmetic() map[string]string {
	return map[string]string{"kernels": kernel.Name(), "instruction set": kernel.ISA()}
}

// eachTensor calls f with every tensor of the state: online/NAME, target/NAME,
// momentum/NAME and, of Adam, variance/NAME.
func (r *run) eachTensor(f func(name string, shape []int, data []float32)) {
	all := func(prefix string, w *net.Weights[float32]) {
		for _, t := range w.All() {
			f(prefix+t.Name, t.Shape, t.Data)
		}
	}
	all("online/", r.online)
	all("target/", r.target)
	for i, t := range r.online.Trainable() {
		f("momentum/"+t.Name, t.Shape, r.optimizer.momentum[i])
		if r.optimizer.variance != nil {
			f("variance/"+t.Name, t.Shape, r.optimizer.variance[i])
		}
	}
}
