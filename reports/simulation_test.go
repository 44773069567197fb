package reports

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"ablate/ablations"
	"ablate/reports/stats"
	"ablate/results"
)

// The verdicts of studies whose truth is known. Every study goes through the
// code that makes reports; the streams of random numbers are fixed.

// world is what is true: the mean of every cell, and how runs scatter about it.
type world struct {
	means  []float64
	luck   float64 // standard deviation of what a seed does to all cells alike
	spread float64 // standard deviation of what each run has by itself
	seeds  int
}

// study makes a study of the world, with a test and claims, and draws its runs.
func (w world) study(rng *rand.Rand, test ablations.Test, claims ...ablations.Claim) (*ablations.Study, [][]run) {
	study := &ablations.Study{Name: "s", Alpha: 0.05, Test: test, Claims: claims}
	runs := make([][]run, len(w.means))
	for i := range w.means {
		study.Cells = append(study.Cells, ablations.Cell{Name: fmt.Sprint(i), SameAs: -1})
	}
	for seed := 1; seed <= w.seeds; seed++ {
		study.Seeds = append(study.Seeds, seed)
		luck := w.luck * rng.NormFloat64()
		for i, mean := range w.means {
			value := mean + luck + w.spread*rng.NormFloat64()
			runs[i] = append(runs[i], run{seed: seed, outcome: results.Completed, metrics: map[string]ends{"m": {final: value}}})
		}
	}
	return study, runs
}

func between(first, second int) []ablations.Selector {
	return []ablations.Selector{{Text: fmt.Sprint(first), Cell: first}, {Text: fmt.Sprint(second), Cell: second}}
}

func above(first, second int, by float64) ablations.Part {
	return ablations.Part{Kind: ablations.Greater, Metric: "m", Cells: between(first, second), By: by}
}

func within(first, second int, margin float64) ablations.Part {
	return ablations.Part{Kind: ablations.Equivalent, Metric: "m", Cells: between(first, second), Margin: margin}
}

// frequency says in how many of the studies any claim, and in how many each
// of them, has a verdict.
type frequency struct {
	studies int
	any     map[Verdict]int
	each    []map[Verdict]int
}

// simulate draws studies and has them judged.
func simulate(studies int, draw func(rng *rand.Rand) (*ablations.Study, [][]run)) frequency {
	rng := rand.New(rand.NewPCG(41, 42))
	f := frequency{studies: studies, any: map[Verdict]int{}}
	for range studies {
		seen := map[Verdict]bool{}
		for i, c := range judged(draw(rng)).Claims {
			if i == len(f.each) {
				f.each = append(f.each, map[Verdict]int{})
			}
			f.each[i][c.Verdict]++
			seen[c.Verdict] = true
		}
		for v := range seen {
			f.any[v]++
		}
	}
	return f
}

// atMost reports whether n of the studies are as rare as promised, up to three
// binomial standard errors.
func (f frequency) atMost(n int, promised float64) bool {
	return float64(n)/float64(f.studies) <= promised+3*math.Sqrt(promised*(1-promised)/float64(f.studies))
}

func (f frequency) atLeast(n int, promised float64) bool { return f.atMost(f.studies-n, 1-promised) }

// tests are the tests that a study can choose, with a number of seeds that
// reaches the level of every claim in a family of three.
var tests = []struct {
	test  ablations.Test
	seeds int
}{{ablations.T, 3}, {ablations.SignFlip, 8}, {ablations.Welch, 4}}

// Three claims, each false by nothing, that share a baseline, so that they
// depend on each other; the third by each of its three parts. The
// chance that any of them is supported is at most alpha; and since they are true
// by nothing as well, so is the chance that any is contradicted.
func TestFalseSupportIsRare(t *testing.T) {
	for _, c := range tests {
		w := world{[]float64{70, 72, 67, 70}, 2, 1, c.seeds}
		f := simulate(10_000, func(rng *rand.Rand) (*ablations.Study, [][]run) {
			return w.study(rng, c.test, claim(above(1, 0, 2)), claim(within(2, 0, 3)), claim(above(3, 0, 0), above(3, 2, 3), above(3, 1, -2)))
		})
		for _, v := range []Verdict{Supported, Contradicted} {
			if !f.atMost(f.any[v], 0.05) {
				t.Errorf("%s: a claim on the edge is %s in %d of %d studies", c.test, v, f.any[v], f.studies)
			}
		}
		if c.test != ablations.Welch && f.any[Supported] < f.studies/33 {
			t.Errorf("%s: a claim on the edge is supported in only %d of %d studies, which is timid", c.test, f.any[Supported], f.studies)
		}
	}
}

// A claim alone is tested at alpha itself: on the edge it is supported just as
// often as alpha allows, or as the sign-flip test can.
func TestAClaimOnTheEdge(t *testing.T) {
	for _, c := range tests[:2] {
		w := world{[]float64{70, 72}, 2, 1, c.seeds}
		f := simulate(10_000, func(rng *rand.Rand) (*ablations.Study, [][]run) {
			return w.study(rng, c.test, claim(above(1, 0, 2)))
		})
		promised := 0.05
		if c.test == ablations.SignFlip {
			promised = 12. / 256
		}
		if n := f.any[Supported]; !f.atMost(n, promised) || !f.atLeast(n, promised) {
			t.Errorf("%s: supported in %d of %d, want a share of %.3f", c.test, n, f.studies, promised)
		}
	}
}

