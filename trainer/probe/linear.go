package probe

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize"
)

// penalties are the L2 strengths that linear evaluation chooses from, from
// strong to weak: the factor of |W|^2/2 beside the mean cross entropy.
var penalties = []float64{1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6}

// holdout is the share of the training images that chooses the penalty.
const holdout = 0.2

// ErrNotConverged says that linear evaluation found no best classifier of these
// features, and would not the next time either.
var ErrNotConverged = errors.New("linear evaluation has not converged")

// Linear is linear evaluation: a multinomial logistic regression on the
// training features, its top-1 accuracy on the test features in percent.
//
// Features are divided by one scalar, their uncentred RMS on the training
// images, and never standardized each on its own, which would bring a
// collapsed encoder's residue back to life. The L2 penalty is the best on a
// fifth of the training images; the final fit uses all of them and runs to
// convergence.
// If ctx ends, so does it, with ctx's error, within a fraction of a second.
// Every other error is ErrNotConverged.
func Linear(ctx context.Context, train, test Features) (float64, error) {
	scale := 1 / rms(train.X)
	if math.IsInf(scale, 0) {
		scale = 1 // all features are zero
	}
	split := train.len() - int(holdout*float64(train.len()))
	part, err := newRegression(ctx, train.part(0, split), scale)
	if err != nil {
		return 0, err
	}
	penalty, err := part.choosePenalty(ctx, train.part(split, train.len()))
	if err != nil {
		return 0, err
	}
	whole, err := newRegression(ctx, train, scale)
	if err != nil {
		return 0, err
	}
	whole.beginAt(part)
	return whole.evaluate(ctx, penalty, test)
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
// What is minimized over are the weights [classes, dim] and one number a class,
// one after the other, each divided by a step of its own, which makes the
// problem rounder and leaves its solution where it was. The biases are these
// numbers plus the logarithms of the classes' shares; a class that no image has
// stays at minus infinity.
type regression struct {
	x      blas64.General // [n, dim]: scaled, centred and turned
	labels []uint8
	k      int
	scale  float64
	mean   []float64 // of the scaled features

	axes      blas64.General // [dim, dim]: eigenvectors of the covariance, in columns
	variances []float64      // along them
	logShares []float64      // of the classes

	w       blas64.General // the classifier: where a fit begins, and then its solution
	offsets []float64      // of the biases from the logShares

	steps, biasSteps []float64 // as the penalty asks

	dw, scores blas64.General // scratch
}

// newRegression is the regression of f, times scale, before any fit: it takes
// every image to be of a class with the probability that is the class's share.
func newRegression(ctx context.Context, f Features, scale float64) (*regression, error) {
	r := &regression{labels: f.Labels, k: f.Classes, scale: scale, mean: make([]float64, f.Dim)}
	r.w, r.dw, r.scores = general(r.k, f.Dim), general(r.k, f.Dim), general(blockRows, r.k)
	r.offsets, r.logShares = make([]float64, r.k), make([]float64, r.k)
	r.steps, r.biasSteps = make([]float64, r.k*f.Dim), make([]float64, r.k)
	for i, v := range f.X {
		r.mean[i%f.Dim] += float64(v) * scale / float64(f.len())
	}
	for _, label := range f.Labels {
		r.logShares[label]++
	}
	for c, count := range r.logShares {
		r.logShares[c] = math.Log(count / float64(f.len()))
	}
	x := r.centred(f)
	if err := r.findAxes(ctx, x); err != nil {
		return nil, err
	}
	r.x = general(f.len(), f.Dim)
	return r, blocks(ctx, x, func(first int, part blas64.General) {
		blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, part, r.axes, 0, rows(r.x, first, part.Rows))
	})
}

// centred gives the scaled and centred features of f.
func (r *regression) centred(f Features) blas64.General {
	x := general(f.len(), f.Dim)
	for i, v := range f.X {
		x.Data[i] = float64(v)*r.scale - r.mean[i%f.Dim]
	}
	return x
}

