package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

func TestCores(t *testing.T) {
	dir := t.TempDir()
	for cpu, siblings := range []string{"0,2", "1,3", "0,2", "1,3"} {
		topology := filepath.Join(dir, fmt.Sprintf("cpu%d", cpu), "topology")
		if err := os.MkdirAll(topology, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(topology, "thread_siblings_list"), []byte(siblings+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if n := coresIn(dir); n != 2 {
		t.Errorf("%d cores, want 2 of two threads each", n)
	}
	if n := coresIn(filepath.Join(dir, "nothing")); n != runtime.NumCPU() {
		t.Errorf("%d cores where nothing is known, want %d", n, runtime.NumCPU())
	}
}
