package reports

import (
	"fmt"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/reports/page"
	"ablate/reports/stats"
	"ablate/trainer/config"
	"ablate/words"
)

// method says how each number of the report was made, for a reader who means to
// check: what was measured, what was averaged, how it was tested.
func (r *Report) method() []page.Term {
	return slices.Concat(r.measured(), r.averaged(), r.tested())
}

// term defines a name by sentences.
func term(name string, sentences ...string) page.Term {
	return page.Term{Name: name, Text: strings.Join(sentences, " ")}
}

// probed is what a run is looked at with on its way.
const probed = "the first test images without augmentation (probe.images of them, 1,000 unless the study says otherwise)"

// protocols say more of a metric than its line in config.Metrics.
var protocols = map[string][]string{
	"linear_top1": {
		"Linear evaluation, top-1 accuracy on all test images in %.",
		"The encoder is frozen; the features of the images without augmentation are divided by one scalar, their uncentred RMS on the training images,",
		"and never standardized one by one, which would bring a collapsed encoder back to life.",
		"A multinomial logistic regression is fitted to all training images by L-BFGS to convergence; its L2 penalty is the one that is best",
		"on a fifth of them when it is fitted to the others. The test images choose nothing. A fit that does not converge has no value.",
	},
	"knn_top1": {
		"Nearest neighbours, top-1 accuracy in %, of the frozen encoder on", probed + ":",
		"the 20 nearest of as many training images by cosine similarity, votes weighted by exp(similarity / 0.1).",
	},
	"z_std": {
		"Spread of the projection: the mean standard deviation of the l2-normalized output times √d, over", probed + ".",
		"0: all images are mapped to one point; near 1: spread out evenly.",
	},
	"loss": {"Training loss of one step's batch; of BYOL from 0 (views agree) to 8."},
}

// measured defines the metrics that are shown, and how a run can end.
func (r *Report) measured() (terms []page.Term) {
	for _, name := range r.defined() {
		m, known := config.MetricByName(name)
		switch {
		case r.own != nil || !known:
			terms = append(terms, term(name, "As the study's trainer reports it."))
		case protocols[name] != nil:
			terms = append(terms, term(name, protocols[name]...))
		default:
			terms = append(terms, term(name, strings.ToUpper(m.Says[:1])+m.Says[1:]+"."))
		}
	}
	if len(terms) == 0 {
		return nil
	}
	terms = append(terms, term("Value of a run",
		"The metric at the last step that the run made, never the best on the way.",
		"Untrained is the same network, with the same seed, at step 0: the yardstick for what training has added, which chance is not."))
	if r.own == nil {
		terms = append(terms, term("Outcome",
			fmt.Sprintf("Collapsed: at the last two probes z_std is below %v and below half of what it was at step 0.", config.SeparatedStd),
			fmt.Sprintf("Never separated: below %v from step 0 on.", config.SeparatedStd),
			"Diverged: the loss, a gradient or a weight was not finite any more, so there is no last value.",
			"All three are results: they are counted, and nothing that needs a value they lack is decided.",
			"Failed runs are no results, and are named."))
	}
	return terms
}

