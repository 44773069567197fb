package reports

import (
	"fmt"
	"strings"

	"ablate/ablations"
	"ablate/words"
)

// rule says how the claims were tested, at which levels, and what the intervals
// are; "" if there is nothing to say.
func (r *Report) rule() string {
	var levels, says []string
	bounds, counted, shares, several := false, false, false, false
	for _, c := range r.Claims {
		tested := 0
		if c.Level.known() {
			levels = append(levels, fmt.Sprintf("%s at %.3g", c.ID, float64(c.Level)))
		}
		for _, p := range c.Parts {
			counts := p.Kind == ablations.Collapsed || p.Kind == ablations.NotCollapsed
			if !counts {
				tested++
			}
			bounds = bounds || !counts && (p.Low.known() || p.High.known())
			counted = counted || counts && p.N > 0
			shares = shares || counts && p.Low.known()
		}
		several = several || tested > 1
	}
	if len(levels) > 0 {
		says = append(says, fmt.Sprintf("Comparisons: %s of the opposite, so that a small p supports a claim and one near 1 speaks against it; Holm over %s at %s (%s).",
			r.tests(), words.Plural(len(levels), "claim"), Number(r.Alpha).shortest(), strings.Join(levels, ", ")))
	}
	if bounds {
		says = append(says, "In brackets, the interval whose ends are one-sided bounds at that level.")
	}
	if several {
		says = append(says, "Of several comparisons in a claim each contradicts it at its share of the level.")
	}
	if counted {
		text := "Collapse is counted, not tested: what is supported holds of every run that was made"
		if shares {
			text += fmt.Sprintf("; of other seeds, Clopper and Pearson's %s interval of a cell's share is what is known", percent(1-r.Alpha))
		}
		says = append(says, text+".")
	}
	return strings.Join(says, " ")
}

// tests names the study's test.
func (r *Report) tests() string {
	switch r.Test {
	case ablations.SignFlip:
		return "paired by seed, one-sided sign-flip tests"
	case ablations.Welch:
		return "one-sided Welch t tests, not paired,"
	}
	return "paired by seed, one-sided t tests"
}
