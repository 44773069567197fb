package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// penalties are the L2 strengths that linear evaluation chooses from, from
// strong to weak: the factor of |W|^2/2 beside the mean cross entropy.
var penalties = []float64{1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}

// holdout is the share of the training images that chooses the penalty.
const holdout = 0.2

// Linear is linear evaluation: a multinomial logistic regression on the
// training features, its top-1 accuracy on the test features in percent.
//
// Features are divided by one scalar, their uncentred RMS on the training
// images, and never standardized each on its own, which would bring a
// collapsed encoder's residue back to life. The L2 penalty is the best on a
// fifth of the training images; the final fit uses all of them and runs to
// convergence.
// If ctx ends, so does it, with ctx's error.
func Linear(ctx context.Context, train, test Features) (float64, error) {
	scale := 1 / rms(train.X)
	if math.IsInf(scale, 0) {
		scale = 1 // all features are zero
	}
	split := train.len() - int(holdout*float64(train.len()))
	fit, err := newRegression(train.part(0, split), scale)
	if err != nil {
		return 0, err
	}
	best, strength := -1.0, penalties[0]
	for _, p := range penalties {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		top1, err := fit.evaluate(p, train.part(split, train.len()))
		if err != nil {
			return 0, err
		}
		if top1 > best {
			best, strength = top1, p
		}
	}
	final, err := newRegression(train, scale)
	if err != nil {
		return 0, err
	}
	return final.evaluate(strength, test)
}

func rms(x []float32) float64 {
	ss := 0.0
	for _, v := range x {
		ss += float64(v) * float64(v)
	}
	return math.Sqrt(ss / float64(len(x)))
}

// regression is a multinomial logistic regression on centred features along
// their principal axes: an unpenalized bias takes up the mean, and the penalty
// knows no axes, so the classifier is the same.
//
// What is minimized over are V [classes, dim] and one number a class, one after
// the other. The weights and the biases are these, each times a step of its
// own, which makes the problem rounder and leaves its solution where it was. The
// biases begin at the logarithms of the classes' shares; a class that no image
// has stays at minus infinity.
type regression struct {
	x      blas64.General // [n, dim]: scaled, centred and turned
	labels []uint8
	k      int
	scale  float64
	mean   []float64 // of the scaled features

	axes      blas64.General // [dim, dim]: eigenvectors of the covariance, in columns
	variances []float64      // along them
	shares    []float64      // of the classes

	steps, biasSteps []float64 // as the penalty asks

	w, dw, scores blas64.General // scratch
	biases        []float64
}

func newRegression(f Features, scale float64) (*regression, error) {
	r := &regression{labels: f.Labels, k: f.Classes, scale: scale, mean: make([]float64, f.Dim)}
	r.w, r.dw, r.scores = general(r.k, f.Dim), general(r.k, f.Dim), general(f.len(), r.k)
	r.steps, r.biasSteps, r.biases, r.shares = make([]float64, r.k*f.Dim), make([]float64, r.k), make([]float64, r.k), make([]float64, r.k)
	for i, v := range f.X {
		r.mean[i%f.Dim] += float64(v) * scale / float64(f.len())
	}
	for _, label := range f.Labels {
		r.shares[label] += 1 / float64(f.len())
	}
	x := r.centred(f)
	var covariance mat.SymDense
	covariance.SymOuterK(1/float64(f.len()), mat.NewDense(f.len(), f.Dim, x.Data).T())
	var eigen mat.EigenSym
	if !eigen.Factorize(&covariance, true) {
		return nil, errors.New("linear evaluation: the features' covariance has no eigenvectors")
	}
	r.variances = eigen.Values(nil)
	var axes mat.Dense
	eigen.VectorsTo(&axes)
	r.axes = axes.RawMatrix()
	r.x = r.turned(x)
	return r, nil
}

// centred gives the scaled and centred features of f.
func (r *regression) centred(f Features) blas64.General {
	x := general(f.len(), f.Dim)
	for i, v := range f.X {
		x.Data[i] = float64(v)*r.scale - r.mean[i%f.Dim]
	}
	return x
}

// turned gives centred features along the principal axes.
func (r *regression) turned(x blas64.General) blas64.General {
	y := general(x.Rows, x.Cols)
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, x, r.axes, 0, y)
	return y
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}

// precondition sets each step to the inverse root of the objective's curvature
// along its axis, where every image is of a class with the probability that is
// the class's share.
func (r *regression) precondition(penalty float64) {
	d := len(r.variances)
	for c, share := range r.shares {
		curvature := max(share*(1-share), 1/float64(len(r.labels)))
		r.biasSteps[c] = 1 / math.Sqrt(curvature)
		for j, v := range r.variances {
			r.steps[c*d+j] = 1 / math.Sqrt(curvature*max(v, 0)+penalty)
		}
	}
}

