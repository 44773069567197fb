package trainer

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// The state of a run is its step, the weights of its networks, the momentum
// and the probes so far. Random streams depend on the step alone, so there is
// nothing of theirs to keep.

// save writes a checkpoint of the current step.
func (r *run) save() error {
	defer r.clock.turn(r.clock.turn(inCheckpoints))
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
	meta := identity(r.job, r.set.Hash)
	maps.Copy(meta, arithmetic())
	meta["step"] = strconv.FormatInt(r.done, 10)
	meta["z_std"] = string(zStd)
	meta["inputs"] = compact(r.inputs)
	f := &checkpoint.File{Meta: meta}
	r.eachTensor(func(name string, shape []int, data []float32) {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: name, Shape: shape, Data: data})
	})
	if err := checkpoint.Save(r.job.Checkpoints, r.done, f); err != nil {
		return err
	}
	r.saved, r.savedAt = r.done, time.Now()
	return nil
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
	if f == nil && len(damaged) == 0 {
		return nil
	}
	if f == nil {
		r.hooks.Event("starting over: no good checkpoint is left")
		return r.startOver()
	}
	longer := false // than the run that made f
	if err := sameRun(f, r.job.Checkpoints, identity(r.job, r.set.Hash)); err != nil {
		if longer = r.extends(f); !longer {
			return err
		}
	}
	made := arithmetic()
	if k, differs := firstDifference(f.Meta, made); differs {
		r.hooks.Event(fmt.Sprintf("starting over: the checkpoint was made with %s %q, which may round otherwise than %q", k, f.Meta[k], made[k]))
		return r.startOver()
	}
	if err := r.resume(f); err != nil || !longer {
		return err
	}
	r.hooks.Event(fmt.Sprintf("goes on from the same run of %d epochs, whose steps are not repeated", r.job.Extends))
	return r.save() // as a state of this run, which it is from now on
}

// extends reports whether f is a state of the shorter run that the job goes on
// from, and the job's configuration allows that.
func (r *run) extends(f *checkpoint.File) bool {
	shorter := r.job
	shorter.Config.Epochs = r.job.Extends
	if ok, _ := config.Extends(r.job.Config, shorter.Config); !ok || r.job.Extends == 0 {
		return false
	}
	return sameRun(f, r.job.Checkpoints, identity(shorter, r.set.Hash)) == nil
}

// startOver removes all checkpoints, which are of no use. Those that the run
// makes from now on are of earlier steps, and would give way to them. The first
// is made at once: when Start has said that the run begins anew, what was
// reported before counts no more, and nobody may go on from there.
func (r *run) startOver() error {
	if err := checkpoint.DropAfter(r.job.Checkpoints, -1); err != nil {
		return err
	}
	return r.save()
}

// resume takes up f, and removes the checkpoints after it, which are damaged:
// they would take the place of good ones.
func (r *run) resume(f *checkpoint.File) (err error) {
	if r.done, err = strconv.ParseInt(f.Meta["step"], 10, 64); err != nil {
		return Refuse("the checkpoint in %s has no step: %w", r.job.Checkpoints, err)
	}
	if err := json.Unmarshal([]byte(f.Meta["z_std"]), &r.zStd); err != nil {
		return Refuse("the checkpoint in %s has no probes: %w", r.job.Checkpoints, err)
	}
	r.order = nil // drawn anew for the epoch that the step lies in
	if err := r.restoreTensors(f); err != nil {
		return err
	}
	return checkpoint.DropAfter(r.job.Checkpoints, r.done)
}

func (r *run) restoreTensors(f *checkpoint.File) (err error) {
	r.eachTensor(func(name string, shape []int, data []float32) {
		saved := f.Get(name)
		if err == nil && len(saved) != len(data) {
			err = Refuse("the checkpoint in %s lacks the tensor %s of shape %v", r.job.Checkpoints, name, shape)
		}
		copy(data, saved)
	})
	return err
}

// sameRun reports whether f, of the folder dir, is a state of the run with
// that identity.
func sameRun(f *checkpoint.File, dir string, identity map[string]string) error {
	if k, differs := firstDifference(f.Meta, identity); differs {
		return Refuse("the checkpoint in %s is of another run: its %s is %q, not %q", dir, k, f.Meta[k], identity[k])
	}
	return nil
}

// firstDifference returns the first key of want, in alphabetical order, for
// which meta has another value.
func firstDifference(meta, want map[string]string) (key string, differs bool) {
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if meta[k] != want[k] {
			return k, true
		}
	}
	return "", false
}

// identity is what a checkpoint of job on a dataset must have in common with
// whoever takes it up.
func identity(job Job, dataset string) map[string]string {
	return map[string]string{
		"format":  "ablate checkpoint 1",
		"config":  fmt.Sprintf("%x", sha256.Sum256([]byte(compact(job.Config)))),
		"seed":    strconv.Itoa(job.Seed),
		"dataset": dataset,
		"trainer": Version,
	}
}

// arithmetic is what decides the last digits. A state made by another one is
// given up, since a run must not be half of either.
func arithmetic() map[string]string {
	return map[string]string{"kernels": kernel.Name(), "instruction set": kernel.ISA()}
}

// eachTensor calls f with every tensor of the state: online/NAME, target/NAME
// if there is a target network, momentum/NAME and, of Adam, variance/NAME.
func (r *run) eachTensor(f func(name string, shape []int, data []float32)) {
	all := func(prefix string, w *net.Weights[float32]) {
		for _, t := range w.All() {
			f(prefix+t.Name, t.Shape, t.Data)
		}
	}
	all("online/", r.online)
	if r.target != nil {
		all("target/", r.target)
	}
	for i, t := range r.online.Trainable() {
		f("momentum/"+t.Name, t.Shape, r.optimizer.momentum[i])
		if r.optimizer.variance != nil {
			f("variance/"+t.Name, t.Shape, r.optimizer.variance[i])
		}
	}
}
