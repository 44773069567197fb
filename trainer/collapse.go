package trainer

import (
	"fmt"

	"ablate/trainer/config"
)

// judge says how a run that came to its end ended, from z_std at its probes,
// the one at step 0 first:
//
//   - never separated: below config.SeparatedStd at every probe;
//   - collapsed: at the last two probes after step 0 (or the only one) below
//     it and below half of the value at step 0.
func judge(zStd []float64) Outcome {
	if len(zStd) < 2 {
		return Outcome{Kind: "completed"}
	}
	first, last := zStd[0], zStd[len(zStd)-1]
	separated, collapsed := false, true
	for i, z := range zStd {
		if z >= config.SeparatedStd {
			separated = true
		}
		if i > 0 && i >= len(zStd)-2 && !(z < config.SeparatedStd && z < first/2) {
			collapsed = false
		}
	}
	switch {
	case !separated:
		return Outcome{"never_separated", fmt.Sprintf("z_std was %.3g at step 0 and never reached %g; it ended at %.3g", first, config.SeparatedStd, last)}
	case collapsed:
		return Outcome{"collapsed", fmt.Sprintf("z_std fell from %.3g at step 0 to %.3g", first, last)}
	}
	return Outcome{Kind: "completed"}
}

// stops reports whether a run ends at the probe that gave the last of zStd,
// before its last step: whether it is asked to (Config.StopWhen) and has
// collapsed by the rule of judge, at two probes after step 0, since a single one
// may be a dip.
//
// A run that has never separated is not stopped. It has lost nothing that it
// had: an untrained network may map all images to nearly the same point, and
// what pulls them apart, if anything does, comes with the learning rate, whose
// warm-up may take most of the run. That it never did can only be told at its
// end.
func stops(c config.Config, zStd []float64) bool {
	return c.StopWhen == "collapsed" && len(zStd) > 2 && judge(zStd).Kind == "collapsed"
}
