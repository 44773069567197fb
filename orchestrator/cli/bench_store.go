package cli

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ablate/ablations"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/results/journal"
	"ablate/words"

	"github.com/urfave/cli/v2"
)

func benchStoreCommand() *cli.Command {
	return &cli.Command{
		Name:      "store",
		Usage:     "measure how fast results are stored and found",
		UsageText: "ablate bench store [--runs N] [--points N] [--dir DIR] [--json]",
		Description: "Enqueues runs, reads the journals of all of them into a store of its own, and asks\n" +
			"for its status and for reports on it. A run reports its loss at every step and ten\n" +
			"figures more at every 40th. If the program sqlite3 is there, its .import of the\n" +
			"same rows, at most ten million, from a CSV file into the same table is the measure\n" +
			"of what can be reached.",
		Flags: []cli.Flag{
			&cli.IntFlag{Name: "runs", Value: 10_000, Usage: "a study of `N` runs"},
			&cli.IntFlag{Name: "points", Value: 10_000_000, Usage: "`N` figures, spread over the runs"},
			&cli.StringFlag{Name: "dir", Usage: "make the store in `DIR`, and remove it afterwards", DefaultText: "the folder for temporary files", TakesFile: true},
			jsonFlag(),
		},
		Action: benchStore,
	}
}

// storeSpeed is what "bench store --json" prints.
type storeSpeed struct {
	Runs    int         `json:"runs"`    // in the store
	Points  int64       `json:"points"`  // figures in the store
	Enqueue []enqueued  `json:"enqueue"` // studies put into the queue, each into an empty store
	Ingest  ingestSpeed `json:"ingest"`  // reading journals into the store

	BytesPerPoint float64 `json:"bytes_per_point"` // by which the store's file grows

	StatusMS    float64 `json:"status_ms"`     // from start to end of "ablate status", median of seven
	StatusCPUMS float64 `json:"status_cpu_ms"` // processor time of it, mean

	Report []reportSpeed `json:"report"` // "ablate report" of all of the runs

	Import *importSpeed `json:"sqlite_import"` // null without the program sqlite3

	CPU     string `json:"cpu"`     // processor with its vector extension
	Version string `json:"version"` // of ablate
}

type enqueued struct {
	Runs     int     `json:"runs"`       // of the study
	MSPerRun float64 `json:"ms_per_run"` // from the call to the end of the transaction
}

type ingestSpeed struct {
	PerSecond    float64 `json:"points_per_second"`       // read and stored
	PerCPUSecond float64 `json:"points_per_cpu_second"`   // by processor time, user and system
	First        float64 `json:"first_points_per_second"` // over the first tenth of the runs
	Last         float64 `json:"last_points_per_second"`  // over the last tenth
}

type reportSpeed struct {
	Cells   int     `json:"cells"`    // of the study
	Seeds   int     `json:"seeds"`    // of each cell
	Files   bool    `json:"files"`    // with --out: every format, and the figures
	Seconds float64 `json:"seconds"`  // from start to end
	PeakMiB float64 `json:"peak_mib"` // memory it had at most
}

type importSpeed struct {
	Rows         int64   `json:"rows"`                // that sqlite3 was given
	PerSecond    float64 `json:"rows_per_second"`     // from start to end of sqlite3
	PerCPUSecond float64 `json:"rows_per_cpu_second"` // by its processor time
	Ratio        float64 `json:"ratio"`               // ingest's points_per_second / rows_per_second
	CPURatio     float64 `json:"cpu_ratio"`           // the same by processor time
}

func benchStore(c *cli.Context) (err error) {
	if err := none(c); err != nil {
		return err
	}
	runs, points := c.Int("runs"), c.Int("points")
	if runs < 10 || points < runs {
		return usagef("--runs must be at least 10, and --points at least as many")
	}
	dir, err := os.MkdirTemp(c.String("dir"), "ablate-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	m, err := measureStore(dir, runs, points)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return writeJSON(c.App.Writer, m)
	}
	printStoreSpeed(c.App.Writer, m)
	return nil
}

// measureStore measures in the empty folder dir.
func measureStore(dir string, runs, points int) (m storeSpeed, err error) {
	m = storeSpeed{Runs: runs, CPU: worker.CPU(), Version: worker.Version()}
	if runs > 1000 { // whether more cost more each
		s, err := openBench(filepath.Join(dir, "few"))
		if err != nil {
			return m, err
		}
		e, _, err := benchEnqueue(s, 1000)
		if err = errors.Join(err, s.Close()); err != nil {
			return m, err
		}
		m.Enqueue = append(m.Enqueue, e)
	}
	store := filepath.Join(dir, "store")
	s, err := openBench(store)
	if err != nil {
		return m, err
	}
	e, ids, err := benchEnqueue(s, runs)
	m.Enqueue = append(m.Enqueue, e)
	if err = errors.Join(err, s.Close()); err != nil {
		return m, err
	}
	journals, perRun, err := writeBenchJournals(dir, points/runs)
	if err != nil {
		return m, err
	}
	m.Runs, m.Points = len(ids), int64(perRun)*int64(len(ids))
	if err := benchIngest(&m, store, journals, ids, perRun); err != nil {
		return m, err
	}
	if err := benchStatus(&m, store); err != nil {
		return m, err
	}
	if err := benchReports(&m, store); err != nil {
		return m, err
	}
	return m, benchImport(&m, dir, perRun)
}

