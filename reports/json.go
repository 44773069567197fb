package reports

import (
	"encoding/json"
	"io"
)

// The shape of the JSON output, which other programs read. Figures that are
// not known are null.
type (
	jsonReport struct {
		Study      string         `json:"study"`
		Title      string         `json:"title"`
		Source     string         `json:"source"`
		Overrides  []string       `json:"overrides"`
		Alpha      float64        `json:"alpha"`
		Metric     string         `json:"metric"`
		Cells      []jsonCell     `json:"cells"`
		Claims     []jsonClaim    `json:"claims"`
		Provenance jsonProvenance `json:"provenance"`
		Notes      []string       `json:"notes"`
		Again      []string       `json:"again"`
	}
	jsonCell struct {
		Name           string                `json:"name"`
		Cell           map[string]string     `json:"cell"` // null for a named cell
		Seeds          []int                 `json:"seeds"`
		N              int                   `json:"n"`
		Collapsed      int                   `json:"collapsed"`
		NeverSeparated int                   `json:"never_separated"`
		Diverged       int                   `json:"diverged"`
		Failed         int                   `json:"failed"`
		Pending        int                   `json:"pending"`
		Dimensional    bool                  `json:"dimensional_collapse"`
		Metrics        map[string]jsonMetric `json:"metrics"`
		Difference     *jsonDifference       `json:"difference"` // null for the baseline

		// By component, where it was measured.
		Dependence map[string]jsonDependence `json:"batch_dependence"`
	}
	jsonDependence struct {
		Depends bool   `json:"depends"`
		Largest Number `json:"largest"`
		N       int    `json:"n"`
	}
	jsonMetric struct {
		Mean   Number   `json:"mean"`
		Low    Number   `json:"low"`
		High   Number   `json:"high"`
		Values []Number `json:"values"` // by seeds
	}
	jsonDifference struct {
		Estimate Number `json:"estimate"`
		Low      Number `json:"low"`
		High     Number `json:"high"`
		P        Number `json:"p"`
		N        int    `json:"n"`
		Paired   bool   `json:"paired"`
	}
	jsonClaim struct {
		ID      string     `json:"id"`
		Says    string     `json:"says"`
		Verdict Verdict    `json:"verdict"`
		P       Number     `json:"p"`
		Level   Number     `json:"level"`
		Paper   *jsonPaper `json:"paper"`
		Parts   []jsonPart `json:"parts"`

		BatchStatistics *string `json:"batch_statistics"` // null if it was not measured
	}
	jsonPaper struct {
		Value   float64 `json:"value"`
		Against float64 `json:"against"`
		Unit    string  `json:"unit"`
		Where   string  `json:"where"`
	}
	jsonPart struct {
		Kind      string   `json:"kind"`
		Metric    *string  `json:"metric"`
		Cells     []string `json:"cells"`
		Threshold Number   `json:"threshold"` // "by" or the margin
		Verdict   Verdict  `json:"verdict"`
		Estimate  Number   `json:"estimate"`
		Low       Number   `json:"low"`
		High      Number   `json:"high"`
		P         Number   `json:"p"`
		N         int      `json:"n"`
		Says      string   `json:"says"`
	}
	jsonProvenance struct {
		Datasets []string `json:"datasets"`
		Trainers []string `json:"trainers"`
		Versions []string `json:"versions"`
		Kernels  []string `json:"kernels"`
		CPUs     []string `json:"cpus"`
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
		Collapsed: c.Collapsed, NeverSeparated: c.NeverSeparated, Diverged: c.Diverged, Failed: c.Failed, Pending: c.Pending,
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
