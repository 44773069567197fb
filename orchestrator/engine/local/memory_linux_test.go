package local

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"ablate/orchestrator/engine"
	"ablate/orchestrator/worker"
)

// Where no control group was handed over, the worker is told to bound itself.
func TestMemoryArgument(t *testing.T) {
	if g := newMemoryGroup(1<<30, "t0k"); g != nil {
		g.remove()
		t.Skip("this process has a control group of its own")
	}
	dir := t.TempDir()
	e := Engine{Path: "/bin/sh", Args: []string{"sh", "-c", `echo "$*" >&2`, "sh"}}
	h, err := e.Launch(t.Context(), engine.Launch{RunDir: dir, Token: "t0k", Memory: 5 << 20})
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Wait(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(worker.LaunchLog(dir))
	if want := "--leash --token t0k --memory 5242880 " + dir + "\n"; string(log) != want || err != nil {
		t.Errorf("log %q, %v, want %q", log, err, want)
	}
}

// The group that was handed over is found from below, and only that one is used.
func TestDelegated(t *testing.T) {
	root := t.TempDir()
	deep := filepath.Join(root, "user", "unit", "head")
	if err := os.MkdirAll(deep, 0o777); err != nil {
		t.Fatal(err)
	}
	if got := delegated(root, "/user/unit/head"); got != "" {
		t.Errorf("nothing was handed over, got %s", got)
	}
	unit := filepath.Dir(deep)
	if err := unix.Setxattr(unit, "user.delegate", []byte("1"), 0); err != nil {
		t.Skip("the file system has no attributes: ", err)
	}
	if got := delegated(root, "/user/unit/head"); got != unit {
		t.Errorf("got %s, want %s", got, unit)
	}
}

// A folder with the files of a control group stands for one: what is written
// into it, and what is read of its end.
func TestMemoryGroup(t *testing.T) {
	parent := t.TempDir()
	if g := memoryGroupIn(parent, 1<<20, "a"); g != nil {
		t.Error("a group where there is no control group")
	}
	put := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	put(filepath.Join(parent, "cgroup.subtree_control"), "cpu memory pids\n")
	if g := memoryGroupIn(parent, 1<<20, "a"); g != nil {
		t.Error("a group without a limit")
	}
	if _, err := os.Stat(filepath.Join(parent, "ablate-a")); err == nil {
		t.Error("it left a group behind")
	}
	dir := filepath.Join(parent, "group")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	g := &memoryGroup{dir: dir}
	for text, want := range map[string]bool{
		"": false, "low 0\noom 3\noom_kill 0\noom_group_kill 0\n": false, "low 0\noom 3\noom_kill 2\noom_group_kill 0\n": true,
	} {
		put(filepath.Join(dir, "memory.events"), text)
		if g.killed() != want {
			t.Errorf("%q: killed is %v", text, !want)
		}
	}
}

// A worker whose group was over its limit says so to whoever waits for it.
func TestWaitMemory(t *testing.T) {
	dir := t.TempDir()
	file, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "memory.events"), []byte("oom_kill 1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", "kill -KILL $$")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, group: &memoryGroup{dir, file}}
	p.leash, _ = os.Open(os.DevNull)
	err = p.Wait()
	var exit *exec.ExitError
	if !errors.Is(err, engine.ErrMemory) || !errors.As(err, &exit) || !strings.Contains(err.Error(), "killed") {
		t.Errorf("%v", err)
	}
}
