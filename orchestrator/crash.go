package orchestrator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"ablate/orchestrator/engine"
	"ablate/orchestrator/worker"
	"ablate/words"
)

// tail returns up to n last bytes of the file, from the start of a line.
func tail(path string, n int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	from := max(0, info.Size()-n)
	text, _ := io.ReadAll(io.NewSectionReader(f, from, n))
	if from > 0 {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}

// crash says in a line why a worker ended without an outcome: the last that it
// said on standard error, and how its process ended.
func crash(ended error, log string) string {
	said := lastWords(tail(log, 64<<10))
	how := ""
	var exit *exec.ExitError
	switch {
	case errors.As(ended, &exit):
		how = howExited(exit.Sys().(syscall.WaitStatus))
	case ended != nil:
		how = ended.Error()
	case said == "":
		how = "the worker ended without an outcome"
	}
	switch {
	case said == "" && how == "":
		return ended.Error()
	case said == "":
		return how
	case how == "":
		return said
	}
	return how + ": " + said
}

// overMemory says in a sentence that a worker which was bound to so many bytes
// has ended because it needed more, "" if it has ended for another reason. A
// second attempt would end likewise.
func overMemory(limit int64, ended error, log string) string {
	if limit <= 0 || ended == nil {
		return ""
	}
	text := tail(log, 64<<10)
	said := lastWords(text)
	switch {
	case errors.Is(ended, engine.ErrMemory):
		said = "" // it had no time to say so
	case strings.HasPrefix(said, "SIG"): // aborted: what it had to say stands before that
		before, after, _ := strings.Cut(string(text), said)
		switch {
		case wantsMemory(before):
			said = lastWords([]byte(before))
		case !strings.HasPrefix(said, "SIGSEGV") || !strings.Contains(after, "addr=0x0"):
			return ""
		}
		// Else it has used a null pointer outside of Go's own code: what the collector
		// and C get for memory that they were refused.
	case !wantsMemory(said):
		return ""
	}
	reason := "needed more than its memory limit of " + words.Bytes(limit)
	if said != "" {
		reason += ": " + said
	}
	return reason
}

// wantsMemory reports whether a text says that there was no memory to be had: as
// Go, C++, pthreads, Python and NumPy, PyTorch, and the C library say it. The
// memory of a GPU is not meant.
func wantsMemory(text string) bool {
	for _, sign := range []string{
		"out of memory", "cannot map pages in arena", "bad_alloc", "pthread_create failed", "MemoryError", "Unable to allocate",
		"can't allocate memory", "annot allocate memory",
	} {
		if strings.Contains(text, sign) {
			return !strings.Contains(text, "CUDA") && !strings.Contains(text, "HIP out")
		}
	}
	return false
}

// exited reports whether a worker ended with this exit code.
func exited(ended error, code int) bool {
	var exit *exec.ExitError
	return errors.As(ended, &exit) && exit.ExitCode() == code
}

// explain says what to do about an error of writing to the store's folder.
func explain(dir string, err error) error {
	if worker.NoRoom(err) {
		return fullDisk(dir, err.Error())
	}
	return err
}

func fullDisk(dir, reason string) error {
	return fmt.Errorf("the disk of the store %s is full, or has become read-only; make room and start again, nothing stored is lost (%s)",
		dir, reason)
}

// howExited is empty for the exit of a worker that said why.
func howExited(status syscall.WaitStatus) string {
	switch {
	case status.Signaled() && status.Signal() == syscall.SIGKILL:
		return "killed from outside, perhaps for want of memory"
	case status.Signaled():
		return "died of signal " + status.Signal().String()
	case status.ExitStatus() == worker.ExitInterrupted:
		return "stopped from outside"
	case status.ExitStatus() == worker.ExitNoRoom:
		return "no room to write"
	case status.ExitStatus() == 1, status.ExitStatus() == worker.ExitRefused:
		return ""
	}
	return "the worker crashed"
}

// lastWords picks the line of a log that says what went wrong: where Go's
// runtime has aborted the program it is the one before the stacks, else the
// last.
func lastWords(log []byte) string {
	last := ""
	for line := range strings.Lines(string(log)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") || strings.HasPrefix(line, "SIG") {
			return line
		}
		if line != "" {
			last = line
		}
	}
	return strings.TrimPrefix(last, "ablate: ")
}