// objective is the mean cross entropy plus penalty |W|^2/2; it stores the
// gradient in grad.
func (r *regression) objective(params, grad []float64, penalty float64) float64 {
	for i, step := range r.steps {
		r.w.Data[i] = params[i] * step
	}
	offsets, db := params[len(r.steps):], grad[len(r.steps):]
	for c, step := range r.biasSteps {
		r.biases[c] = math.Log(r.shares[c]) + offsets[c]*step
	}
	r.score(r.scores, r.x, r.biases)
	n := float64(len(r.labels))
	loss := 0.0
	clear(db)
	for i, label := range r.labels {
		s := r.scores.Data[i*r.k : (i+1)*r.k]
		loss -= logSoftmax(s, int(label)) / n
		s[label]--
		for c, v := range s {
			db[c] += v / n * r.biasSteps[c]
		}
	}
	blas64.Gemm(blas.Trans, blas.NoTrans, 1/n, r.scores, r.x, 0, r.dw)
	for i, w := range r.w.Data {
		loss += penalty / 2 * w * w
		r.dw.Data[i] += penalty * w
		grad[i] = r.dw.Data[i] * r.steps[i]
	}
	return loss
}

// score computes the class scores of x under the current weights.
func (r *regression) score(scores, x blas64.General, b []float64) {
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, x, r.w, 0, scores)
	for i := range scores.Data {
		scores.Data[i] += b[i%r.k]
	}
}

// logSoftmax turns scores into probabilities and returns the logarithm of
// that of label.
func logSoftmax(s []float64, label int) float64 {
	top := slices.Max(s)
	score := s[label] - top
	sum := 0.0
	for c, v := range s {
		s[c] = math.Exp(v - top)
		sum += s[c]
	}
	for c := range s {
		s[c] /= sum
	}
	return score - math.Log(sum)
}

// iterations is how long a fit may take. A hundred classes on 1200 images took
// 2000.
const iterations = 20000

// solve minimizes the objective and returns the biases; the weights are in
// r.w.
func (r *regression) solve(penalty float64) (biases []float64, err error) {
	r.precondition(penalty)
	last := &lastEvaluation{f: func(p, grad []float64) float64 { return r.objective(p, grad, penalty) }}
	result, err := optimize.Minimize(
		optimize.Problem{Func: last.value, Grad: last.gradient},
		make([]float64, r.k*(r.x.Cols+1)),
		&optimize.Settings{GradientThreshold: 1e-6, Converger: &optimize.FunctionConverge{Relative: 1e-10, Iterations: 10}, MajorIterations: iterations},
		&optimize.LBFGS{},
	)
	if err != nil && !exhausted(err) {
		return nil, fmt.Errorf("linear evaluation: %w", err)
	}
	if result.Status == optimize.IterationLimit {
		return nil, fmt.Errorf("linear evaluation has not converged after %d iterations (penalty %g)", iterations, penalty)
	}
	r.objective(result.X, make([]float64, len(result.X)), penalty)
	return r.biases, nil
}

// exhausted reports a line search that can make no more progress: the
// objective is flat to the last digit, which is as converged as it gets.
func exhausted(err error) bool {
	return errors.Is(err, optimize.ErrLinesearcherFailure) || errors.Is(err, optimize.ErrNoProgress) || errors.Is(err, optimize.ErrNonDescentDirection)
}

// lastEvaluation serves value and gradient of one point from one evaluation.
type lastEvaluation struct {
	f       func(p, grad []float64) float64
	p, grad []float64
	v       float64
}

func (l *lastEvaluation) at(p []float64) {
	if slices.Equal(p, l.p) {
		return
	}
	if l.grad == nil {
		l.grad = make([]float64, len(p))
	}
	l.v = l.f(p, l.grad)
	l.p = append(l.p[:0], p...)
}

func (l *lastEvaluation) value(p []float64) float64 {
	l.at(p)
	return l.v
}

func (l *lastEvaluation) gradient(grad, p []float64) {
	l.at(p)
	copy(grad, l.grad)
}

// evaluate fits the regression with the given penalty and returns its
// accuracy on f, in percent.
func (r *regression) evaluate(penalty float64, f Features) (float64, error) {
	biases, err := r.solve(penalty)
	if err != nil {
		return 0, err
	}
	return r.accuracy(biases, f), nil
}

// accuracy of the current weights on f, in percent.
func (r *regression) accuracy(biases []float64, f Features) float64 {
	scores := general(f.len(), r.k)
	r.score(scores, r.turned(r.centred(f)), biases)
	right := 0
	for i, label := range f.Labels {
		if argmax(scores.Data[i*r.k:(i+1)*r.k]) == int(label) {
			right++
		}
	}
	return 100 * float64(right) / float64(f.len())
}
