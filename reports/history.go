package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"ablate/ablations"
	"ablate/results"
	"ablate/words"
)

// Registration says when the claims were made, for all the store knows. What
// is claimed after a look at the results is not tested by them.
type Registration struct {
	Claims  string    // SHA-256 of the claims, their level and their test
	At      time.Time // when the store first had the last of them; zero if the study has none
	Results int       // runs of the study that had a result by then
}

// history is what the store had under the study's name up to the version that
// is reported, the oldest first, and when its runs had their first results.
type history struct {
	versions []version
	firsts   map[string]time.Time // by run ID
	unread   int                  // versions that this program cannot read
}

// version is the study as it stood at a time.
type version struct {
	created time.Time
	study   *ablations.Study
	shared  []int // seeds of which it has runs of the study now
	named   bool  // as the study is now; else it has its runs under another name
}

// historyOf reads the versions of a study. The study itself is the last.
func historyOf(store source, stored *results.Study, now *ablations.Study) (history, error) {
	versions, err := store.Versions(stored)
	if err != nil {
		return history{}, err
	}
	firsts, err := store.FirstResults(stored)
	h := history{firsts: firsts}
	for _, v := range versions {
		if v.Created.After(stored.Created) || v.ID == stored.ID {
			continue
		}
		study, err := ablations.Parse(v.Name, v.Text, v.Sets)
		if err != nil {
			h.unread++
			continue
		}
		h.versions = append(h.versions, version{v.Created, study, v.Shared, v.Name == stored.Name})
	}
	h.versions = append(h.versions, version{stored.Created, now, now.Seeds, true})
	return h, err
}

// resultsBy counts the runs that had a result before a time.
func (h history) resultsBy(at time.Time, runs []run) (n int) {
	for _, run := range runs {
		if first, ok := h.firsts[run.id]; ok && first.Before(at) {
			n++
		}
	}
	return n
}

// tell compares what the study asks with what it asked before, and warns of
// what was changed when there were results to see.
func (r *Report) tell(h history) {
	now := h.versions[len(h.versions)-1]
	r.Registration.Claims = hashOf(now.study, now.study.Claims...)
	for i, claim := range now.study.Claims {
		r.tellClaim(h, claim, &r.Claims[i])
	}
	r.Registration.Results = h.resultsBy(r.Registration.At, distinct(r.Cells))
	for _, id := range h.droppedClaims() {
		r.tellDropped(h, id)
	}
	r.tellSeeds(h)
	if h.unread > 0 {
		r.warn("%s of the study cannot be read by this version of ablate: what was claimed there is not known", words.Plural(h.unread, "earlier version"))
	}
}

// registered says when the claims were made; "" if there are none.
func (r *Report) registered() string {
	g := r.Registration
	if g.At.IsZero() {
		return ""
	}
	when := "made before there was a result"
	if g.Results > 0 {
		when = fmt.Sprintf("the last of them made when %s had results", words.Plural(g.Results, "run"))
	}
	return fmt.Sprintf("claims SHA-256 %s · %s", g.Claims[:12], when)
}

// tellClaim flags a claim that was made, or made so, after results that it
// hangs on.
func (r *Report) tellClaim(h history, claim ablations.Claim, c *Claim) {
	now := h.versions[len(h.versions)-1]
	made, before := h.made(now.study, claim)
	if made.After(r.Registration.At) {
		r.Registration.At = made
	}
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

// made returns when a claim was first in the study as it is, and the claim
// with its id that was there before that, if any.
func (h history) made(study *ablations.Study, claim ablations.Claim) (at time.Time, before *oldClaim) {
	hash := hashOf(study, claim)
	for _, v := range h.versions {
		for _, c := range v.study.Claims {
			if hashOf(v.study, c) == hash {
				return v.created, before
			}
			if c.ID == claim.ID && v.named {
				before = &oldClaim{v.study, c}
			}
		}
	}
	return at, before // never: the last version is the study itself
}

// oldClaim is a claim of an earlier version.
type oldClaim struct {
	study *ablations.Study
	claim ablations.Claim
}

// hashOf identifies what claims ask and how they are tested: SHA-256 of their
// canonical JSON. Cells go by their names, so that the order of a file and the
// number of seeds do not matter.
func hashOf(study *ablations.Study, claims ...ablations.Claim) string {
	type part struct {
		Kind       ablations.PartKind
		Metric     string
		Cells      []string
		By, Margin float64
	}
	type canonical struct {
		ID, Says string
		Parts    []part
	}
	var all []canonical
	for _, c := range claims {
		one := canonical{ID: c.ID, Says: c.Says}
		for _, p := range c.All {
			one.Parts = append(one.Parts, part{p.Kind, p.Metric, cellNames(study, p), p.By, p.Margin})
		}
		all = append(all, one)
	}
	text, err := json.Marshal([]any{study.Alpha, testOf(study), all})
	if err != nil {
		panic(err) // plain data always marshals
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// testOf is the test of a study, t where it does not say.
func testOf(study *ablations.Study) ablations.Test {
	if study.Test == "" {
		return ablations.Tests[0]
	}
	return study.Test
}

// cellNames names the cells of a part in full.
func cellNames(study *ablations.Study, p ablations.Part) (names []string) {
	for _, s := range p.Cells {
		name := study.Cells[s.Cell].Name
		if s.Untrained {
			name += "@untrained"
		}
		names = append(names, name)
	}
	return names
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

// droppedClaims lists the ids of claims of earlier versions that are gone, the
// first gone first.
func (h history) droppedClaims() (ids []string) {
	has := func(v version, id string) bool {
		return slices.ContainsFunc(v.study.Claims, func(c ablations.Claim) bool { return c.ID == id })
	}
	now := h.versions[len(h.versions)-1]
	for _, v := range h.versions {
		for _, c := range v.study.Claims {
			if v.named && !has(now, c.ID) && !slices.Contains(ids, c.ID) {
				ids = append(ids, c.ID)
			}
		}
	}
	return ids
}

// tellDropped warns of a claim that is gone, if there were results when it
// went.
func (r *Report) tellDropped(h history, id string) {
	var last oldClaim
	var gone time.Time
	for _, v := range h.versions {
		if !v.named {
			continue
		}
		i := slices.IndexFunc(v.study.Claims, func(c ablations.Claim) bool { return c.ID == id })
		switch {
		case i >= 0:
			last, gone = oldClaim{v.study, v.study.Claims[i]}, time.Time{}
		case last.study != nil && gone.IsZero():
			gone = v.created
		}
	}
	if n := h.resultsBy(gone, distinct(r.Cells)); n > 0 {
		r.warn("the claim %s (%s) was taken out on %s, when %s had results; it asked: %s",
			id, words.Printable(last.claim.Says), date(gone), words.Plural(n, "run"), asks(last.study, last.claim))
	}
}

// tellSeeds warns of seeds that were added when there were results, and of
// those that an earlier version had.
func (r *Report) tellSeeds(h history) {
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
		if n := h.resultsBy(v.created, distinct(r.Cells)); len(seeds) > 0 && len(seeds) < len(r.Seeds) && n > 0 {
			r.warn("%s added on %s, when %s had results: intervals and p values are those of a number of seeds that was fixed beforehand",
				seedsWere(seeds), date(v.created), words.Plural(n, "run"))
		}
	}
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