func openBench(dir string) (*results.Store, error) {
	if err := os.Mkdir(dir, 0o777); err != nil {
		return nil, err
	}
	return results.Open(dir)
}

// gridStudy is a study of cells by seeds, of the embedded trainer, and what the
// store keeps of it. Its runs are called by their number, so that two studies of
// as many runs have the same.
func gridStudy(name string, cells, seeds int) (*results.Study, []results.Run, error) {
	var text strings.Builder
	fmt.Fprintf(&text, "name = %q\nseeds = %d\n[axes]\noptimizer.lr = [", name, seeds)
	for i := range cells {
		fmt.Fprintf(&text, "%de-4, ", i+1)
	}
	text.WriteString("]\n[[claims]]\nid = \"rate\"\nsays = \"the rate matters\"\n" +
		"all = [{ metric = \"linear_top1\", greater = [\"0.0001\", \"0.0002\"], by = 0.0 }]\n")
	parsed, err := ablations.Parse(name, []byte(text.String()), nil)
	if err != nil {
		return nil, nil, err
	}
	study := &results.Study{Name: name, Text: parsed.Text}
	runs := make([]results.Run, 0, cells*seeds)
	for i, c := range parsed.Cells {
		study.Cells = append(study.Cells, c.Name)
		config := c.Settings().JSON()
		for _, seed := range parsed.Seeds {
			id := fmt.Sprintf("%016x", uint64(len(runs)+1)*0x9e3779b97f4a7c15) // scattered as hashes are
			study.Slots = append(study.Slots, results.Slot{Cell: i, Seed: seed, RunID: id})
			runs = append(runs, results.Run{ID: id, Cell: c.Name, Seed: seed, Config: config, Dataset: "d", Trainer: "2"})
		}
	}
	return study, runs, nil
}

// benchEnqueue enqueues a study of n runs, five a cell.
func benchEnqueue(s *results.Store, n int) (e enqueued, ids []string, err error) {
	study, runs, err := gridStudy("bench", n/5, 5)
	if err != nil {
		return e, nil, err
	}
	for _, r := range runs {
		ids = append(ids, r.ID)
	}
	began := time.Now()
	err = s.Enqueue(study, runs, &results.Entry{})
	return enqueued{len(runs), milliseconds(time.Since(began)) / float64(len(runs))}, ids, err
}

// eachPoint calls f for the figures of a usual run, in the order in which it
// reports them, until there are as many as asked for or a few more. Runs differ
// by their luck.
func eachPoint(about int, luck float64, f func(step int64, metric string, value float64) error) (points int, err error) {
	all := []string{"loss", "linear_top1", "knn_top1", "z_std", "z_cosine", "z_rankme", "z_uniformity", "y_std", "y_cosine", "y_rankme", "y_uniformity"}
	for step := int64(0); points < about; step++ {
		names := all[:1]
		if step%40 == 0 {
			names = all
		}
		for i, name := range names {
			if err := f(step, name, float64(float32((1+luck)/(float64(i)+3+float64(step))))); err != nil {
				return points, err
			}
			points++
		}
	}
	return points, nil
}

// writeBenchJournals writes journals of usual runs with different luck.
func writeBenchJournals(dir string, about int) (paths []string, points int, err error) {
	for i := range 7 {
		path := filepath.Join(dir, fmt.Sprintf("journal%d.jsonl", i))
		paths = append(paths, path)
		if points, err = writeBenchJournal(path, about, float64(i)/100); err != nil {
			return nil, 0, err
		}
	}
	return paths, points, nil
}

