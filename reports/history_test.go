package reports

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"ablate/results"
	"ablate/results/journal"
)

// edit changes a study's text, which must have what is to be changed.
func edit(t *testing.T, text string, oldNew ...string) string {
	t.Helper()
	for i := 0; i < len(oldNew); i += 2 {
		if !strings.Contains(text, oldNew[i]) {
			t.Fatalf("%q is not in %s", oldNew[i], text)
		}
		text = strings.Replace(text, oldNew[i], oldNew[i+1], 1)
	}
	return text
}

// normally ends every run with the figures of a healthy one.
func normally(t *testing.T) func(string, int, *journal.Writer) results.Outcome {
	return func(cell string, seed int, w *journal.Writer) results.Outcome {
		journalOf(t, w, "portable", 50, 60+float64(seed), 0.8)
		return results.Completed
	}
}

// look lets enough time pass for what comes next to be later.
func look() { time.Sleep(3 * time.Millisecond) }

const twoClaims = studyText + `
[[claims]]
id   = "alive"
says = "Nothing collapses"
all  = [{ not_collapsed = ["bn", "none"] }]
`

func TestClaimsMadeBeforehandHaveNoFlags(t *testing.T) {
	store, stored := storeOf(t, twoClaims, normally(t))
	look()
	again, _ := saveStudy(t, store, twoClaims, "epochs=2") // started again: the same study
	r, err := Build(store, stored)
	if err != nil {
		t.Fatal(err)
	}
	if again.Hash != stored.Hash || r.Identity != stored.Hash {
		t.Errorf("identity %s of %s and %s", r.Identity, stored.Hash, again.Hash)
	}
	if r.Registration.Results != 0 || !r.Registration.At.Equal(stored.Created) || len(r.Registration.Claims) != 64 {
		t.Errorf("registered %+v, study of %v", r.Registration, stored.Created)
	}
	for _, c := range r.Claims {
		if len(c.Flags) > 0 {
			t.Errorf("claim %s: %q", c.ID, c.Flags)
		}
	}
	for _, w := range r.Warnings {
		if strings.Contains(w, "added") || strings.Contains(w, "taken out") || strings.Contains(w, "left out") {
			t.Errorf("warned: %s", w)
		}
	}
}

func TestClaimsMadeAfterALookAreFlagged(t *testing.T) {
	store, _ := storeOf(t, twoClaims, normally(t))
	look()
	edited := edit(t, twoClaims,
		"by = 1.0", "by = 0.5",
		`id   = "alive"`, `id   = "afterthought"`, // made anew, and one taken out
		"seeds = 2", "seeds = [1, 3]\nalpha = 0.1")
	now, _ := saveStudy(t, store, edited, "epochs=2")
	r, err := Build(store, now)
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]string{}
	for _, c := range r.Claims {
		flags[c.ID] = strings.Join(c.Flags, "\n")
	}
	for id, want := range map[string]string{
		"learns": `^edited on \d{4}-\d\d-\d\d \d\d:\d\d UTC, when 2 of its 4 runs had results; before, alpha was 0\.05; ` +
			`it asked: linear_top1 of bn above bn@untrained by more than 1, none collapsed\nseed 3 was added when there were results to see: p may be too small\nseed 2 was left out when there were results to see: p may be too small$`,
		"afterthought": `^made on .* UTC, when 2 of its 4 runs had results$`,
	} {
		if !regexp.MustCompile(want).MatchString(flags[id]) {
			t.Errorf("claim %s is flagged %q, not as %s", id, flags[id], want)
		}
	}
	if r.Registration.Results != 3 || !r.Registration.At.Equal(now.Created) {
		t.Errorf("registered %+v", r.Registration)
	}
	warnings := strings.Join(r.Warnings, "\n")
	for _, want := range []string{
		`the claim alive \(Nothing collapses\) was taken out on .* when 6 runs had results; it asked: bn, none not collapsed`,
		`seed 3 was added on .* when 3 runs had results`,
		`seed 2 was left out on .* UTC, when 3 of their 3 runs had ended: p values`,
	} {
		if !regexp.MustCompile(want).MatchString(warnings) {
			t.Errorf("no %s in %s", want, warnings)
		}
	}
}

