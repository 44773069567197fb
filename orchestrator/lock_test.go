package orchestrator

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLock(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	if h := CurrentHead(dir); h != nil {
		t.Fatalf("a store that is not there has the head %v", h)
	}
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	if h := CurrentHead(dir); h == nil || h.PID != os.Getpid() || h.Started.IsZero() {
		t.Errorf("the head is %v, want this process", h)
	}

	_, err = Acquire(dir) // another open file, as another process has
	var held *HeldError
	if !errors.As(err, &held) || held.Head.PID != os.Getpid() {
		t.Fatalf("second head: %v", err)
	}
	for _, want := range []string{dir, held.Head.Host, "--store"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not name %q", err, want)
		}
	}

	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
	if h := CurrentHead(dir); h != nil {
		t.Errorf("after release the head is %v", h)
	}
	again, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	again.Release()
}

// A lock file that a dead head left has a description but no lock.
func TestLockOfDeadHead(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lock"), []byte(`{"pid":1,"host":"elsewhere"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	if h := CurrentHead(dir); h != nil {
		t.Errorf("head %v", h)
	}
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	lock.Release()
}

// Who reads the store to import from it is no head, but keeps heads away.
func TestLockOfReader(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "lock"), []byte(`{"pid":1,"host":"elsewhere"}`), 0o666); err != nil {
		t.Fatal(err)
	}
	reader, err := keepHeadsAway(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(dir)
	var held *HeldError
	if !errors.As(err, &held) || !held.Reader || held.Head.PID != 0 {
		t.Fatalf("%+v", err)
	}
	if want := "the store " + dir + " is being read by an import; try again when that has ended"; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if h := CurrentHead(dir); h != nil {
		t.Errorf("head %v", h)
	}
	reader.Close()
	lock, err := Acquire(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if _, err := Acquire(dir); !errors.As(err, &held) || held.Reader || held.Head.PID != os.Getpid() {
		t.Errorf("%+v", err)
	}
}

func TestLockUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := Acquire(filepath.Join(file, "store"))
	if err == nil || !strings.Contains(err.Error(), "cannot be written") || !strings.Contains(err.Error(), "--store") {
		t.Errorf("%v", err)
	}
}
