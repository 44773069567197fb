package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"ablate/ablations"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/checkpoint"
)

// TrainerDir is the folder in the store at dir of the trainer that a run names,
// "" if that is the embedded one.
func TrainerDir(dir, trainer string) string {
	hash, external := strings.CutPrefix(trainer, ablations.External)
	if !external {
		return ""
	}
	return filepath.Join(dir, "trainers", hash)
}

// Freeze copies the files of the plan's trainer into the store at dir, where
// the workers run it: what was hashed is what runs, whatever becomes of the
// originals. It does nothing if they are there, or if the trainer is the
// embedded one.
func Freeze(dir string, plan *ablations.Plan) error {
	t := plan.Study.Trainer
	if t == nil {
		return nil
	}
	hash, files, err := t.Snapshot(plan.Study.Dir())
	if err != nil {
		return err
	}
	if ablations.External+hash != plan.Trainer {
		return errors.New("the trainer's files were changed while the study was being read; give the command again")
	}
	frozen := TrainerDir(dir, plan.Trainer)
	if isFrozen(frozen, t, hash, files) && touch(frozen) {
		return nil
	}
	if err := freeze(frozen, t, files); err != nil {
		return fmt.Errorf("copying the study's trainer into the store: %w", explain(dir, err))
	}
	return nil
}

// touch tells "ablate clean", which spares what is new, that somebody is about to
// need a folder. It reports whether the folder is there. Only its owner can touch
// it; of a store that several share, others have to rely on its being in use.
func touch(dir string) bool {
	info, err := os.Stat(dir)
	if err == nil {
		err = os.Chmod(dir, info.Mode())
	}
	return !errors.Is(err, fs.ErrNotExist)
}

// isFrozen reports whether a folder holds the very command and files.
func isFrozen(frozen string, t *ablations.Trainer, hash string, files []ablations.File) bool {
	text, err := os.ReadFile(filepath.Join(frozen, worker.FrozenJSON))
	if err != nil {
		return false
	}
	var written worker.FrozenCommand
	if json.Unmarshal(text, &written) != nil || !slices.Equal(written.Command, t.Command) {
		return false
	}
	there, copies, err := t.Snapshot(filepath.Join(frozen, worker.FrozenFiles))
	if err != nil || there != hash {
		return false
	}
	for i, f := range files {
		if copies[i].Executable != f.Executable {
			return false
		}
	}
	return true
}

// freeze makes the folder, whole or not at all. One that was tampered with
// makes way.
func freeze(frozen string, t *ablations.Trainer, files []ablations.File) error {
	parent := filepath.Dir(frozen)
	if err := os.MkdirAll(parent, 0o777); err != nil {
		return err
	}
	whole, err := os.MkdirTemp(parent, ".new-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(whole)
	if err := os.Chmod(whole, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(filepath.Join(whole, worker.FrozenFiles), 0o777); err != nil {
		return err
	}
	for _, f := range files {
		if err := writeFile(filepath.Join(whole, worker.FrozenFiles, filepath.FromSlash(f.Name)), f.Content, f.Executable); err != nil {
			return err
		}
	}
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	if err := writeFile(filepath.Join(whole, worker.FrozenJSON), append(text, '\n'), false); err != nil {
		return err
	}
	old := whole + ".old"
	err = os.Rename(frozen, old)
	if err == nil {
		defer os.RemoveAll(old)
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err := os.Rename(whole, frozen); err != nil {
		return err
	}
	return checkpoint.SyncDir(parent)
}

// writeFile writes a file that is there after a power cut, and its folder.
func writeFile(path string, content []byte, executable bool) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	mode := os.FileMode(0o666)
	if executable {
		mode = 0o777
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close(), checkpoint.SyncDir(filepath.Dir(path)))
}

// otherTrainer says that a study's own trainer is not the one that its runs of
// before were made by, "" if it is.
func otherTrainer(before map[string]results.Run, plan *ablations.Plan) string {
	if plan.Study.Trainer == nil {
		return ""
	}
	for _, r := range before {
		if r.Attempts > 0 && r.Trainer != plan.Trainer {
			return fmt.Sprintf("the command or the files of the trainer are not what %s was last run with: all runs begin anew", plan.Study.Name)
		}
	}
	return ""
}
