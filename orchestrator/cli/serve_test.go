package cli

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/serve"
	"ablate/orchestrator/worker"
	"ablate/reports/page/browser"
)

// started is the program at work. It is stopped when the test ends.
type started struct {
	*exec.Cmd
	out    *bufio.Reader
	stderr bytes.Buffer
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{Cmd: exec.Command("ablate", args...)}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out, s.Stderr = bufio.NewReader(out), &s.stderr
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.stop(t) })
	return s
}

// stop interrupts the program and returns its exit code. Once is enough.
func (s *started) stop(t *testing.T) int {
	t.Helper()
	if s.ProcessState != nil {
		return s.ProcessState.ExitCode()
	}
	s.Process.Signal(os.Interrupt)
	late := time.AfterFunc(patience, func() { s.Process.Kill() })
	defer late.Stop()
	if err := s.Wait(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Error(err)
	}
	return s.ProcessState.ExitCode()
}

// address is the first line that the program prints.
func (s *started) address(t *testing.T) string {
	t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%v; it ends with %d and says %q", err, s.stop(t), s.stderr.String())
	}
	return strings.TrimSpace(line)
}

// The page's logs come out of the store only, and of a long one its end.
func TestServedLogs(t *testing.T) {
	dir := t.TempDir()
	runDir := filepath.Join(dir, "runs", "aa")
	if err := os.MkdirAll(runDir, 0o777); err != nil {
		t.Fatal(err)
	}
	a, err := worker.Claim(runDir, "token")
	if err != nil {
		t.Fatal(err)
	}
	read := func() (lines []serve.LogLine, err error) {
		over := func() (bool, error) { return true, nil }
		err = logOf(dir)("aa", 0, func(l serve.LogLine) error { lines = append(lines, l); return nil }, over, nil)
		return lines, err
	}
	long := "the beginning\n" + strings.Repeat("x", lastSaid) + "\nthe end\n"
	if err := os.WriteFile(a.Stderr(), []byte(long), 0o666); err != nil {
		t.Fatal(err)
	}
	if lines, err := read(); err != nil || len(lines) != 1 || lines[0].Text != "the end" || lines[0].Kind != "stderr" || !lines[0].Time.IsZero() {
		t.Errorf("of a long log it says %d lines, %.60v, %v", len(lines), lines, err)
	}
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside, []byte("a secret\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(a.Stderr()), os.Symlink(outside, a.Stderr())); err != nil {
		t.Fatal(err)
	}
	if lines, err := read(); err == nil || len(lines) > 0 {
		t.Errorf("out of the store it says %v, %v", lines, err)
	}
}

// TestLivePage looks at a study in a browser while it is executed, and changes
// its course.
func TestLivePage(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a browser")
	}
	store := filepath.Join(t.TempDir(), "store")
	var said bytes.Buffer
	if code := Main(t.Context(), []string{"queue", "add", "testdata/serve/slow.toml", "--store", store}, &said, &said); code != 0 {
		t.Fatalf("queue add ends with %d and says %q", code, said.String())
	}
	head := start(t, "run", "testdata/serve/slow.toml", "--store", store, "--jobs", "1")
	server := start(t, "serve", "--store", store, "--addr", "127.0.0.1:0", "--token")
	url := server.address(t)
	for end := time.Now().Add(patience); orchestrator.CurrentHead(store) == nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("there is no head; it said %q", head.stderr.String())
		}
	}
	browser.Check(t, url, "testdata/serve/live.mjs")
	if code := server.stop(t); code != exitInterrupted || !strings.Contains(server.stderr.String(), "live page of the store") ||
		strings.Contains(server.stderr.String(), "token=") {
		t.Errorf("the server ends with %d and says %q", code, server.stderr.String())
	}
	if code := head.stop(t); code != exitInterrupted {
		t.Errorf("the head ends with %d and says %q", code, head.stderr.String())
	}
}

// The server ends as it should when it is interrupted while somebody looks.
func TestServeEnds(t *testing.T) {
	t.Chdir(t.TempDir())
	server := start(t, "serve", "--addr", "0", "--store", "store")
	url := server.address(t)
	if !strings.HasPrefix(url, "http://127.0.0.1:") || strings.Contains(url, "#") {
		t.Errorf("its address is %q", url)
	}
	if _, err := os.Stat("store"); err == nil {
		t.Error("a store was made")
	}
	taken := strings.TrimSuffix(strings.TrimPrefix(url, "http://"), "/")
	var stdout, stderr bytes.Buffer
	code := Main(t.Context(), []string{"serve", "--addr", taken}, &stdout, &stderr)
	if code != exitFailed || !strings.Contains(stderr.String(), "another program listens at "+taken) {
		t.Errorf("a second one ends with %d and says %q", code, stderr.String())
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := server.stop(t); code != exitInterrupted {
		t.Errorf("it ends with %d and says %q", code, server.stderr.String())
	}
}

func TestServeUsage(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(name, text string, mode os.FileMode) {
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("short", "secret\n", 0o600)
	write("open", "a-token-that-nobody-guesses\n", 0o644)
	for line, want := range map[string]struct {
		code int
		says string
	}{
		"--addr 0.0.0.0:80":           {exitUsage, "this machine alone"},
		"--addr example.org:80":       {exitUsage, "ssh -L 80:127.0.0.1:80"},
		"--addr nonsense":             {exitUsage, "is no address to listen at"},
		"--token --token-file open":   {exitUsage, "give one of them"},
		"--token-file none":           {exitFailed, "the token cannot be read"},
		"--token-file short --addr 0": {exitFailed, "can be guessed"},
		"--token-file open --addr 0":  {exitFailed, "chmod 600 open"},
		"quick --store none":          {exitFailed, "there are no results in none yet"},
		"--set a=1 --store none":      {exitFailed, "there are no results in none yet"},
		"one two":                     {exitUsage, "takes a study, and no more"},
	} {
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), append([]string{"serve"}, strings.Fields(line)...), &stdout, &stderr)
		if code != want.code || !strings.Contains(stderr.String(), want.says) || stdout.Len() > 0 {
			t.Errorf("ablate serve %s ends with %d and says %q, %q", line, code, stdout.String(), stderr.String())
		}
	}
}
