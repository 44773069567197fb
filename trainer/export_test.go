package trainer

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
	"ablate/trainer/data"
	"ablate/trainer/net"
)

// An exported encoder of the tests: its weights are drawn, not trained, so
// that no part of the network is hidden behind a zero, and that they are the
// same everywhere.
type exportCase struct {
	name, arch, norm string
	channels         int // of an image
}

var exportCases = []exportCase{
	{"bn", "resnet8", config.NormBN, 3},
	{"ln", "resnet8", config.NormLN, 3},
	{"none", "resnet8", config.NormNone, 3},
	{"none-affine", "resnet8", config.NormNoneAffine, 3},
	{"init", "resnet8", config.NormInit, 3},
	{"gn+ws", "resnet8", config.NormGNWS, 3},
	{"gray-resnet14", "resnet14", config.NormBN, 1},
	{"resnet18", "resnet18", config.NormGNWS, 3},
}

const exportSteps = 16

// exportFixture is what PyTorch made of an encoder that we had exported, and a
// digest of what it was given.
type exportFixture struct {
	Features [][]float64       `json:"features"`
	Tensors  map[string]digest `json:"tensors"`
}

// digest of a tensor: the sum tells its order, and bears another rounding.
type digest struct {
	Shape []int   `json:"shape"`
	Sum   float64 `json:"sum"`
}

func digestOf(t checkpoint.Tensor) digest {
	d := digest{Shape: t.Shape}
	for i, v := range t.Data {
		d.Sum += float64(v) * math.Cos(float64(i))
	}
	return d
}

// make saves a checkpoint of the case's network in dir and returns its job, a
// few images and the features that our evaluator gives of them.
func (e exportCase) make(t *testing.T, dir string) (Job, *data.Set, [][]float64) {
	t.Helper()
	c := small(e.norm)
	c.Encoder = config.Encoder{Arch: e.arch, Width: 8}
	set := &data.Set{Height: 9, Width: 10, Channels: e.channels, Classes: 10, Hash: "cafe"}
	r := data.Stream(1, "images")
	set.Train = data.Split{Images: make([]byte, 3*9*10*e.channels), Labels: make([]uint8, 3)}
	for i := range set.Train.Images {
		set.Train.Images[i] = byte(r.IntN(256))
	}
	standard := set.Standardize()
	model := &net.Model[float32]{Config: c, Height: set.Height, Width: set.Width, Channels: set.Channels,
		Random: func(name string) *rand.Rand { return data.Stream(1, name) }}
	w := net.NewWeights[float32]()
	ev, err := newEvaluator(model, w, data.NewAugmenter(c.Augment, set, standard), 3)
	if err != nil {
		t.Fatal(err)
	}
	defer ev.close()
	disturb(w)
	features, _, err := ev.run(context.Background(), set.Train, 0, 3)
	if err != nil {
		t.Fatal(err)
	}
	job := Job{Config: c, Seed: 3, Dataset: set.Hash, Checkpoints: dir}
	f := &checkpoint.File{Meta: identity(job, set.Hash)}
	f.Meta["step"] = fmt.Sprint(exportSteps)
	f.Meta["inputs"] = compact(inputs{set.Height, set.Width, set.Channels, standard.Mean, standard.Std})
	for _, t := range w.All() {
		f.Tensors = append(f.Tensors, checkpoint.Tensor{Name: "online/" + t.Name, Shape: t.Shape, Data: t.Data})
	}
	if err := checkpoint.Save(dir, exportSteps, f); err != nil {
		t.Fatal(err)
	}
	return job, set, rows(features, ev.featureSize)
}

// disturb replaces the constants that scales, biases and statistics start as.
func disturb(w *net.Weights[float32]) {
	for _, t := range w.All() {
		r := data.Stream(1, "disturb/"+t.Name)
		for i := range t.Data {
			switch {
			case strings.HasSuffix(t.Name, "/scale"), strings.HasSuffix(t.Name, "/var"):
				t.Data[i] = float32(0.5 + r.Float64())
			case strings.HasSuffix(t.Name, "/bias"), strings.HasSuffix(t.Name, "/mean"):
				t.Data[i] = float32(r.Float64() - 0.5)
			}
		}
	}
}

func rows(x []float32, d int) (rows [][]float64) {
	for i, v := range x {
		if i%d == 0 {
			rows = append(rows, nil)
		}
		rows[i/d] = append(rows[i/d], float64(v))
	}
	return rows
}

