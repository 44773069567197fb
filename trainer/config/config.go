// Package config holds the configuration of one training run: its typed form
// (Config), its flat form (Settings), the table of every key (Keys) and of
// every metric a run reports (Metrics).
//
// A study is written and merged as Settings, checked against Keys, and only
// then turned into a Config. The canonical form of the resolved settings is
// what a run's identity hashes.
package config

// Config is the complete configuration of one run, apart from its seed.
// Every field corresponds to one entry of Keys; the JSON names are the key's
// path segments. An implied key (Key.Implied) at its default is the empty
// string.
type Config struct {
	Method    string  `json:"method"` // "byol" or "simclr"
	Data      Data    `json:"data"`
	Encoder   Encoder `json:"encoder"`
	Norm      Norm    `json:"norm"`
	Heads     Heads   `json:"heads"`
	Predictor bool    `json:"predictor"`
	Batch     int     `json:"batch"`  // images a step; each is seen in two views
	Epochs    int     `json:"epochs"` // passes over the training images

	// StopWhen is "collapsed" if a run that has collapsed ends there, else "":
	// it never ends before its last step, which is the default.
	StopWhen string `json:"stop_when,omitempty"`

	Optimizer Optimizer `json:"optimizer"`
	Target    Target    `json:"target"`
	SimCLR    SimCLR    `json:"simclr,omitzero"`
	Augment   Augment   `json:"augment"`
	Probe     Probe     `json:"probe"`
}

// Data names the dataset and how much of it is used.
type Data struct {
	Name  string `json:"name"`
	Train int    `json:"train"` // training images, the first of a seedless shuffle; 0 = all
	Test  int    `json:"test"`  // test images of the evaluations; 0 = all

	// Size is the side in pixels that the images of "folder" are resized to.
	// Other datasets have none: 0, and no such key.
	Size int `json:"size,omitempty"`
}

// Encoder is a CIFAR ResNet with a 3x3 stem (resnet8, resnet14, resnet20,
// resnet18).
type Encoder struct {
	Arch  string `json:"arch"`
	Width int    `json:"width"` // channels of the first stage; later stages double it
}

// Norm names the normalization of each component. Predictor is empty when
// there is no predictor, so that equal work has an equal identity.
type Norm struct {
	Encoder   string `json:"encoder"`
	Projector string `json:"projector"`
	Predictor string `json:"predictor"`
}

// The normalizations (paper, sections 2, 3.2 and 3.3).
const (
	NormBN         = "bn"          // batch normalization
	NormLN         = "ln"          // layer normalization: one group over (H, W, C)
	NormNone       = "none"        // a bias per channel in the norm's place
	NormNoneAffine = "none-affine" // a trainable scale (initially gamma_0) and bias, no statistics
	NormInit       = "init"        // none-affine, initialized from the statistics of one batch
	NormGNWS       = "gn+ws"       // group normalization with weight standardization
)

// Heads is the shape of projector and predictor: linear, norm, ReLU, linear.
type Heads struct {
	Hidden int `json:"hidden"`
	Out    int `json:"out"`
}

// Optimizer is SGD or LARS with momentum, or Adam; all have a linear warm-up
// and then, unless the schedule is constant, a cosine decay to zero.
type Optimizer struct {
	Name        string  `json:"name"`
	LR          float64 `json:"lr"` // peak learning rate, not scaled by the batch
	WeightDecay float64 `json:"weight_decay"`
	Momentum    float64 `json:"momentum"`
	Trust       float64 `json:"trust"`              // LARS trust coefficient (eta)
	Warmup      float64 `json:"warmup"`             // share of all steps
	Schedule    string  `json:"schedule,omitempty"` // "constant" after the warm-up, or "" for the default: a cosine to zero
}

// Target is the target network's update (BYOL, equation 1). SimCLR has no
// target: 0, "constant" and false.
type Target struct {
	Tau          float64 `json:"tau"`           // base decay rate of the moving average
	Schedule     string  `json:"schedule"`      // "cosine" to 1, or "constant"
	StopGradient bool    `json:"stop_gradient"` // false: the online network is its own target, and gradients flow through it
}

// SimCLR is what only SimCLR (Chen et al. 2020) has. With another method it is
// zero, and there are no such keys.
type SimCLR struct {
	Temperature float64 `json:"temperature,omitempty"` // of the NT-Xent loss
}

// Augment is the distribution that both views are drawn from (BYOL, appendix
// B). Blur and solarize differ by view.
type Augment struct {
	CropMin    float64 `json:"crop_min"`   // smallest area share of the random resized crop
	Flip       float64 `json:"flip"`       // probability of a horizontal flip
	Jitter     float64 `json:"jitter"`     // probability of the colour jitter
	Brightness float64 `json:"brightness"` // largest relative change
	Contrast   float64 `json:"contrast"`
	Saturation float64 `json:"saturation"`
	Hue        float64 `json:"hue"`       // largest shift, share of the colour circle
	Grayscale  float64 `json:"grayscale"` // probability
	Blur1      float64 `json:"blur1"`     // probability of a Gaussian blur in view 1
	Blur2      float64 `json:"blur2"`
	Solarize1  float64 `json:"solarize1"` // probability of solarization in view 1
	Solarize2  float64 `json:"solarize2"`
}

// Probe sets how often and on how many images a run is looked at.
type Probe struct {
	Every  int `json:"every"`  // epochs between two probes; step 0 and the last step are always probed
	Images int `json:"images"` // held-out images of the collapse probe
}
