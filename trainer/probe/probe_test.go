package probe

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
)

// clusters draws n points of k classes around random centres, with spread
// noise, a large common offset and very unequal scales.
func clusters(seed uint64, n, d, k int, noise float64) (train, test Features) {
	r := rand.New(rand.NewPCG(1, 2))
	centres := make([]float64, k*d)
	for i := range centres {
		centres[i] = r.NormFloat64()
	}
	r = rand.New(rand.NewPCG(seed, 3))
	draw := func() Features {
		f := Features{Dim: d, Classes: k}
		for range n {
			c := r.IntN(k)
			f.Labels = append(f.Labels, uint8(c))
			for j := range d {
				f.X = append(f.X, float32(5+(centres[c*d+j]+noise*r.NormFloat64())/float64(1+j)))
			}
		}
		return f
	}
	return draw(), draw()
}

func TestGeometryOfKnownOutputs(t *testing.T) {
	const n, d = 400, 16
	r := rand.New(rand.NewPCG(1, 1))
	sphere, same, line := make([]float32, n*d), make([]float32, n*d), make([]float32, n*d)
	for i := range sphere {
		sphere[i] = float32(r.NormFloat64())
		same[i] = float32(i%d + 1)
		line[i] = float32(i%d+1) * float32(i/d%2*2-1) // two opposite points
	}
	within := func(what string, got, low, high float64) {
		t.Helper()
		if !(got >= low && got <= high) {
			t.Errorf("%s is %g, want %g to %g", what, got, low, high)
		}
	}
	g := Measure(sphere, d)
	within("std of a sphere", g.Std, 0.98, 1.001)
	within("cosine of a sphere", g.Cosine, -0.01, 0.01)
	within("rank of a sphere", g.RankMe, 15, 16.01)
	within("uniformity of a sphere", g.Uniformity, -4, -3.3) // about -4 + 8/d
	g = Measure(same, d)
	within("std of a point", g.Std, 0, 1e-6)
	within("cosine of a point", g.Cosine, 1-1e-9, 1+1e-9)
	within("rank of a point", g.RankMe, 1, 1.001)
	within("uniformity of a point", g.Uniformity, -1e-9, 1e-9)
	g = Measure(line, d)
	within("std of two points", g.Std, 0.8, 1)
	within("rank of two points", g.RankMe, 1, 1.001) // alive by std, dead by rank
	within("zero outputs", Measure(make([]float32, n*d), d).Std, 0, 0)
}

