package results

import (
	"database/sql"
	"sync"
	"testing"
)

// Readers see whole transactions while a writer is at work, and none waits for
// another.
func TestReadersDuringAWrite(t *testing.T) {
	defer func(n int) { batchPoints = n }(batchPoints)
	batchPoints = 40
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.start(0)
	const points = 4000
	for step := range int64(points) {
		j.point("loss", step, 1)
	}
	var readers sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		readers.Go(func() { watch(t, s.dir, done) })
	}
	j.ingest(s, "aa", 1)
	close(done)
	readers.Wait()
	if p := seriesOf(t, s, "aa", "loss"); len(p) != points {
		t.Errorf("%d points", len(p))
	}
}

// watch opens the store for reading, and checks until done that every look at
// it sees as many points as lines, and never fewer than before.
func watch(t *testing.T, dir string, done <-chan struct{}) {
	r, err := OpenReadOnly(dir)
	if err != nil {
		t.Error(err)
		return
	}
	defer r.Close()
	type look struct{ points, nextSeq int64 }
	for before := int64(0); ; {
		select {
		case <-done:
			return
		default:
		}
		looks, err := collect(r.db, `SELECT (SELECT count(*) FROM metrics), next_seq FROM attempts`,
			func(row *sql.Rows, l *look) error { return row.Scan(&l.points, &l.nextSeq) })
		if err != nil {
			t.Error(err)
			return
		}
		if l := looks[0]; l.points != max(0, l.nextSeq-2) || l.points < before {
			t.Errorf("a reader sees %+v after %d points", l, before)
			return
		}
		before = looks[0].points
	}
}

// Two writes at once take turns.
func TestWritersTakeTurns(t *testing.T) {
	s := withRuns(t, "aa", "bb")
	var writers sync.WaitGroup
	for _, run := range []string{"aa", "bb"} {
		writers.Go(func() {
			for n := 1; n <= 50; n++ {
				if err := s.BeginAttempt(run, n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	if a, b := getRun(t, s, "aa"), getRun(t, s, "bb"); a.Attempts != 50 || b.Attempts != 50 {
		t.Errorf("%+v, %+v", a, b)
	}
}

// Ingest may be called from two goroutines for the same attempt.
func TestIngestTwiceAtOnce(t *testing.T) {
	s := withRuns(t, "aa")
	begin(t, s, "aa", 1)
	j := newJournal(t)
	j.start(5)
	for range 500 {
		j.point("loss", 4, 1) // counts as an event, of which there may be one a batch
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := s.Ingest("aa", 1, j.path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if e := eventsOf(t, s, "aa"); len(e) != 1 {
		t.Errorf("%d events: %v", len(e), e)
	}
}