// TestExportEncoder compares exported encoders with a fixture: the features
// that PyTorch gives of them with docs/load_encoder.py. With -fixtures it is
// made anew.
func TestExportEncoder(t *testing.T) {
	const fixture = "testdata/encoder.json"
	dir := t.TempDir()
	wants := map[string]exportFixture{}
	if text, err := os.ReadFile(fixture); err == nil && *fixtures == "" {
		if err := json.Unmarshal(text, &wants); err != nil {
			t.Fatal(err)
		}
	}
	ours := exportAll(t, dir)
	if *fixtures != "" {
		for name, features := range torchFeatures(t, *fixtures, dir) {
			wants[name] = exportFixture{features, digests(t, dir, name)}
		}
		text, err := json.Marshal(wants)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(fixture, append(bytes.ReplaceAll(text, []byte("},"), []byte("},\n")), '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, e := range exportCases {
		compareFeatures(t, e.name, ours[e.name], wants[e.name].Features)
		compareDigests(t, e.name, digests(t, dir, e.name), wants[e.name].Tensors)
	}
}

// pytorch returns an interpreter that has PyTorch, or skips the test.
func pytorch(t *testing.T, lost string) string {
	t.Helper()
	for _, p := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(p, "-c", "import torch").Run() == nil {
			return p
		}
	}
	t.Skip("neither python3 nor /usr/bin/python3 can import torch; " + lost)
	return ""
}

// TestLoadEncoder runs docs/load_encoder.py itself, where there is PyTorch.
func TestLoadEncoder(t *testing.T) {
	python := pytorch(t, "TestExportEncoder compares with what it gave")
	dir := t.TempDir()
	ours := exportAll(t, dir)
	theirs := torchFeatures(t, python, dir)
	for _, e := range exportCases {
		compareFeatures(t, e.name, ours[e.name], theirs[e.name])
	}
}

// TestScriptsRefuse: given a file that is not theirs, the Python scripts say so
// in a line.
func TestScriptsRefuse(t *testing.T) {
	python := pytorch(t, "what the scripts say of wrong files is not tested")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	save := func(name string, f *checkpoint.File) {
		if err := checkpoint.Write(file(name), f); err != nil {
			t.Fatal(err)
		}
	}
	c := small(config.NormNone)
	save("trace", mustTrace(t, c, 1))
	c.Optimizer = config.Optimizer{Name: "sgd", LR: 1e30}
	save("wild", mustTrace(t, c, 1))
	job, _, _ := exportCases[0].make(t, t.TempDir())
	encoder, err := ExportEncoder(job, exportSteps)
	if err != nil {
		t.Fatal(err)
	}
	save("encoder", encoder)
	whole, err := os.ReadFile(file("encoder"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"text": "images, 3 of them", "cut": string(whole[:len(whole)-100])} {
		if err := os.WriteFile(file(name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ script, name, want string }{
		{"parity", "trace", "code 0"},
		{"parity", "encoder", "its format is 'ablate encoder 1'\ncode 2"},
		{"parity", "wild", "the run diverges in this step: the loss became NaN at step 1: "},
		{"parity", "missing", "FILE cannot be read: No such file or directory\ncode 2"},
		{"parity", "text", "FILE is no safetensors file, or is damaged: "},
		{"parity", "cut", "FILE is no safetensors file, or is damaged: "},
		{"load", "encoder", "loaded"},
		{"load", "trace", "FILE is no encoder as \"ablate export encoder\" writes them: its format is 'ablate trace 1'"},
		{"load", "text", "FILE is no safetensors file"},
		{"load", "cut", "FILE is cut off or damaged"},
	}
	args := []string{"-B", "-c", callScripts}
	for _, test := range tests {
		args = append(args, test.script, file(test.name))
	}
	out, err := exec.Command(python, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	said := strings.Split(string(out), "---\n")
	if len(said) != len(tests)+1 {
		t.Fatalf("%d answers of %d:\n%s", len(said)-1, len(tests), out)
	}
	for i, test := range tests {
		if want := strings.ReplaceAll(test.want, "FILE", file(test.name)); !strings.Contains(said[i], want) {
			t.Errorf("%s %s: it says\n%swant\n%s", test.script, test.name, said[i], want)
		}
	}
}

// callScripts gives files to the scripts in one process, and prints what they
// say, with a line after each: arguments are "parity" or "load", and a file.
const callScripts = `
import contextlib, runpy, sys
sys.path.insert(0, "../docs")
import load_encoder

calls = sys.argv[1:]
for script, path in zip(calls[::2], calls[1::2]):
    with contextlib.redirect_stderr(sys.stdout):
        try:
            if script == "load":
                load_encoder.load(path)
                print("loaded")
            else:
                sys.argv = ["parity.py", path]
                runpy.run_path("testdata/parity.py", run_name="__main__")
        except ValueError as e:
            print(e)
        except SystemExit as e:
            print("code", e.code)
    print("---")
`

// exportAll exports every case's encoder to dir/NAME.safetensors, writes its
// images to dir/NAME.images, and returns the features of our evaluator.
func exportAll(t *testing.T, dir string) map[string][][]float64 {
	t.Helper()
	all := map[string][][]float64{}
	for _, e := range exportCases {
		job, set, features := e.make(t, t.TempDir())
		f, err := ExportEncoder(job, exportSteps)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, e.name)
		if err := checkpoint.Write(path+".safetensors", f); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+".images", planar(set), 0o666); err != nil {
			t.Fatal(err)
		}
		all[e.name] = features
	}
	return all
}

// planar gives the training images as [N, C, H, W].
func planar(s *data.Set) []byte {
	out := make([]byte, 0, len(s.Train.Images))
	for i := range s.Train.Len() {
		img := s.Train.Image(i)
		for c := range s.Channels {
			for p := c; p < len(img); p += s.Channels {
				out = append(out, img[p])
			}
		}
	}
	return out
}

func torchFeatures(t *testing.T, python, dir string) map[string][][]float64 {
	t.Helper()
	cmd := exec.Command(python, "testdata/encoder.py", "../docs/load_encoder.py", dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	var features map[string][][]float64
	if err := json.Unmarshal(out, &features); err != nil {
		t.Fatal(err)
	}
	return features
}

func digests(t *testing.T, dir, name string) map[string]digest {
	t.Helper()
	f, err := checkpoint.Read(filepath.Join(dir, name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]digest{}
	for _, x := range f.Tensors {
		all[x.Name] = digestOf(x)
	}
	return all
}

func compareFeatures(t *testing.T, name string, got, want [][]float64) {
	t.Helper()
	if len(want) == 0 || len(got) != len(want) {
		t.Errorf("%s: features of %d images, PyTorch has %d", name, len(got), len(want))
		return
	}
	largest := 0.0
	for _, row := range want {
		for _, v := range row {
			largest = max(largest, math.Abs(v))
		}
	}
	worst := 0.0
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Errorf("%s: %d features, PyTorch has %d", name, len(got[i]), len(want[i]))
			return
		}
		for j := range want[i] {
			worst = max(worst, math.Abs(got[i][j]-want[i][j])/largest)
		}
	}
	t.Logf("%s: largest difference %.1e of the largest feature, %.3g", name, worst, largest)
	if !(worst < 1e-5) {
		t.Errorf("%s: features differ from PyTorch's by %.1e of the largest", name, worst)
	}
}

func compareDigests(t *testing.T, name string, got, want map[string]digest) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d tensors, PyTorch was given %d", name, len(got), len(want))
	}
	for tensor, w := range want {
		g, ok := got[tensor]
		if !ok || fmt.Sprint(g.Shape) != fmt.Sprint(w.Shape) || math.Abs(g.Sum-w.Sum) > 1e-4 {
			t.Errorf("%s: %s is %v, PyTorch was given %v", name, tensor, g, w)
		}
	}
}

// TestExportedMetadata is of a run that really trained.
func TestExportedMetadata(t *testing.T) {
	c := small(config.NormGNWS)
	c.Encoder.Width = 8
	c.Epochs = 1
	job := Job{Config: c, Seed: 3, Checkpoints: t.TempDir()}
	r, err := newRun(job, Hooks{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if err := r.save(); err != nil {
		t.Fatal(err)
	}
	job.Dataset = r.set.Hash
	f, err := ExportEncoder(job, 0)
	if err != nil {
		t.Fatal(err)
	}
	standard := r.set.Standardize()
	for key, want := range map[string]string{
		"format": "ablate encoder 1", "arch": "resnet8", "width": "8", "features": "32", "blocks": "[1,1,1]",
		"norm": "gn+ws", "eps": "1e-05", "groups": `{"16":4,"32":8,"8":2}`,
		"weight_standardization": "folded into the weights",
		"mean":                   compact(standard.Mean), "std": compact(standard.Std),
		"image":   compact([]int{r.set.Height, r.set.Width, r.set.Channels}),
		"dataset": "generated", "dataset_hash": r.set.Hash, "seed": "3", "steps": "0", "trainer": Version,
	} {
		if f.Meta[key] != want {
			t.Errorf("%s is %q, want %q", key, f.Meta[key], want)
		}
	}
	again, err := config.Parse([]byte(f.Meta["config"]))
	if err != nil || again != c {
		t.Errorf("the configuration %s is not the run's: %v", f.Meta["config"], err)
	}
}

func TestExportEncoderRefuses(t *testing.T) {
	dir := t.TempDir()
	job, _, _ := exportCases[0].make(t, dir)
	path := filepath.Join(dir, checkpoint.Name(exportSteps))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(job Job, steps int64, want string) {
		t.Helper()
		if _, err := ExportEncoder(job, steps); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
	refused(job, exportSteps+1, "is of step 16, but the run ended at step 17: "+trainAgain)
	other := job
	other.Seed++
	refused(other, exportSteps, `its seed is "3", not "4"`)
	other = job
	other.Checkpoints = t.TempDir()
	refused(other, exportSteps, "no good checkpoint in "+other.Checkpoints+": "+trainAgain)

	old, err := checkpoint.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	delete(old.Meta, "inputs")
	if err := checkpoint.Write(path, old); err != nil {
		t.Fatal(err)
	}
	refused(job, exportSteps, "does not say how its inputs were standardized")
	good[len(good)-1] ^= 1
	if err := os.WriteFile(path, good, 0o666); err != nil {
		t.Fatal(err)
	}
	refused(job, exportSteps, "has checksum")
	refused(job, exportSteps, trainAgain)
}
