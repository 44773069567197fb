package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// report is all that was measured.
type report struct {
	Args    []string
	Date    time.Time
	Ours    string  // revision; "" if it is not known
	Load    float64 // average at the start
	Cores   int
	Rounds  int
	Results []result
	Joint   *joint // nil on one core
	NoJoint string // why it could not be measured
}

// markdown is the report as a file of the project: with it come the machine
// and what it takes to repeat it.
func (r report) markdown() string {
	var b strings.Builder
	b.WriteString("# The trainer against PyTorch\n\n")
	b.WriteString("Written by `./justw bench-torch`. Images per second of a training step in one thread: both views of an image\n" +
		"through the online network forward and backward and through the target network forward, and the update.\n" +
		fmt.Sprintf("Both sides in turns, each in a process of its own; the median of %d.\n\n", r.Rounds))
	b.WriteString(r.machine())
	b.WriteString("\n## Ratios\n\nGeometric means over the norms.\n\n")
	b.WriteString(table(r.summary()))
	for _, of := range r.bySize() {
		fmt.Fprintf(&b, "\n## %s, width %d, batch %d\n\n", of[0].Arch, of[0].Width, of[0].Batch)
		b.WriteString(table(details(of)))
	}
	b.WriteString("\nThe limit is the rate of a large matrix product in our process; what stands beside it counts the operations of direct\n" +
		"convolutions. PyTorch tuned is `torch_byol.py --tuned`, which says what it does. init is compared with PyTorch's none:\n" +
		"after its first batch it is a network without normalization.\n")
	if j := r.Joint; j != nil || r.NoJoint != "" {
		b.WriteString("\n## Two runs on two cores\n\n")
		if j == nil {
			fmt.Fprintf(&b, "This could not be measured: %s\n", r.NoJoint)
			return b.String()
		}
		fmt.Fprintf(&b, "%.1f images/s together, %.1f alone: **%.2f times** as many (resnet8, width 32, batch 128, bn).\n",
			j.ImagesPerSecond, j.AloneImagesPerSecond, j.Speedup)
	}
	return b.String()
}

func (r report) machine() string {
	ours, theirs := r.Results[0].Ours[0], r.Results[0].Tuned[0]
	command := strings.Join(append([]string{"./justw bench-torch"}, r.Args...), " ")
	return table([][]string{
		{"", ""},
		{"date", r.Date.Format("2006-01-02 15:04 UTC")},
		{"processor", fmt.Sprintf("%s, %d cores", ours.CPU, r.Cores)},
		{"ours", strings.TrimPrefix(r.Ours+" on ", " on ") + ours.Kernels},
		{"PyTorch", fmt.Sprintf("%s with oneDNN %s", theirs.Torch, theirs.OneDNN)},
		{"threads", "1 on each side"},
		{"load average before", fmt.Sprintf("%.2f", r.Load) + busy(r.Load)},
		{"to repeat", "`" + command + "`"},
	})
}

// busy is what to say of a load average beside its number.
func busy(load float64) string {
	if load <= quiet {
		return ""
	}
	return fmt.Sprintf(", above the %.1f of an idle machine", quiet)
}

// bySize groups the results by the network's size, in their order.
func (r report) bySize() (groups [][]result) {
	for i, res := range r.Results {
		if i == 0 || res.row != r.Results[i-1].row {
			groups = append(groups, nil)
		}
		last := len(groups) - 1
		groups[last] = append(groups[last], res)
	}
	return groups
}

func (r report) summary() [][]string {
	lines := [][]string{{"", "ours : tuned", "lowest", "ours : as it comes", "share of the limit"}}
	for _, of := range r.bySize() {
		tuned, plain, shares := ratios(of, tunedOf), ratios(of, plainOf), []float64{}
		for _, res := range of {
			shares = append(shares, medianOf(res.Ours, func(s speed) float64 { return s.Share }))
		}
		lines = append(lines, []string{
			fmt.Sprintf("%s, width %d", of[0].Arch, of[0].Width),
			number("%.2f", geometricMean(tuned)), number("%.2f", slices.Min(tuned)), number("%.2f", geometricMean(plain)),
			number("%.0f %%", 100*geometricMean(shares)),
		})
	}
	return lines
}

func details(of []result) [][]string {
	lines := [][]string{{
		"norm", "ours", "tuned", "as it comes", "ours : tuned", "ours : as it comes", "share of the limit", "MiB, ours", "MiB, tuned",
	}}
	mib := func(s speed) float64 { return float64(s.PeakBytes) / (1 << 20) }
	for _, r := range of {
		ours, tuned, plain := medianOf(r.Ours, rate), medianOf(r.Tuned, rate), medianOf(r.Plain, rate)
		lines = append(lines, []string{
			r.Norm, number("%.1f", ours), number("%.1f", tuned), number("%.1f", plain),
			number("%.2f", ours/tuned), number("%.2f", ours/plain),
			number("%.0f %%", 100*medianOf(r.Ours, func(s speed) float64 { return s.Share })),
			number("%.0f", medianOf(r.Ours, mib)), number("%.0f", medianOf(r.Tuned, mib)),
		})
	}
	return append(lines, []string{"geometric mean", "", "", "",
		number("%.2f", geometricMean(ratios(of, tunedOf))), number("%.2f", geometricMean(ratios(of, plainOf))), "", "", ""})
}

func tunedOf(r result) []speed { return r.Tuned }
func plainOf(r result) []speed { return r.Plain }

// ratios are ours to theirs, by norm; NaN where theirs was not measured.
func ratios(of []result, theirs func(result) []speed) (all []float64) {
	for _, r := range of {
		all = append(all, medianOf(r.Ours, rate)/medianOf(theirs(r), rate))
	}
	return all
}

func rate(s speed) float64 { return s.ImagesPerSecond }

// medianOf is NaN of nothing.
func medianOf(speeds []speed, value func(speed) float64) float64 {
	if len(speeds) == 0 {
		return math.NaN()
	}
	var all []float64
	for _, s := range speeds {
		all = append(all, value(s))
	}
	slices.Sort(all)
	n := len(all)
	return (all[(n-1)/2] + all[n/2]) / 2
}

func geometricMean(all []float64) float64 {
	sum := 0.0
	for _, v := range all {
		sum += math.Log(v)
	}
	return math.Exp(sum / float64(len(all)))
}

// number writes a value, or a dash where there is none.
func number(format string, v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return fmt.Sprintf(format, v)
}

// table is a Markdown table whose columns line up; all but the first are
// aligned right if there are more than two.
func table(lines [][]string) string {
	widths := make([]int, len(lines[0]))
	for _, line := range lines {
		for i, cell := range line {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell), 3)
		}
	}
	var b strings.Builder
	for i, line := range lines {
		for j, cell := range line {
			pad := strings.Repeat(" ", widths[j]-utf8.RuneCountInString(cell))
			if j > 0 && len(line) > 2 {
				fmt.Fprintf(&b, "| %s%s ", pad, cell)
			} else {
				fmt.Fprintf(&b, "| %s%s ", cell, pad)
			}
		}
		b.WriteString("|\n")
		if i == 0 {
			for j, w := range widths {
				if j > 0 && len(line) > 2 {
					fmt.Fprintf(&b, "|%s:", strings.Repeat("-", w+1))
				} else {
					fmt.Fprintf(&b, "|%s", strings.Repeat("-", w+2))
				}
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}
