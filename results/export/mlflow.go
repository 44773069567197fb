package export

import (
	"bufio"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"ablate/results"
)

// What MLflow 2 refuses to read.
const (
	maxParam      = 6000 // letters of a parameter's value
	maxTag        = 5000 // of a tag's
	maxExperiment = 500  // of the name of an experiment
)

// mlflow writes the folder of MLflow's file store, "mlruns": an experiment, and
// in it a run for every place. Parameters are the configuration by dotted key. A
// point's time is that at which the attempt that reported it began. Letters in
// the names of metrics and keys that MLflow does not allow become "_".
func (e *export) mlflow(dir string) error {
	m := mlflowExport{export: e, experiment: e.experimentID(), metricNames: newNames(), keyNames: newNames()}
	m.dir = filepath.Join(dir, m.experiment)
	if err := os.Mkdir(m.dir, 0o777); err != nil {
		return err
	}
	if err := m.writeExperiment(); err != nil {
		return err
	}
	err := e.byPlace(m.begin, m.end, m.point)
	m.closeMetric()
	return err
}

// experimentID is made as MLflow makes them, of digits, but of what the study is.
func (e *export) experimentID() string {
	n, err := strconv.ParseUint(hashOf(append([]string{e.Study.Name, string(e.Study.Text)}, e.Study.Sets...)...)[:15], 16, 64)
	if err != nil {
		panic(err) // hex digits are a number
	}
	return fmt.Sprintf("%018d", n%1e18)
}

type mlflowExport struct {
	*export
	dir        string // of the experiment
	experiment string
	at         int // of the place
	run        string

	metricNames, keyNames *names

	metric string // whose file is open
	file   *os.File
	w      *bufio.Writer
}

func (m *mlflowExport) writeExperiment() error {
	name := m.Study.Name
	if len(m.Study.Sets) > 0 {
		name += " (" + strings.Join(m.Study.Sets, ", ") + ")"
	}
	created := m.Study.Created.UnixMilli()
	return writeYAML(filepath.Join(m.dir, "meta.yaml"), [][2]string{
		{"artifact_location", quoted("./" + m.experiment)},
		{"creation_time", strconv.FormatInt(created, 10)},
		{"experiment_id", quoted(m.experiment)},
		{"last_update_time", strconv.FormatInt(created, 10)},
		{"lifecycle_stage", "active"},
		{"name", quoted(cut(name, maxExperiment))},
	})
}

// begin writes all of a run but its metrics.
func (m *mlflowExport) begin() error {
	p := m.places[m.at]
	id := hashOf(m.experiment, m.name(p), strconv.Itoa(p.seed), p.ID)[:32]
	m.run = filepath.Join(m.dir, id)
	for _, folder := range []string{"metrics", "params", "tags", "artifacts"} {
		if err := os.MkdirAll(filepath.Join(m.run, folder), 0o777); err != nil {
			return err
		}
	}
	if err := m.writeRun(p, id); err != nil {
		return err
	}
	params, cutOff := m.params(p)
	if err := writeFiles(filepath.Join(m.run, "params"), params); err != nil {
		return err
	}
	return writeFiles(filepath.Join(m.run, "tags"), m.tags(p, cutOff))
}

func (m *mlflowExport) writeRun(p place, id string) error {
	name := fmt.Sprintf("%s seed %d", m.name(p), p.seed)
	started, ended := "0", "null"
	if a := m.attempts[p.ID]; len(a) > 0 {
		started = strconv.FormatInt(a[0].Started.UnixMilli(), 10)
		if last := a[len(a)-1].Ended; !last.IsZero() {
			ended = strconv.FormatInt(last.UnixMilli(), 10)
		}
	}
	return writeYAML(filepath.Join(m.run, "meta.yaml"), [][2]string{
		{"artifact_uri", quoted("./" + m.experiment + "/" + id + "/artifacts")},
		{"end_time", ended},
		{"entry_point_name", "''"},
		{"experiment_id", quoted(m.experiment)},
		{"lifecycle_stage", "active"},
		{"run_id", id},
		{"run_name", quoted(cut(name, maxTag))},
		{"run_uuid", id},
		{"source_name", "''"},
		{"source_type", "4"}, // local
		{"source_version", "''"},
		{"start_time", started},
		{"status", strconv.Itoa(mlflowStatus(p.Run))},
		{"tags", "[]"},
		{"user_id", "''"},
	})
}

func mlflowStatus(r results.Run) int {
	const running, scheduled, finished, failed, killed = 1, 2, 3, 4, 5
	switch {
	case r.Outcome.IsResult():
		return finished
	case r.Outcome == results.Cancelled:
		return killed
	case r.Outcome != "":
		return failed
	case r.Running:
		return running
	}
	return scheduled
}

