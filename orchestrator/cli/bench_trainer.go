package cli

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"ablate/ablations"
	"ablate/orchestrator/engine/local"
	"ablate/orchestrator/worker"
	"ablate/trainer"
	"ablate/trainer/config"

	"github.com/urfave/cli/v2"
)

func benchTrainerCommand() *cli.Command {
	return &cli.Command{
		Name:  "trainer",
		Usage: "measure a training step",
		UsageText: "ablate bench trainer [--norm NORM,...] [--method METHOD] [--arch ARCH] [--width N] [--batch N]\n" +
			"   [--set KEY=VALUE ...] [--size PIXELS] [--steps N] [--processes N] [--json]",
		Description: "Times whole training steps on random images, in one thread and on one core: leave\n" +
			"the machine alone meanwhile. An image counts once, for both its views through the\n" +
			"online network forward and backward and through the target network forward. The\n" +
			"limit is the rate of a large matrix product in the same process.\n\n" +
			"With several norms each is measured in a process of its own, one after the other.\n" +
			"With --processes that many measure at once, one thread each, and what they achieve\n" +
			"together while all of them are at it is compared with one alone before and after.\n\n" +
			"--json prints an object (with several norms, an array of them):\n" +
			"  method, arch, width, batch, size, norm    what was measured\n" +
			"  cpu, kernels           processor with its vector extension, kernel set with version\n" +
			"  images_per_second      batch / step_seconds\n" +
			"  step_seconds           median of a whole step, update included\n" +
			"  gflops                 of convolutions and matrix products, a second, convolutions\n" +
			"                         counted as direct ones even where Winograd's algorithm saves\n" +
			"                         multiplications\n" +
			"  limit_gflops, share    the limit; gflops / limit_gflops, which may exceed 1\n" +
			"  peak_bytes             largest resident memory of the process\n" +
			"  ops                    name and seconds of each kind of op in the mean step, slowest\n" +
			"                         first; other is what is left between them\n" +
			"  times                  Unix times: begin of the first step, end of each\n" +
			"and with --processes instead of the last seven:\n" +
			"  processes, images_per_second of all together, alone_images_per_second, speedup",
		Flags: []cli.Flag{
			&cli.StringSliceFlag{Name: "norm", Usage: "the `NORM` of all components, or several, comma separated (default: bn)"},
			&cli.StringFlag{Name: "method", Usage: "the `METHOD` (default: byol)"},
			&cli.StringFlag{Name: "arch", Usage: "the encoder's `ARCH` (default: resnet8)"},
			&cli.StringFlag{Name: "width", Usage: "`N` channels of the first stage (default: 32)"},
			&cli.StringFlag{Name: "batch", Usage: "`N` images a step (default: 128)"},
			setFlag(),
			&cli.IntFlag{Name: "size", Value: 32, Usage: "`PIXELS` of an image, in width and height"},
			&cli.IntFlag{Name: "steps", Value: 10, Usage: "`N` steps to time"},
			&cli.IntFlag{Name: "processes", Value: 1, Usage: "`N` processes that measure at once"},
			&cli.BoolFlag{Name: "await", Usage: "say when ready, and wait for the end of the input", Hidden: true},
			jsonFlag(),
		},
		Action: benchTrainer,
	}
}

// measured is what was measured.
type measured struct {
	Method string `json:"method"` // byol or simclr
	Arch   string `json:"arch"`   // of the encoder
	Width  int    `json:"width"`  // channels of the first stage
	Batch  int    `json:"batch"`  // images a step
	Size   int    `json:"size"`   // pixels of an image, in width and height
	Norm   string `json:"norm"`   // of the encoder
	CPU    string `json:"cpu"`    // processor with its widest vector extension
}

// trainerSpeed is what one process achieved.
type trainerSpeed struct {
	measured
	trainer.Speed
}

// jointSpeed is what several processes achieved at once.
type jointSpeed struct {
	measured
	Kernels              string  `json:"kernels"`                 // kernel set with version
	Processes            int     `json:"processes"`               // that measured at once, of one thread each
	ImagesPerSecond      float64 `json:"images_per_second"`       // of all of them together
	AloneImagesPerSecond float64 `json:"alone_images_per_second"` // of one alone, the mean of before and after
	Speedup              float64 `json:"speedup"`                 // the one divided by the other
}

func benchTrainer(c *cli.Context) error {
	if err := none(c); err != nil {
		return err
	}
	size, steps, processes := c.Int("size"), c.Int("steps"), c.Int("processes")
	if size < 4 || steps < 1 || processes < 1 {
		return usagef("--size must be at least 4, --steps and --processes at least 1")
	}
	var all []config.Config
	var args [][]string // of a process that measures the same
	for _, norm := range benchNorms(c) {
		sets := benchSets(c, norm)
		conf, err := benchConfig(sets)
		if err != nil {
			return asTyped(c, norm, err)
		}
		all = append(all, conf)
		args = append(args, benchArgs(sets, size, steps))
	}
	switch {
	case len(all) > 1 && processes > 1:
		return usagef("--processes goes with one norm, not with %d", len(all))
	case processes > 1:
		return benchJointly(c, processes, args[0])
	case len(all) > 1:
		return benchEach(c, args)
	}
	speed, err := trainer.Bench(all[0], size, steps, func() {
		if c.Bool("await") {
			fmt.Fprintln(c.App.Writer, "ready")
			io.Copy(io.Discard, os.Stdin)
		}
	})
	if err != nil {
		return err
	}
	s := trainerSpeed{describe(all[0], size), speed}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, s)
	}
	return printSpeed(c.App.Writer, s)
}

