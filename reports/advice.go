package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"ablate/ablations"
	"ablate/reports/stats"
	"ablate/words"
)

// advise says of every claim that is inconclusive how many further seeds would
// probably settle it and what they would take, or why seeds would not.
func (r *Report) advise(study *ablations.Study) {
	for i := range r.Claims {
		if c := &r.Claims[i]; c.Verdict == Inconclusive {
			c.Advice = r.advice(*c, study.Claims[i].All)
		}
	}
}

func (r *Report) advice(c Claim, parts []ablations.Part) string {
	way, seeds := "contradict", c.seedsAgainst(parts)
	if seeds == 0 {
		var why string
		if seeds, why = c.seedsFor(parts); why != "" {
			return "no number of seeds can be named that would settle it: " + why
		}
		way = "support"
	}
	return r.takes(way, max(seeds, len(r.Seeds)+1))
}

// settled is the probability with which advised seeds settle a claim.
const settled = 0.8

// seedsAgainst is how many seeds in all would probably contradict a claim, for
// which one part is enough: the one that takes the fewest. It is 0 if none speaks
// against the claim so that seeds would show it.
func (c Claim) seedsAgainst(parts []ablations.Part) (fewest int) {
	for i, part := range parts {
		one := c.comparisons[i]
		if !compares(part) || one.missing != "" {
			continue
		}
		aim := stats.Aim{Comparison: one.estimate, Level: float64(c.Level) / float64(compared(parts)), Low: math.Inf(-1), High: math.Inf(1)}
		switch {
		case part.Kind == ablations.Greater:
			aim.High = part.By
		case aim.Mean > 0:
			aim.Low = part.Margin
		default:
			aim.High = -part.Margin
		}
		if seeds := stats.Seeds(settled, aim); seeds > 0 && (fewest == 0 || seeds < fewest) {
			fewest = seeds
		}
	}
	return fewest
}

// seedsFor is how many seeds in all would probably support a claim, all of whose
// parts must then hold at once, or why no number of them would.
func (c Claim) seedsFor(parts []ablations.Part) (seeds int, why string) {
	var aims []stats.Aim
	for i, part := range parts {
		one := c.comparisons[i]
		aim := stats.Aim{Comparison: one.estimate, Level: float64(c.Level), Low: part.By, High: math.Inf(1)}
		switch {
		case !compares(part) && c.Parts[i].Verdict == Inconclusive:
			return 0, "collapse is counted, and further runs cannot undo how these ended"
		case !compares(part):
			continue
		case one.missing != "":
			return 0, one.missing
		case one.estimate.N == 1:
			return 0, "one seed has no spread, so nobody knows how many it takes"
		case !one.estimate.HasSpread():
			return 0, "the difference is the same for every seed"
		case part.Kind == ablations.Equivalent:
			aim.Low, aim.High = -part.Margin, part.Margin
		}
		aims = append(aims, aim)
	}
	if seeds = stats.Seeds(settled, aims...); seeds == 0 {
		return 0, fmt.Sprintf("the difference is so near the threshold that not even %d are enough, if it stays as it is", stats.MaxSeeds)
	}
	return seeds, ""
}

// manySeeds is how many seeds nobody will run for one claim.
const manySeeds = 100

// takes says what it takes to have this many seeds, which would settle a claim one
// way.
func (r *Report) takes(way string, seeds int) string {
	if seeds > manySeeds {
		return fmt.Sprintf("seeds will hardly settle it: it would take more than %d, if difference and spread stay as they are", manySeeds)
	}
	more := seeds - len(r.Seeds)
	says := fmt.Sprintf("%s in all, %d more, would %s it with a probability of %s, if the true difference and spread are what %s show, and they may be far off",
		words.Plural(seeds, "seed"), more, way, percent(settled), words.Plural(len(r.Seeds), "seed"))
	cells, ran, seconds := 0, 0, 0.0
	for _, c := range r.Cells {
		if c.SameAs == "" {
			cells++
		}
	}
	for _, run := range distinct(r.Cells) {
		if run.outcome.IsResult() && run.seconds > 0 {
			ran++
			seconds += run.seconds
		}
	}
	says += fmt.Sprintf(": %s", words.Plural(more*cells, "further run"))
	if ran > 0 {
		each := time.Duration(seconds / float64(ran) * float64(time.Second))
		says += ", " + lastingWith(atOnce(distinct(r.Cells)), time.Duration(more*cells)*each)
	}
	return says + "; seeds that are added now will be flagged as added after a look"
}

// night is how long a machine is left to itself, as from 22:00 to 08:00.
const night = 10 * time.Hour

// lastingWith says how long work for one worker takes with so many, and how many
// nights that is.
func lastingWith(workers int, work time.Duration) string {
	lasts := work / time.Duration(workers)
	says := fmt.Sprintf("about %s with %s", words.Roughly(lasts), words.Plural(workers, "worker"))
	if lasts > night {
		says += fmt.Sprintf(", which is %d nights of 10 h", int(math.Ceil(lasts.Hours()/night.Hours())))
	}
	return says
}

// atOnce is how many of the runs were at work together, at most, and at least
// one: as many workers are likely to be there for more of them.
func atOnce(runs []run) int {
	type change struct {
		at time.Time
		by int
	}
	var changes []change
	for _, run := range runs {
		for _, a := range run.attempts {
			if a.Ended.After(a.Started) {
				changes = append(changes, change{a.Started, 1}, change{a.Ended, -1})
			}
		}
	}
	slices.SortFunc(changes, func(a, b change) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.by, b.by)) // one that ends makes room for the next
	})
	working, most := 0, 1
	for _, c := range changes {
		working += c.by
		most = max(most, working)
	}
	return most
}
