package reports

import (
	"fmt"
	"maps"
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

	// Others are the results of other configurations under the study's name by
	// the time of its own last one, Earlier those before At.
	Others, Earlier int
}

// says tells when the claims were made; "" if there are none.
func (g Registration) says() string {
	if g.At.IsZero() {
		return ""
	}
	says := "made before there was a result"
	switch {
	case g.Results > 0:
		says = fmt.Sprintf("made so when %s had a result", words.Plural(g.Results, "run"))
	case g.Others > 0:
		says = "made before these runs had a result"
	}
	if g.Others > 0 {
		says += fmt.Sprintf("; under its name the study had %s in other configurations, %d of them before", words.Plural(g.Others, "result"), g.Earlier)
	}
	return says
}

// tell compares what the study asks with what it asked before, and warns of
// what was changed when there were results to see.
func (r *Report) tell(h history) {
	now := h.now()
	if r.Registration.Claims = hashOf(now.study, now.study.Claims...); len(now.study.Claims) > 0 {
		r.register(h)
	}
	for i, claim := range now.study.Claims {
		r.tellClaim(h, claim, &r.Claims[i])
	}
	r.tellDroppedClaims(h)
	r.tellRivals(h)
	r.tellDroppedCells(h)
	r.tellAddedSeeds(h)
	r.tellLeftSeeds(h)
	if h.unread > 0 {
		r.warn("%s of the study cannot be read by this version of ablate: what was claimed there is not known", words.Plural(h.unread, "earlier version"))
	}
}

func (r *Report) register(h history) {
	g, ours := &r.Registration, r.runIDs()
	g.At = h.registered()
	g.Results = h.resultsBy(g.At, distinct(r.Cells))
	last := g.At
	for id, first := range h.firsts {
		if ours[id] && first.After(last) {
			last = first
		}
	}
	g.Others, g.Earlier = h.elsewhereBy(last, ours), h.elsewhereBy(g.At, ours)
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
// they went.
func (r *Report) tellDroppedClaims(h history) {
	var told []string
	for _, v := range h.versions {
		for _, c := range v.study.Claims {
			if !v.named || hasClaim(h.now().study, c.ID) || slices.Contains(told, c.ID) {
				continue
			}
			told = append(told, c.ID)
			last, gone := h.last(func(v version) bool { return hasClaim(v.study, c.ID) })
			ours := r.runIDs()
			if n := h.resultsBy(gone, distinct(r.Cells)) + h.elsewhereBy(gone, ours); n > 0 {
				c := last.claim(c.ID)
				r.warn("the claim %s (%s) was taken out on %s, when %s had results; it asked: %s",
					c.ID, words.Printable(c.Says), date(gone), words.Plural(n, "run"), asks(last.study, c))
			}
		}
	}
}

// tellRivals warns of claims that another study makes of the same runs: Holm's
// correction does not count them.
func (r *Report) tellRivals(h history) {
	ours := r.runIDs()
	told := map[string]bool{}
	for _, v := range slices.Concat(h.versions, h.rivals) {
		for _, c := range v.study.Claims {
			id := v.study.Name + "\n" + c.ID
			if v.named || told[id] || hasClaim(h.now().study, c.ID) || !v.isOf(c, ours) {
				continue
			}
			told[id] = true
			r.warn("of the same runs, the study %s claims %s too (%s), which is not counted here; it asks: %s",
				v.study.Name, c.ID, words.Printable(c.Says), asks(v.study, c))
		}
	}
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
			last, gone := h.last(func(v version) bool { return hasCell(v.study, c.Name) })
			runs := last.runsOf(c.Name)
			renamed := !slices.ContainsFunc(runs, func(id string) bool { return !ours[id] })
			if n := last.endedBy(gone, runs); n > 0 && !renamed {
				r.warn("the cell %s was taken out on %s, when %d of its %s had ended", c.Name, date(gone), n, words.Plural(len(runs), "run"))
			}
		}
	}
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
		r.flagTests("%s added when there were results to see: p may be too small", seedsWere(seeds))
	}
}

// flagTests flags the claims that are tested.
func (r *Report) flagTests(format string, a ...any) {
	for i := range r.Claims {
		if c := &r.Claims[i]; c.P.known() {
			c.Flags = append(c.Flags, fmt.Sprintf(format, a...))
		}
	}
}

// tellLeftSeeds warns of seeds that an earlier version, or another study of the
// same runs, has. Left out after a look, they were maybe chosen.
func (r *Report) tellLeftSeeds(h history) {
	seeds, runs, ended := map[int]bool{}, map[string]bool{}, map[string]bool{}
	seen := 0
	for _, v := range h.versions {
		for _, p := range v.runs {
			if len(v.shared) == 0 || slices.Contains(r.Seeds, p.seed) || runs[p.id] {
				continue
			}
			seeds[p.seed], runs[p.id] = true, true
			if at, ok := v.ended[p.id]; ok {
				ended[p.id] = true
				if at.Before(h.now().created) {
					seen++
				}
			}
		}
	}
	left := slices.Sorted(maps.Keys(seeds))
	switch {
	case seen > 0:
		r.warn("%s left out on %s, when %d of their %s had ended: p values and intervals hold for seeds that are not chosen by what came out",
			seedsWere(left), date(h.now().created), seen, words.Plural(len(runs), "run"))
		r.flagTests("%s left out when there were results to see: p may be too small", seedsWere(left))
	case len(ended) > 0:
		r.warn("%s part of an earlier version of the study, or of another study of the same runs, and left out here, before there was anything to see", seedsWere(left))
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