func describe(c config.Config, size int) measured {
	return measured{
		Method: c.Method, Arch: c.Encoder.Arch, Width: c.Encoder.Width, Batch: c.Batch, Size: size, Norm: c.Norm.Encoder, CPU: worker.CPU(),
	}
}

func (m measured) String() string {
	text := fmt.Sprintf("%s, width %d, batch %d", m.Arch, m.Width, m.Batch)
	if m.Method != "byol" {
		text = m.Method + ", " + text
	}
	return text
}

// benchNorms lists the norms to measure; "" leaves it to the other settings.
func benchNorms(c *cli.Context) (norms []string) {
	for _, list := range c.StringSlice("norm") {
		for norm := range strings.SplitSeq(list, ",") {
			if norm = strings.TrimSpace(norm); norm != "" && !slices.Contains(norms, norm) {
				norms = append(norms, norm)
			}
		}
	}
	if norms == nil {
		return []string{""}
	}
	return norms
}

// benchSets writes the flags as overrides of the study's base.
func benchSets(c *cli.Context, norm string) []string {
	sets := slices.Clone(c.StringSlice("set"))
	for _, f := range benchFlags {
		if value := f.value(c, norm); value != "" {
			sets = append(sets, f.key+"="+value)
		}
	}
	return sets
}

// benchFlag is a flag that stands for a key.
type benchFlag struct{ flag, key string }

var benchFlags = []benchFlag{
	{"method", "method"}, {"arch", "encoder.arch"}, {"width", "encoder.width"}, {"batch", "batch"}, {"norm", "norm"},
}

// value is what the flag was given, "" if nothing; norm is one of several.
func (f benchFlag) value(c *cli.Context, norm string) string {
	if f.flag == "norm" {
		return norm
	}
	return c.String(f.flag)
}

// asTyped names the flags in errors, where these name the overrides made of
// them.
func asTyped(c *cli.Context, norm string, err error) error {
	var wrong ablations.Errors
	if !errors.As(err, &wrong) {
		return err
	}
	wrong = slices.Clone(wrong)
	for i := range wrong {
		for _, f := range benchFlags {
			value := f.value(c, norm)
			set := "--set " + f.key + "=" + value + ":"
			if rest, ok := strings.CutPrefix(wrong[i].Message, set); ok && value != "" {
				wrong[i].Message = "--" + f.flag + " " + value + ":" + rest
			}
		}
	}
	return studyError{wrong}
}

// benchStudy is the configuration that comparisons with other frameworks use.
const benchStudy = `
[base]
encoder   = { arch = "resnet8", width = 32 }
heads     = { hidden = 512, out = 128 }
batch     = 128
optimizer = { name = "sgd", lr = 0.05, weight_decay = 1e-5 }
`

func benchConfig(sets []string) (config.Config, error) {
	study, err := ablations.Parse("bench.toml", []byte(benchStudy), sets)
	if err != nil {
		return config.Config{}, studyError{err}
	}
	return study.Cells[0].Settings().Config()
}

// benchArgs are the arguments of a process that measures one configuration.
func benchArgs(sets []string, size, steps int) []string {
	args := []string{"bench", "trainer", "--json", "--size", strconv.Itoa(size), "--steps", strconv.Itoa(steps)}
	for _, s := range sets {
		args = append(args, "--set", s)
	}
	return args
}

// measure measures in n processes at once. They begin to time when all of them
// are ready.
func measure(ctx context.Context, n int, args []string) ([]trainerSpeed, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // one that fails takes the others along
	var children []*child
	for range n {
		c, err := startChild(ctx, args)
		if err != nil {
			return nil, err
		}
		children = append(children, c)
	}
	for _, c := range children {
		if _, err := c.stdout.ReadString('\n'); err != nil {
			return nil, c.failed(c.cmd.Wait())
		}
	}
	for _, c := range children {
		c.stdin.Close()
	}
	var all []trainerSpeed
	for _, c := range children {
		var s trainerSpeed
		wrong := json.NewDecoder(c.stdout).Decode(&s)
		if err := c.cmd.Wait(); err != nil || wrong != nil {
			return nil, c.failed(cmp.Or(err, wrong))
		}
		all = append(all, s)
	}
	return all, nil
}

// child is a process that measures: it writes a line when it is ready, waits
// for the end of its input, and writes its result.
type child struct {
	cmd       *exec.Cmd
	stdin     io.WriteCloser
	stdout    *bufio.Reader
	complaint bytes.Buffer
}

