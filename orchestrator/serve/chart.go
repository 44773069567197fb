package serve

import (
	"fmt"
	"html"
	"html/template"
	"math"
	"strconv"
	"strings"

	"ablate/results"
)

// A chart's size and the margins of its axes, in pixels. It is shown about as
// wide as this, so that its letters are as large as those around it.
const (
	chartWidth, chartHeight         = 320.0, 150.0
	chartLeft, chartRight           = 46.0, 8.0
	chartTop, chartBottom           = 8.0, 22.0
	chartPoints                     = 240 // of a curve, at most about
	plotWidth, plotHeight   float64 = chartWidth - chartLeft - chartRight, chartHeight - chartTop - chartBottom
)

// chart draws a curve that may still grow, over all the steps of its run. Colours
// are the style sheet's.
func chart(metric string, curve results.Curve, steps int64) template.HTML {
	low, high := math.Inf(1), math.Inf(-1)
	for _, b := range curve.Bins {
		low, high = min(low, b.Mean), max(high, b.Mean)
		steps = max(steps, b.Last)
	}
	if len(curve.Bins) == 0 {
		return ""
	}
	ticks := ticksOf(low, high)
	low, high = min(low, ticks[0]), max(high, ticks[len(ticks)-1])
	x := func(step float64) float64 { return chartLeft + plotWidth*step/float64(max(1, steps)) }
	y := func(v float64) float64 { return chartTop + plotHeight*(high-v)/(high-low) }

	var b strings.Builder
	says := fmt.Sprintf("%s: %s at step %d, %s at step %d", metric,
		figure(curve.Bins[0].Mean), curve.Bins[0].First, figure(curve.Last.Value), curve.Last.Step)
	fmt.Fprintf(&b, `<svg class="chart" viewBox="0 0 %g %g" role="img" aria-label="%s">`, chartWidth, chartHeight, html.EscapeString(says))
	for _, t := range ticks {
		fmt.Fprintf(&b, `<line class="grid" x1="%g" x2="%g" y1="%.1f" y2="%.1f"/>`, chartLeft, chartWidth-chartRight, y(t), y(t))
		fmt.Fprintf(&b, `<text x="%g" y="%.1f" class="end">%s</text>`, chartLeft-6, y(t)+4, figure(t))
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g">0</text>`, chartLeft, chartHeight-6)
	fmt.Fprintf(&b, `<text x="%g" y="%g" class="end">step %d</text>`, chartWidth-chartRight, chartHeight-6, steps)
	b.WriteString(`<polyline points="`)
	for _, bin := range curve.Bins {
		fmt.Fprintf(&b, "%.1f,%.1f ", x(float64(bin.First+bin.Last)/2), y(bin.Mean))
	}
	last := curve.Bins[len(curve.Bins)-1]
	fmt.Fprintf(&b, `"/><circle cx="%.1f" cy="%.1f" r="2.5"/></svg>`, x(float64(last.First+last.Last)/2), y(last.Mean))
	return template.HTML(b.String())
}

// ticksOf are two to five round values that span about low to high.
func ticksOf(low, high float64) (ticks []float64) {
	if high == low {
		wide := math.Abs(low) / 2
		if wide == 0 {
			wide = 1
		}
		low, high = low-wide, high+wide
	}
	step := math.Pow(10, math.Floor(math.Log10(high-low)))
	for _, part := range []float64{0.2, 0.5, 1, 2, 5} {
		if (high-low)/(step*part) <= 4 {
			step *= part
			break
		}
	}
	for n := math.Floor(low / step); ; n++ {
		ticks = append(ticks, n*step)
		if n*step >= high {
			return ticks
		}
	}
}

// figure writes a value with four digits at most.
func figure(v float64) string {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if text == "-0" {
		return "0"
	}
	return strings.Replace(text, "-", "−", 1)
}
