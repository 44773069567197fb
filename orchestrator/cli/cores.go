package cli

import (
	"os"
	"path/filepath"
	"runtime"
)

// physicalCores counts the cores that this process may use, without the second
// threads of a core, which would only take turns with the first.
func physicalCores() int {
	return max(1, min(coresIn("/sys/devices/system/cpu"), runtime.GOMAXPROCS(0)))
}

// coresIn counts the different sets of threads that share a core, as Linux
// lists them; where it does not, every thread counts.
func coresIn(dir string) int {
	files, _ := filepath.Glob(filepath.Join(dir, "cpu[0-9]*", "topology", "thread_siblings_list"))
	cores := map[string]bool{}
	for _, file := range files {
		if siblings, err := os.ReadFile(file); err == nil {
			cores[string(siblings)] = true
		}
	}
	if len(cores) == 0 {
		return runtime.NumCPU()
	}
	return len(cores)
}
