package journal

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// /dev/full takes nothing, like a disk without a free byte.
func TestFullDisk(t *testing.T) {
	f, err := os.OpenFile("/dev/full", os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Skip(err)
	}
	w := &Writer{file: f}
	defer w.Close()
	first := w.Write(Line{Kind: Event, Text: "one"})
	if !errors.Is(first, syscall.ENOSPC) {
		t.Fatalf("error is %v", first)
	}
	for _, part := range []string{"line 1", "no space left on device", "make room"} {
		if !strings.Contains(first.Error(), part) {
			t.Errorf("%q does not say %q", first, part)
		}
	}
	if err := w.Write(Line{Kind: Event, Text: "two"}); err != first {
		t.Errorf("then %v", err)
	}
	if err := w.Sync(); err != first {
		t.Errorf("then sync says %v", err)
	}
}

const fileLimit = 1000 // bytes, of the child below

// A disk that fills up in the middle of a line leaves a torn line. A child
// with a limit on the size of its files meets just that.
func TestDiskFillsUpWithinALine(t *testing.T) {
	if path := os.Getenv("JOURNAL_OF_LIMITED_CHILD"); path != "" {
		limitedChild(path)
	}
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	child := exec.Command(os.Args[0], "-test.run=^TestDiskFillsUpWithinALine$")
	child.Env = append(os.Environ(), "JOURNAL_OF_LIMITED_CHILD="+path)
	if out, err := child.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) != fileLimit || bytes.HasSuffix(text, []byte("\n")) {
		t.Fatalf("%d bytes; the line was to be torn at %d: %q", len(text), fileLimit, text)
	}
	lines, err := readAll(NewReader(bytes.NewReader(text), 1))
	if err != io.EOF || len(lines) != bytes.Count(text, []byte("\n")) {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

func limitedChild(path string) {
	signal.Ignore(syscall.SIGXFSZ)
	fail := func(what string, err error) {
		if err != nil {
			println(what, err.Error())
			os.Exit(1)
		}
	}
	fail("setrlimit", unix.Setrlimit(unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: fileLimit, Max: fileLimit}))
	w, err := Create(path)
	fail("create", err)
	for err == nil {
		err = w.Write(Line{Kind: Event, Text: "all is well so far"})
	}
	if !errors.Is(err, syscall.EFBIG) {
		fail("write", err)
	}
	// Whatever came next would hang on the torn line.
	if again := w.Write(Line{Kind: Event}); again != err {
		fail("wrote after a torn line", errors.Join(errors.New("not the first error"), again))
	}
	os.Exit(0)
}
