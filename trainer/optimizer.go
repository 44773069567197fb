package trainer

import (
	"math"

	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// optimizer is SGD or LARS with momentum. One-dimensional tensors (biases and
// norm parameters) are excluded from weight decay and from LARS' adaptation,
// as in BYOL's code.
type optimizer[T kernel.Float] struct {
	config   config.Optimizer
	momentum [][]T // of online.Trainable(), in that order
}

func newOptimizer[T kernel.Float](c config.Optimizer, w *net.Weights[T]) *optimizer[T] {
	o := &optimizer[T]{config: c}
	for _, t := range w.Trainable() {
		o.momentum = append(o.momentum, make([]T, len(t.Data)))
	}
	return o
}

// update moves the weights against their gradients at the given rate:
//
//	g += decay*w;  v = momentum*v + trust*g;  w -= rate*v
//
// with trust = eta |w|/|g| under LARS (You et al. 2017) and 1 under SGD.
func (o *optimizer[T]) update(w *net.Weights[T], grads [][]T, rate float64) {
	for i, t := range w.Trainable() {
		decay, trust := 0.0, 1.0
		if len(t.Shape) > 1 {
			decay = o.config.WeightDecay
			if o.config.Name == "lars" {
				trust = trustRatio(t.Data, grads[i], decay, o.config.Trust)
			}
		}
		momentum := T(o.config.Momentum)
		v, g := o.momentum[i], grads[i]
		for j, x := range t.Data {
			v[j] = momentum*v[j] + T(trust)*(g[j]+T(decay)*x)
			t.Data[j] = x - T(rate)*v[j]
		}
	}
}

func trustRatio[T kernel.Float](w, g []T, decay, eta float64) float64 {
	ww, gg := 0.0, 0.0
	for j, x := range w {
		d := float64(g[j]) + decay*float64(x)
		ww += float64(x) * float64(x)
		gg += d * d
	}
	if ww == 0 || gg == 0 {
		return 1
	}
	return eta * math.Sqrt(ww/gg)
}

// follow moves the target network's weights towards the online ones: tau of
// the old, 1 - tau of the new (BYOL, equation 1).
func follow[T kernel.Float](target, online *net.Weights[T], tau float64) {
	old, fresh := T(tau), T(1-tau)
	for _, t := range target.All() {
		for j, x := range online.Get(t.Name).Data {
			t.Data[j] = old*t.Data[j] + fresh*x
		}
	}
}
