package trainer

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/trainer/net"
	"ablate/trainer/op"
)

// inputs says what a run's networks take: images of this shape, whose pixels,
// in 0..1, had their channels' mean taken off and were divided by their
// standard deviation. Every checkpoint has it, so that an encoder can be handed
// over without the dataset.
type inputs struct {
	Height   int       `json:"height"`
	Width    int       `json:"width"`
	Channels int       `json:"channels"`
	Mean     []float32 `json:"mean"`
	Std      []float32 `json:"std"`
}

// compact is v, which must be plain data, as JSON.
func compact(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// ExportEncoder reads the trained encoder of job from its checkpoint after
// steps, the number of steps it did, and gives it names and layouts of PyTorch
// and torchvision:
//
//	ours, below online/encoder/          exported
//	stem/conv/weight     [O, H, W, I]    conv1.weight                [O, I, H, W]
//	stem/norm/...        [O]             bn1....                     [O]
//	stageS/blockB/convN/weight           layerS.(B-1).convN.weight
//	stageS/blockB/normN/...              layerS.(B-1).bnN....
//	stageS/blockB/shortcut/conv/weight   layerS.(B-1).downsample.0.weight
//	stageS/blockB/shortcut/norm/...      layerS.(B-1).downsample.1....
//
// A norm is called bn whatever it is. Its scale is its weight, its mean and var
// are running_mean and running_var. "none" has a bias alone; "none-affine" and
// "init" have weight and bias, to be multiplied with and added. The weights of
// "gn+ws" are exported as they are after the standardization, so that a plain
// convolution computes the same.
//
// The metadata, all of it text and what is not a plain word JSON, are
//
//	format                  "ablate encoder 1"
//	arch, width, features   of the encoder; features is the size of its output
//	blocks                  the basic blocks of each stage; all stages but the first halve the image
//	norm, eps               the configuration's norm.encoder, and the epsilon inside the root
//	groups                  of the group normalization, by channels; "ln" and "gn+ws" only
//	weight_standardization  "folded into the weights"; "gn+ws" only
//	image                   [height, width, channels] that it was trained on
//	mean, std               by channel: the encoder takes (pixels / 255 - mean) / std, [N, C, H, W]
//	config, seed, steps     what was trained; config is canonical JSON
//	dataset, dataset_hash   its name and content hash
//	trainer, kernels        versions of the arithmetic
//
// It is an error if the folder job.Checkpoints has no good checkpoint after
// step steps of this very job, which must name its Dataset.
func ExportEncoder(job Job, steps int64) (*checkpoint.File, error) {
	f, err := lastCheckpoint(job, steps)
	if err != nil {
		return nil, err
	}
	var in inputs
	if err := json.Unmarshal([]byte(f.Meta["inputs"]), &in); err != nil {
		return nil, fmt.Errorf("the checkpoint in %s does not say how its inputs were standardized: "+
			"an older ablate made it, whose encoders cannot be exported", job.Checkpoints)
	}
	norm := job.Config.Norm.Encoder
	out := &checkpoint.File{Meta: encoderMeta(job, steps, in)}
	for _, k := range []string{"trainer", "kernels"} {
		out.Meta[k] = f.Meta[k]
	}
	groups := map[string]int{}
	for _, t := range f.Tensors {
		name, ok := strings.CutPrefix(t.Name, "online/encoder/")
		if !ok {
			continue
		}
		if t, err = exported(name, t, norm); err != nil {
			return nil, err
		}
		if len(t.Shape) == 1 {
			groups[strconv.Itoa(t.Shape[0])] = net.Groups(norm, t.Shape[0])
		}
		out.Tensors = append(out.Tensors, t)
	}
	if net.Groups(norm, 1) > 0 {
		out.Meta["groups"] = compact(groups)
	}
	return out, nil
}

// trainAgain is what to do about a lost checkpoint: in its own store a run that
// has ended is not trained again.
const trainAgain = "its trained state is lost; to have it again, run the study in another store (--store), which trains it anew"

// lastCheckpoint reads the checkpoint of job after its last step.
func lastCheckpoint(job Job, steps int64) (*checkpoint.File, error) {
	f, damaged, err := checkpoint.Load(job.Checkpoints)
	if err != nil {
		return nil, err
	}
	if f == nil {
		return nil, errors.Join(append(damaged, fmt.Errorf("there is no good checkpoint in %s: %s", job.Checkpoints, trainAgain))...)
	}
	want := identity(job, job.Dataset)
	want["trainer"] = f.Meta["trainer"] // older trainers' networks have the same tensors
	if err := sameRun(f, job.Checkpoints, want); err != nil {
		return nil, err
	}
	if f.Meta["step"] != strconv.FormatInt(steps, 10) {
		return nil, errors.Join(append(damaged, fmt.Errorf("the newest good checkpoint in %s is of step %s, but the run ended at step %d: %s",
			job.Checkpoints, f.Meta["step"], steps, trainAgain))...)
	}
	return f, nil
}

func encoderMeta(job Job, steps int64, in inputs) map[string]string {
	c := job.Config
	meta := map[string]string{
		"format":       "ablate encoder 1",
		"arch":         c.Encoder.Arch,
		"width":        strconv.Itoa(c.Encoder.Width),
		"features":     strconv.Itoa(net.Features(c.Encoder)),
		"blocks":       compact(net.Blocks(c.Encoder.Arch)),
		"norm":         c.Norm.Encoder,
		"eps":          decimal(op.NormEps),
		"image":        compact([]int{in.Height, in.Width, in.Channels}),
		"mean":         compact(in.Mean),
		"std":          compact(in.Std),
		"config":       string(c.JSON()),
		"seed":         strconv.Itoa(job.Seed),
		"steps":        strconv.FormatInt(steps, 10),
		"dataset":      c.Data.Name,
		"dataset_hash": job.Dataset,
	}
	if c.Norm.Encoder == config.NormGNWS {
		meta["weight_standardization"] = "folded into the weights"
	}
	return meta
}

// exported is the encoder's tensor called name as ExportEncoder describes it.
func exported(name string, t checkpoint.Tensor, norm string) (checkpoint.Tensor, error) {
	torch, ok := torchName(name)
	if !ok {
		return t, fmt.Errorf("the checkpoint has a tensor %s, for which there is no name to export it under", t.Name)
	}
	t.Name = torch
	if len(t.Shape) == 4 {
		if norm == config.NormGNWS {
			t.Data = op.Standardized(t.Data, t.Shape[0])
		}
		t = channelsFirst(t)
	}
	return t, nil
}

var (
	blockOfName = regexp.MustCompile(`^stage(\d+)/block(\d+)/`)

	torchLayers = map[string]string{
		"stem/conv": "conv1", "stem/norm": "bn1",
		"conv1": "conv1", "norm1": "bn1", "conv2": "conv2", "norm2": "bn2",
		"shortcut/conv": "downsample.0", "shortcut/norm": "downsample.1",
	}
	torchParts = map[string]string{"weight": "weight", "scale": "weight", "bias": "bias", "mean": "running_mean", "var": "running_var"}
)

// torchName is the name in torchvision's ResNet of the encoder's tensor name.
func torchName(name string) (string, bool) {
	prefix := ""
	if m := blockOfName.FindStringSubmatch(name); m != nil {
		block, _ := strconv.Atoi(m[2]) // it is digits
		prefix = fmt.Sprintf("layer%s.%d.", m[1], block-1)
		name = name[len(m[0]):]
	}
	at := strings.LastIndexByte(name, '/')
	if at < 0 {
		return "", false
	}
	layer, part := torchLayers[name[:at]], torchParts[name[at+1:]]
	return prefix + layer + "." + part, layer != "" && part != ""
}

// channelsFirst turns a convolution's [O, H, W, I] into [O, I, H, W].
func channelsFirst(t checkpoint.Tensor) checkpoint.Tensor {
	out, area, in := t.Shape[0], t.Shape[1]*t.Shape[2], t.Shape[3]
	data := make([]float32, len(t.Data))
	for o := range out {
		for p := range area {
			for i := range in {
				data[(o*in+i)*area+p] = t.Data[(o*area+p)*in+i]
			}
		}
	}
	t.Shape = []int{out, in, t.Shape[1], t.Shape[2]}
	t.Data = data
	return t
}
