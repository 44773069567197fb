package cli

import (
	"bytes"
	"database/sql"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A run whose stored figures are not those that it makes is named, unless it was
// made with other kernels: then its outcome counts.
func TestRerunNamesDifferences(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for two seconds")
	}
	t.Chdir(t.TempDir())
	t.Setenv("ABLATE_DATA", "")
	t.Setenv("ABLATE_STORE", "store")
	if err := os.WriteFile("tiny.toml", tiny, 0o666); err != nil {
		t.Fatal(err)
	}
	ablate := func(wanted int, line string) (stdout string) {
		t.Helper()
		var out, errs bytes.Buffer
		// The program, not Main: workers are started from the file that runs.
		command := exec.Command("ablate", strings.Fields(line)...)
		command.Stdout, command.Stderr = &out, &errs
		command.Run()
		if code := command.ProcessState.ExitCode(); code != wanted {
			t.Fatalf("ablate %s ends with %d and says\n%s%s", line, code, out.String(), errs.String())
		}
		return out.String()
	}
	change := func(statement string) {
		t.Helper()
		db, err := sql.Open("sqlite3", "file:store/store.db")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		r, err := db.Exec(statement)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := r.RowsAffected(); n == 0 || err != nil {
			t.Fatalf("%s changes %d rows, %v", statement, n, err)
		}
	}
	ablate(exitDone, "run tiny.toml --set epochs=1")
	change(`UPDATE metrics SET value = value * (1 + 1e-15)
		WHERE step = 2 AND name = (SELECT key FROM metric_names WHERE name = 'loss') AND run = (SELECT key FROM runs WHERE cell = 'bn')`)
	ablate(exitDone, "report --out report")
	said := ablate(exitFailed, "verify report") // it says what the store says, but the store does not say what the run told
	for _, want := range []string{"bn seed 1: 1 of ", " in the store not as its journal has them, first loss at step 2: stored ", "\nread again: journals of 2 runs, "} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	journals, err := filepath.Glob("store/runs/*/1/journal.jsonl")
	if err != nil || len(journals) != 2 {
		t.Fatal(journals, err)
	}
	for _, path := range journals {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	said = ablate(exitDone, "verify report") // as far as anybody can tell
	if want := "of 2 runs a journal is gone: "; !strings.Contains(said, want) {
		t.Errorf("no %q in\n%s", want, said)
	}
	said = ablate(exitFailed, "verify report/report.json --rerun")
	for _, want := range []string{"bn seed 1 anew: 1 of ", " figures differ, first loss at step 2: stored ", "bn seed 1 anew: linear_top1 at the end: stored "} {
		if !strings.Contains(said, want) {
			t.Errorf("no %q in\n%s", want, said)
		}
	}
	change(`UPDATE attempts SET kernels = 'other'`)
	ablate(exitDone, "report --out report")
	said = ablate(exitDone, "verify report/report.json --rerun")
	if want := "bn seed 1 anew: made with other on "; !strings.Contains(said, want) || !strings.Contains(said, "so that equality to the bit cannot be expected: 1 of ") {
		t.Errorf("no %q in\n%s", want, said)
	}
	change(`UPDATE runs SET outcome = 'collapsed' WHERE cell = 'bn'`)
	ablate(exitDone, "report --out report")
	said = ablate(exitFailed, "verify report/report.json --rerun")
	if want := "bn seed 1 anew: its outcome is completed, stored is collapsed"; !strings.Contains(said, want) {
		t.Errorf("no %q in\n%s", want, said)
	}
}
