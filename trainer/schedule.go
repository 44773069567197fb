package trainer

import (
	"math"

	"ablate/trainer/config"
)

// learningRate is the rate of step k of n: a linear warm-up to the peak, then
// a cosine to zero or, if the schedule is constant, the peak.
func learningRate(o config.Optimizer, k, n int64) float64 {
	warm := int64(math.Round(o.Warmup * float64(n)))
	if k < warm {
		return o.LR * float64(k+1) / float64(warm)
	}
	if o.Schedule == "constant" {
		return o.LR
	}
	return o.LR * (1 + math.Cos(math.Pi*float64(k-warm)/float64(n-warm))) / 2
}

// targetRate is tau of step k of n: the weight that the target network keeps
// of itself (BYOL, appendix F.1: cosine from the base rate to 1).
func targetRate(t config.Target, k, n int64) float64 {
	if t.Schedule == "constant" {
		return t.Tau
	}
	return 1 - (1-t.Tau)*(1+math.Cos(math.Pi*float64(k)/float64(n)))/2
}