// writeBenchJournal writes the journal of a usual run that is done.
func writeBenchJournal(path string, about int, luck float64) (points int, err error) {
	w, err := journal.Create(path)
	if err != nil {
		return 0, err
	}
	defer w.Close()
	if err := w.Write(journal.Line{Kind: journal.Start, Time: 1, Start: &journal.StartInfo{Steps: int64(about), Version: worker.Version(), CPU: worker.CPU()}}); err != nil {
		return 0, err
	}
	var line journal.Line
	points, err = eachPoint(about, luck, func(step int64, metric string, value float64) error {
		if line.Metrics != nil && step != line.Step {
			if err := w.Write(line); err != nil {
				return err
			}
			line.Metrics = nil
		}
		if line.Metrics == nil {
			line = journal.Line{Kind: journal.Metrics, Step: step, Metrics: map[string]journal.Value{}}
		}
		line.Metrics[metric] = journal.Value(value)
		return nil
	})
	if err != nil {
		return 0, err
	}
	if err := w.Write(line); err != nil {
		return 0, err
	}
	return points, w.Write(journal.Line{Kind: journal.Outcome, Time: 2, Outcome: string(results.Completed)})
}

// benchIngest ingests the journals as those of all runs, in turn.
func benchIngest(m *storeSpeed, store string, journals []string, ids []string, perRun int) error {
	before, err := fileSize(store)
	if err != nil {
		return err
	}
	s, err := results.Open(store)
	if err != nil {
		return err
	}
	defer s.Close()
	began, cpu := time.Now(), processorTime(syscall.RUSAGE_SELF)
	tenth := len(ids) / 10
	var marks []time.Time // at the ends of the first tenth and of the last but one
	for i, id := range ids {
		if i == tenth || i == len(ids)-tenth {
			marks = append(marks, time.Now())
		}
		if err := s.BeginAttempt(id, 1); err != nil {
			return err
		}
		if err := s.Ingest(id, 1, journals[i%len(journals)]); err != nil {
			return err
		}
	}
	end, used := time.Now(), processorTime(syscall.RUSAGE_SELF)-cpu
	rate := func(runs int, took time.Duration) float64 { return float64(runs*perRun) / took.Seconds() }
	m.Ingest = ingestSpeed{
		PerSecond:    rate(len(ids), end.Sub(began)),
		PerCPUSecond: rate(len(ids), used),
		First:        rate(tenth, marks[0].Sub(began)),
		Last:         rate(tenth, end.Sub(marks[1])),
	}
	if err := s.Close(); err != nil {
		return err
	}
	after, err := fileSize(store)
	m.BytesPerPoint = float64(after-before) / float64(m.Points)
	return err
}

// fileSize is how large the database in a store's folder is, when it is closed.
func fileSize(store string) (int64, error) {
	info, err := os.Stat(filepath.Join(store, "store.db"))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// benchStatus times the command "ablate status", of this very program.
func benchStatus(m *storeSpeed, store string) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	const times = 7
	var took []float64
	cpu := processorTime(syscall.RUSAGE_CHILDREN)
	for range times {
		command := exec.Command(program, "status", "--store", store)
		command.Args[0] = os.Args[0]
		var errs bytes.Buffer
		command.Stderr = &errs
		began := time.Now()
		if err := command.Run(); err != nil {
			return fmt.Errorf("ablate status: %w: %s", err, bytes.TrimSpace(errs.Bytes()))
		}
		took = append(took, milliseconds(time.Since(began)))
	}
	slices.Sort(took)
	m.StatusMS = took[times/2]
	m.StatusCPUMS = milliseconds(processorTime(syscall.RUSAGE_CHILDREN)-cpu) / times
	return nil
}

// benchReports times "ablate report" of this very program on the study and, with
// all files and figures, on another one that has the same runs as fewer cells
// with more seeds.
func benchReports(m *storeSpeed, store string) error {
	seeds := min(100, m.Runs/2)
	study, runs, err := gridStudy("bench-seeds", m.Runs/seeds, seeds)
	if err != nil {
		return err
	}
	s, err := results.Open(store)
	if err != nil {
		return err
	}
	if err := errors.Join(s.SaveStudy(study, runs), s.Close()); err != nil {
		return err
	}
	for _, shape := range []struct {
		study        string
		cells, seeds int
	}{{"bench", m.Runs / 5, 5}, {"bench-seeds", m.Runs / seeds, seeds}} {
		for _, files := range []bool{false, true} {
			r := reportSpeed{Cells: shape.cells, Seeds: shape.seeds, Files: files}
			args := []string{"report", shape.study, "--store", store}
			if files {
				args = append(args, "--out", filepath.Join(store, "report"))
			}
			if r.Seconds, r.PeakMiB, err = measureSelf(args); err != nil {
				return err
			}
			m.Report = append(m.Report, r)
		}
	}
	return nil
}

// measureSelf executes this very program, and returns how long it took and how
// much memory it had at most.
func measureSelf(args []string) (seconds, mib float64, err error) {
	program, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	command := exec.Command(program, args...)
	command.Args[0] = os.Args[0]
	var errs bytes.Buffer
	command.Stderr = &errs
	began := time.Now()
	if err := command.Run(); err != nil {
		return 0, 0, fmt.Errorf("ablate %s: %w: %s", strings.Join(args, " "), err, bytes.TrimSpace(errs.Bytes()))
	}
	seconds = time.Since(began).Seconds()
	used := command.ProcessState.SysUsage().(*syscall.Rusage)
	// Linux counts it in KiB, and what this process had when it started that one
	// is its floor.
	return seconds, float64(used.Maxrss) / (1 << 10), nil
}

