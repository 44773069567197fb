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

// regression is a multinomial logistic regression on centred features: an
// unpenalized bias takes up the mean, so the classifier is the same, and the
// problem is far rounder.
//
// Its parameters are V [classes, dim] and the biases [classes], one after the
// other, where the weights are W = V P. The symmetric P makes the problem
// rounder still and leaves its solution where it was: the objective is the
// same function of W.
type regression struct {
	x      blas64.General // [n, dim], scaled and centred
	labels []uint8
	k      int
	scale  float64
	mean   []float64 // of the scaled features

	directions mat.Dense // eigenvectors of the covariance, in columns
	variances  []float64 // along them

	w, dw, p, scores blas64.General // scratch
}

func newRegression(f Features, scale float64) (*regression, error) {
	r := &regression{labels: f.Labels, k: f.Classes, scale: scale, mean: make([]float64, f.Dim)}
	r.x = general(f.len(), f.Dim)
	r.w, r.dw, r.p = general(r.k, f.Dim), general(r.k, f.Dim), general(f.Dim, f.Dim)
	r.scores = general(f.len(), r.k)
	r.load(r.x, f)
	for i, v := range r.x.Data {
		r.mean[i%f.Dim] += v / float64(f.len())
	}
	r.load(r.x, f)
	var covariance mat.SymDense
	covariance.SymOuterK(1/float64(f.len()), mat.NewDense(f.len(), f.Dim, r.x.Data).T())
	var eigen mat.EigenSym
	if !eigen.Factorize(&covariance, true) {
		return nil, errors.New("linear evaluation: the features' covariance has no eigenvectors")
	}
	r.variances = eigen.Values(nil)
	eigen.VectorsTo(&r.directions)
	return r, nil
}

// load stores the scaled and centred features of f in x.
func (r *regression) load(x blas64.General, f Features) {
	for i, v := range f.X {
		x.Data[i] = float64(v)*r.scale - r.mean[i%f.Dim]
	}
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}

// precondition sets P to (covariance/k + penalty)^(-1/2), the inverse root of
// the objective's typical curvature.
func (r *regression) precondition(penalty float64) {
	d := len(r.variances)
	var scaled, p mat.Dense
	scaled.Apply(func(_, j int, v float64) float64 {
		return v / math.Sqrt(max(r.variances[j], 0)/float64(r.k)+penalty)
	}, &r.directions)
	p.Mul(&scaled, r.directions.T())
	for i := range d {
		copy(r.p.Data[i*d:(i+1)*d], p.RawRowView(i))
	}
}

// split gives V and the biases within parameters.
func (r *regression) split(params []float64) (v blas64.General, b []float64) {
	n := r.k * r.x.Cols
	return blas64.General{Rows: r.k, Cols: r.x.Cols, Stride: r.x.Cols, Data: params[:n]}, params[n:]
}

// objective is the mean cross entropy plus penalty |W|^2/2; it stores the
// gradient in grad.
func (r *regression) objective(params, grad []float64, penalty float64) float64 {
	v, b := r.split(params)
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, v, r.p, 0, r.w)
	r.score(r.scores, r.x, b)
	n := float64(len(r.labels))
	loss := 0.0
	dv, db := r.split(grad)
	clear(db)
	for i, label := range r.labels {
		s := r.scores.Data[i*r.k : (i+1)*r.k]
		loss -= logSoftmax(s, int(label)) / n
		s[label]--
		for c, v := range s {
			db[c] += v / n
		}
	}
	blas64.Gemm(blas.Trans, blas.NoTrans, 1/n, r.scores, r.x, 0, r.dw)
	for i, w := range r.w.Data {
		loss += penalty / 2 * w * w
		r.dw.Data[i] += penalty * w
	}
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, r.dw, r.p, 0, dv)
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

// solve minimizes the objective and returns the biases; the weights are in
// r.w.
func (r *regression) solve(penalty float64) (biases []float64, err error) {
	r.precondition(penalty)
	last := &lastEvaluation{f: func(p, grad []float64) float64 { return r.objective(p, grad, penalty) }}
	result, err := optimize.Minimize(
		optimize.Problem{Func: last.value, Grad: last.gradient},
		make([]float64, r.k*(r.x.Cols+1)),
		&optimize.Settings{GradientThreshold: 1e-6, Converger: &optimize.FunctionConverge{Relative: 1e-10, Iterations: 10}, MajorIterations: 5000},
		&optimize.LBFGS{},
	)
	if err != nil && !exhausted(err) {
		return nil, fmt.Errorf("linear evaluation: %w", err)
	}
	r.objective(result.X, make([]float64, len(result.X)), penalty)
	_, biases = r.split(result.X)
	return biases, nil
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
	x, scores := general(f.len(), f.Dim), general(f.len(), r.k)
	r.load(x, f)
	r.score(scores, x, biases)
	right := 0
	for i, label := range f.Labels {
		if argmax(scores.Data[i*r.k:(i+1)*r.k]) == int(label) {
			right++
		}
	}
	return 100 * float64(right) / float64(f.len())
}
