package worker

import (
	"bufio"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"ablate/results/journal"
)

// provenance says who executes an attempt, as far as it can be known.
func provenance(kernels string) journal.StartInfo {
	host, _ := os.Hostname()
	return journal.StartInfo{Version: Version(), Kernels: kernels, CPU: CPU(), Host: host, PID: os.Getpid()}
}

// Version is the program's: the module's version, or the revision it was built
// from with "+dirty" if the tree had changes, or "devel".
func Version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	set := map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	v := set["vcs.revision"]
	if v == "" {
		return "devel"
	}
	v = v[:min(len(v), 12)]
	if set["vcs.modified"] == "true" {
		v += "+dirty"
	}
	return v
}

// CPU is the processor's model name and its widest vector extension.
func CPU() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	defer f.Close()
	return describeCPU(bufio.NewScanner(f))
}

func describeCPU(lines *bufio.Scanner) string {
	model, vector := runtime.GOARCH, ""
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), ":")
		switch strings.TrimSpace(key) {
		case "":
			return strings.TrimSpace(model + " " + vector) // the end of the first processor
		case "model name":
			model = strings.TrimSpace(value)
		case "flags", "Features":
			vector = widest(strings.Fields(value))
		}
	}
	return strings.TrimSpace(model + " " + vector)
}

func widest(flags []string) string {
	has := map[string]bool{}
	for _, f := range flags {
		has[f] = true
	}
	for _, f := range []string{"avx512f", "avx2", "avx", "sse4_2", "sve", "asimd"} {
		if has[f] {
			return f
		}
	}
	return ""
}
