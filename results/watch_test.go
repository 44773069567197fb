package results

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func watched(t *testing.T, s *Store) *Watch {
	t.Helper()
	w, err := s.Watch()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func wantChanged(t *testing.T, w *Watch, want bool) {
	t.Helper()
	if got, err := w.Changed(); err != nil || got != want {
		t.Errorf("changed: %v, %v; want %v", got, err, want)
	}
}

// A reader's watch tells each change by the writer once.
func TestWatch(t *testing.T) {
	s := withRuns(t, "aa")
	r, err := OpenReadOnly(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	w := watched(t, r)
	wantChanged(t, w, false)
	begin(t, s, "aa", 1)
	wantChanged(t, w, true)
	wantChanged(t, w, false)
	getRun(t, r, "aa") // reading changes nothing
	wantChanged(t, w, false)
	if err := s.EndAttempt("aa", 1, Completed, ""); err != nil {
		t.Fatal(err)
	}
	wantChanged(t, w, true)
}

// A store that was removed, or removed and made anew, is another one.
func TestWatchOfAReplacedStore(t *testing.T) {
	s := withRuns(t, "aa")
	r, err := OpenReadOnly(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	w := watched(t, r)
	path := filepath.Join(s.dir, fileName)
	if err := os.Rename(path, path+".old"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Changed(); !errors.Is(err, ErrReplaced) {
		t.Errorf("removed: %v", err)
	}
	if err := os.WriteFile(path, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Changed(); !errors.Is(err, ErrReplaced) {
		t.Errorf("replaced: %v", err)
	}
}

// A head that ends while somebody looks leaves nothing in the log of changes.
func TestCloseWhileSomebodyLooks(t *testing.T) {
	s := withRuns(t, "aa")
	r, err := OpenReadOnly(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	w := watched(t, r)
	begin(t, s, "aa", 1)
	wantChanged(t, w, true)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	log, err := os.Stat(filepath.Join(s.dir, fileName+"-wal"))
	if err == nil && log.Size() > 0 {
		t.Errorf("the log of changes has %d bytes", log.Size())
	}
	if run := getRun(t, r, "aa"); !run.Running {
		t.Errorf("the reader sees %+v", run)
	}
}
