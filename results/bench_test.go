package results

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ablate/results/journal"
)

var (
	benchPoints = flag.Int("points", 1_000_000, "points in the store of the benchmarks")
	benchRuns   = flag.Int("runs", 500, "runs in the store of the ingest benchmarks")
)

// A usual run: its loss at every step, and ten probes at every 40th.
const (
	stepsPerProbe   = 40
	probes          = 10
	pointsPerPeriod = stepsPerProbe + probes
)

// usualJournal is a journal with about the given number of points, and the
// number.
func usualJournal(t testing.TB, about int) (text []byte, points int) {
	j := newJournal(t)
	j.start(0)
	for step := int64(0); points < about; step++ {
		j.point("loss", step, float64(float32(1/(3+float64(step)))))
		points++
		if step%stepsPerProbe != 0 {
			continue
		}
		m := make(map[string]journal.Value)
		for p := range probes {
			m[fmt.Sprint("probe", p)] = journal.Value(1 / (7 + float64(step) + float64(p)))
		}
		j.write(journal.Line{Kind: journal.Metrics, Step: step, Metrics: m})
		points += probes
	}
	text, err := os.ReadFile(j.path)
	if err != nil {
		t.Fatal(err)
	}
	return text, points
}

func manyRuns(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("%016x", uint64(i)*0x9e3779b97f4a7c15))
	}
	return ids
}

func bytesOf(t testing.TB, s *Store) (size int64) {
	t.Helper()
	if err := s.db.QueryRow(`SELECT page_count * page_size FROM pragma_page_count, pragma_page_size`).Scan(&size); err != nil {
		t.Fatal(err)
	}
	return size
}

// A point takes at most 24 bytes, however the journals are read.
func TestBytesPerPoint(t *testing.T) {
	const runs = 10
	text, points := usualJournal(t, 10_000)
	for name, pieces := range map[string]int{"whole": 1, "as they grow": 50} {
		s := withRuns(t, manyRuns(runs)...)
		// Usual keys of runs take two bytes.
		if _, err := s.db.Exec(`DELETE FROM run_configs; UPDATE runs SET key = key + 5000`); err != nil {
			t.Fatal(err)
		}
		empty := bytesOf(t, s)
		ingestAll(t, s, manyRuns(runs), text, pieces)
		if per := float64(bytesOf(t, s)-empty) / float64(runs*points); per > 24 {
			t.Errorf("%s: %.1f bytes per point", name, per)
		}
	}
}

// ingestAll ingests text as the journal of each of ids, two at a time as with
// two jobs, each in so many pieces. It returns how long Ingest took.
func ingestAll(t testing.TB, s *Store, ids []string, text []byte, pieces int) (spent time.Duration) {
	dir := t.TempDir()
	for i := 0; i < len(ids); i += 2 {
		pair := ids[i:min(i+2, len(ids))]
		for _, id := range pair {
			begin(t, s, id, 1)
		}
		for p := range pieces {
			for _, id := range pair {
				path := filepath.Join(dir, id)
				appendPiece(t, path, text, p, pieces)
				start := time.Now()
				if err := s.Ingest(id, 1, path); err != nil {
					t.Fatal(err)
				}
				spent += time.Since(start)
			}
		}
		for _, id := range pair {
			os.Remove(filepath.Join(dir, id))
		}
	}
	return spent
}

func appendPiece(t testing.TB, path string, text []byte, p, pieces int) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(text[len(text)*p/pieces : len(text)*(p+1)/pieces]); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkIngest fills a store with -points points in -runs runs.
func BenchmarkIngest(b *testing.B) {
	for _, bb := range []struct {
		name   string
		pieces int
	}{{"whole", 1}, {"in 10 pieces", 10}, {"in 100 pieces", 100}} {
		b.Run(bb.name, func(b *testing.B) {
			text, points := usualJournal(b, *benchPoints / *benchRuns)
			ids := manyRuns(*benchRuns)
			total, size := 0, int64(0)
			var spent time.Duration
			for b.Loop() {
				s := withRuns(b, ids...)
				empty := bytesOf(b, s)
				spent += ingestAll(b, s, ids, text, bb.pieces)
				total += points * len(ids)
				size += bytesOf(b, s) - empty
				s.Close()
			}
			b.ReportMetric(float64(total)/spent.Seconds(), "points/s")
			b.ReportMetric(float64(size)/float64(total), "bytes/point")
		})
	}
}