// findAxes sets the principal axes of the centred features x and the variances
// along them.
func (r *regression) findAxes(ctx context.Context, x blas64.General) error {
	covariance := blas64.Symmetric{N: x.Cols, Stride: x.Cols, Data: make([]float64, x.Cols*x.Cols), Uplo: blas.Upper}
	err := blocks(ctx, x, func(_ int, part blas64.General) {
		blas64.Syrk(blas.Trans, 1/float64(x.Rows), part, 1, covariance)
	})
	if err != nil {
		return err
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(mat.NewSymDense(x.Cols, covariance.Data), true) {
		return fmt.Errorf("%w: the features' covariance has no eigenvectors", ErrNotConverged)
	}
	r.variances = eigen.Values(nil)
	var axes mat.Dense
	eigen.VectorsTo(&axes)
	r.axes = axes.RawMatrix()
	return nil
}

func general(rows, cols int) blas64.General {
	return blas64.General{Rows: rows, Cols: cols, Stride: cols, Data: make([]float64, rows*cols)}
}

// rows is the n rows of x from first on.
func rows(x blas64.General, first, n int) blas64.General {
	x.Rows, x.Data = n, x.Data[first*x.Stride:(first+n)*x.Stride]
	return x
}

// blockRows is how many images are worked at before another look at the
// context: milliseconds, also of a hundred classes.
const blockRows = 256

// blocks calls do with all rows of x, blockRows at a time, unless ctx ends.
func blocks(ctx context.Context, x blas64.General, do func(first int, part blas64.General)) error {
	for first := 0; first < x.Rows; first += blockRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		do(first, rows(x, first, min(blockRows, x.Rows-first)))
	}
	return nil
}

// precondition sets each step to the inverse root of the objective's curvature
// along its axis, where every image is of a class with the probability that is
// the class's share.
func (r *regression) precondition(penalty float64) {
	d := len(r.variances)
	for c, logShare := range r.logShares {
		share := math.Exp(logShare)
		curvature := max(share*(1-share), 1/float64(len(r.labels)))
		r.biasSteps[c] = 1 / math.Sqrt(curvature)
		for j, v := range r.variances {
			r.steps[c*d+j] = 1 / math.Sqrt(curvature*max(v, 0)+penalty)
		}
	}
}

// params is the classifier as the numbers that are minimized over.
func (r *regression) params() []float64 {
	p := append(slices.Clone(r.w.Data), r.offsets...)
	floats.Div(p[:len(r.steps)], r.steps)
	floats.Div(p[len(r.steps):], r.biasSteps)
	return p
}

// setParams is the inverse of params.
func (r *regression) setParams(p []float64) {
	floats.MulTo(r.w.Data, p[:len(r.steps)], r.steps)
	floats.MulTo(r.offsets, p[len(r.steps):], r.biasSteps)
}

func (r *regression) biases() []float64 {
	return floats.AddTo(make([]float64, r.k), r.logShares, r.offsets)
}

// objective is the mean cross entropy plus penalty |W|^2/2; it stores the
// gradient in grad. If ctx ends, both mean nothing.
func (r *regression) objective(ctx context.Context, params, grad []float64, penalty float64) float64 {
	r.setParams(params)
	biases, db, n := r.biases(), grad[len(r.steps):], float64(len(r.labels))
	loss := 0.0
	clear(db)
	clear(r.dw.Data)
	_ = blocks(ctx, r.x, func(first int, x blas64.General) {
		scores := rows(r.scores, 0, x.Rows)
		score(scores, x, r.w, biases)
		for i, label := range r.labels[first : first+x.Rows] {
			s := scores.Data[i*r.k : (i+1)*r.k]
			loss -= logSoftmax(s, int(label)) / n
			s[label]--
			floats.Add(db, s)
		}
		blas64.Gemm(blas.Trans, blas.NoTrans, 1/n, scores, x, 1, r.dw)
	})
	for c, step := range r.biasSteps {
		db[c] *= step / n
	}
	for i, w := range r.w.Data {
		loss += penalty / 2 * w * w
		r.dw.Data[i] += penalty * w
		grad[i] = r.dw.Data[i] * r.steps[i]
	}
	return loss
}

// score computes the class scores [n, classes] of x under the weights w.
func score(scores, x, w blas64.General, biases []float64) {
	for i := range x.Rows {
		copy(scores.Data[i*w.Rows:], biases)
	}
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, x, w, 1, scores)
}

// logSoftmax turns scores into probabilities and returns the logarithm of
// that of label.
func logSoftmax(s []float64, label int) float64 {
	top := s[0]
	for _, v := range s { // slices.Max takes twice as long
		if v > top {
			top = v
		}
	}
	score := s[label] - top
	sum := 0.0
	for c, v := range s {
		e := math.Exp(v - top)
		s[c] = e
		sum += e
	}
	floats.Scale(1/sum, s)
	return score - math.Log(sum)
}

// iterations is how long a fit may take. A hundred classes on 1200 images took
// 2000.
const iterations = 20000

// smallGradient is the largest that a component of the gradient, by the numbers
// that are minimized over, may be at what passes for a solution. Most fits end
// far below.
const smallGradient = 1e-4

