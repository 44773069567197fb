package orchestrator_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"ablate/ablations"
	"ablate/orchestrator"
)

// planExternal makes the plan of a study in dir with a trainer of its own.
func planExternal(t *testing.T, dir string) *ablations.Plan {
	t.Helper()
	const text = "[trainer]\ncommand = [\"./train.sh\"]\nfiles = [\"train.sh\", \"lib\"]\n"
	s, err := ablations.Parse(filepath.Join(dir, "own.toml"), []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := ablations.NewPlan(s, nil, "1")
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

func putFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// changed is when a file or folder was last changed in whatever way.
func changed(t *testing.T, path string) time.Time {
	t.Helper()
	var s unix.Stat_t
	must(t, unix.Lstat(path, &s))
	return time.Unix(s.Ctim.Unix())
}

func TestFreeze(t *testing.T) {
	dir, store := t.TempDir(), t.TempDir()
	putFile(t, filepath.Join(dir, "train.sh"), "echo one", 0o755)
	putFile(t, filepath.Join(dir, "lib", "deep", "a.txt"), "a", 0o644)
	putFile(t, filepath.Join(dir, "other.txt"), "not listed", 0o644)
	plan := planExternal(t, dir)
	frozen := orchestrator.TrainerDir(store, plan.Trainer)
	holds := func(want string) {
		t.Helper()
		if err := orchestrator.Freeze(store, plan); err != nil {
			t.Fatal(err)
		}
		var all []string
		filepath.WalkDir(frozen, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() {
				name, _ := filepath.Rel(frozen, path)
				text, _ := os.ReadFile(path)
				if strings.HasPrefix(name, "files") {
					name += "=" + string(text)
				}
				all = append(all, name)
			}
			return nil
		})
		if got := strings.Join(all, " "); got != want {
			t.Errorf("frozen: %s, want %s", got, want)
		}
		if left, _ := filepath.Glob(filepath.Join(store, "trainers", ".*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
	const whole = "files/lib/deep/a.txt=a files/train.sh=echo one trainer.json"
	holds(whole)
	if info, err := os.Stat(filepath.Join(frozen, "files", "train.sh")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("the program cannot be executed: %v, %v", info, err)
	}
	first := changed(t, frozen)
	time.Sleep(20 * time.Millisecond) // the clock of a file system is coarse
	before, err := os.Stat(frozen)
	if err != nil {
		t.Fatal(err)
	}
	holds(whole)
	if after, err := os.Stat(frozen); err != nil || !os.SameFile(before, after) {
		t.Errorf("frozen again: %v", err)
	}
	if after := changed(t, frozen); !after.After(first) {
		t.Errorf("a cleaning would take it for as old as before: %v, %v", first, after)
	}

	// What is not as it was makes way.
	putFile(t, filepath.Join(frozen, "files", "train.sh"), "echo two", 0o755)
	holds(whole)
	if err := os.Remove(filepath.Join(frozen, "files", "lib", "deep", "a.txt")); err != nil {
		t.Fatal(err)
	}
	holds(whole)
	if err := os.Chmod(filepath.Join(frozen, "files", "train.sh"), 0o644); err != nil {
		t.Fatal(err)
	}
	holds(whole)
	if info, err := os.Stat(filepath.Join(frozen, "files", "train.sh")); err != nil || info.Mode()&0o111 == 0 {
		t.Errorf("the program cannot be executed any more: %v, %v", info, err)
	}
	putFile(t, filepath.Join(frozen, "trainer.json"), `{"command":["./train.sh","--other"]}`, 0o644)
	holds(whole)
	if text, err := os.ReadFile(filepath.Join(frozen, "trainer.json")); err != nil || strings.Contains(string(text), "--other") {
		t.Errorf("another command stayed: %s, %v", text, err)
	}

	// Other files are another trainer; the plan is of the old ones.
	putFile(t, filepath.Join(dir, "train.sh"), "echo two", 0o755)
	if err := orchestrator.Freeze(store, plan); err == nil || !strings.Contains(err.Error(), "give the command again") {
		t.Errorf("froze files that the plan is not of: %v", err)
	}
	plan = planExternal(t, dir)
	if other := orchestrator.TrainerDir(store, plan.Trainer); other == frozen {
		t.Errorf("both trainers lie in %s", other)
	}
	if dir := orchestrator.TrainerDir(store, "2"); dir != "" {
		t.Errorf("the embedded trainer lies in %s", dir)
	}
}
