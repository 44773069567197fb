package orchestrator

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"ablate/ablations"
	"ablate/results"
	"ablate/trainer/config"
)

// Speeds tells how long runs take from how long others in the store took.
type Speeds struct {
	Runs      int  // that were measured
	Elsewhere bool // all on another processor, or with other kernels

	like          map[string]measured // by configuration
	costs         map[string]float64  // likewise
	seconds, cost float64             // of all
	of            func(config []byte) float64
}

// Machine is what a run's duration depends on besides its work.
type Machine struct{ Kernels, CPU string }

// newest is how many runs are looked at for their speed: enough for a mean, and
// no matter how large the store is.
const newest = 500

// Measured returns the speeds of the newest runs that the store has of a
// trainer: of the embedded one in any version, of another one in this one. Runs
// on this machine count; others only if there are none. cost is the relative
// duration of a run of the embedded trainer; an external one's runs are taken
// for equally long.
func Measured(store *results.Store, trainer string, here Machine, cost func(config []byte) float64) (Speeds, error) {
	s := Speeds{like: map[string]measured{}, costs: map[string]float64{}, of: cost}
	version, without := "", ablations.External
	if strings.HasPrefix(trainer, ablations.External) {
		version, without, here.Kernels = trainer, "", ""
		s.of = nil
	}
	durations, err := store.Durations(version, without, newest)
	if err != nil {
		return s, err
	}
	for _, d := range durations {
		if (Machine{d.Kernels, d.CPU}) == here {
			s.add(d)
		}
	}
	if s.Runs == 0 {
		s.Elsewhere = true
		for _, d := range durations {
			s.add(d)
		}
	}
	return s, nil
}

// costOf is the relative duration of a run: 0 if its configuration is of another
// age.
func (s *Speeds) costOf(text []byte) float64 {
	if s.of == nil {
		return 1
	}
	if _, err := config.Parse(text); err != nil {
		return 0
	}
	return s.of(text)
}

// add counts a run. One that ended before its last step, diverged perhaps, is
// like its equals, but tells of its cost only the part that it did.
func (s *Speeds) add(d results.Duration) {
	cost, known := s.costs[string(d.Config)]
	if !known {
		cost = s.costOf(d.Config)
		s.costs[string(d.Config)] = cost
	}
	if cost == 0 {
		return
	}
	if d.Steps > 0 && d.Step > 0 {
		cost *= float64(d.Step) / float64(d.Steps)
	}
	s.Runs++
	m := s.like[string(d.Config)]
	m.seconds += d.Seconds
	m.runs++
	s.like[string(d.Config)] = m
	s.seconds += d.Seconds
	s.cost += cost
}

// inform tells an estimate of a cell's configuration what is known of it. What
// the estimate has measured itself is not touched.
func (s *Speeds) inform(e *estimate, cell string, config []byte) {
	if e.cells == nil {
		e.cells = map[string]*measured{}
	}
	if m, known := s.like[string(config)]; known && e.cells[cell] == nil {
		e.cells[cell] = &m
	}
	if e.cost == 0 {
		e.seconds, e.cost = s.seconds, s.cost
	}
}

// Prediction is how long the work of a plan takes.
type Prediction struct {
	Known  bool            // something was measured
	Time   time.Duration   // until all is done
	Blocks []time.Duration // until all runs of a seed and of those before it are done
	Open   []int           // runs to do of each seed
}

// sampled is how many cells are looked at: a study of a hundred thousand would
// take seconds, for a figure that is a guess. Of the others the mean of these is
// predicted. IDs are hashes, so the cells of the smallest are a random sample.
const sampled = 500

// Predict tells how long those runs of the plan take that are to be done, with
// jobs workers. Interrupted ones go on where they are.
func (s *Speeds) Predict(plan *ablations.Plan, i *Inspection, jobs int) Prediction {
	p := Prediction{Known: s.Runs > 0}
	if !p.Known {
		return p
	}
	seconds := s.cells(plan, i)
	seeds := slices.Sorted(slices.Values(plan.Study.Seeds))
	blocks := map[int][]ablations.Run{}
	for _, r := range plan.Runs {
		blocks[r.Seed] = append(blocks[r.Seed], r)
	}
	var all load
	seen := map[string]bool{}
	for _, seed := range slices.Compact(seeds) {
		open := 0
		for _, r := range blocks[seed] {
			if i.ToDo(r.ID) && !seen[r.ID] {
				seen[r.ID] = true
				open++
				all.add(seconds[r.Cell] * (1 - i.share(r.ID)))
			}
		}
		p.Open = append(p.Open, open)
		p.Blocks = append(p.Blocks, all.over(jobs))
	}
	p.Time = all.over(jobs)
	return p
}

// cells predicts how many seconds a run of each cell takes that has any to do.
func (s *Speeds) cells(plan *ablations.Plan, i *Inspection) []float64 {
	first := map[int]string{} // run of each open cell
	for _, r := range plan.Runs {
		if _, known := first[r.Cell]; !known && i.ToDo(r.ID) {
			first[r.Cell] = r.ID
		}
	}
	open := slices.SortedFunc(maps.Keys(first), func(a, b int) int {
		return cmp.Or(cmp.Compare(first[a], first[b]), cmp.Compare(a, b))
	})
	var e estimate
	seconds := make([]float64, len(plan.Study.Cells))
	sum := 0.0
	for n, cell := range open {
		if n >= sampled {
			seconds[cell] = sum / sampled
			continue
		}
		c := plan.Study.Cells[cell]
		text := c.Settings().JSON()
		s.inform(&e, c.Name, text)
		seconds[cell], _ = e.of(c.Name, s.costOf(text))
		sum += seconds[cell]
	}
	return seconds
}
