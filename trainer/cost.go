package trainer

import (
	"ablate/trainer/config"
	"ablate/trainer/net"
)

// What a run does besides multiplying, in multiply-adds that take as long. They
// were measured with oneDNN on one core of an AMD EPYC; what matters of them is
// their proportion.
const (
	extraChannels = 6    // that a layer takes the time of besides its own, at every pixel
	costOfPixel   = 2500 // of a channel of a pixel in the augmentation
	costOfWeight  = 100  // of the update of one weight
	costOfStep    = 3e7  // of a step, whatever its size
	costOfFit     = 1e5  // of the linear evaluation, for every image, feature and class
	costOfSetup   = 3e10 // of the data, the graphs and the checkpoints
)

// costOfElement is of going over one element of an activation: a norm, a ReLU,
// a sum. Statistics take a pass of their own.
func costOfElement(norm string) float64 {
	switch norm {
	case config.NormNone, config.NormNoneAffine, config.NormInit:
		return 80
	}
	return 120
}

// Cost is about how much work the run of c is on train and test images, as many
// as it uses, of height h, width w and ch channels: its steps, its probes and
// both its full evaluations, in multiply-adds. It is good for telling how long
// one run takes from how long another one took on the same machine. A run that
// is stopped early, and one that goes on from a shorter one, do a part of it.
func Cost(c config.Config, train, test, h, w, ch int) float64 {
	n := sizeOf(c, h, w, ch, costOfElement(c.Norm.Encoder))
	steps := float64(Steps(c, train))
	view := n.training(c) + costOfPixel*float64(h*w*ch)
	step := 2*float64(c.Batch)*view + costOfWeight*n.weights + costOfStep

	images := float64(min(c.Probe.Images, train) + min(c.Probe.Images, test))
	probes := float64((c.Epochs + c.Probe.Every - 1) / c.Probe.Every)
	fit := costOfFit * float64(train) * float64(net.Features(c.Encoder)) * float64(classesOf(c.Data.Name))
	evaluations := 2 * (float64(train+test)*n.embedding + fit)
	return costOfSetup + steps*step + probes*images*n.embedding + evaluations
}

// classesOf is the number of classes of a dataset, as far as its name tells.
func classesOf(name string) int {
	if name == "cifar100" {
		return 100
	}
	return 10
}

// size is how much work the networks are for one image, forward.
type size struct {
	stem      float64 // the first convolution
	embedding float64 // encoder and projector
	online    float64 // and the predictor, if there is one
	weights   float64 // how many the online network has, without biases and norms
}

// training is how much work they are for one view in a step: forward, and
// backward to weights and inputs, but not to images.
func (n size) training(c config.Config) float64 {
	if hasTarget(c) {
		return 3*n.online - n.stem + n.embedding
	}
	return 3*n.online - n.stem
}

// sizeOf follows the networks as package net builds them; element is the cost
// of one of an activation.
func sizeOf(c config.Config, h, w, ch int, element float64) (n size) {
	total := 0.0
	layer := func(h, w, area, in, out int) { // a convolution, and what follows it
		weights := float64(area * in * out)
		n.weights += weights
		total += float64(h*w)*weights + element*float64(h*w*(out+extraChannels))
	}
	width := c.Encoder.Width
	n.stem = float64(h*w) * float64(9*ch*width)
	layer(h, w, 9, ch, width)
	in := width
	for stage, blocks := range net.Blocks(c.Encoder.Arch) {
		out := width << stage
		for block := range blocks {
			if stage > 0 && block == 0 {
				h, w = (h+1)/2, (w+1)/2
			}
			if in != out {
				layer(h, w, 1, in, out)
			}
			layer(h, w, 9, in, out)
			layer(h, w, 9, out, out)
			in = out
		}
	}
	head := func(in int) {
		layer(1, 1, 1, in, c.Heads.Hidden)
		layer(1, 1, 1, c.Heads.Hidden, c.Heads.Out)
	}
	head(in)
	n.embedding = total
	if c.Predictor {
		head(c.Heads.Out)
	}
	n.online = total
	return n
}

// PlannedCost is Cost before the data has been looked at: for as many images,
// of such a shape, as a dataset of that name usually has. Of a folder it does
// not know how many: it takes CIFAR-10's numbers, which leaves the proportion
// of two runs on the same folder about right.
func PlannedCost(c config.Config) float64 {
	train, test, side, channels := 50_000, 10_000, 32, 3
	switch c.Data.Name {
	case "fashion-mnist", "mnist":
		train, side, channels = 60_000, 28, 1
	case "folder":
		side = c.Data.Size
	case "generated":
		train, test, side = 2_000, 500, 16
	}
	if c.Data.Train > 0 {
		train = c.Data.Train
	}
	if c.Data.Test > 0 {
		test = c.Data.Test
	}
	return Cost(c, max(train, c.Batch), test, side, side, channels)
}
