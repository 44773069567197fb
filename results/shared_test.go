package results

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// schema1 makes a store as the program's first version did: a study, a run
// that is done, and two figures.
func schema1(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s, err := connect(dir, writing+"&_journal_mode=WAL")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	steps, err := migrations()
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.db.Exec(steps[0] + `;PRAGMA user_version = 1;
		INSERT INTO studies VALUES (1, 'old', 'text', '["a=1"]', 'hash', 1000, 2000, 1);
		INSERT INTO study_cells VALUES (1, 0, 'bn');
		INSERT INTO runs (key, id, cell, seed, dataset, trainer, attempts, outcome) VALUES (1, 'aa', 'bn', 1, 'd', '2', 1, 'completed');
		INSERT INTO run_configs VALUES (1, '{}');
		INSERT INTO study_slots VALUES (1, 0, 1, 1);
		INSERT INTO attempts (run, number, state, outcome, started) VALUES (1, 1, 'ended', 'completed', 1000);
		INSERT INTO events VALUES (1, 1, 1, 1000, 'hello');
		INSERT INTO metric_names VALUES (1, 'loss');
		INSERT INTO metrics VALUES (1, 1, 5, 0.5), (1, 1, 6, NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A store of the first version keeps all that it has when it is opened.
func TestMigration(t *testing.T) {
	dir := schema1(t)
	for _, open := range []func(string) (*Store, error){OpenReadOnly, OpenShared} {
		_, err := open(dir)
		wantError(t, err, dir, "older schema 1", "to schema 2")
	}
	s := open(t, dir)
	study, err := s.Study("old")
	if err != nil || study.Paused || len(study.Slots) != 1 || study.Started.UnixMilli() != 2000 || study.Sets[0] != "a=1" {
		t.Errorf("%+v, %v", study, err)
	}
	if r := getRun(t, s, "aa"); r.Outcome != Completed {
		t.Errorf("%+v", r)
	}
	if p := seriesOf(t, s, "aa", "loss"); len(p) != 2 || p[0] != (Point{5, 0.5}) {
		t.Errorf("%v", p)
	}
	if e := eventsOf(t, s, "aa"); len(e) != 1 {
		t.Errorf("%v", e)
	}
	enqueue(t, s, "new", Entry{})
	wantQueue(t, s, 1)
	s.Close()
	shared, err := OpenShared(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	if err := shared.Ask(&Request{Kind: "pause", Study: study.ID}); err != nil {
		t.Error(err)
	}
}

func TestOpenSharedMakesNothing(t *testing.T) {
	dir := t.TempDir()
	_, err := OpenShared(dir)
	if !errors.Is(err, ErrNoStore) {
		t.Error(err)
	}
	os.WriteFile(filepath.Join(dir, fileName), nil, 0o666) // whose maker was stopped at once
	if _, err := OpenShared(dir); !errors.Is(err, ErrNoStore) {
		t.Error(err)
	}
	if info, err := os.Stat(filepath.Join(dir, fileName)); err != nil || info.Size() != 0 {
		t.Error(info, err)
	}
}

// Commands in other processes enqueue and ask while the head ingests: neither
// waits in vain for the other, and nothing is lost.
func TestWritersBesideAHead(t *testing.T) {
	const asks = 20
	if dir := os.Getenv("STORE_TO_SHARE"); dir != "" {
		for i := range asks {
			askAndEnqueue(t, dir, fmt.Sprint(os.Getpid(), "-", i))
		}
		return
	}
	defer func(n int) { batchPoints = n }(batchPoints)
	batchPoints = 500
	ids := manyRuns(10)
	s := withRuns(t, ids...)
	text, points := usualJournal(t, 10_000)
	var children []*exec.Cmd
	for range 3 {
		child := exec.Command(os.Args[0], "-test.run=^TestWritersBesideAHead$", "-test.v")
		child.Env = append(os.Environ(), "STORE_TO_SHARE="+s.dir)
		child.Stdout, child.Stderr = os.Stderr, os.Stderr
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		children = append(children, child)
	}
	ingestAll(t, s, ids, text, 4)
	for _, child := range children {
		if err := child.Wait(); err != nil {
			t.Errorf("a process beside the head: %v", err)
		}
	}
	if n := len(queueOf(t, s)); n != 3*asks {
		t.Errorf("%d entries", n)
	}
	if open, err := s.OpenRequests(); err != nil || len(open) != 3*asks {
		t.Errorf("%d requests, %v", len(open), err)
	}
	var stored int
	if err := s.db.QueryRow(`SELECT count(*) FROM metrics`).Scan(&stored); err != nil || stored != points*len(ids) {
		t.Errorf("%d points of %d, %v", stored, points*len(ids), err)
	}
}

func askAndEnqueue(t *testing.T, dir, name string) {
	s, err := OpenShared(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Ask(&Request{Kind: "pause"}); err != nil {
		t.Fatal(err)
	}
	enqueue(t, s, name, Entry{})
}
