package cli

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ablate/results"

	"github.com/urfave/cli/v2"
)

// ofStore are command lines of every command that opens a store.
var ofStore = []string{
	"run tiny.toml", "plan tiny.toml", "status", "report", "diff aa bb", "serve", "show aa", "logs aa", "pause", "resume", "cancel tiny", "cancel --run aa",
	"retry", "clean", "import other", "export encoder aa --out x.safetensors",
	"export csv --out x", "export jsonl --out x", "export parquet --out x", "export tensorboard --out x", "export mlflow --out x", "verify report.json",
	"queue add tiny.toml", "queue list", "queue move 1", "queue pause 1", "queue resume 1", "queue remove 1", "queue run",
}

// Every command says so if the store is of a newer program, and changes nothing.
func TestStoreOfANewerProgram(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("ABLATE_DATA", "")
	if err := os.WriteFile("tiny.toml", tiny, 0o666); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"store", "other"} {
		s, err := results.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	db, err := sql.Open("sqlite3", "file:store/store.db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	before, err := os.ReadFile("store/store.db")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range ofStore {
		var stdout, stderr bytes.Buffer
		code := Main(t.Context(), append(strings.Fields(line), "--store", "store"), &stdout, &stderr)
		said := stderr.String()
		if code != exitFailed || !strings.Contains(said, "has schema 1000, but this program knows schemas up to") || strings.Count(said, "\n") != 1 {
			t.Errorf("ablate %s ends with %d and says %q, %q", line, code, said, stdout.String())
		}
	}
	if after, _ := os.ReadFile("store/store.db"); !bytes.Equal(before, after) {
		t.Error("the database was changed")
	}
}

// No command that opens a store is forgotten above.
func TestCommandsOfStores(t *testing.T) {
	// These open no database, or one of their own.
	without := []string{"studies list", "studies show", "studies schema", "keys", "trace", "queue log", "worker",
		"bench trainer", "bench store", "bench scheduler", "completion", "complete", "man"}
	eachCommand(newApp(io.Discard, io.Discard).Commands, nil, func(c *cli.Command, path []string) {
		name := strings.Join(path, " ")
		listed := slices.ContainsFunc(ofStore, func(line string) bool { return strings.HasPrefix(line+" ", name+" ") })
		if len(c.Subcommands) == 0 && !listed && !slices.Contains(without, name) {
			t.Errorf("%s is not in the list", name)
		}
	})
}

// Of two that begin at the same instant on a store that is not there yet, one
// does the work and the other says who does.
func TestTwoHeadsAtOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for a second")
	}
	dir := t.TempDir()
	study := filepath.Join(dir, "tiny.toml")
	if err := os.WriteFile(study, tiny, 0o666); err != nil {
		t.Fatal(err)
	}
	t.Setenv("ABLATE_DATA", "")
	said := make([]bytes.Buffer, 2)
	heads := make([]*exec.Cmd, 2)
	for i := range heads {
		// Longer than the second waits for a lock that is held for an instant.
		heads[i] = exec.Command("ablate", "run", study, "--set", "epochs=100", "--jobs", "1", "--store", filepath.Join(dir, "store"))
		heads[i].Stderr = &said[i]
		if err := heads[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	codes := make([]int, 2)
	for i, head := range heads {
		head.Wait()
		codes[i] = head.ProcessState.ExitCode()
	}
	if codes[0]+codes[1] != exitFailed {
		t.Fatalf("exit codes %v; they said\n%s\n%s", codes, said[0].Bytes(), said[1].Bytes())
	}
	worked, refused := slices.Index(codes, 0), slices.Index(codes, exitFailed)
	if want := fmt.Sprintf("is in use by process %d on ", heads[worked].Process.Pid); !strings.Contains(said[refused].String(), want) {
		t.Errorf("the second said %q, not %q", said[refused].String(), want)
	}
	if strings.Contains(said[refused].String(), "started") || !strings.Contains(said[worked].String(), "2 of 2 runs have a result: ") {
		t.Errorf("they said\n%s\n%s", said[0].Bytes(), said[1].Bytes())
	}
}
