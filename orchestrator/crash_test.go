package orchestrator

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"ablate/orchestrator/engine"
)

func TestCrash(t *testing.T) {
	tests := []struct{ name, script, log, want string }{
		{"said why", "exit 1", "noise\nablate: the images are gone\n", "the images are gone"},
		{"said nothing", "exit 1", "", "exit status 1"},
		{"runtime", "exit 2", "noise\nfatal error: out of stack\n\ngoroutine 1 [running]:\nmain.f()\n", "the worker crashed: fatal error: out of stack"},
		{"signal", "kill -SEGV $$", "last words", "died of signal segmentation fault: last words"},
		{"killed", "kill -KILL $$", "", "killed from outside, perhaps for want of memory"},
		{"stopped", "exit 75", "ablate: interrupted\n", "stopped from outside: interrupted"},
		{"full", "exit 74", "ablate: cannot write x: no space left\n", "no room to write: cannot write x: no space left"},
		{"full, and its words lost", "exit 74", "", "no room to write"},
		{"well", "exit 0", "", "the worker ended without an outcome"},
	}
	for _, test := range tests {
		log := filepath.Join(t.TempDir(), "stderr.log")
		if err := os.WriteFile(log, []byte(test.log), 0o666); err != nil {
			t.Fatal(err)
		}
		if got := crash(exec.Command("/bin/sh", "-c", test.script).Run(), log); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
	if got := crash(errors.New("no such engine"), "nowhere"); got != "no such engine" {
		t.Errorf("%q", got)
	}
}

func TestOverMemory(t *testing.T) {
	const over = "needed more than its memory limit of 512 MiB"
	tests := []struct{ name, script, log, want string }{
		{"go", "exit 2", "fatal error: runtime: out of memory\n\ngoroutine 1 [running]:\n", over + ": fatal error: runtime: out of memory"},
		{"c++", "exit 2", "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\nSIGABRT: abort\nPC=0x1\n\ngoroutine 0\n",
			over + ": what():  std::bad_alloc"},
		{"python", "exit 1", "Traceback\nMemoryError\nablate: the trainer ended with exit code 1: MemoryError\n",
			over + ": the trainer ended with exit code 1: MemoryError"},
		{"no thread", "exit 2", "runtime/cgo: pthread_create failed: Resource temporarily unavailable\nSIGABRT: abort\n",
			over + ": runtime/cgo: pthread_create failed: Resource temporarily unavailable"},
		{"a GPU's", "exit 1", "ablate: the trainer ended with exit code 1: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB\n", ""},
		{"something else later", "exit 1", "MemoryError, going on with less\nValueError: no\n", ""},
		{"a null pointer", "exit 2", "SIGSEGV: segmentation violation\nPC=0x43c7bd m=4 sigcode=1 addr=0x0\n\ngoroutine 0\n", over + ": SIGSEGV: segmentation violation"},
		{"another pointer", "exit 2", "SIGSEGV: segmentation violation\nPC=0x43c7bd m=4 sigcode=1 addr=0x7f001\n\ngoroutine 0\n", ""},
		{"a panic of ours", "exit 2", "panic: runtime error: invalid memory address\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n", ""},
		{"another abort", "exit 2", "free(): invalid pointer\nSIGABRT: abort\n", ""},
		{"killed by somebody", "kill -KILL $$", "", ""},
	}
	for _, test := range tests {
		log := filepath.Join(t.TempDir(), "stderr.log")
		if err := os.WriteFile(log, []byte(test.log), 0o666); err != nil {
			t.Fatal(err)
		}
		ended := exec.Command("/bin/sh", "-c", test.script).Run()
		if got := overMemory(512<<20, ended, log); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
		if got := overMemory(0, ended, log); got != "" {
			t.Errorf("%s, without a limit: %q", test.name, got)
		}
	}
	killed := fmt.Errorf("%w: %w", engine.ErrMemory, exec.Command("/bin/sh", "-c", "kill -KILL $$").Run())
	if got := overMemory(512<<20, killed, "nowhere"); got != over {
		t.Errorf("killed by its group: %q", got)
	}
}

func TestExplain(t *testing.T) {
	for errno, full := range map[syscall.Errno]bool{syscall.ENOSPC: true, syscall.EDQUOT: true, syscall.EROFS: true, syscall.EIO: false} {
		err := explain("st", &fs.PathError{Op: "write", Path: "st/lock", Err: errno})
		if got := strings.Contains(err.Error(), "make room and start again"); got != full || !strings.Contains(err.Error(), "st/lock") {
			t.Errorf("%v", err)
		}
	}
	if err := explain("st", nil); err != nil {
		t.Error(err)
	}
}

func TestTail(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, []byte("first\nsecond\nthird\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		n    int64
		want string
	}{{100, "first\nsecond\nthird\n"}, {19, "first\nsecond\nthird\n"}, {18, "second\nthird\n"}, {8, "third\n"}} {
		if got := string(tail(path, test.n)); got != test.want {
			t.Errorf("tail %d: %q, want %q", test.n, got, test.want)
		}
	}
}
