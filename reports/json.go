package reports

import (
	"encoding/json"
	"io"
)

// The shape of the JSON output, which other programs read. Figures that are
// not known are null.
type (
	jsonReport struct {
		Study      string         `json:"study"`      // name
		Title      string         `json:"title"`      // what it asks
		Source     string         `json:"source"`     // the paper that it reproduces; may be empty
		Overrides  []string       `json:"overrides"`  // that it was run with
		Alpha      float64        `json:"alpha"`      // level of the claims' tests; intervals have confidence 1 - alpha
		Metric     string         `json:"metric"`     // the main metric, that cells are compared by; "" if no run has a value
		Cells      []jsonCell     `json:"cells"`      // in the order of the study; the first is the baseline
		Claims     []jsonClaim    `json:"claims"`     // in the order of the study
		Provenance jsonProvenance `json:"provenance"` // what made the results
		Notes      []string       `json:"notes"`      // the table's footnotes
		Again      []string       `json:"again"`      // commands that make the results and the report again
	}
	jsonCell struct {
		Name           string                `json:"name"`                 // as claims call it
		Cell           map[string]string     `json:"cell"`                 // null for a named cell
		Seeds          []int                 `json:"seeds"`                // the study's
		N              int                   `json:"n"`                    // runs with a result
		Collapsed      int                   `json:"collapsed"`            // runs that collapsed
		NeverSeparated int                   `json:"never_separated"`      // runs whose projections were collapsed from step 0 on
		Stopped        int                   `json:"stopped_early"`        // runs that collapsed and were stopped: their figures are of the step they stopped at
		Diverged       int                   `json:"diverged"`             // runs that diverged
		Failed         int                   `json:"failed"`               // runs that ended without a result: failed, timed out or cancelled
		Pending        int                   `json:"pending"`              // runs that have not ended
		Dimensional    bool                  `json:"dimensional_collapse"` // effective rank of the projection under a tenth of the baseline's
		Metrics        map[string]jsonMetric `json:"metrics"`              // by name; NAME_untrained is of step 0
		Difference     *jsonDifference       `json:"difference"`           // null for the baseline

		// By component, where it was measured.
		Dependence map[string]jsonDependence `json:"batch_dependence"`
	}
	jsonDependence struct {
		Depends bool   `json:"depends"` // whether it is above 0 in any run
		Largest Number `json:"largest"` // of the derivatives
		N       int    `json:"n"`       // runs in which it was measured
	}
	jsonMetric struct {
		Mean   Number   `json:"mean"`   // over seeds
		Low    Number   `json:"low"`    // lower end of its t interval; null where all seeds gave one value
		High   Number   `json:"high"`   // upper end of its t interval
		Values []Number `json:"values"` // by seeds
	}
	jsonDifference struct {
		Estimate Number `json:"estimate"` // of the metric, cell minus baseline
		Low      Number `json:"low"`      // lower end of its t interval
		High     Number `json:"high"`     // upper end of its t interval
		P        Number `json:"p"`        // two-sided, of the t test, after Holm over the cells
		N        int    `json:"n"`        // pairs of seeds; of a Welch test, the smaller of the two samples
		Paired   bool   `json:"paired"`   // by seed; else a Welch test
	}
	jsonClaim struct {
		ID      string     `json:"id"`      // its name
		Says    string     `json:"says"`    // what it claims, in words
		Verdict Verdict    `json:"verdict"` // of all its parts
		P       Number     `json:"p"`       // after Holm over the claims; null if no part is a comparison
		Level   Number     `json:"level"`   // what the p values of the parts are compared with; null like p
		Paper   *jsonPaper `json:"paper"`   // the paper's own figures, null if it gives none
		Parts   []jsonPart `json:"parts"`   // all of which it needs

		BatchStatistics *string `json:"batch_statistics"` // null if it was not measured
	}
	jsonPaper struct {
		Value   float64 `json:"value"`   // of the cell that the claim is about
		Against float64 `json:"against"` // of the one that it is compared with
		Unit    string  `json:"unit"`    // of both
		Where   string  `json:"where"`   // in the paper
	}
	jsonPart struct {
		Kind      string   `json:"kind"`      // what it asks
		Metric    *string  `json:"metric"`    // null where collapse is asked for
		Cells     []string `json:"cells"`     // as the study names them; a comparison has two, the first minus the second
		Threshold Number   `json:"threshold"` // "by" or the margin
		Verdict   Verdict  `json:"verdict"`   // of this part
		Estimate  Number   `json:"estimate"`  // difference of the means; else the share of runs that collapsed or never separated
		Low       Number   `json:"low"`       // lower one-sided bound at the level of the claim; null for collapse
		High      Number   `json:"high"`      // the upper one
		P         Number   `json:"p"`         // of the opposite, one-sided; null for collapse
		N         int      `json:"n"`         // seeds compared, or runs with a result
		Says      string   `json:"says"`      // the part, its figures and, if it is not decided, why
	}
	jsonProvenance struct {
		Datasets []string `json:"datasets"` // content hashes
		Trainers []string `json:"trainers"` // versions of the trainer
		Versions []string `json:"versions"` // of ablate
		Kernels  []string `json:"kernels"`  // kernel sets with versions
		CPUs     []string `json:"cpus"`     // processors
	}
)

