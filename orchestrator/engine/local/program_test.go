package local

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A program that is kept already counts as new again, or a cleaning might take it
// away; its content keeps its time.
func TestKeepAgain(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "programs")
	name, err := Keep(folder)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, name)
	state := func() (s unix.Stat_t) {
		t.Helper()
		if err := unix.Lstat(path, &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, how := range []string{"a link", "a copy"} {
		if how == "a copy" {
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, content, 0o777); err != nil {
				t.Fatal(err)
			}
		}
		before := state()
		time.Sleep(20 * time.Millisecond) // the clock of a file system is coarse
		if again, err := Keep(folder); err != nil || again != name {
			t.Fatalf("%s: %s, %v, want %s", how, again, err, name)
		}
		after := state()
		if after.Ctim == before.Ctim || after.Mtim != before.Mtim || after.Ino != before.Ino || after.Mode != before.Mode {
			t.Errorf("%s: was %+v, is %+v", how, before, after)
		}
	}
}
