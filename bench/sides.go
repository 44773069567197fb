package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// peer is PyTorch's side, in the project's folder.
const peer = "bench/torch_byol.py"

// quiet is the highest load average of a machine that has nothing else to do.
const quiet = 0.3

// sides are the two programs.
type sides struct {
	ablate, python string
}

// speed is what either side prints; see "ablate bench trainer --help".
type speed struct {
	ImagesPerSecond float64 `json:"images_per_second"`
	PeakBytes       int64   `json:"peak_bytes"`

	CPU         string  `json:"cpu"` // these are ours only
	Kernels     string  `json:"kernels"`
	Share       float64 `json:"share"`
	LimitGFLOPS float64 `json:"limit_gflops"`

	Torch  string `json:"torch"` // and these PyTorch's
	OneDNN string `json:"onednn"`
}

// result is what was measured of one norm at one size, a speed a round.
type result struct {
	row
	Norm               string
	Ours, Tuned, Plain []speed
}

// last says what the last round gave.
func (r *result) last() string {
	text := fmt.Sprintf("ours %.1f, PyTorch tuned %.1f", r.Ours[len(r.Ours)-1].ImagesPerSecond, r.Tuned[len(r.Tuned)-1].ImagesPerSecond)
	if r.AsItComes {
		text += fmt.Sprintf(", as it comes %.1f", r.Plain[len(r.Plain)-1].ImagesPerSecond)
	}
	return text + " images/s"
}

// joint is two processes of ours at once against one.
type joint struct {
	ImagesPerSecond      float64 `json:"images_per_second"`
	AloneImagesPerSecond float64 `json:"alone_images_per_second"`
	Speedup              float64 `json:"speedup"`
}

// findPython returns the interpreter that is named, or else the first that has
// PyTorch.
func findPython(named string) (string, error) {
	candidates := []string{"python3", "/usr/bin/python3"}
	if named != "" {
		candidates = []string{named}
	}
	for _, c := range candidates {
		if exec.Command(c, "-c", "import torch").Run() == nil {
			return c, nil
		}
	}
	return "", fmt.Errorf("PyTorch is missing: %s cannot import torch; install it (on Debian: apt install python3-torch), "+
		"or name an interpreter that has it with --python", strings.Join(candidates, " and "))
}

// check sees to it that what is to be run is there.
func (s sides) check() error {
	if _, err := os.Stat(peer); err != nil {
		return fmt.Errorf("%w; run this in the project's folder", err)
	}
	if _, err := exec.LookPath(s.ablate); err != nil {
		return fmt.Errorf("%w; build it (./justw build), or name the program with --ablate", err)
	}
	return nil
}

// measure adds a round to r.
func (s sides) measure(r *result) error {
	size := []string{"--arch", r.Arch, "--width", strconv.Itoa(r.Width), "--batch", strconv.Itoa(r.Batch), "--steps", strconv.Itoa(r.Steps)}
	theirs := append([]string{peer, "--norm", peerNorm(r.Norm)}, size...)
	if err := add(&r.Ours, s.ablate, append([]string{"bench", "trainer", "--json", "--norm", r.Norm}, size...)); err != nil {
		return err
	}
	if err := add(&r.Tuned, s.python, append(theirs, "--tuned")); err != nil {
		return err
	}
	if !r.AsItComes {
		return nil
	}
	return add(&r.Plain, s.python, theirs)
}

func peerNorm(norm string) string {
	if other, ok := peers[norm]; ok {
		return other
	}
	return norm
}

// joint measures what two processes of ours achieve together.
func (s sides) joint(steps int) (*joint, error) {
	j := new(joint)
	return j, output(j, s.ablate, []string{"bench", "trainer", "--json", "--processes", "2", "--steps", strconv.Itoa(steps)})
}

func add(to *[]speed, program string, args []string) error {
	var s speed
	if err := output(&s, program, args); err != nil {
		return err
	}
	*to = append(*to, s)
	return nil
}

// output runs a program on one thread and reads the JSON that it prints.
func output(v any, program string, args []string) error {
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "GOMAXPROCS=1")
	text, err := cmd.Output()
	if err == nil {
		err = json.Unmarshal(text, v)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("%s: %w", strings.Join(append([]string{program}, args...), " "), err)
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		err = fmt.Errorf("%w: %s", err, strings.TrimSpace(string(exit.Stderr)))
	}
	return err
}

// revision is the commit that is checked out, "-dirty" if files differ from
// it; "" where git does not tell.
func revision() string {
	text, err := exec.Command("git", "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// loadAverage is that of the last minute, or 0 where the system does not tell.
func loadAverage() (load float64) {
	text, _ := os.ReadFile("/proc/loadavg")
	fmt.Sscan(string(text), &load)
	return load
}