func startChild(ctx context.Context, args []string) (*child, error) {
	self := local.Self()
	c := &child{cmd: exec.CommandContext(ctx, self.Path)}
	c.cmd.Args = slices.Concat(self.Args[:1], args, []string{"--await"})
	c.cmd.Env = append(os.Environ(), self.Env...)
	c.cmd.Stderr = &c.complaint
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.stdout = bufio.NewReader(stdout)
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return c, c.cmd.Start()
}

func (c *child) failed(err error) error {
	return fmt.Errorf("a process of the measurement failed: %w: %s", err, strings.TrimSpace(c.complaint.String()))
}

// benchEach measures one after the other.
func benchEach(c *cli.Context, args [][]string) error {
	var all []trainerSpeed
	for _, a := range args {
		s, err := measure(c.Context, 1, a)
		if err != nil {
			return err
		}
		all = append(all, s...)
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, all)
	}
	w, first := c.App.Writer, all[0]
	fmt.Fprintf(w, "%s, %s on %s: a matrix product reaches %.0f GFLOP/s\n\n", first.measured, first.Kernels, first.CPU, first.LimitGFLOPS)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "norm\timages/s\tms a step\tGFLOP/s\t% of the limit\tpeak MiB\t")
	for _, s := range all {
		fmt.Fprintf(t, "%s\t%.1f\t%.0f\t%.0f\t%.0f\t%d\t\n", s.Norm, s.ImagesPerSecond, 1e3*s.StepSeconds, s.GFLOPS, 100*s.Share, s.PeakBytes>>20)
	}
	return t.Flush()
}

// benchJointly compares n processes at once with one before and one after.
func benchJointly(c *cli.Context, n int, args []string) error {
	var j jointSpeed
	var rates [3]float64
	for i, processes := range []int{1, n, 1} {
		all, err := measure(c.Context, processes, args)
		if err != nil {
			return err
		}
		if rates[i], err = jointRate(all); err != nil {
			return err
		}
		j = jointSpeed{measured: all[0].measured, Kernels: all[0].Kernels, Processes: n}
	}
	j.ImagesPerSecond, j.AloneImagesPerSecond = rates[1], (rates[0]+rates[2])/2
	j.Speedup = j.ImagesPerSecond / j.AloneImagesPerSecond
	if c.Bool("json") {
		return writeJSON(c.App.Writer, j)
	}
	_, err := fmt.Fprintf(c.App.Writer, "%s, norm %s, %s on %s\n"+
		"one process alone: %.1f images/s\n"+
		"%d processes at once: %.1f images/s together, %.2f times as many\n",
		j.measured, j.Norm, j.Kernels, j.CPU, j.AloneImagesPerSecond, n, j.ImagesPerSecond, j.Speedup)
	return err
}

// jointRate is the images per second of all processes together while none of
// them was alone: from the last one's first step to the first one's last.
func jointRate(all []trainerSpeed) (sum float64, err error) {
	from, to := all[0].Times[0], all[0].Times[len(all[0].Times)-1]
	for _, s := range all {
		from, to = max(from, s.Times[0]), min(to, s.Times[len(s.Times)-1])
	}
	for _, s := range all {
		rate, ok := s.rate(from, to)
		if !ok {
			return 0, fmt.Errorf("the processes did not run side by side for a whole step: give more --steps")
		}
		sum += rate
	}
	return sum, nil
}

// rate is the images per second of the steps that lie within from and to.
func (s trainerSpeed) rate(from, to float64) (rate float64, ok bool) {
	within := slices.DeleteFunc(slices.Clone(s.Times), func(t float64) bool { return t < from || t > to })
	if len(within) < 2 {
		return 0, false
	}
	steps := len(within) - 1
	return float64(steps*s.Batch) / (within[steps] - within[0]), true
}

func printSpeed(w io.Writer, s trainerSpeed) error {
	fmt.Fprintf(w, "%s, norm %s: %.1f images/s, %.0f ms a step", s.measured, s.Norm, s.ImagesPerSecond, 1e3*s.StepSeconds)
	if s.PeakBytes > 0 {
		fmt.Fprintf(w, ", %d MiB at most", s.PeakBytes>>20)
	}
	fmt.Fprintf(w, "\n%s on %s: %.0f GFLOP/s, counted as direct convolutions: %.0f %% of a matrix product's %.0f\n\n",
		s.Kernels, s.CPU, s.GFLOPS, 100*s.Share, s.LimitGFLOPS)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "op\tms\t%\t")
	whole := 0.0
	for _, o := range s.Ops {
		whole += o.Seconds
	}
	for _, o := range s.Ops {
		if share := o.Seconds / whole; share >= 0.0005 {
			fmt.Fprintf(t, "%s\t%.1f\t%.1f\t\n", o.Name, 1e3*o.Seconds, 100*share)
		}
	}
	return t.Flush()
}
