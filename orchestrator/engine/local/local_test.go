package local

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ablate/orchestrator/engine"
	"ablate/orchestrator/worker"
)

// launch starts a shell script as the worker, in a folder of its own.
func launch(t *testing.T, script string) (engine.Handle, string) {
	t.Helper()
	dir := t.TempDir()
	e := Engine{Path: "/bin/sh", Args: []string{"sh", "-c", script, "sh"}, Env: []string{"THREADS=1"}}
	h, err := e.Launch(t.Context(), engine.Launch{RunDir: dir, Token: "t0k"})
	if err != nil {
		t.Fatal(err)
	}
	return h, dir
}

func TestLaunch(t *testing.T) {
	h, dir := launch(t, `echo "$THREADS $*" >&2; exit 3`)
	var exit *exec.ExitError
	if err := h.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("ended with %v", err)
	}
	log, err := os.ReadFile(worker.LaunchLog(dir))
	if want := "1 --leash --token t0k " + dir + "\n"; string(log) != want || err != nil {
		t.Errorf("log %q, %v, want %q", log, err, want)
	}
}

// The leash is the worker's standard input: Stop ends it, and nothing that a
// later worker inherits holds it open.
func TestStop(t *testing.T) {
	h, dir := launch(t, `cat; touch "$4/stopped"`)
	other, _ := launch(t, `cat`)
	h.Stop()
	if err := h.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "stopped")); err != nil {
		t.Error(err)
	}
	other.Kill()
	other.Wait()
}

func TestKillGroup(t *testing.T) {
	h, dir := launch(t, `sleep 600 & echo $! > "$4/pid"; mv "$4/pid" "$4/child"; wait`)
	child := pidIn(t, filepath.Join(dir, "child"))
	h.Kill()
	if err := h.Wait(); err == nil {
		t.Error("a killed worker ended well")
	}
	awaitEnd(t, child)
}

// What a killed worker has started in groups of their own is gone too.
func TestKillSession(t *testing.T) {
	h, dir := launch(t, `exec bash -c 'set -m; sleep 600 & echo $! > "$4/pid"; mv "$4/pid" "$4/child"; wait' sh "$@"`)
	child := pidIn(t, filepath.Join(dir, "child"))
	if group, err := syscall.Getpgid(child); group != child {
		t.Fatalf("process %d is of group %d, %v", child, group, err)
	}
	h.Kill()
	if err := h.Wait(); err == nil {
		t.Error("a killed worker ended well")
	}
	awaitEnd(t, child)
}

// What a worker leaves behind is gone when Wait returns.
func TestLeftBehind(t *testing.T) {
	h, dir := launch(t, `sleep 600 2>/dev/null & echo $! > "$4/child"`)
	if err := h.Wait(); err != nil {
		t.Error(err)
	}
	awaitEnd(t, pidIn(t, filepath.Join(dir, "child")))
	h.Kill() // of no effect
}

func TestLaunchFails(t *testing.T) {
	e := Engine{Path: "/nonexistent/program"}
	if _, err := e.Launch(t.Context(), engine.Launch{RunDir: t.TempDir()}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Launch(ctx, engine.Launch{RunDir: t.TempDir()}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

func pidIn(t *testing.T, path string) int {
	t.Helper()
	for range 1000 {
		text, err := os.ReadFile(path)
		if err == nil {
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("waited in vain for %s", path)
	return 0
}

// awaitEnd waits until the process is gone, or dead and not yet reaped by
// whoever inherited it.
func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			return
		}
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err == nil && strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d lives", pid)
}
