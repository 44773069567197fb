package orchestrator

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A head whose store is not at its place any more finds out.
func TestLockLost(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "store")
	takeOther := func() {
		os.RemoveAll(dir)
		other, err := Acquire(dir) // by another head, in a new folder of the same name
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { other.Release() })
	}
	for name, lose := range map[string]func(){
		"removed":  func() { os.RemoveAll(dir) },
		"moved":    func() { os.Rename(dir, dir+".moved") },
		"replaced": takeOther,
	} {
		os.RemoveAll(dir)
		lock, err := Acquire(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := lock.Lost(); err != nil {
			t.Errorf("%s: before that: %v", name, err)
		}
		lose()
		if err := lock.Lost(); err == nil || !strings.Contains(err.Error(), "the store "+dir+" was removed or replaced") {
			t.Errorf("%s: %v", name, err)
		}
		lock.Release()
	}
	if err := (*Lock)(nil).Lost(); err != nil {
		t.Errorf("without a lock: %v", err)
	}
}