// Another name does not hide what was added and left out.
func TestRenamingHidesNothing(t *testing.T) {
	store, _ := storeOf(t, twoClaims, normally(t))
	look()
	renamed, _ := saveStudy(t, store, edit(t, twoClaims, `name  = "norms"`, `name  = "fresh"`, "seeds = 2", "seeds = [1, 3]", `id   = "alive"`, `id   = "other"`), "epochs=2")
	r, err := Build(store, renamed)
	if err != nil {
		t.Fatal(err)
	}
	warnings := strings.Join(r.Warnings, "\n")
	for _, want := range []string{"of the same runs, the study norms claims alive too", "seed 3 was added on", "seed 2 was left out on"} {
		if !strings.Contains(warnings, want) {
			t.Errorf("no %q in %s", want, warnings)
		}
	}
	if strings.Contains(warnings, "taken out") || len(r.Claims[1].Flags) != 1 ||
		!slices.Equal(r.Claims[0].Flags, []string{"seed 3 was added when there were results to see: p may be too small", "seed 2 was left out when there were results to see: p may be too small"}) {
		t.Errorf("flags %q and %q, warnings %s", r.Claims[0].Flags, r.Claims[1].Flags, warnings)
	}
}

// Nor does it hide a claim: that one of the same runs was made elsewhere is
// told, as long as it is about runs that are here.
func TestRenamingHidesNoClaim(t *testing.T) {
	store, _ := storeOf(t, edit(t, twoClaims, `["bn", "none"]`, `["bn"]`)+`
[[claims]]
id   = "elsewhere"
says = "It is about a cell that the next study has not"
all  = [{ not_collapsed = ["no-predictor"] }]
`, normally(t))
	look()
	renamed, _ := saveStudy(t, store, edit(t, studyText, `name  = "norms"`, `name  = "fresh"`, "[cells]\nno-predictor = { predictor = false }\n", ""), "epochs=2")
	warnings := warningsOf(t, store, renamed)
	if want := "of the same runs, the study norms claims alive too (Nothing collapses), which is not counted here; it asks: bn not collapsed"; !strings.Contains(warnings, want) {
		t.Errorf("no %q in %s", want, warnings)
	}
	if strings.Contains(warnings, "elsewhere") {
		t.Error(warnings)
	}
}

// A cell that ended badly does not vanish without a word; one that has another
// name now has not vanished.
func TestACellTakenOutIsTold(t *testing.T) {
	store, _ := storeOf(t, studyText, func(cell string, seed int, w *journal.Writer) results.Outcome {
		if cell == "no-predictor" {
			return results.Failed
		}
		return normally(t)(cell, seed, w)
	})
	look()
	without, _ := saveStudy(t, store, edit(t, studyText, "[cells]\nno-predictor = { predictor = false }\n", ""), "epochs=2")
	if got := warningsOf(t, store, without); !regexp.MustCompile(`the cell no-predictor was taken out on .* UTC, when 2 of its 2 runs had ended`).MatchString(got) {
		t.Error(got)
	}
	look()
	asBefore := func(cell string, seed int) string {
		return runID(strings.Replace(cell, "bare", "no-predictor", 1), seed)
	}
	renamed, _ := saveStudyAs(t, store, asBefore, edit(t, studyText, "no-predictor =", "bare ="), "epochs=2")
	if got := warningsOf(t, store, renamed); strings.Contains(got, "taken out") {
		t.Error(got)
	}
}

// The claims are registered as a set: it is another one when one is taken out.
// What was seen of the study in another configuration is told with it.
func TestRegistration(t *testing.T) {
	store, first := storeOf(t, twoClaims, normally(t))
	registered := func(study *results.Study) string {
		t.Helper()
		r, err := Build(store, study)
		if err != nil {
			t.Fatal(err)
		}
		return r.Registration.says()
	}
	if got := registered(first); got != "made before there was a result" {
		t.Errorf("at first: %s", got)
	}
	look()
	fewer, _ := saveStudy(t, store, studyText, "epochs=2")
	if got := registered(fewer); got != "made so when 6 runs had a result" {
		t.Errorf("with a claim taken out: %s", got)
	}
	look()
	again := func(cell string, seed int) string { return "again-" + runID(cell, seed) }
	other, runs := saveStudyAs(t, store, again, edit(t, twoClaims, "by = 1.0", "by = 0.5"), "epochs=2")
	runAll(t, store, runs, normally(t))
	if got := registered(other); got != "made before these runs had a result; under its name the study had 6 results in other configurations, 6 of them before" {
		t.Errorf("in another configuration: %s", got)
	}
	if got := registered(first); got != "made before there was a result" {
		t.Errorf("what comes later changes what was said: %s", got)
	}
}