// The spectrum is that of the outputs as they are: their lengths count, and
// their mean is not taken off.
func TestSpectrum(t *testing.T) {
	scaled := make([]float32, 0, 3*4)
	for i, length := range []float32{2, -6, 3} {
		row := make([]float32, 4)
		row[i] = length
		scaled = append(scaled, row...)
	}
	for _, c := range []struct {
		name    string
		outputs []float32
		want    []float64
	}{
		{"orthogonal rows", scaled, []float64{6. / 7, 3. / 7, 2. / 7, 0}},
		{"one point", []float32{3, 4, 0, 0, 3, 4, 0, 0}, []float64{1, 0, 0, 0}},
		{"nothing", make([]float32, 8), []float64{0, 0, 0, 0}},
	} {
		got := Measure(c.outputs, 4).Spectrum
		if !floats.EqualApprox(got, c.want, 1e-7) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
	// RankMe is a function of it.
	train, _ := clusters(7, 50, 8, 5, 1)
	g := Measure(train.X, train.Dim)
	sum, entropy := floats.Sum(g.Spectrum), 0.0
	for _, s := range g.Spectrum {
		entropy -= (s/sum + rankEps) * math.Log(s/sum+rankEps)
	}
	if got := math.Exp(entropy); math.Abs(got-g.RankMe) > 1e-9*got || len(g.Spectrum) != train.Dim {
		t.Errorf("the spectrum's rank is %v, RankMe %v", got, g.RankMe)
	}
}

func TestKNN(t *testing.T) {
	train, test := clusters(7, 600, 8, 5, 0.2)
	if got := KNN(train, train); got < 95 {
		t.Errorf("%g %% of clear clusters are classified, want nearly all", got)
	}
	r := rand.New(rand.NewPCG(9, 9))
	for i := range test.Labels {
		test.Labels[i] = uint8(r.IntN(5))
	}
	if got := KNN(train, test); got > 35 {
		t.Errorf("%g %% of random labels are guessed, want about 20", got)
	}
}

// TestKNNOfZeros: an image without features is far from all others, not half
// way to each.
func TestKNNOfZeros(t *testing.T) {
	bank := Features{X: []float32{0, 0, 3, 9}, Dim: 2, Labels: []uint8{0, 1}, Classes: 2}
	query := Features{X: []float32{2, 0}, Dim: 2, Labels: []uint8{1}, Classes: 2} // at a cosine of 0.32 with the second
	if got := KNN(bank, query); got != 100 {
		t.Errorf("a row of zeros is nearer than one at a cosine of 0.32")
	}
	near := nearness([]float64{0, 0, 1, 0}, []float64{0, 0, 0.6, 0.8}, 2)
	for i, want := range []float64{-1, -1, -1, -0.4} {
		if got := near.At(i/2, i%2); math.Abs(got-want) > 1e-12 {
			t.Errorf("nearness of query %d and image %d is %g, want %g", i/2, i%2, got, want)
		}
	}
}

func TestLinear(t *testing.T) {
	train, test := clusters(7, 1000, 8, 5, 0.3)
	got, err := Linear(context.Background(), train, test)
	if err != nil {
		t.Fatal(err)
	}
	if got < 97 {
		t.Errorf("%g %% of separable clusters are classified", got)
	}
}

// TestLinearIsOneScaleOnly: the protocol divides by one scalar, so the scale
// of all features changes nothing, and constant features are chance.
func TestLinearIsOneScaleOnly(t *testing.T) {
	train, test := clusters(8, 500, 6, 4, 1.5)
	a, err := Linear(context.Background(), train, test)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []Features{train, test} {
		for i := range f.X {
			f.X[i] *= 1024
		}
	}
	b, err := Linear(context.Background(), train, test)
	if err != nil {
		t.Fatal(err)
	}
	if a != b {
		t.Errorf("accuracy changed from %g to %g with the scale", a, b)
	}
	for _, value := range []float32{0, 3} {
		for _, f := range []Features{train, test} {
			for i := range f.X {
				f.X[i] = value
			}
		}
		c, err := Linear(context.Background(), train, test)
		if err != nil {
			t.Fatal(err)
		}
		if c > 40 {
			t.Errorf("constant features give %g %%, want chance (25)", c)
		}
	}
}

// TestRegressionGradient compares the gradient with finite differences.
func TestRegressionGradient(t *testing.T) {
	train, _ := clusters(9, 50, 4, 3, 1)
	r, err := newRegression(context.Background(), train, 1)
	if err != nil {
		t.Fatal(err)
	}
	const penalty = 0.05
	r.precondition(penalty)
	rnd := rand.New(rand.NewPCG(4, 4))
	p := make([]float64, 3*5)
	for i := range p {
		p[i] = rnd.NormFloat64()
	}
	grad, scratch := make([]float64, len(p)), make([]float64, len(p))
	r.objective(context.Background(), p, grad, penalty)
	for i := range p {
		const h = 1e-6
		x := p[i]
		p[i] = x + h
		up := r.objective(context.Background(), p, scratch, penalty)
		p[i] = x - h
		down := r.objective(context.Background(), p, scratch, penalty)
		p[i] = x
		if numeric := (up - down) / (2 * h); math.Abs(numeric-grad[i]) > 1e-7 {
			t.Errorf("gradient %d is %g, want %g", i, grad[i], numeric)
		}
	}
}

// TestRegressionConverges: at the solution the gradient with respect to the
// weights vanishes, also on ill-conditioned features.
func TestRegressionConverges(t *testing.T) {
	train, _ := clusters(10, 800, 12, 6, 1)
	r, err := newRegression(context.Background(), train, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range penalties {
		if err := r.solve(context.Background(), p); err != nil {
			t.Fatal(err)
		}
		params := r.params()
		r.objective(context.Background(), params, make([]float64, len(params)), p)
		for i, g := range r.dw.Data {
			if math.Abs(g) > 1e-5 {
				t.Errorf("penalty %g: gradient %d is %g at the solution", p, i, g)
				break
			}
		}
	}
}

// countdown is a context that ends when it has been asked so many times.
type countdown struct {
	context.Context
	left *int
}

func newCountdown(n int) countdown { return countdown{context.Background(), &n} }

func (c countdown) Err() error {
	*c.left--
	if *c.left < 0 {
		return context.Canceled
	}
	return nil
}

// TestLinearStops: wherever the context ends, also inside a fit, Linear does
// hardly anything more.
func TestLinearStops(t *testing.T) {
	train, test := clusters(7, 700, 6, 4, 1)
	const plenty = 1 << 30
	whole := newCountdown(plenty)
	if _, err := Linear(whole, train, test); err != nil {
		t.Fatal(err)
	}
	asked := plenty - *whole.left
	if asked < 500 {
		t.Fatalf("the context was asked only %d times", asked)
	}
	for _, n := range []int{0, 1, 5, asked / 7, asked / 2, asked - 20, asked - 1} {
		ctx := newCountdown(n)
		_, err := Linear(ctx, train, test)
		if !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotConverged) {
			t.Errorf("ended at look %d of %d: error %v", n, asked, err)
		}
		if *ctx.left < -10 {
			t.Errorf("ended at look %d of %d: went on for %d more", n, asked, -*ctx.left)
		}
	}
}

// TestNotConverged: a minimum that was not found is an error, however the
// search ended, and one that was found to rounding is none.
func TestNotConverged(t *testing.T) {
	rosenbrock := func(p, grad []float64) float64 {
		a, b := 1-p[0], p[1]-p[0]*p[0]
		grad[0], grad[1] = -2*a-400*b*p[0], 200*b
		return a*a + 100*b*b
	}
	kink := func(size float64) func(p, grad []float64) float64 {
		return func(p, grad []float64) float64 {
			grad[0], grad[1] = math.Copysign(size, p[0]), 0
			return size * math.Abs(p[0])
		}
	}
	for _, c := range []struct {
		name       string
		iterations int
		f          func(p, grad []float64) float64
		says       string // nothing: converged
	}{
		{"enough iterations", iterations, rosenbrock, ""},
		{"too few iterations", 3, rosenbrock, "after 3 iterations"},
		{"a kink", iterations, kink(1), "a gradient of 1,"},
		{"a kink of rounding's size", iterations, kink(1e-5), ""},
		{"a gradient that points uphill", iterations, func(p, grad []float64) float64 {
			grad[0], grad[1] = -2*p[0], -2*p[1]
			return p[0]*p[0] + p[1]*p[1]
		}, "a gradient of 2.4,"},
		{"no minimum", iterations, func(p, grad []float64) float64 {
			grad[0], grad[1] = -1, 0
			return -p[0]
		}, "a gradient of 1,"},
		{"not a number", iterations, func(p, grad []float64) float64 { return math.NaN() }, "NaN"},
	} {
		_, err := minimize(context.Background(), []float64{-1.2, 1}, c.iterations, c.f)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: error %v, want none", c.name, err)
		case c.says != "" && (!errors.Is(err, ErrNotConverged) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.says)
		}
	}
	train, test := clusters(7, 100, 4, 3, 1)
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		train.X[17] = float32(v)
		if _, err := Linear(context.Background(), train, test); !errors.Is(err, ErrNotConverged) {
			t.Errorf("a feature of %g: error %v", v, err)
		}
	}
}

