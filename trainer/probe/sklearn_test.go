package probe

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"
)

// sklearnFixture is what testdata/sklearn_fixtures.py wrote: the same protocols, by
// scikit-learn, on the features of testdata/features.bin.
type sklearnFixture struct {
	Train int `json:"train"`
	Test  int `json:"test"`
	Dim   int `json:"dim"`
	Cases []struct {
		Name    string `json:"name"`
		Classes int    `json:"classes"`
		Fits    []struct {
			Penalty float64 `json:"penalty"`
			Holdout float64 `json:"holdout"` // top-1 % on the fifth, fitted to the rest
			Test    float64 `json:"test"`    // top-1 %, fitted to all training images
			Loss    float64 `json:"loss"`    // of that fit, penalty included
		} `json:"fits"`
		Linear float64 `json:"linear"`
		KNN    float64 `json:"knn"`
	} `json:"cases"`
}

// The furthest that an accuracy may lie from scikit-learn's, in points, and
// the loss at the optimum, relatively.
const (
	sklearnPoints = 0.2 + 1e-9
	sklearnLoss   = 1e-6
)

func TestSklearn(t *testing.T) {
	var want sklearnFixture
	text, err := os.ReadFile("testdata/sklearn.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	sets := sklearnFeatures(t, want.Train, want.Test, want.Dim)
	for _, c := range want.Cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			f, ok := sets[c.Name]
			if !ok || len(c.Fits) != len(penalties) {
				t.Fatalf("the fixture has %d penalties of features that are known: %t", len(c.Fits), ok)
			}
			train, test := f[0], f[1]
			train.Classes, test.Classes = c.Classes, c.Classes
			near := func(what string, got, want, within float64) {
				t.Helper()
				if !(math.Abs(got-want) <= within) {
					t.Errorf("%s: %g, scikit-learn has %g", what, got, want)
				}
			}
			scale := 1 / rms(train.X)
			split := train.len() * 4 / 5
			many := c.Classes > 10 // whose fits take seconds: one of each penalty will do
			for i, fit := range c.Fits {
				if fit.Penalty != penalties[i] {
					t.Fatalf("penalty %d is %g, the fixture has %g", i, penalties[i], fit.Penalty)
				}
				if !many {
					holdout, _ := fitted(t, train.part(0, split), train.part(split, train.len()), scale, fit.Penalty)
					near("held-out top-1", holdout, fit.Holdout, sklearnPoints)
				}
				top1, loss := fitted(t, train, test, scale, fit.Penalty)
				near("top-1", top1, fit.Test, sklearnPoints)
				near("loss", loss, fit.Loss, sklearnLoss*fit.Loss)
			}
			near("nearest neighbours", KNN(train, test), c.KNN, sklearnPoints)
			if many {
				return
			}
			linear, err := Linear(context.Background(), train, test)
			if err != nil {
				t.Fatal(err)
			}
			near("linear evaluation", linear, c.Linear, sklearnPoints)
		})
	}
}

// fitted fits the regression to train and returns its top-1 % on test and its
// loss on train.
func fitted(t *testing.T, train, test Features, scale, penalty float64) (top1, loss float64) {
	t.Helper()
	r, err := newRegression(context.Background(), train, scale)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.solve(context.Background(), penalty); err != nil {
		t.Fatal(err)
	}
	params := r.params()
	return r.accuracy(test), r.objective(context.Background(), params, make([]float64, len(params)), penalty)
}

// sklearnFeatures makes the training and test features of every case, as
// sklearn_fixtures.py does.
func sklearnFeatures(t *testing.T, n, m, d int) map[string][2]Features {
	t.Helper()
	raw, err := os.ReadFile("testdata/features.bin")
	if err != nil {
		t.Fatal(err)
	}
	var x [4][]float32
	for i := range x {
		x[i] = make([]float32, []int{n, m}[i%2]*d)
		used, err := binary.Decode(raw, binary.LittleEndian, x[i])
		if err != nil {
			t.Fatal(err)
		}
		raw = raw[used:]
	}
	if len(raw) != n+m {
		t.Fatalf("features.bin ends in %d bytes, want %d labels", len(raw), n+m)
	}
	labels := [2][]uint8{raw[:n], raw[n:]}
	pair := func(x, y []float32, relabel func(part, image int) uint8) (pair [2]Features) {
		for part, x := range [][]float32{x, y} {
			pair[part] = Features{X: x, Dim: d}
			for i := range labels[part] {
				pair[part].Labels = append(pair[part].Labels, relabel(part, i))
			}
		}
		return pair
	}
	same := func(part, i int) uint8 { return labels[part][i] }
	parity := func(part, i int) uint8 { return labels[part][i] % 2 }
	first := make([]float32, n)
	for i := range first {
		first[i] = x[0][i*d]
	}
	slices.Sort(first)
	quarter := func(part, i int) uint8 {
		label := 4 * labels[part][i]
		for e := n / 4; e < n; e += n / 4 {
			if first[e] <= x[part][i*d] {
				label++
			}
		}
		return label
	}
	return map[string][2]Features{
		"bn":              pair(x[0], x[1], same),
		"collapsed":       pair(x[2], x[3], same),
		"nearly constant": pair(residue(x[0]), residue(x[1]), same),
		"two classes":     pair(x[0], x[1], parity),
		"many classes":    pair(x[0], x[1], quarter),
	}
}

// residue is a large constant and a little of x.
func residue(x []float32) []float32 {
	y := make([]float32, len(x))
	for i, v := range x {
		y[i] = 1 + v/1024
	}
	return y
}
