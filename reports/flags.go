package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"ablate/ablations"
	"ablate/words"
)

// Registration says when the claims were made, for all the store knows. What
// is claimed after a look at the results is not tested by them.
type Registration struct {
	Claims  string    // SHA-256 of the claims, their level and their test
	At      time.Time // when the store first had just these claims; zero if the study has none
	Results int       // runs of the study that had a result by then
	Earlier int       // runs of earlier versions of the study, in other configurations, that had one by then
}

// says tells when the claims were made; "" if there are none.
func (g Registration) says() string {
	switch {
	case g.At.IsZero():
		return ""
	case g.Results > 0:
		return fmt.Sprintf("made so when %s had a result", words.Plural(g.Results, "run"))
	case g.Earlier > 0:
		return fmt.Sprintf("made before these runs had a result, and when %s of earlier versions of the study had one", words.Plural(g.Earlier, "run"))
	}
	return "made before there was a result"
}

// tell compares what the study asks with what it asked before, and warns of
// what was changed when there were results to see.
func (r *Report) tell(h history) {
	now := h.now()
	r.Registration.Claims = hashOf(now.study, now.study.Claims...)
	if len(now.study.Claims) > 0 {
		g, runs := &r.Registration, distinct(r.Cells)
		g.At = h.registered()
		g.Results = h.resultsBy(g.At, runs)
		g.Earlier = h.seenBy(g.At) - g.Results
	}
	for i, claim := range now.study.Claims {
		r.tellClaim(h, claim, &r.Claims[i])
	}
	r.tellDroppedClaims(h)
	r.tellDroppedCells(h)
	r.tellAddedSeeds(h)
	r.tellLeftSeeds(h)
	if h.unread > 0 {
		r.warn("%s of the study cannot be read by this version of ablate: what was claimed there is not known", words.Plural(h.unread, "earlier version"))
	}
}

// tellClaim flags a claim that was made, or made so, after results that it
// hangs on.
func (r *Report) tellClaim(h history, claim ablations.Claim, c *Claim) {
	now := h.now()
	made, before := h.made(now.study, claim)
	runs := distinct(r.cellsOf(claim.All...))
	n := h.resultsBy(made, runs)
	if n == 0 {
		return
	}
	when := fmt.Sprintf("on %s, when %d of its %s had results", date(made), n, words.Plural(len(runs), "run"))
	if before == nil {
		c.Flags = append(c.Flags, "made "+when)
		return
	}
	c.Flags = append(c.Flags, "edited "+when+"; before, "+was(before.study, before.claim, now.study, claim))
}

// tellDroppedClaims warns of claims that are gone, if there were results when
// they went, and of those that another study made of the same runs.
func (r *Report) tellDroppedClaims(h history) {
	ours := r.runIDs()
	var told []string
	for _, v := range h.versions {
		for _, c := range v.study.Claims {
			if hasClaim(h.now().study, c.ID) || slices.Contains(told, c.ID) {
				continue
			}
			told = append(told, c.ID)
			last, gone := h.last(func(v version) bool {
				return hasClaim(v.study, c.ID) && (v.named || v.isOf(v.claim(c.ID), ours))
			})
			if n := h.seenBy(gone); n > 0 { // never before the zero time
				r.tellDroppedClaim(last, last.claim(c.ID), gone, n)
			}
		}
	}
}

func (r *Report) tellDroppedClaim(v version, c ablations.Claim, gone time.Time, results int) {
	says, asked := words.Printable(c.Says), asks(v.study, c)
	if !v.named {
		r.warn("of the same runs, the study %s claims %s too (%s), which is not counted here; it asks: %s", v.study.Name, c.ID, says, asked)
		return
	}
	r.warn("the claim %s (%s) was taken out on %s, when %s had results; it asked: %s", c.ID, says, date(gone), words.Plural(results, "run"), asked)
}

// tellDroppedCells warns of cells that are gone although runs of theirs had
// ended, be it that they failed: what is seen to end badly must not vanish.
func (r *Report) tellDroppedCells(h history) {
	ours := r.runIDs()
	var told []string
	for _, v := range h.versions {
		for _, c := range v.study.Cells {
			if !v.named || hasCell(h.now().study, c.Name) || slices.Contains(told, c.Name) {
				continue
			}
			told = append(told, c.Name)
			last, gone := h.last(func(v version) bool { return v.named && hasCell(v.study, c.Name) })
			runs := last.runs[c.Name]
			if n := last.endedBy(gone, runs); n > 0 && !allIn(runs, ours) { // else it has another name now
				r.warn("the cell %s was taken out on %s, when %d of its %s had ended", c.Name, date(gone), n, words.Plural(len(runs), "run"))
			}
		}
	}
}

