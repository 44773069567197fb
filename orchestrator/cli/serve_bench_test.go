package cli

import (
	"context"
	"fmt"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"ablate/orchestrator/serve"
	"ablate/results"
)

// BenchmarkServe measures the live page of a store of 10,000 runs and ten million
// points: from the start of the server to the first page, that page again when a
// run has changed, a filtered list, and the report.
func BenchmarkServe(b *testing.B) {
	const runs, points = 10_000, 10_000_000
	dir := b.TempDir()
	store := filepath.Join(dir, "store")
	s, err := openBench(store)
	if err != nil {
		b.Fatal(err)
	}
	_, ids, err := benchEnqueue(s, runs)
	if err != nil {
		b.Fatal(err)
	}
	s.Close()
	journals, perRun, err := writeBenchJournals(dir, points/runs)
	if err != nil {
		b.Fatal(err)
	}
	if err := benchIngest(&storeSpeed{}, store, journals, ids, perRun); err != nil {
		b.Fatal(err)
	}
	if s, err = results.Open(store); err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	serveStore := func(f func(get func(path string))) {
		server := serve.New(context.Background(), serve.Options{Store: store, Title: titleOf, Report: reportBody(store), Cost: costOf, Log: logOf(store)})
		defer server.Close()
		handler := server.Handler()
		f(func(path string) {
			r := httptest.NewRequest("GET", path, nil)
			r.Host = "localhost"
			w := httptest.NewRecorder()
			if handler.ServeHTTP(w, r); w.Code != 200 {
				b.Fatalf("%s is answered with %d: %s", path, w.Code, w.Body)
			}
		})
	}
	b.Run("first page", func(b *testing.B) {
		for b.Loop() {
			serveStore(func(get func(string)) { get("/study/1") })
		}
	})
	b.Run("page after a change", func(b *testing.B) {
		serveStore(func(get func(string)) {
			for i := 0; b.Loop(); i++ {
				if err := s.SetPaused(1, i%2 == 0); err != nil {
					b.Fatal(err)
				}
				get("/study/1")
			}
		})
	})
	b.Run("list", func(b *testing.B) {
		serveStore(func(get func(string)) {
			get("/study/1")
			for i := 0; b.Loop(); i++ {
				get(fmt.Sprint("/study/1/runs?seed=3&page=", i%20+1))
			}
		})
	})
	b.Run("report", func(b *testing.B) {
		for b.Loop() {
			serveStore(func(get func(string)) {
				began := time.Now()
				get("/study/1/report")
				b.ReportMetric(time.Since(began).Seconds(), "s/report")
			})
		}
	})
}
