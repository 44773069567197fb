package trainer

import "fmt"

// threshold is the z_std below which a projection counts as not separated.
const threshold = 0.1

// judge says how a run that came to its end ended, from z_std at its probes,
// the one at step 0 first:
//
//   - never separated: below the threshold at every probe;
//   - collapsed: at the last two probes after step 0 (or the only one) below
//     the threshold and below half of the value at step 0.
func judge(zStd []float64) Outcome {
	if len(zStd) < 2 {
		return Outcome{Kind: "completed"}
	}
	first, last := zStd[0], zStd[len(zStd)-1]
	separated, collapsed := false, true
	for i, z := range zStd {
		if z >= threshold {
			separated = true
		}
		if i > 0 && i >= len(zStd)-2 && !(z < threshold && z < first/2) {
			collapsed = false
		}
	}
	switch {
	case !separated:
		return Outcome{"never_separated", fmt.Sprintf("z_std was %.3g at step 0 and never reached %g; it ended at %.3g", first, threshold, last)}
	case collapsed:
		return Outcome{"collapsed", fmt.Sprintf("z_std fell from %.3g at step 0 to %.3g", first, last)}
	}
	return Outcome{Kind: "completed"}
}