// What another study claimed of the same runs before there was a result is
// told; what is claimed later changes nothing.
func TestRivals(t *testing.T) {
	store, err := results.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	claiming := func(name, id string) string {
		return edit(t, twoClaims, `name  = "norms"`, "name  = "+strconv.Quote(name), `id   = "alive"`, "id   = "+strconv.Quote(id))
	}
	mine, runs := saveStudy(t, store, claiming("mine", "a"), "epochs=2")
	look()
	saveStudy(t, store, claiming("other", "b"), "epochs=2")
	look()
	runAll(t, store, runs, normally(t))
	look()
	saveStudy(t, store, claiming("late", "c"), "epochs=2")
	got := warningsOf(t, store, mine)
	if !strings.Contains(got, "of the same runs, the study other claims b too (Nothing collapses)") || strings.Contains(got, "the study late") {
		t.Error(got)
	}
}

// Seeds that are chosen by what came out are told where they count; seeds that
// were left out before there was anything to see are told, but blamed on nobody.
func TestSeedsLeftOut(t *testing.T) {
	store, err := results.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	_, all := saveStudy(t, store, edit(t, studyText, "seeds = 2", "seeds = 4"), "epochs=2")
	look()
	planned, _ := saveStudy(t, store, studyText, "epochs=2")
	look()
	if got := warningsOf(t, store, planned); strings.Contains(got, "left out") {
		t.Errorf("before any run: %s", got)
	}
	runAll(t, store, all, normally(t))
	if got := warningsOf(t, store, planned); !strings.Contains(got, "seeds 3 and 4 were part of") {
		t.Errorf("planned: %s", got)
	}
	look()
	chosen, _ := saveStudy(t, store, edit(t, studyText, `name  = "norms"`, `name  = "two"`, "seeds = 2", "seeds = [2, 4]"), "epochs=2")
	r, err := Build(store, chosen)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(r.Warnings, "\n"); !strings.Contains(got, "seeds 1 and 3 were left out on ") || !strings.Contains(got, "when 6 of their 6 runs had ended") {
		t.Errorf("chosen: %s", got)
	}
	if want := []string{"seeds 1 and 3 were left out when there were results to see: p may be too small"}; !slices.Equal(r.Claims[0].Flags, want) {
		t.Errorf("flagged %q, not %q", r.Claims[0].Flags, want)
	}
}

func warningsOf(t *testing.T, store *results.Store, study *results.Study) string {
	t.Helper()
	r, err := Build(store, study)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(r.Warnings, "\n")
}

// What is changed before there is anything to see is nobody's business.
func TestEditsBeforeResultsAreFree(t *testing.T) {
	store, err := results.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	saveStudy(t, store, twoClaims, "epochs=2")
	look()
	now, runs := saveStudy(t, store, edit(t, twoClaims, "by = 1.0", "by = 0.5", "seeds = 2", "seeds = 3"), "epochs=2")
	look()
	runAll(t, store, runs, normally(t))
	r, err := Build(store, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Claims[0].Flags) > 0 || r.Registration.Results != 0 || !r.Registration.At.Equal(now.Created) {
		t.Errorf("flags %q, registered %+v", r.Claims[0].Flags, r.Registration)
	}
	if all := strings.Join(r.Warnings, "\n"); strings.Contains(all, "added") {
		t.Error(all)
	}
}

// The hash of claims is of what they ask, not of how the file is written.
func TestHashOfClaims(t *testing.T) {
	of := func(text string) string {
		store, stored := storeOf(t, text, normally(t))
		r, err := Build(store, stored)
		if err != nil {
			t.Fatal(err)
		}
		return r.Registration.Claims
	}
	hash := of(studyText)
	if same := of(edit(t, studyText, "seeds = 2", "seeds = 3 # more\n", "[cells]", "# cells\n[cells]")); same != hash {
		t.Error("seeds and comments change the hash")
	}
	for _, c := range [][2]string{{"by = 1.0", "by = 1.5"}, {`says = "Training helps"`, `says = "It helps"`}, {"seeds = 2", "seeds = 2\ntest = \"sign-flip\""}, {`collapsed = ["none"]`, `collapsed = ["no-predictor"]`}} {
		if of(edit(t, studyText, c[0], c[1])) == hash {
			t.Errorf("%s instead of %s has the same hash", c[1], c[0])
		}
	}
}
