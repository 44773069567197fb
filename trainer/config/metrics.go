package config

// Metric describes one figure that a run reports at some of its steps.
type Metric struct {
	Name string
	Unit string // "%" or ""
	Says string // one line for axes, tables and help
}

// Metrics lists what the embedded trainer reports. linear_top1, the batch
// dependences and the probes are reported at step 0 (the untrained network) and
// at the last step; the probes in between as well; the loss at every step. A
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
}

// MetricByName returns the metric called name.
func MetricByName(name string) (Metric, bool) {
	for _, m := range Metrics {
		if m.Name == name {
			return m, true
		}
	}
	return Metric{}, false
}
