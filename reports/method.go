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

// protocols say more of a metric than its line in config.Metrics.
var protocols = map[string][]string{
	"linear_top1": {
		"Linear evaluation, top-1 accuracy on the test images in %.",
		"The encoder is frozen; the features of the clean images are divided by one scalar, their uncentred RMS on the training images,",
		"and never standardized one by one, which would bring a collapsed encoder back to life.",
		"A multinomial logistic regression is fitted by L-BFGS to convergence; its L2 penalty is the best on a fifth of the training images,",
		"the test images choose nothing.",
	},
	"knn_top1": {
		"Nearest neighbours, top-1 accuracy on the test images in %, of the frozen encoder:",
		"the 20 nearest training images by cosine similarity, votes weighted by exp(similarity / 0.1).",
	},
	"z_std": {
		"Spread of the projection: the mean standard deviation of the l2-normalized output times √d, over held-out images without augmentation",
		"(probe.images, 1,000 unless the study says otherwise).",
		"0: all images are mapped to one point; near 1: spread out evenly.",
	},
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
			fmt.Sprintf("Collapsed: at the last two probes z_std is below %v and below half of what it was at step 0.", collapseThreshold),
			fmt.Sprintf("Never separated: below %v from step 0 on.", collapseThreshold),
			"Diverged: the loss was not finite any more, so there is no last value.",
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
		"Over the seeds of a cell that have a value; n says how many.",
		"The interval is mean ± t · s/√n, with s the standard deviation over seeds and t the quantile of Student's distribution",
		fmt.Sprintf("with n − 1 degrees of freedom for %s.", percent(1-r.Alpha)),
		"It speaks of other seeds of the same training on the same data, not of other data.",
		"Runs whose last steps, data contents or trainer versions are not the same are not averaged."))
	if len(r.Cells) > 1 {
		terms = append(terms, term("Difference to "+words.Printable(r.Cells[0].Name), r.differs()...))
	}
	if r.own == nil {
		terms = append(terms, term("Share of collapsed runs",
			"k of the n runs with a result that collapsed or never separated,",
			fmt.Sprintf("with Clopper and Pearson's %s interval; compared with the baseline's by Fisher's exact test.", percent(1-r.Alpha))))
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
	how := []string{paired, "Interval and two-sided p are of the one-sample t test on these differences."}
	switch r.Test {
	case ablations.SignFlip:
		how = []string{paired, "Interval and two-sided p are of the exact sign-flip test, for which each difference is as likely with the other sign."}
	case ablations.Welch:
		how = []string{"Not paired, as the study asks for: interval and two-sided p are of Welch's t test, which lets the spreads differ."}
	}
	unpaired := func(c Cell) bool { return c.Difference != nil && c.Difference.Welch }
	if r.Test != ablations.Welch && slices.ContainsFunc(r.Cells, unpaired) {
		how = append(how, "Where fewer than two seeds have both values, it is Welch's t test, not paired.")
	}
	how = append(how,
		fmt.Sprintf("The p is corrected by Holm over the %s of the table, the interval is not.", words.Plural(len(r.Cells)-1, "comparison")),
		"The test is named in the study, not chosen by its result.")
	if n := len(r.Seeds); n > 1 && stats.SmallestExactP(n) > r.Alpha {
		how = append(how,
			fmt.Sprintf("With %s no exact test can show anything at %s: its smallest two-sided p is %s.",
				words.Plural(n, "seed"), Number(r.Alpha).shortest(), Number(stats.SmallestExactP(n)).shortest()),
			"A t test can, if the differences scatter normally.")
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
			"A and B are equivalent within ±x: supported if both bounds lie inside, contradicted if they lie wholly outside.",
			"Cells collapsed, or did not: supported if all runs say so, contradicted if all say the opposite."),
		term("Level",
			"A claim is supported if all its parts are, so its p is the largest of theirs.",
			"Holm's correction over all claims that compare anything then gives each claim the level of its bounds:",
			fmt.Sprintf("the chance that any false claim is supported is at most %s.", Number(r.Alpha).shortest()),
			"A comparison that was not run counts with p = 1, so that the correction does not depend on what was run."),
		term("Inconclusive",
			"These seeds do not decide it. That a difference is not shown does not mean that there is none."),
	}
	if r.Paper != nil || slices.ContainsFunc(r.Claims, func(c Claim) bool { return c.Paper != nil }) {
		terms = append(terms, term("The paper's figures",
			"Quoted beside ours with their source. They come from other data and scales and enter no number here."))
	}
	return terms
}
