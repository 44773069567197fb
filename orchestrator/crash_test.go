package orchestrator

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
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
