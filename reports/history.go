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
	rivals   []version            // under another name, later, but before there was a result
	firsts   map[string]time.Time // when runs of whatever has the study's name had their first results, by run ID
	unread   int                  // versions that this program cannot read
}

// version is the study as it stood at a time.
type version struct {
	created time.Time
	study   *ablations.Study
	shared  []int // seeds of which it has runs of the study now
	named   bool  // as the study is now; else it has its runs under another name

	// Of a version that has what the study now lacks:
	runs  []slot
	ended map[string]time.Time // when the first attempt at a run ended, by run ID
}

// slot is where a run stands in a version.
type slot struct {
	cell, id string
	seed     int
}

// historyOf reads the versions of a study.
func historyOf(store source, stored *results.Study, now *ablations.Study) (h history, err error) {
	versions, err := store.Versions(stored)
	if err != nil {
		return h, err
	}
	var named []int64
	for _, v := range versions {
		if v.Name == stored.Name {
			named = append(named, v.ID)
		}
	}
	if h.firsts, err = store.FirstResults(named...); err != nil {
		return h, err
	}
	first := h.firstOf(stored)
	for _, v := range versions {
		later := v.Created.After(stored.Created)
		if v.ID == stored.ID || later && (v.Name == stored.Name || v.Created.After(first)) {
			continue
		}
		old, err := readVersion(store, v, now)
		switch {
		case err != nil:
			return h, err
		case old.study == nil:
			h.unread++
		case later:
			h.rivals = append(h.rivals, old)
		default:
			old.named = v.Name == stored.Name
			h.versions = append(h.versions, old)
		}
	}
	h.versions = append(h.versions, version{created: stored.Created, study: now, shared: now.Seeds, named: true})
	return h, nil
}

// firstOf is when a study had its first result, or now.
func (h history) firstOf(study *results.Study) time.Time {
	first := time.Now()
	for _, slot := range study.Slots {
		if at, ok := h.firsts[slot.RunID]; ok && at.Before(first) {
			first = at
		}
	}
	return first
}

// readVersion reads a version, without a study if this program cannot.
func readVersion(store source, v results.Version, now *ablations.Study) (old version, err error) {
	old = version{created: v.Created, shared: v.Shared}
	study, err := ablations.Parse(v.Name, v.Text, v.Sets)
	if err != nil {
		return old, nil
	}
	old.study = study
	if old.hasAll(now) {
		return old, nil
	}
	stored, err := store.StudyByID(v.ID)
	if err != nil {
		return old, err
	}
	for _, s := range stored.Slots {
		old.runs = append(old.runs, slot{stored.Cells[s.Cell], s.RunID, s.Seed})
	}
	attempts, err := store.AttemptsOf(stored)
	old.ended = map[string]time.Time{}
	for id, of := range attempts {
		if first := of[0].Ended; !first.IsZero() {
			old.ended[id] = first
		}
	}
	return old, err
}

// hasAll reports whether the study now has all claims, cells and seeds of the
// version.
func (v version) hasAll(now *ablations.Study) bool {
	for _, c := range v.study.Claims {
		if !hasClaim(now, c.ID) {
			return false
		}
	}
	for _, c := range v.study.Cells {
		if !hasCell(now, c.Name) {
			return false
		}
	}
	for _, seed := range v.study.Seeds {
		if !slices.Contains(now.Seeds, seed) {
			return false
		}
	}
	return true
}

func hasClaim(study *ablations.Study, id string) bool {
	return slices.ContainsFunc(study.Claims, func(c ablations.Claim) bool { return c.ID == id })
}

func hasCell(study *ablations.Study, name string) bool {
	return slices.ContainsFunc(study.Cells, func(c ablations.Cell) bool { return c.Name == name })
}

// runsOf are the version's runs of a cell.
func (v version) runsOf(cell string) (ids []string) {
	for _, p := range v.runs {
		if p.cell == cell {
			ids = append(ids, p.id)
		}
	}
	return ids
}

// endedBy counts the runs of which an attempt had ended before a time.
func (v version) endedBy(at time.Time, runs []string) (n int) {
	for _, id := range runs {
		if ended, ok := v.ended[id]; ok && ended.Before(at) {
			n++
		}
	}
	return n
}

// isOf reports whether, at the seeds that are shared, all runs that a claim of
// the version hangs on are among these.
func (v version) isOf(claim ablations.Claim, runs map[string]bool) bool {
	for _, part := range claim.All {
		for _, s := range part.Cells {
			cell := v.study.Cells[s.Cell].Name
			shared := 0
			for _, p := range v.runs {
				if p.cell != cell || !slices.Contains(v.shared, p.seed) {
					continue
				}
				if !runs[p.id] {
					return false
				}
				shared++
			}
			if shared == 0 {
				return false
			}
		}
	}
	return true
}

// claim is the version's claim with an id that it has.
func (v version) claim(id string) ablations.Claim {
	return v.study.Claims[slices.IndexFunc(v.study.Claims, func(c ablations.Claim) bool { return c.ID == id })]
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

// elsewhereBy counts the results that there were before a time under the study's
// name that are not of these runs: of other configurations.
func (h history) elsewhereBy(at time.Time, ours map[string]bool) (n int) {
	for id, first := range h.firsts {
		if !ours[id] && first.Before(at) {
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

// last returns the last version with the study's name that had what the study
// has not now, and when the study stood without it.
func (h history) last(had func(version) bool) (last version, gone time.Time) {
	for _, v := range h.versions {
		switch {
		case !v.named:
		case had(v):
			last, gone = v, time.Time{}
		case last.study != nil && gone.IsZero():
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