// solve minimizes the objective, beginning at r's classifier, and leaves the
// solution there. It ends with ctx's error if ctx ends, and with
// ErrNotConverged where it finds no minimum.
func (r *regression) solve(ctx context.Context, penalty float64) error {
	r.precondition(penalty)
	solution, err := minimize(ctx, r.params(), iterations, func(p, grad []float64) float64 { return r.objective(ctx, p, grad, penalty) })
	if errors.Is(err, ErrNotConverged) {
		return fmt.Errorf("%w (penalty %g)", err, penalty)
	}
	if err != nil {
		return err
	}
	r.setParams(solution)
	return nil
}

// minimize finds the minimum of f, which stores its gradient in grad, from start
// on in less than so many iterations.
func minimize(ctx context.Context, start []float64, iterations int, f func(p, grad []float64) float64) ([]float64, error) {
	last := &lastEvaluation{f: f}
	result, err := optimize.Minimize(
		optimize.Problem{
			Func: last.value, Grad: last.gradient,
			Status: func() (optimize.Status, error) { return optimize.NotTerminated, ctx.Err() },
		},
		start,
		&optimize.Settings{
			GradientThreshold: 1e-6, MajorIterations: iterations,
			Converger: &optimize.FunctionConverge{Relative: 1e-10, Iterations: 10},
		},
		&optimize.LBFGS{},
	)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err != nil && !stuck(err) {
		return nil, fmt.Errorf("%w: %w", ErrNotConverged, err)
	}
	if result.Status == optimize.IterationLimit {
		return nil, fmt.Errorf("%w after %d iterations", ErrNotConverged, iterations)
	}
	if g := floats.Norm(result.Gradient, math.Inf(1)); !(g <= smallGradient) {
		return nil, fmt.Errorf("%w: no progress at a gradient of %.2g, which should be %g at most", ErrNotConverged, g, smallGradient)
	}
	return result.X, nil
}

// stuck reports a line search that can make no more progress. At a small
// gradient the objective is then flat to the last digit, which is as converged
// as it gets.
func stuck(err error) bool {
	return errors.Is(err, optimize.ErrLinesearcherFailure) || errors.Is(err, optimize.ErrNoProgress) ||
		errors.Is(err, optimize.ErrNonDescentDirection)
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

// choosePenalty fits the regression with each penalty and returns the one whose
// accuracy on f is best, the strongest of equals; its solution is r's
// classifier then. Each fit begins at the solution for the penalty before,
// which is the stronger one and quick to find.
func (r *regression) choosePenalty(ctx context.Context, f Features) (float64, error) {
	best, penalty := -1.0, 0.0
	var w, offsets []float64
	for _, p := range penalties {
		top1, err := r.evaluate(ctx, p, f)
		if err != nil {
			return 0, err
		}
		if top1 > best {
			best, penalty = top1, p
			w, offsets = slices.Clone(r.w.Data), slices.Clone(r.offsets)
		}
	}
	r.w.Data, r.offsets = w, offsets
	return penalty, nil
}

// beginAt makes the classifier of other, which has the same scale but a mean
// and axes of its own, that of r. A class that other has no images of begins
// with its share.
func (r *regression) beginAt(other *regression) {
	w := other.unturned()
	blas64.Gemm(blas.NoTrans, blas.NoTrans, 1, w, r.axes, 0, r.w)
	for c, bias := range other.biases() {
		if math.IsInf(bias, -1) {
			continue
		}
		row := w.Data[c*w.Cols : (c+1)*w.Cols]
		r.offsets[c] = bias + floats.Dot(row, r.mean) - floats.Dot(row, other.mean) - r.logShares[c]
	}
}

// unturned is the weights [classes, dim] of features that are scaled and
// centred only.
func (r *regression) unturned() blas64.General {
	w := general(r.w.Rows, r.w.Cols)
	blas64.Gemm(blas.NoTrans, blas.Trans, 1, r.w, r.axes, 0, w)
	return w
}

// evaluate fits the regression with the given penalty and returns its
// accuracy on f, in percent.
func (r *regression) evaluate(ctx context.Context, penalty float64, f Features) (float64, error) {
	if err := r.solve(ctx, penalty); err != nil {
		return 0, err
	}
	return r.accuracy(f), nil
}

// accuracy of the classifier on f, in percent.
func (r *regression) accuracy(f Features) float64 {
	scores := general(f.len(), r.k)
	score(scores, r.centred(f), r.unturned(), r.biases())
	right := 0
	for i, label := range f.Labels {
		if argmax(scores.Data[i*r.k:(i+1)*r.k]) == int(label) {
			right++
		}
	}
	return 100 * float64(right) / float64(f.len())
}
