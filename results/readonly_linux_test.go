package results

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// asOrdinaryUser calls f on a thread without root's privilege to pass over the
// permissions of files, if the test runs as root.
func asOrdinaryUser(t *testing.T, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if err := dropOverride(); err != nil {
			t.Errorf("giving up privileges: %v", err)
			return
		}
		f()
	}()
	<-done
}

func dropOverride() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return err
	}
	data[0].Effective &^= 1<<unix.CAP_DAC_OVERRIDE | 1<<unix.CAP_DAC_READ_SEARCH
	return unix.Capset(&header, &data[0])
}

// readOnlyDir takes from everybody the right to write to dir, until the test
// ends.
func readOnlyDir(t *testing.T, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if err := os.Chmod(f, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		os.Chmod(dir, 0o777)
		for _, f := range files {
			os.Chmod(f, 0o666)
		}
	})
}

func TestUnwritableFolder(t *testing.T) {
	dir := t.TempDir()
	readOnlyDir(t, dir)
	asOrdinaryUser(t, func() {
		_, err := Open(dir)
		wantError(t, err, dir, "cannot be written to (permission denied)", "make the folder writable")
		_, err = Open(filepath.Join(dir, "store"))
		wantError(t, err, filepath.Join(dir, "store"), "cannot be made (permission denied)")
	})
}

// A store that was closed can be read from a read-only folder, as on a CD.
func TestReadOnlyFolder(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	s.Close()
	readOnlyDir(t, s.dir)
	asOrdinaryUser(t, func() {
		ro, err := OpenReadOnly(s.dir)
		if err != nil {
			t.Error(err)
			return
		}
		defer ro.Close()
		if _, err := ro.Study("s"); err != nil {
			t.Error(err)
		}
	})
}

// One whose head was killed has changes in its log that need a writable folder.
func TestReadOnlyFolderOfAKilledHead(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	left := t.TempDir() // what a killed head leaves: the files as they are, without the shared index
	for _, name := range []string{fileName, fileName + "-wal"} {
		b, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		os.WriteFile(filepath.Join(left, name), b, 0o666)
	}
	readOnlyDir(t, left)
	asOrdinaryUser(t, func() {
		_, err := OpenReadOnly(left)
		wantError(t, err, left, "was not closed", "read-only", "copy the folder")
	})
	// The same in a folder that can be written to is no trouble.
	os.Chmod(left, 0o777)
	ro, err := OpenReadOnly(left)
	if err != nil {
		t.Fatal(err)
	}
	defer ro.Close()
	if _, err := ro.Study("s"); err != nil {
		t.Error(err)
	}
}

// A reader without the right to write sees what the head writes.
func TestReaderWithoutRightsBesideAHead(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	readOnlyDir(t, s.dir)
	asOrdinaryUser(t, func() {
		ro, err := OpenReadOnly(s.dir)
		if err != nil {
			t.Error(err)
			return
		}
		defer ro.Close()
		if _, err := ro.Study("s"); err != nil {
			t.Error(err)
		}
		begin(t, s, "aa01", 1)
		if r := getRun(t, ro, "aa01"); !r.Running {
			t.Errorf("%+v", r)
		}
	})
}

// Somebody who may write begins to, after a reader without that right has opened
// the store as one that nobody writes to.
func TestWatchOfAReadOnlyFolder(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	s.Close()
	readOnlyDir(t, s.dir)
	asOrdinaryUser(t, func() {
		ro, err := OpenReadOnly(s.dir)
		if err != nil {
			t.Error(err)
			return
		}
		defer ro.Close()
		w, err := ro.Watch()
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		if changed, err := w.Changed(); changed || err != nil {
			t.Errorf("changed: %v, %v", changed, err)
		}
		if err := os.Chmod(s.dir, 0o777); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(s.dir, fileName+"-wal"), []byte("changes"), 0o666); err != nil {
			t.Error(err)
		}
		if _, err := w.Changed(); !errors.Is(err, ErrReplaced) {
			t.Errorf("with a log of changes: %v", err)
		}
	})
}
