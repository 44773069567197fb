package cli

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"
)

// endless is a study whose trainers never end by themselves.
const endless = `name = "endless"
seeds = 1
[trainer]
command = ["sh", "endless.sh"]
files   = ["endless.sh"]
[base]
x = 1
[cells]
other = { x = 2 }
`

const endlessTrainer = `echo '{"step": 1, "loss": 1}' >>"$ABLATE_METRICS"
while :; do sleep 0.1; done
`

// However the head and the workers are killed, no trainer outlives them.
func TestNoOrphans(t *testing.T) {
	if _, err := os.Stat("/proc/self/environ"); err != nil {
		t.Skip("finds processes by /proc")
	}
	t.Setenv("ABLATE_DATA", "")
	dir := t.TempDir()
	for name, text := range map[string]string{"endless.toml": endless, "endless.sh": endlessTrainer, "tiny.toml": string(tiny)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	studies := map[string][]string{
		"external": {filepath.Join(dir, "endless.toml")},
		"embedded": {filepath.Join(dir, "tiny.toml"), "--set", "epochs=100000"},
	}
	for kind, args := range studies {
		for _, victims := range []string{"head", "workers", "head and workers"} {
			t.Run(kind+"/"+victims, func(t *testing.T) {
				t.Parallel()
				killAtWork(t, args, victims)
			})
		}
	}
}

// killAtWork starts two runs, kills, and waits for the end of all that there was
// then.
func killAtWork(t *testing.T, args []string, victims string) {
	store := filepath.Join(t.TempDir(), "store")
	head := exec.Command("ablate", slices.Concat([]string{"run"}, args, []string{"--store", store, "--jobs", "2"})...)
	if err := head.Start(); err != nil {
		t.Fatal(err)
	}
	killHead := func() {
		head.Process.Kill()
		head.Wait()
	}
	defer func() {
		killHead()
		for _, pid := range processesOf(store) { // of a test that has failed
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}()
	within(t, "two runs at work", func() bool {
		journals, _ := filepath.Glob(filepath.Join(store, "runs", "*", "1", "journal.jsonl"))
		begun := 0
		for _, j := range journals {
			if text, _ := os.ReadFile(j); bytes.Contains(text, []byte(`"kind":"metrics"`)) {
				begun++
			}
		}
		return begun == 2
	})
	var workers []int
	atWork := slices.DeleteFunc(processesOf(store), func(pid int) bool { return pid == head.Process.Pid })
	for _, pid := range atWork {
		if ppid, err := parent(pid); err == nil && ppid == head.Process.Pid {
			workers = append(workers, pid)
		}
	}
	if len(workers) != 2 {
		t.Fatalf("workers %v of %v", workers, atWork)
	}
	if victims != "workers" { // stopped first, or it would see to what the others leave
		syscall.Kill(head.Process.Pid, syscall.SIGSTOP)
	}
	if victims != "head" {
		for _, pid := range workers {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if victims != "workers" {
		killHead()
	}
	within(t, "the end of workers and trainers", func() bool {
		return !slices.ContainsFunc(processesOf(store), func(pid int) bool { return slices.Contains(atWork, pid) })
	})
	killHead() // which may have started others by now
	within(t, "the end of all", func() bool { return len(processesOf(store)) == 0 })
}

func parent(pid int) (ppid int, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	var state string
	_, err = fmt.Sscanf(string(stat[slices.Index(stat, ')')+1:]), "%s %d", &state, &ppid)
	return ppid, err
}

func within(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !happened(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
