package config

import (
	"slices"
	"strconv"
	"strings"
)

// SeparatedStd is the z_std below which a projection counts as not separated.
const SeparatedStd = 0.1

// Metric describes one figure that a run reports at some of its steps, or a
// family of them.
type Metric struct {
	Name string // of a family with K in place of its members' numbers
	Unit string // "%" or ""
	Says string // one line for axes, tables and help
}

// Metrics lists what the embedded trainer reports. linear_top1, the batch
// dependences, the spectrum and the probes are reported at step 0 (the untrained
// network) and at the last step; the probes in between as well; the loss at every
// step. The spectrum's members are z_spectrum_1, _2, _3, _4, _6 and so on, see
// SpectrumRanks, up to the size of the projection. A
// network without a predictor has no predictor_batch_dependence, and linear_top1
// is left out where its fit does not converge; an event says so.
var Metrics = []Metric{
	{"loss", "", "training loss; of BYOL from 0 (views agree) to 8"},
	{"linear_top1", "%", "linear evaluation of the frozen encoder, test top-1"},
	{"knn_top1", "%", "k-nearest-neighbour evaluation of the frozen encoder, test top-1"},
	{"z_std", "", "projection: mean std of the l2-normalized output times sqrt(d); 0 = collapsed, near 1 = spread out"},
	{"z_cosine", "", "projection: mean cosine between different images; 1 = collapsed"},
	{"z_rankme", "", "projection: effective rank (RankMe, uncentred)"},
	{"z_uniformity", "", "projection: log mean Gaussian potential; 0 = collapsed, near -4 = uniform"},
	{"y_std", "", "encoder output: mean std of the l2-normalized output times sqrt(d)"},
	{"y_cosine", "", "encoder output: mean cosine between different images"},
	{"y_rankme", "", "encoder output: effective rank (RankMe, uncentred)"},
	{"y_uniformity", "", "encoder output: log mean Gaussian potential"},
	{"encoder_batch_dependence", "", "encoder in training: largest derivative, along a random direction, by another input of the batch; 0 = no batch statistics"},
	{"projector_batch_dependence", "", "projector in training: largest derivative, along a random direction, by another input of the batch; 0 = no batch statistics"},
	{"predictor_batch_dependence", "", "predictor in training: largest derivative, along a random direction, by another input of the batch; 0 = no batch statistics"},
	spectrum,
}

// MetricByName returns the metric called name, which may be a member of a
// family, but not the family.
func MetricByName(name string) (Metric, bool) {
	if _, ok := SpectrumRank(name); ok {
		return Metric{name, spectrum.Unit, spectrum.Says}, true
	}
	for _, m := range Metrics {
		if m.Name == name && m != spectrum {
			return m, true
		}
	}
	return Metric{}, false
}

// The spectrum is a family: its members differ in the rank.
const spectrumPrefix = "z_spectrum_"

var spectrum = Metric{spectrumPrefix + "K", "",
	"projection: K-th singular value (uncentred, as for RankMe) over the root of the sum of squares of all; K = 1, 2, 3, 4, 6, 8, 12, ..."}

// SpectrumRanks lists the ranks, the largest singular value's being 1, at which
// the spectrum of d-dimensional outputs is reported: the powers of two and what
// lies midway between them, as many for each factor of two, for a logarithmic
// axis.
func SpectrumRanks(d int) []int {
	var ranks []int
	for k := 1; k <= d; k *= 2 {
		ranks = append(ranks, k)
		if between := k + k/2; k > 1 && between <= d {
			ranks = append(ranks, between)
		}
	}
	return ranks
}

// SpectrumName is the metric of the spectrum at a rank.
func SpectrumName(rank int) string { return spectrumPrefix + strconv.Itoa(rank) }

// SpectrumRank is the rank of the metric called name; ok is false if it is none
// of the spectrum's.
func SpectrumRank(name string) (rank int, ok bool) {
	digits, found := strings.CutPrefix(name, spectrumPrefix)
	rank, err := strconv.Atoi(digits)
	if !found || err != nil || digits != strconv.Itoa(rank) || !slices.Contains(SpectrumRanks(rank), rank) {
		return 0, false
	}
	return rank, true
}