// maxImported is how many rows sqlite3 is given at most.
const maxImported = 10_000_000

// benchImport times sqlite3's .import of the same rows into a table like the
// store's, if there is that program.
func benchImport(m *storeSpeed, dir string, perRun int) error {
	program, err := exec.LookPath("sqlite3")
	if err != nil {
		return nil
	}
	runs := min(m.Runs, maxImported/perRun)
	if runs == 0 {
		return nil
	}
	rows, err := writeCSV(filepath.Join(dir, "rows.csv"), runs, perRun)
	if err != nil {
		return err
	}
	command := exec.Command(program, "-batch", "-bail", "raw.db")
	command.Dir = dir
	command.Stdin = strings.NewReader(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
CREATE TABLE metrics (run INTEGER NOT NULL, name INTEGER NOT NULL, step INTEGER NOT NULL, value REAL, PRIMARY KEY (run, name, step)) STRICT, WITHOUT ROWID;
.mode csv
.import rows.csv metrics
SELECT count(*) FROM metrics;
`)
	began, cpu := time.Now(), processorTime(syscall.RUSAGE_CHILDREN)
	out, err := command.CombinedOutput()
	took, used := time.Since(began), processorTime(syscall.RUSAGE_CHILDREN)-cpu
	if err != nil || !bytes.HasSuffix(bytes.TrimSpace(out), strconv.AppendInt(nil, rows, 10)) {
		return fmt.Errorf("sqlite3 did not import %d rows: %w: %s", rows, err, bytes.TrimSpace(out))
	}
	i := importSpeed{Rows: rows, PerSecond: float64(rows) / took.Seconds(), PerCPUSecond: float64(rows) / used.Seconds()}
	i.Ratio, i.CPURatio = m.Ingest.PerSecond/i.PerSecond, m.Ingest.PerCPUSecond/i.PerCPUSecond
	m.Import = &i
	return nil
}

// writeCSV writes the rows of the store's table, in the order in which runs
// report them.
func writeCSV(path string, runs, perRun int) (rows int64, err error) {
	f, err := os.Create(path)
	if err != nil {
		return 0, err
	}
	w := bufio.NewWriter(f)
	keys := map[string]int{}
	for run := range runs {
		n, err := eachPoint(perRun, 0, func(step int64, metric string, value float64) error {
			if keys[metric] == 0 {
				keys[metric] = len(keys) + 1
			}
			_, err := fmt.Fprintf(w, "%d,%d,%d,%v\n", run+1, keys[metric], step, value)
			return err
		})
		if err != nil {
			return 0, errors.Join(err, f.Close())
		}
		rows += int64(n)
	}
	return rows, errors.Join(w.Flush(), f.Close())
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }

func printStoreSpeed(w io.Writer, m storeSpeed) {
	fmt.Fprintf(w, "%s, %d points on %s\n\n", words.Plural(m.Runs, "run"), m.Points, m.CPU)
	for _, e := range m.Enqueue {
		fmt.Fprintf(w, "enqueue        %9.3f ms a run, %s\n", e.MSPerRun, words.Plural(e.Runs, "run"))
	}
	i := m.Ingest
	fmt.Fprintf(w, "ingest         %9.0f points/s, %.0f by processor time; first tenth %.0f, last tenth %.0f\n", i.PerSecond, i.PerCPUSecond, i.First, i.Last)
	fmt.Fprintf(w, "size           %9.1f bytes a point\n", m.BytesPerPoint)
	fmt.Fprintf(w, "status         %9.0f ms, %.0f of processor time\n", m.StatusMS, m.StatusCPUMS)
	for _, r := range m.Report {
		with := "printed"
		if r.Files {
			with = "with all files and figures"
		}
		fmt.Fprintf(w, "report         %9.2f s, %.0f MiB at most: %s of %s, %s\n",
			r.Seconds, r.PeakMiB, words.Plural(r.Cells, "cell"), words.Plural(r.Seeds, "seed"), with)
	}
	if s := m.Import; s != nil {
		fmt.Fprintf(w, "sqlite3 import %9.0f rows/s, %.0f by processor time: ingest is at %.2f of that, %.2f by processor time\n",
			s.PerSecond, s.PerCPUSecond, s.Ratio, s.CPURatio)
	} else {
		fmt.Fprintln(w, "sqlite3 import no program sqlite3 to compare with")
	}
}
