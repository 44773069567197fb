package reports

import (
	"encoding/json"
	"io"
	"time"
)

// The shape of the JSON output, which other programs read. Figures that are
// not known are null.
type (
	jsonReport struct {
		Study      string         `json:"study"`      // name
		Title      string         `json:"title"`      // what it asks
		Source     string         `json:"source"`     // the paper that it reproduces; may be empty
		Overrides  []string       `json:"overrides"`  // that it was run with
		Identity   string         `json:"identity"`   // SHA-256 of the study as the store has it: text, overrides, cells and which run stands where
		Test       string         `json:"test"`       // of comparisons, chosen by the study: t, sign-flip or welch
		Alpha      float64        `json:"alpha"`      // level of the claims' tests; intervals have confidence 1 - alpha
		Metric     string         `json:"metric"`     // the main metric, that cells are compared by; "" if no run has a value
		Cells      []jsonCell     `json:"cells"`      // in the order of the study; the first is the baseline
		Claims     []jsonClaim    `json:"claims"`     // in the order of the study
		Provenance jsonProvenance `json:"provenance"` // what made the results
		Warnings   []string       `json:"warnings"`   // what a reader must know before believing any of it

		Registration jsonRegistration `json:"registration"` // when the claims were made
		PaperValues  *jsonPaperValues `json:"paper_values"` // what the cells' paper values are; null if the study quotes none

		Notes []string `json:"notes"` // the table's footnotes
		Again []string `json:"again"` // commands that make the results and the report again
	}
	jsonRegistration struct {
		Claims  string  `json:"claims"`  // SHA-256 of ids, words and parts of the claims, of alpha and test
		At      *string `json:"at"`      // when the store first had just these; null without claims
		Results int     `json:"results"` // runs of the study that had a result by then
		Others  int     `json:"others"`  // results of other configurations under the study's name by the time of its own last one
		Earlier int     `json:"earlier"` // those of them that there were when the claims were made
	}
	jsonPaperValues struct {
		Metric string `json:"metric"` // that they stand beside
		Unit   string `json:"unit"`   // of the paper's values
		Where  string `json:"where"`  // in which paper, and on what scale
	}
	jsonCell struct {
		Name           string                `json:"name"`                 // as claims call it
		Cell           map[string]string     `json:"cell"`                 // null for a named cell
		SameAs         *string               `json:"same_as"`              // an earlier cell with the same settings, whose runs these are; null if there is none
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
		Refused        *string               `json:"refused"`              // why the main metric has values but no mean; null where nothing is wrong
		Difference     *jsonDifference       `json:"difference"`           // null for the baseline, and for a cell with its runs

		Collapse jsonCollapse `json:"collapse"` // compared with the baseline's
		Paper    Number       `json:"paper"`    // what the paper found for this cell; null if nothing is quoted

		// By component, where it was measured.
		Dependence map[string]jsonDependence `json:"batch_dependence"`
	}
	jsonCollapse struct {
		K    int    `json:"k"`    // runs that collapsed or never separated
		N    int    `json:"n"`    // of so many with a result
		Low  Number `json:"low"`  // lower end of Clopper and Pearson's interval of the share
		High Number `json:"high"` // upper end

		Fisher Number `json:"p_fisher"` // two-sided, of Fisher's exact test against the baseline; null for the baseline
		P      Number `json:"p"`        // the same after Holm over the cells
	}
	jsonDependence struct {
		Depends bool   `json:"depends"` // whether it is above 0 in any run
		Largest Number `json:"largest"` // of the derivatives
		N       int    `json:"n"`       // runs in which it was measured
	}
	jsonMetric struct {
		Mean    Number   `json:"mean"`    // over seeds
		Low     Number   `json:"low"`     // lower end of its t interval; null where all seeds gave one value
		High    Number   `json:"high"`    // upper end of its t interval
		Values  []Number `json:"values"`  // by seeds
		Refused *string  `json:"refused"` // why there is no mean of values that are there; null where nothing is wrong
	}
	jsonDifference struct {
		Estimate    Number `json:"estimate"`    // of the metric, cell minus baseline
		Low         Number `json:"low"`         // lower end of its interval
		High        Number `json:"high"`        // upper end of its interval
		P           Number `json:"p"`           // two-sided, of the study's test, after Holm over the cells
		T           Number `json:"t_p"`         // two-sided, of the t test (Welch's where it is not paired), before Holm
		SignFlip    Number `json:"sign_flip_p"` // two-sided, of the exact sign-flip test, before Holm; null where it is not paired
		Correlation Number `json:"correlation"` // of the two cells' values over the seeds; null with fewer than three pairs
		N           int    `json:"n"`           // pairs of seeds; of a Welch test, the smaller of the two samples
		Paired      bool   `json:"paired"`      // by seed; else a Welch test
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

		Flags  []string `json:"flags"`  // that it was made or edited when there were results to see
		Advice *string  `json:"advice"` // what would probably settle it; null unless it is inconclusive
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
		Low       Number   `json:"low"`       // lower one-sided bound at the level of the claim; of collapse, of each cell's share, null where they count differently
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
		Identity: r.Identity, Alpha: r.Alpha, Test: string(r.Test), Metric: r.Metric,
		Cells: []jsonCell{}, Claims: []jsonClaim{},
		Provenance: jsonProvenance{
			Datasets: values(r.Provenance.Datasets), Trainers: values(r.Provenance.Trainers),
			Versions: values(r.Provenance.Versions), Kernels: values(r.Provenance.Kernels), CPUs: values(r.Provenance.CPUs),
		},
		Warnings: notNil(r.Warnings), Registration: registrationJSON(r.Registration),
		Notes: notNil(r.notes()),
		Again: r.commands(""),
	}
	if p := r.Paper; p != nil {
		report.PaperValues = &jsonPaperValues{p.Metric, p.Unit, p.Where}
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
	t := r.comparisonTable(false)
	return append(t.Notes, t.General...)
}

func registrationJSON(g Registration) jsonRegistration {
	j := jsonRegistration{Claims: g.Claims, Results: g.Results, Others: g.Others, Earlier: g.Earlier}
	if !g.At.IsZero() {
		at := g.At.UTC().Format(time.RFC3339)
		j.At = &at
	}
	return j
}

// orNull is nil for an empty text.
func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func cellJSON(c Cell) jsonCell {
	j := jsonCell{
		Name: c.Name, Cell: c.Levels, Seeds: c.Seeds, N: c.N,
		Collapsed: c.Collapsed, NeverSeparated: c.NeverSeparated, Stopped: c.Stopped, Diverged: c.Diverged, Failed: c.Failed, Pending: c.Pending,
		Dimensional: c.DimensionalCollapse, Metrics: map[string]jsonMetric{}, Dependence: map[string]jsonDependence{},
		SameAs: orNull(c.SameAs), Refused: orNull(c.Refused), Collapse: jsonCollapse(c.Collapse), Paper: c.Paper,
	}
	for _, component := range components {
		if d := c.dependence(component); d.N > 0 {
			j.Dependence[component] = jsonDependence{d.depends(), d.Largest, d.N}
		}
	}
	for name, m := range c.Metrics {
		j.Metrics[name] = jsonMetric{m.Mean, m.Low, m.High, m.Values, orNull(m.Refused)}
	}
	if d := c.Difference; d != nil {
		j.Difference = &jsonDifference{d.Estimate, d.Low, d.High, d.P, d.T, d.SignFlip, d.Correlation, d.N, !d.Welch}
	}
	return j
}

func claimJSON(c Claim) jsonClaim {
	j := jsonClaim{ID: c.ID, Says: c.Says, Verdict: c.Verdict, P: c.P, Level: c.Level, Flags: notNil(c.Flags), Advice: orNull(c.Advice), Parts: []jsonPart{}}
	if c.Paper != nil {
		j.Paper = &jsonPaper{c.Paper.Value, c.Paper.Against, c.Paper.Unit, c.Paper.Where}
	}
	j.BatchStatistics = orNull(c.Statistics)
	for _, p := range c.Parts {
		part := jsonPart{
			Kind: string(p.Kind), Cells: p.Cells, Threshold: p.Threshold, Verdict: p.Verdict,
			Estimate: p.Estimate, Low: p.Low, High: p.High, P: p.P, N: p.N, Says: p.Says,
		}
		part.Metric = orNull(p.Metric)
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
