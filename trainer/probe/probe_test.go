package probe

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"
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
	r, err := newRegression(train, 1)
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
	r.objective(p, grad, penalty)
	for i := range p {
		const h = 1e-6
		x := p[i]
		p[i] = x + h
		up := r.objective(p, scratch, penalty)
		p[i] = x - h
		down := r.objective(p, scratch, penalty)
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
	r, err := newRegression(train, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range penalties {
		if _, err := r.solve(p); err != nil {
			t.Fatal(err)
		}
		for i, g := range r.dw.Data {
			if math.Abs(g) > 1e-5 {
				t.Errorf("penalty %g: gradient %d is %g at the solution", p, i, g)
				break
			}
		}
	}
}

func BenchmarkLinear(b *testing.B) {
	train, test := clusters(7, 4000, 64, 10, 1)
	for b.Loop() {
		if _, err := Linear(context.Background(), train, test); err != nil {
			b.Fatal(err)
		}
	}
}