// Where the truth is clear it is found, whichever way it lies, and with a seed's
// luck that would hide it if seeds were not paired.
func TestClearTruthIsFound(t *testing.T) {
	for _, c := range tests {
		w := world{[]float64{70, 80, 70.1, 60}, 20, 0.8, c.seeds + 3}
		if c.test == ablations.Welch {
			w.luck = 0
		}
		f := simulate(400, func(rng *rand.Rand) (*ablations.Study, [][]run) {
			return w.study(rng, c.test,
				claim(above(1, 0, 5)), claim(within(2, 0, 5)), claim(above(1, 3, 2), within(0, 2, 6)), // true
				claim(above(3, 0, -3)), claim(within(1, 0, 5)), claim(above(1, 0, 5), above(2, 0, 5))) // false
		})
		for i, seen := range f.each {
			want := Supported
			if i >= 3 {
				want = Contradicted
			}
			if !f.atLeast(seen[want], 0.97) {
				t.Errorf("%s, claim %d: %s in %d of %d", c.test, i+1, want, seen[want], f.studies)
			}
		}
	}
}

// collapsing draws runs that collapse each with their cell's probability.
func collapsing(rng *rand.Rand, seeds int, probability ...float64) (*ablations.Study, [][]run) {
	study, runs := world{means: make([]float64, len(probability)), seeds: seeds}.study(rng, ablations.T)
	for i, p := range probability {
		for seed := range runs[i] {
			if rng.Float64() < p {
				runs[i][seed].outcome = results.Collapsed
			}
		}
		study.Claims = append(study.Claims, claim(ablations.Part{Kind: ablations.Collapsed, Cells: between(i, i)[:1]}))
	}
	return study, runs
}

// A claim about collapse is about the runs that were made: all or none. How
// often runs collapse in general is said by the interval beside it, which covers
// the truth as often as it says, and which cells differ in it by Fisher's test,
// which over a table of equals errs in at most alpha of them.
func TestCollapseIsCountedHonestly(t *testing.T) {
	rng := rand.New(rand.NewPCG(43, 44))
	truth := []float64{0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5}
	const studies, seeds = 1500, 12
	covered, all, differ := 0, 0, 0
	for range studies {
		r := newReport(collapsing(rng, seeds, truth...))
		found := false
		for i, c := range r.Claims {
			part := c.Parts[0]
			if float64(part.Low) <= truth[i] && truth[i] <= float64(part.High) {
				covered++
			}
			if c.Verdict == Supported {
				all++
			}
			found = found || i > 0 && r.Cells[i].Collapse.P <= 0.05
		}
		if found {
			differ++
		}
	}
	f := frequency{studies: studies * len(truth)}
	if !f.atLeast(covered, 0.95) {
		t.Errorf("the interval of the share covers it in %d of %d", covered, f.studies)
	}
	if !f.atMost(all, math.Pow(0.5, seeds)) {
		t.Errorf("all of %d runs collapsed in %d of %d", seeds, all, f.studies)
	}
	f.studies = studies
	if !f.atMost(differ, 0.05) {
		t.Errorf("cells that collapse alike differ in %d of %d tables", differ, f.studies)
	}
	// What is certain is said with certainty, and what is clear is found.
	for range 50 {
		r := newReport(collapsing(rng, seeds, 0, 1))
		if r.Claims[0].Verdict != Contradicted || r.Claims[1].Verdict != Supported || r.Cells[1].Collapse.P > 0.001 {
			t.Fatalf("none and all collapse: %s, %s, p = %v", r.Claims[0].Verdict, r.Claims[1].Verdict, r.Cells[1].Collapse.P)
		}
	}
}

// Runs with bad luck fail or diverge. Had they been left out, their cell would
// look better than it is, and a false claim about it would be supported.
func TestDroppedSeedsSupportNothing(t *testing.T) {
	for _, gone := range []results.Outcome{results.Failed, results.Diverged} {
		w := world{[]float64{70, 70}, 0, 1, 8}
		naive := 0
		f := simulate(1500, func(rng *rand.Rand) (*ablations.Study, [][]run) {
			study, runs := w.study(rng, ablations.T, claim(above(1, 0, 0)))
			for seed := range runs[1] {
				if runs[1][seed].metrics["m"].final < 69.5 {
					runs[1][seed].outcome = gone
				}
			}
			if stats.Paired(valuesOf(runs[1], "m", false), valuesOf(runs[0], "m", false)).PGreater(0) <= 0.05 {
				naive++
			}
			return study, runs
		})
		if !f.atMost(f.any[Supported], 0.05) {
			t.Errorf("%s: supported in %d of %d", gone, f.any[Supported], f.studies)
		}
		if f.atMost(naive, 0.15) {
			t.Errorf("%s: without them it would be supported in only %d of %d: this shows nothing", gone, naive, f.studies)
		}
	}
}

// Two seeds of each of two equal cells lie apart, all of one above all of the
// other, in one study of six. That is not support.
func TestTwoSeedsApartAreNoSupport(t *testing.T) {
	for _, test := range []ablations.Test{ablations.T, ablations.Welch, ablations.SignFlip} {
		apart := 0
		f := simulate(2000, func(rng *rand.Rand) (*ablations.Study, [][]run) {
			study, runs := world{[]float64{70, 70}, 0, 1, 2}.study(rng, test, claim(above(1, 0, 0)))
			a, b := valuesOf(runs[0], "m", false), valuesOf(runs[1], "m", false)
			if max(a[0], a[1]) < min(b[0], b[1]) {
				apart++
			}
			return study, runs
		})
		if !f.atMost(apart, 1./6) || !f.atLeast(apart, 1./6) {
			t.Errorf("two and two lie apart in %d of %d", apart, f.studies)
		}
		if !f.atMost(f.any[Supported], 0.05) {
			t.Errorf("%s: supported in %d of %d", test, f.any[Supported], f.studies)
		}
	}
}