// TestFitBeginsWhereTheLastEnded: a second fit has nothing to do, also in a
// regression of other images, as long as they are the same problem.
func TestFitBeginsWhereTheLastEnded(t *testing.T) {
	train, test := clusters(11, 600, 6, 4, 1)
	twice := train // every image two times: another mean and other axes to rounding, the same solution
	twice.X, twice.Labels = append(slices.Clone(train.X), train.X...), append(slices.Clone(train.Labels), train.Labels...)
	looks := func(r *regression) int {
		t.Helper()
		ctx := newCountdown(1 << 30)
		if err := r.solve(ctx, 1e-4); err != nil {
			t.Fatal(err)
		}
		return (1<<30 - *ctx.left) * blockRows / len(r.labels) // about the evaluations
	}
	first, other := mustRegression(t, train), mustRegression(t, twice)
	cold := looks(first)
	again := looks(first)
	other.beginAt(first)
	elsewhere := looks(other)
	if cold < 20 || again > 4 || elsewhere > 4 {
		t.Errorf("about %d evaluations from zero, then %d and %d from the solution; want 20 or more, then hardly any", cold, again, elsewhere)
	}
	if a, b := first.accuracy(test), other.accuracy(test); a != b {
		t.Errorf("the accuracy is %g and %g", a, b)
	}
}

