package orchestrator

import (
	"cmp"
	"slices"
	"time"

	"ablate/results"
)

// A block is all cells of one seed. Comparisons are paired by seed, so a night
// that is cut short should leave whole blocks.

// fits reports whether a task may be started in view of the time: its block has
// begun, or will have ended by Until; or, to fill the rest, the run itself will.
// Where nothing was ever measured, a run is tried, and the others wait for it.
func (x *execution) fits(t *task) bool {
	if x.Until.IsZero() || t.block <= x.admitted {
		return true
	}
	left := x.Until.Sub(x.now())
	if x.blockFits(t.block, left) {
		x.admitted = t.block
		return true
	}
	seconds, known := x.estimate.rest(t)
	return x.Fill && known && seconds <= left.Seconds()
}

// blockFits reports whether all blocks up to one will have ended in the time
// that is left. If one does not fit, no later one does, and both are asked about
// for every run that waits: it is looked at again at the next poll only.
func (x *execution) blockFits(block int, left time.Duration) bool {
	now := time.Now()
	if block >= x.refused.block && now.Before(x.refused.until) {
		return false
	}
	needs, known := x.estimate.until(x.upTo(block), x.active, x.Jobs, now)
	switch {
	case known && needs <= left:
		return true
	case known && x.Night > 0 && needs > x.Night: // no night will do
		return true
	case !known && len(x.active) == 0:
		return true
	}
	x.refused.block, x.refused.until = block, now.Add(pollEvery)
	return false
}

// upTo lists the waiting tasks of all blocks up to one.
func (x *execution) upTo(block int) []*task {
	for i, t := range x.waiting {
		if t.block > block {
			return x.waiting[:i]
		}
	}
	return x.waiting
}

// countBlocks counts the seeds of which every run has a result.
func (x *execution) countBlocks() {
	runs, err := x.Store.Runs(x.study)
	if err != nil {
		return // the store is gone, which is told elsewhere
	}
	open := map[int]bool{}
	for _, slot := range x.study.Slots {
		open[slot.Seed] = open[slot.Seed] || !runs[slot.RunID].Outcome.IsResult()
	}
	x.summary.Blocks = len(open)
	for _, isOpen := range open {
		if !isOpen {
			x.summary.Whole++
		}
	}
}

// inOrder lists the places of a study as they are executed: all cells of a seed
// before those of the next.
func inOrder(study *results.Study) []results.Slot {
	return slices.SortedFunc(slices.Values(study.Slots), func(a, b results.Slot) int {
		return cmp.Or(cmp.Compare(a.Seed, b.Seed), cmp.Compare(a.Cell, b.Cell))
	})
}
