package reports

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"

	"ablate/reports/figure"
	"ablate/words"
)

// Figure is one figure of a report.
type Figure struct {
	Name    string // its file's name, less the extension: "comparison"
	Title   string // its heading
	Alt     string // what it shows, in one sentence, for those who do not see it
	picture figure.Picture
}

// SVG returns the figure as an SVG file, whose colours are attributes that a
// page may replace.
func (f Figure) SVG() ([]byte, error) { return figure.SVG(f.picture) }

// PNG returns the figure as a PNG file.
func (f Figure) PNG() ([]byte, error) { return figure.PNG(f.picture) }

// The most cells that a figure shows. More lines than this cannot be told apart;
// rows go on as long as a page does.
const (
	mostLines = 15
	mostRows  = 24
)

// Figures are the report's figures that there is data for, in reading order,
// the comparison first. The store that the report was built from must still be
// open. What they show is read from it once for each figure, and thinned out
// there.
func (r *Report) Figures() ([]Figure, error) {
	var all []Figure
	add := func(f Figure, found bool) {
		if found {
			all = append(all, f)
		}
	}
	add(r.comparisonFigure())
	add(r.paperFigure())
	add(r.paperClaimsFigure())
	for _, c := range r.shownCurves() {
		f, found, err := r.curvesFigure(c)
		if err != nil {
			return nil, err
		}
		add(f, found)
	}
	add(r.spectrumFigure())
	add(r.untrainedFigure())
	add(r.costFigure())
	return all, nil
}

// figureNote says how a figure is to be read and what it was made from.
func (r *Report) figureNote(how string) string {
	made := []string{"Study " + r.Name, words.Plural(len(r.Seeds), "seed")}
	if len(r.Provenance.Data) > 0 {
		made = append(made, list(r.Provenance.Data))
	}
	return how + ". " + strings.Join(made, "; ") + "."
}

func floats(numbers []Number) []float64 {
	var f []float64
	for _, n := range numbers {
		f = append(f, float64(n))
	}
	return f
}

// meanOf averages the finite values, and is NaN without any.
func meanOf(values []float64) float64 {
	sum, n := 0.0, 0
	for _, v := range values {
		if isFinite(v) {
			sum += v
			n++
		}
	}
	return sum / float64(n)
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func anyFinite(values []float64) bool { return isFinite(meanOf(values)) }

// countOf writes "3 of 15".
func countOf(k, n int) string { return fmt.Sprintf("%d of %d", k, n) }

// draw renders the figures as SVG and PNG files by name, as many at a time as
// there are processors. Those that would be too large to look at are left out.
func draw(figures []Figure) (kept []Figure, files map[string][]byte, err error) {
	type drawn struct {
		svg, png []byte
		err      error
	}
	all := make([]drawn, len(figures))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, f := range figures {
		wait.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if all[i].svg, all[i].err = f.SVG(); all[i].err == nil {
				all[i].png, all[i].err = f.PNG()
			}
		})
	}
	wait.Wait()
	files = map[string][]byte{}
	for i, f := range figures {
		switch {
		case errors.Is(all[i].err, figure.ErrTooLarge):
			continue
		case all[i].err != nil:
			return nil, nil, all[i].err
		}
		files[f.Name+".svg"], files[f.Name+".png"] = all[i].svg, all[i].png
		kept = append(kept, f)
	}
	return kept, files, nil
}