// BenchmarkIngestNothing asks for a journal that has nothing new.
func BenchmarkIngestNothing(b *testing.B) {
	s := withRuns(b, "aa")
	begin(b, s, "aa", 1)
	j := newJournal(b)
	j.start(0)
	for b.Loop() {
		j.ingest(s, "aa", 1)
	}
}

// BenchmarkStatus is what a status command reads: a study of 10,000 runs with
// configurations of a kilobyte, in a store of -points points.
func BenchmarkStatus(b *testing.B) {
	const runs = 10_000
	s := newStore(b)
	study, all := bigStudy(runs)
	save(b, s, study, all)
	text, _ := usualJournal(b, *benchPoints/runs)
	ids := make([]string, runs)
	for i, r := range all {
		ids[i] = r.ID
	}
	ingestAll(b, s, ids, text, 1)
	s.Close()
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			r, err := OpenReadOnly(s.dir)
			if err != nil {
				b.Fatal(err)
			}
			status(b, r, runs)
			r.Close()
		}
	})
	r, err := OpenReadOnly(s.dir)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.Run("ends of 100 runs", func(b *testing.B) {
		for b.Loop() {
			if e, err := r.Ends(ids[:100]); err != nil || len(e) != 100 {
				b.Fatal(len(e), err)
			}
		}
	})
	b.Run("ends of all", func(b *testing.B) {
		for b.Loop() {
			if e, err := r.Ends(ids); err != nil || len(e) != runs {
				b.Fatal(len(e), err)
			}
		}
	})
}

func status(b *testing.B, s *Store, runs int) {
	study, err := s.Study("")
	if err != nil {
		b.Fatal(err)
	}
	if got, err := s.Runs(study); err != nil || len(got) != runs {
		b.Fatal(len(got), err)
	}
}

func bigStudy(runs int) (*Study, []Run) {
	study := &Study{Name: "big", Text: []byte("big")}
	var all []Run
	for i, id := range manyRuns(runs) {
		if i%5 == 0 {
			study.Cells = append(study.Cells, fmt.Sprint("cell", i/5))
		}
		study.Slots = append(study.Slots, Slot{i / 5, i%5 + 1, id})
		all = append(all, Run{ID: id, Cell: study.Cells[i/5], Seed: i%5 + 1, Config: bytes.Repeat([]byte("x"), 1000), Dataset: id, Trainer: "1"})
	}
	return study, all
}

// BenchmarkSaveStudy enqueues 10,000 runs.
func BenchmarkSaveStudy(b *testing.B) {
	const runs = 10_000
	study, all := bigStudy(runs)
	for b.Loop() {
		b.StopTimer()
		s := newStore(b)
		b.StartTimer()
		save(b, s, study, all)
		b.StopTimer()
		s.Close()
		b.StartTimer()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N*runs)*1e6, "µs/run")
}

// BenchmarkEnqueue puts a study into the queue: what a run costs must not depend
// on how many there are.
func BenchmarkEnqueue(b *testing.B) {
	for _, runs := range []int{1000, 10_000} {
		b.Run(fmt.Sprint(runs), func(b *testing.B) {
			study, all := bigStudy(runs)
			var spent time.Duration
			for b.Loop() {
				s := newStore(b)
				began := time.Now()
				if err := s.Enqueue(study, all, &Entry{}); err != nil {
					b.Fatal(err)
				}
				spent += time.Since(began)
				s.Close()
			}
			b.ReportMetric(spent.Seconds()/float64(b.N*runs)*1e6, "µs/run")
		})
	}
}