// defined lists the metrics that the report compares, decides by or shows.
func (r *Report) defined() (names []string) {
	candidates := []string{r.Metric}
	for _, c := range r.Claims {
		for _, p := range c.Parts {
			candidates = append(candidates, p.Metric)
		}
	}
	if r.own != nil {
		candidates = append(candidates, r.own...)
	} else {
		candidates = append(candidates, "knn_top1", "z_std", "z_rankme", "y_std", "loss")
	}
	for _, name := range candidates {
		measured := slices.ContainsFunc(r.Cells, func(c Cell) bool { return c.metric(name).known() > 0 })
		if measured && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// averaged says what means, intervals, differences and shares are.
func (r *Report) averaged() (terms []page.Term) {
	if r.Metric == "" {
		return nil
	}
	terms = append(terms, term("Mean and interval",
		"Over the seeds of a cell that have a value: as many as it has results (n), or a note says how many.",
		"The interval is mean ± t · s/√n, with s the standard deviation over seeds and t the quantile of Student's distribution",
		fmt.Sprintf("with n − 1 degrees of freedom for %s.", percent(1-r.Alpha)),
		"One value has none, nor have values that are all the same. It is not adjusted for how many cells there are.",
		"It speaks of other seeds of the same training on the same data, not of other data.",
		"Runs whose last steps, data contents or trainer versions are not the same are not averaged."))
	if len(r.Cells) > 1 {
		terms = append(terms, term("Difference to "+words.Printable(r.Cells[0].Name), r.differs()...))
	}
	if r.own == nil {
		terms = append(terms, term("Share of collapsed runs",
			"k of the n runs of a cell with a result that collapsed or never separated; one that diverged is in n, not in k.",
			fmt.Sprintf("With Clopper and Pearson's %s interval, and compared with the baseline's by Fisher's exact test, two-sided,", percent(1-r.Alpha)),
			"corrected by Holm over the cells. That test takes the two cells' runs to be independent; if what a seed brings makes both collapse, its p is too large."))
	}
	return terms
}

// differs says how the differences to the baseline are tested.
func (r *Report) differs() []string {
	shared := "data order, augmentation and initial weights"
	if r.own != nil {
		shared = "what their trainer draws from them"
	}
	paired := "Paired: a seed's value less the same seed's of the baseline, since equal seeds share " + shared + "."
	how := []string{paired, "Interval and two-sided p are of the one-sample t test on these differences, which assumes that they scatter normally."}
	switch r.Test {
	case ablations.SignFlip:
		how = []string{paired, "Interval and two-sided p are of the exact sign-flip test, which assumes that each difference lies as likely so far above the true one as below:",
			"p is twice the share, among all flips of their signs (beyond 20 pairs among a fixed group of 16,384), of those whose mean is at least as far on its side of 0."}
	case ablations.Welch:
		how = []string{"Not paired, as the study asks for: interval and two-sided p are of Welch's t test,",
			"which lets the spreads differ and assumes that each cell's values scatter normally."}
	}
	if r.Test != ablations.Welch {
		how = append(how, "A seed that lacks one of the two values is left out, so where a note tells of that it is not the difference of the two means.")
	}
	unpaired := func(c Cell) bool { return c.Difference != nil && c.Difference.Welch }
	if r.Test != ablations.Welch && slices.ContainsFunc(r.Cells, unpaired) {
		how = append(how, "Where fewer than two seeds have both values, it is Welch's t test, not paired.")
	}
	how = append(how,
		fmt.Sprintf("The p is corrected by Holm over the %s of the table, where one that could not be made counts with p = 1; the interval is not.",
			words.Plural(len(r.compared()), "comparison")),
		"The test is named in the study, not chosen by its result.")
	if n := len(r.Seeds); n > 1 && stats.SmallestExactP(n) > r.Alpha && r.Test != ablations.Welch {
		how = append(how, fmt.Sprintf("With %s the sign-flip test can show nothing at %s: its smallest two-sided p is %s.",
			words.Plural(n, "seed"), Number(r.Alpha).shortest(), Number(stats.SmallestExactP(n)).shortest()))
	}
	return how
}

// tested says how claims are decided.
func (r *Report) tested() (terms []page.Term) {
	if len(r.Claims) == 0 {
		return nil
	}
	terms = []page.Term{
		term("Parts of a claim",
			"A is above B by more than x: supported if the one-sided lower bound of the difference lies above x,",
			"contradicted if the upper bound lies below.",
			"A and B are equivalent within ±x: supported if both bounds lie inside (two one-sided tests), contradicted if both lie beyond the same end.",
			"Cells collapsed, or did not: supported if all their runs say so, contradicted if all say the opposite. That is counted, and has no p.",
			"No comparison is decided by some of its seeds: a run without a value leaves it open, whatever the others say."),
		term("Level",
			"A claim is supported if all its parts are, so its p is the largest of theirs.",
			"Holm's correction over all claims that compare anything then gives each claim the level of its bounds:",
			fmt.Sprintf("the chance that any false comparison is supported is at most %s, as far as what the test assumes is true.", Number(r.Alpha).shortest()),
			"Collapse is counted, and has no such guarantee.",
			"A comparison that was not run counts with p = 1, so that the correction does not depend on what was run.",
			"One part is enough to contradict a claim, so each of k comparisons does it at 1/k of the claim's level:",
			fmt.Sprintf("a true claim is contradicted with a chance of at most %s, each by itself.", Number(r.Alpha).shortest())),
		term("Inconclusive",
			"These seeds do not decide it. That a difference is not shown does not mean that there is none.",
			fmt.Sprintf("The seeds that would probably settle it are the fewest that show it, or its opposite, with a probability of %s", percent(settled)),
			"if every true difference and spread were as observed; what was observed with few seeds may be far off."),
		term("Not run", "Some of the runs that it hangs on have no result, and those there are do not contradict it."),
	}
	if r.Paper != nil || slices.ContainsFunc(r.Claims, func(c Claim) bool { return c.Paper != nil }) {
		terms = append(terms, term("The paper's figures",
			"Quoted beside ours with their source. They come from other data and scales and enter no number here."))
	}
	return terms
}
