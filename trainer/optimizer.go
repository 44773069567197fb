package trainer

import (
	"math"

	"ablate/trainer/config"
	"ablate/trainer/kernel"
	"ablate/trainer/net"
)

// optimizer is SGD or LARS with momentum, or Adam. One-dimensional tensors
// (biases and norm parameters) are excluded from weight decay and from LARS'
// adaptation, as in BYOL's code.
type optimizer[T kernel.Float] struct {
	config   config.Optimizer
	momentum [][]T // of online.Trainable(), in that order
	variance [][]T // Adam's second moment; nil otherwise
}

func newOptimizer[T kernel.Float](c config.Optimizer, w *net.Weights[T]) *optimizer[T] {
	o := &optimizer[T]{config: c}
	for _, t := range w.Trainable() {
		o.momentum = append(o.momentum, make([]T, len(t.Data)))
		if c.Name == "adam" {
			o.variance = append(o.variance, make([]T, len(t.Data)))
		}
	}
	return o
}

// update moves the weights against their gradients at the given rate. step is
// the number of updates before this one.
func (o *optimizer[T]) update(w *net.Weights[T], grads [][]T, rate float64, step int64) {
	for i, t := range w.Trainable() {
		decay := 0.0
		if len(t.Shape) > 1 {
			decay = o.config.WeightDecay
		}
		switch {
		case o.variance != nil:
			o.adam(t.Data, grads[i], o.momentum[i], o.variance[i], decay, rate, step)
		case o.config.Name == "lars" && len(t.Shape) > 1:
			o.descend(t.Data, grads[i], o.momentum[i], decay, rate, trustRatio(t.Data, grads[i], decay, o.config.Trust))
		default:
			o.descend(t.Data, grads[i], o.momentum[i], decay, rate, 1)
		}
	}
}

// descend is a step of momentum:
//
//	g += decay*w;  v = momentum*v + trust*g;  w -= rate*v
//
// with trust = eta |w|/|g| under LARS (You et al. 2017) and 1 under SGD.
func (o *optimizer[T]) descend(w, g, v []T, decay, rate, trust float64) {
	momentum := T(o.config.Momentum)
	for j, x := range w {
		v[j] = momentum*v[j] + T(trust)*(g[j]+T(decay)*x)
		w[j] = x - T(rate)*v[j]
	}
}

// Adam's second decay rate and what keeps its denominator from zero (Kingma &
// Ba 2014).
const (
	adamBeta = 0.999
	adamEps  = 1e-8
)

// adam is a step of Adam with the decay added to the gradient.
func (o *optimizer[T]) adam(w, g, m, v []T, decay, rate float64, step int64) {
	beta := o.config.Momentum
	first := 1 - math.Pow(beta, float64(step+1))
	second := math.Sqrt(1 - math.Pow(adamBeta, float64(step+1)))
	for j, x := range w {
		d := float64(g[j]) + decay*float64(x)
		m1 := beta*float64(m[j]) + (1-beta)*d
		v1 := adamBeta*float64(v[j]) + (1-adamBeta)*d*d
		m[j], v[j] = T(m1), T(v1)
		w[j] = T(float64(x) - rate/first*m1/(math.Sqrt(v1)/second+adamEps))
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