// params are the configuration; cutOff are the keys whose values are too long.
func (m *mlflowExport) params(p place) (params map[string]string, cutOff []string) {
	params = map[string]string{"seed": strconv.Itoa(p.seed)}
	for _, key := range slices.Sorted(maps.Keys(p.config)) {
		value := p.config[key].words()
		name := m.keyNames.of(key)
		if params[name] = cut(value, maxParam); params[name] != value {
			cutOff = append(cutOff, key)
		}
	}
	return params, cutOff
}

func (m *mlflowExport) tags(p place, cutOff []string) map[string]string {
	tags := map[string]string{
		"mlflow.runName":     fmt.Sprintf("%s seed %d", m.name(p), p.seed),
		"mlflow.source.name": "ablate",
		"mlflow.source.type": "LOCAL",
		"ablate.study":       m.Study.Name,
		"ablate.cell":        m.name(p),
		"ablate.run":         p.ID,
		"ablate.outcome":     string(p.Outcome),
		"ablate.reason":      p.Reason,
		"ablate.dataset":     p.Dataset,
		"ablate.trainer":     p.Trainer,
		"ablate.cut_off":     strings.Join(cutOff, ", "),
	}
	for i, axis := range m.Axes {
		if level, known := m.level(p, i); known {
			tags[m.keyNames.of("ablate.axis."+axis)] = level
		}
	}
	if a := m.attempts[p.ID]; len(a) > 0 {
		last := a[len(a)-1]
		tags["ablate.version"], tags["ablate.kernels"], tags["ablate.cpu"], tags["ablate.host"] = last.Version, last.Kernels, last.CPU, last.Host
	}
	for name, v := range tags {
		if tags[name] = cut(v, maxTag); v == "" {
			delete(tags, name)
		}
	}
	return tags
}

// point adds a line to its metric's file.
func (m *mlflowExport) point(metric string, point results.Point, reported results.Attempt) error {
	if m.file == nil || m.metric != metric {
		if err := m.closeMetric(); err != nil {
			return err
		}
		f, err := os.Create(filepath.Join(m.run, "metrics", m.metricNames.of(metric)))
		if err != nil {
			return err
		}
		m.file, m.metric = f, metric
		if m.w == nil {
			m.w = bufio.NewWriterSize(f, bufferSize)
		}
		m.w.Reset(f)
	}
	at := int64(0)
	if !reported.Started.IsZero() {
		at = reported.Started.UnixMilli()
	}
	line := append(strconv.AppendInt(m.w.AvailableBuffer(), at, 10), ' ')
	line = append(appendPython(line, point.Value), ' ')
	line = append(strconv.AppendInt(line, point.Step, 10), '\n')
	_, err := m.w.Write(line)
	return err
}

// appendPython writes a number as Python does.
func appendPython(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}

func (m *mlflowExport) closeMetric() error {
	if m.file == nil {
		return nil
	}
	err := m.w.Flush()
	if closed := m.file.Close(); err == nil {
		err = closed
	}
	m.file = nil
	return err
}

func (m *mlflowExport) end() error {
	if m.run == "" {
		return nil // before the first
	}
	m.at++
	return m.closeMetric()
}

// names gives MLflow's names to ours: letters, digits, "_", "-", "." and spaces
// stay, all else becomes "_"; two that would be equal are told apart by a hash.
type names struct {
	given map[string]string
	taken map[string]bool // in lower case, since some disks do not tell cases apart
}

func newNames() *names { return &names{map[string]string{}, map[string]bool{}} }

func (n *names) of(name string) string {
	if given, ok := n.given[name]; ok {
		return given
	}
	given := []byte(name)
	for i, c := range given {
		if !isPlain(c) && strings.IndexByte("_-. ", c) < 0 {
			given[i] = '_'
		}
	}
	s := shortened(string(given), name)
	if n.taken[strings.ToLower(s)] || strings.Trim(s, ".") == "" {
		s = s[:min(len(s), maxName-9)] + "-" + hashOf(name)[:8]
	}
	n.given[name], n.taken[strings.ToLower(s)] = s, true
	return s
}

// cut takes as much of a text as fits into n letters.
func cut(s string, n int) string {
	s = toUTF8(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func toUTF8(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// quoted is a text for YAML, of which JSON's strings are a part.
func quoted(s string) string { return string(appendJSON(nil, toUTF8(s))) }

func writeYAML(path string, lines [][2]string) error {
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(l[0] + ": " + l[1] + "\n")
	}
	return os.WriteFile(path, []byte(b.String()), 0o666)
}

// writeFiles writes a file for each of contents, by name.
func writeFiles(dir string, contents map[string]string) error {
	for name, text := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			return err
		}
	}
	return nil
}