// JSON writes the report as one indented JSON object.
func (r *Report) JSON(w io.Writer) error {
	report := jsonReport{
		Study: r.Name, Title: r.Title, Source: r.Source, Overrides: notNil(r.Sets),
		Alpha: r.Alpha, Metric: r.Metric,
		Cells: []jsonCell{}, Claims: []jsonClaim{},
		Provenance: jsonProvenance{
			Datasets: values(r.Provenance.Datasets), Trainers: values(r.Provenance.Trainers),
			Versions: values(r.Provenance.Versions), Kernels: values(r.Provenance.Kernels), CPUs: values(r.Provenance.CPUs),
		},
		Notes: notNil(r.notes()),
		Again: r.commands(""),
	}
	for _, c := range r.Cells {
		report.Cells = append(report.Cells, cellJSON(c))
	}
	for _, c := range r.Claims {
		report.Claims = append(report.Claims, claimJSON(c))
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(report)
}

// notes are those of the table without bounds, since the bounds in JSON are
// not cut.
func (r *Report) notes() []string {
	t := r.table(false)
	return append(t.notes, t.general...)
}

func cellJSON(c Cell) jsonCell {
	j := jsonCell{
		Name: c.Name, Cell: c.Levels, Seeds: c.Seeds, N: c.N,
		Collapsed: c.Collapsed, NeverSeparated: c.NeverSeparated, Stopped: c.Stopped, Diverged: c.Diverged, Failed: c.Failed, Pending: c.Pending,
		Dimensional: c.DimensionalCollapse, Metrics: map[string]jsonMetric{}, Dependence: map[string]jsonDependence{},
	}
	for _, component := range components {
		if d := c.dependence(component); d.N > 0 {
			j.Dependence[component] = jsonDependence{d.depends(), d.Largest, d.N}
		}
	}
	for name, m := range c.Metrics {
		j.Metrics[name] = jsonMetric(m)
	}
	if d := c.Difference; d != nil {
		j.Difference = &jsonDifference{d.Estimate, d.Low, d.High, d.P, d.N, !d.Welch}
	}
	return j
}

func claimJSON(c Claim) jsonClaim {
	j := jsonClaim{ID: c.ID, Says: c.Says, Verdict: c.Verdict, P: c.P, Level: c.Level, Parts: []jsonPart{}}
	if c.Paper != nil {
		j.Paper = &jsonPaper{c.Paper.Value, c.Paper.Against, c.Paper.Unit, c.Paper.Where}
	}
	if c.Statistics != "" {
		j.BatchStatistics = &c.Statistics
	}
	for _, p := range c.Parts {
		part := jsonPart{
			Kind: string(p.Kind), Cells: p.Cells, Threshold: p.Threshold, Verdict: p.Verdict,
			Estimate: p.Estimate, Low: p.Low, High: p.High, P: p.P, N: p.N, Says: p.Says,
		}
		if p.Metric != "" {
			part.Metric = &p.Metric
		}
		j.Parts = append(j.Parts, part)
	}
	return j
}

// notNil makes a JSON list of s even if it is nil.
func notNil(s []string) []string {
	if s == nil {
		return []string{}
	}
	return s
}

func values(counts []Count) []string {
	s := []string{}
	for _, c := range counts {
		s = append(s, c.Value)
	}
	return s
}
