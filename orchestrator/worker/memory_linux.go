package worker

import (
	"fmt"
	"os"
	"strings"
)

// idleMemory is how many bytes this process has mapped to write to, and has not.
func idleMemory() int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	kib := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(line, ":")
		var n int64
		if _, err := fmt.Sscanf(value, "%d kB", &n); err == nil {
			kib[name] = n
		}
	}
	return max(0, kib["VmData"]-kib["RssAnon"]) << 10
}
