package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"ablate/ablations"
	"ablate/results"
)

// history is what the store had under the study's name up to the version that
// is reported, and what had its runs under another name, the oldest first. The
// last version is the study itself.
type history struct {
	versions []version
	firsts   map[string]time.Time // when runs of the study, and of what had its name, had their first results, by run ID
	unread   int                  // versions that this program cannot read
}

// version is the study as it stood at a time.
type version struct {
	created time.Time
	study   *ablations.Study
	shared  []int // seeds of which it has runs of the study now
	named   bool  // as the study is now; else it has its runs under another name

	runs  map[string][]string  // by cell, of the shared seeds if it has another name; nil if it has nothing that the study now lacks
	ended map[string]time.Time // when the first attempt at a run ended, by run ID; nil likewise
}

// historyOf reads the versions of a study.
func historyOf(store source, stored *results.Study, now *ablations.Study) (h history, err error) {
	versions, err := store.Versions(stored)
	if err != nil {
		return h, err
	}
	named := []int64{stored.ID}
	for _, v := range versions {
		if v.Created.After(stored.Created) || v.ID == stored.ID {
			continue
		}
		old := version{created: v.Created, shared: v.Shared, named: v.Name == stored.Name}
		if old.named {
			named = append(named, v.ID)
		}
		if old.study, err = ablations.Parse(v.Name, v.Text, v.Sets); err != nil {
			h.unread++
			continue
		}
		if old.lacksIn(now) {
			if err := old.addRuns(store, v.ID); err != nil {
				return h, err
			}
		}
		h.versions = append(h.versions, old)
	}
	h.versions = append(h.versions, version{created: stored.Created, study: now, shared: now.Seeds, named: true})
	h.firsts, err = store.FirstResults(named...)
	return h, err
}

// lacksIn reports whether the study now lacks a claim or, of a version with its
// name, a cell.
func (v version) lacksIn(now *ablations.Study) bool {
	claim := slices.ContainsFunc(v.study.Claims, func(c ablations.Claim) bool { return !hasClaim(now, c.ID) })
	cell := slices.ContainsFunc(v.study.Cells, func(c ablations.Cell) bool { return !hasCell(now, c.Name) })
	return claim || v.named && cell
}

func hasClaim(study *ablations.Study, id string) bool {
	return slices.ContainsFunc(study.Claims, func(c ablations.Claim) bool { return c.ID == id })
}

func hasCell(study *ablations.Study, name string) bool {
	return slices.ContainsFunc(study.Cells, func(c ablations.Cell) bool { return c.Name == name })
}

func (v *version) addRuns(store source, id int64) error {
	stored, err := store.StudyByID(id)
	if err != nil {
		return err
	}
	v.runs, v.ended = map[string][]string{}, map[string]time.Time{}
	for _, slot := range stored.Slots {
		if v.named || slices.Contains(v.shared, slot.Seed) {
			cell := stored.Cells[slot.Cell]
			v.runs[cell] = append(v.runs[cell], slot.RunID)
		}
	}
	attempts, err := store.AttemptsOf(stored)
	for id, of := range attempts {
		if first := of[0].Ended; !first.IsZero() {
			v.ended[id] = first
		}
	}
	return err
}

// isOf reports whether all runs that a claim of the version hangs on are among
// these.
func (v version) isOf(claim ablations.Claim, runs map[string]bool) bool {
	for _, part := range claim.All {
		for _, s := range part.Cells {
			if !allIn(v.runs[v.study.Cells[s.Cell].Name], runs) {
				return false
			}
		}
	}
	return true
}

func allIn(ids []string, runs map[string]bool) bool {
	return len(ids) > 0 && !slices.ContainsFunc(ids, func(id string) bool { return !runs[id] })
}

// now is the study as it is reported.
func (h history) now() version { return h.versions[len(h.versions)-1] }

// resultsBy counts the runs that had a result before a time.
func (h history) resultsBy(at time.Time, runs []run) (n int) {
	for _, run := range runs {
		if first, ok := h.firsts[run.id]; ok && first.Before(at) {
			n++
		}
	}
	return n
}

// seenBy counts the results that there were before a time under the study's
// name, of runs that are its own now or were.
func (h history) seenBy(at time.Time) (n int) {
	for _, first := range h.firsts {
		if first.Before(at) {
			n++
		}
	}
	return n
}

// registered is when the very claims that the study has now first stood in one
// version, and no others with them.
func (h history) registered() time.Time {
	hashes := func(v version) (all []string) {
		for _, c := range v.study.Claims {
			all = append(all, hashOf(v.study, c))
		}
		slices.Sort(all)
		return all
	}
	claims := hashes(h.now())
	i := slices.IndexFunc(h.versions, func(v version) bool { return slices.Equal(hashes(v), claims) })
	return h.versions[i].created
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

// last returns the last version that had what the study has not now, and when
// the study stood without it; the zero time if none had it.
func (h history) last(had func(version) bool) (last version, gone time.Time) {
	for _, v := range h.versions {
		switch {
		case had(v):
			last, gone = v, time.Time{}
		case last.study != nil && gone.IsZero() && v.named:
			gone = v.created
		}
	}
	return last, gone
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