// TestBeginAt: the classifier stays the same under another mean and other
// axes, and a class that it did not know begins with its share.
func TestBeginAt(t *testing.T) {
	train, test := clusters(12, 400, 5, 4, 1)
	train.Classes = 5
	from := mustRegression(t, train.part(0, 300))
	if err := from.solve(context.Background(), 1e-3); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		train.Labels[300+i] = 4 // which the first 300 do not have
	}
	to := mustRegression(t, train)
	to.beginAt(from)
	if got, want := to.biases()[4], math.Log(0.1); math.Abs(got-want) > 1e-12 {
		t.Errorf("the unknown class's bias is %g, want %g", got, want)
	}
	scores := [2][]float64{}
	for i, r := range []*regression{from, to} {
		s := general(test.len(), 5)
		score(s, r.centred(test), r.unturned(), r.biases())
		scores[i] = s.Data
	}
	for i, v := range scores[0] {
		if i%5 < 4 && math.Abs(v-scores[1][i]) > 1e-9 {
			t.Fatalf("score %d is %g, and was %g", i, scores[1][i], v)
		}
	}
}

// TestChoosePenalty: the penalty is the best on the held-out images, the
// strongest of equals, and its solution stays.
func TestChoosePenalty(t *testing.T) {
	train, _ := clusters(13, 1000, 12, 4, 5) // hard and few: 1e-3 is best by half a point
	fit, held := train.part(0, 60), train.part(60, 1000)
	r := mustRegression(t, fit)
	chosen, err := r.choosePenalty(context.Background(), held)
	if err != nil {
		t.Fatal(err)
	}
	var top1s []float64
	for _, p := range penalties {
		top1, err := mustRegression(t, fit).evaluate(context.Background(), p, held)
		if err != nil {
			t.Fatal(err)
		}
		top1s = append(top1s, top1)
	}
	best := slices.Index(top1s, slices.Max(top1s))
	if best == len(penalties)-1 {
		t.Fatalf("%g %%: the weakest penalty is the best, which leaves this test nothing to see", top1s)
	}
	alone := mustRegression(t, fit)
	if err := alone.solve(context.Background(), penalties[best]); err != nil {
		t.Fatal(err)
	}
	if chosen != penalties[best] {
		t.Errorf("chose %g, want %g of %g %%", chosen, penalties[best], top1s)
	}
	if d := floats.Distance(alone.w.Data, r.w.Data, 2) / floats.Norm(alone.w.Data, 2); d > 0.01 {
		t.Errorf("the weights lie %.2g of their length off that penalty's solution", d)
	}
	clear(train.X) // every penalty gives the same
	if p, err := mustRegression(t, fit).choosePenalty(context.Background(), held); err != nil || p != penalties[0] {
		t.Errorf("of equals, %g was chosen (error %v), want the strongest", p, err)
	}
}

func mustRegression(t *testing.T, f Features) *regression {
	t.Helper()
	r, err := newRegression(context.Background(), f, 1)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func BenchmarkLinear(b *testing.B) {
	train, test := clusters(7, 4000, 64, 10, 1)
	for b.Loop() {
		if _, err := Linear(context.Background(), train, test); err != nil {
			b.Fatal(err)
		}
	}
}