func (v version) endedBy(at time.Time, runs []string) (n int) {
	for _, id := range runs {
		if ended, ok := v.ended[id]; ok && ended.Before(at) {
			n++
		}
	}
	return n
}

// claim is the version's claim with an id that it has.
func (v version) claim(id string) ablations.Claim {
	return v.study.Claims[slices.IndexFunc(v.study.Claims, func(c ablations.Claim) bool { return c.ID == id })]
}

// runIDs are the study's runs.
func (r *Report) runIDs() map[string]bool {
	ids := map[string]bool{}
	for _, run := range distinct(r.Cells) {
		ids[run.id] = true
	}
	return ids
}

// tellAddedSeeds warns of seeds that were added when there were results, and
// flags what is tested with them.
func (r *Report) tellAddedSeeds(h history) {
	added := map[time.Time][]int{}
	for _, seed := range r.Seeds {
		for _, v := range h.versions {
			if slices.Contains(v.shared, seed) {
				added[v.created] = append(added[v.created], seed)
				break
			}
		}
	}
	for _, v := range h.versions {
		seeds := added[v.created]
		delete(added, v.created) // versions of one instant are told once
		n := h.resultsBy(v.created, distinct(r.Cells))
		if len(seeds) == 0 || len(seeds) == len(r.Seeds) || n == 0 {
			continue
		}
		r.warn("%s added on %s, when %s had results: p values and intervals count on a number of seeds that was fixed beforehand; "+
			"where seeds are added until something is seen, p is too small", seedsWere(seeds), date(v.created), words.Plural(n, "run"))
		for i := range r.Claims {
			if c := &r.Claims[i]; c.P.known() {
				c.Flags = append(c.Flags, fmt.Sprintf("%s added when there were results to see: p may be too small", seedsWere(seeds)))
			}
		}
	}
}

// tellLeftSeeds warns of seeds that an earlier version had.
func (r *Report) tellLeftSeeds(h history) {
	var left []int
	for _, v := range h.versions {
		for _, seed := range v.study.Seeds {
			if len(v.shared) > 0 && !slices.Contains(r.Seeds, seed) && !slices.Contains(left, seed) {
				left = append(left, seed)
			}
		}
	}
	if len(left) > 0 {
		r.warn("%s part of an earlier version of the study, or of one of another name with the same runs, and left out here", seedsWere(left))
	}
}

// was says how a claim was before, where that differs from what it is.
func was(oldStudy *ablations.Study, old ablations.Claim, study *ablations.Study, claim ablations.Claim) string {
	var differs []string
	if oldStudy.Alpha != study.Alpha {
		differs = append(differs, fmt.Sprintf("alpha was %v", oldStudy.Alpha))
	}
	if testOf(oldStudy) != testOf(study) {
		differs = append(differs, "the test was "+string(testOf(oldStudy)))
	}
	if before := asks(oldStudy, old); before != asks(study, claim) {
		differs = append(differs, "it asked: "+before)
	}
	if old.Says != claim.Says {
		differs = append(differs, fmt.Sprintf("it said: %q", old.Says))
	}
	return strings.Join(differs, "; ")
}

// asks puts the parts of a claim into words.
func asks(study *ablations.Study, claim ablations.Claim) string {
	var parts []string
	for _, p := range claim.All {
		cells := cellNames(study, p)
		switch p.Kind {
		case ablations.Greater:
			parts = append(parts, fmt.Sprintf("%s of %s above %s by more than %v", p.Metric, cells[0], cells[1], p.By))
		case ablations.Equivalent:
			parts = append(parts, fmt.Sprintf("%s of %s within ±%v of %s", p.Metric, cells[0], p.Margin, cells[1]))
		default:
			parts = append(parts, strings.Join(cells, ", ")+" "+collapseWord(p.Kind))
		}
	}
	return strings.Join(parts, ", ")
}

// seedsWere is the beginning of a sentence about seeds: "seeds 1, 2 and 5 were".
func seedsWere(seeds []int) string {
	if len(seeds) == 1 {
		return fmt.Sprintf("seed %d was", seeds[0])
	}
	const most = 8
	var names []string
	for _, s := range seeds[:min(most, len(seeds))] {
		names = append(names, fmt.Sprint(s))
	}
	last := len(names) - 1
	if more := len(seeds) - most; more > 0 {
		return fmt.Sprintf("seeds %s and %d more were", strings.Join(names, ", "), more)
	}
	return fmt.Sprintf("seeds %s and %s were", strings.Join(names[:last], ", "), names[last])
}

// date is a time as a report writes it.
func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
