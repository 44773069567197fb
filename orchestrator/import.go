package orchestrator

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/google/renameio/v2"

	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/checkpoint"
	"ablate/trainer/config"
)

// frozenTrainers is where a store keeps the external trainers of its runs.
const frozenTrainers = "trainers"

// Imported is what an import found and did.
type Imported struct {
	Studies  int                 // that were new
	Runs     int                 // of the other store
	Taken    []results.ImportRun // runs taken over from it; Ours as it was before
	Differ   []Disagreement      // runs with different results in the two stores
	Trainers int                 // frozen trainers that were new
}

// Disagreement is a run that has a result in both stores, but not the same.
type Disagreement struct {
	results.ImportRun
	Metrics []string // those that differ
}

// Import merges the store in the folder from into the one in dir, which it makes
// if there is none, as its head. Neither may have a head. Of a run that both
// have, a result wins over none, ours over theirs, and a run that a study of ours
// still waits for over one that failed or was cancelled. A run's attempts are
// taken over all together, or none of them: behind our own attempts, if there
// are any, which then count no more.
//
// A run's files come first, then its rows, in one transaction. So an import that
// was stopped can be repeated, and a head that works on the store in between
// finds attempts that it has not read yet.
func Import(dir, from string) (done Imported, err error) {
	if sameFolder(dir, from) {
		return done, fmt.Errorf("the store %s cannot be imported into itself", from)
	}
	away, err := keepHeadsAway(from)
	if err != nil {
		return done, err
	}
	defer away.Close()
	theirs, err := results.OpenReadOnly(from)
	if err != nil {
		return done, err
	}
	defer theirs.Close()
	lock, err := Acquire(dir)
	if err != nil {
		return done, err
	}
	defer lock.Release()
	ours, err := results.Open(dir)
	if err != nil {
		return done, err
	}
	defer ours.Close()
	merge, err := ours.Import(theirs)
	if err != nil {
		return done, err
	}
	defer merge.Close()
	m := merger{merge, dir, from, done}
	err = m.all()
	return m.done, explain(dir, err)
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// keepHeadsAway sees to it that the store in dir has no head until the file is
// closed. A store without a lock file never had one.
func keepHeadsAway(dir string) (io.Closer, error) {
	f, err := os.Open(lockPath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return io.NopCloser(nil), nil
	}
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		h := readHead(f)
		err = fmt.Errorf("the store %s is in use by process %d on %s; import it when that has ended", dir, h.PID, h.Host)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

type merger struct {
	*results.Import
	dir, from string
	done      Imported
}

func (m *merger) all() (err error) {
	if err := m.trainers(); err != nil {
		return err
	}
	if m.done.Studies, err = m.Studies(); err != nil {
		return err
	}
	runs, err := m.Runs()
	if err != nil {
		return err
	}
	m.done.Runs = len(runs)
	for _, r := range runs {
		if err := m.run(r); err != nil {
			return fmt.Errorf("importing run %s: %w", r.ID, err)
		}
	}
	return nil
}

// run takes over a run if that is worth it.
func (m *merger) run(r results.ImportRun) error {
	ours, theirs := RunDir(m.dir, r.ID), RunDir(m.from, r.ID)
	shift, err := shiftOf(ours, theirs, r.Ours.Attempts)
	if err != nil {
		return err
	}
	if r.Ours.Outcome.IsResult() && r.Theirs.Outcome.IsResult() && shift > 0 {
		return m.compare(r)
	}
	if !worthTaking(r, shift) {
		return nil
	}
	if err := copyAttempts(ours, theirs, shift); err != nil {
		return err
	}
	m.done.Taken = append(m.done.Taken, r)
	return m.TakeRun(r.ID, shift)
}

// worthTaking reports whether a run is to be as it is in the other store, where
// our first attempts, as many as shift says, are none of theirs.
func worthTaking(r results.ImportRun, shift int) bool {
	o, t := r.Ours, r.Theirs
	switch {
	case o.Outcome.IsResult():
		return false
	case t.Outcome.IsResult():
		return true
	case o.Outcome != "" || shift > 0:
		return false
	case t.Outcome != "" && o.Attempts == 0 && r.Wanted:
		return false // it is still to be done here, perhaps tonight: that it went wrong elsewhere does not take it off
	}
	return t.Outcome != "" || t.Attempts > o.Attempts || t.Attempts == o.Attempts && t.Step > o.Step
}

// compare notes it if a run's two results are not the same. The spectrum is left
// out: runs of earlier programs lack it, which is no disagreement, and what
// differs in it differs in z_rankme too, which is made of it.
func (m *merger) compare(r results.ImportRun) error {
	names, err := m.Differing(r.ID)
	names = slices.DeleteFunc(names, func(name string) bool {
		_, spectrum := config.SpectrumRank(name)
		return spectrum
	})
	if err == nil && (len(names) > 0 || r.Ours.Outcome != r.Theirs.Outcome) {
		m.done.Differ = append(m.done.Differ, Disagreement{r, names})
	}
	return err
}

// shiftOf returns how many of our first attempts at a run are none of theirs, so
// that their attempt N is, or is to be, our attempt N + shift. known is the
// newest of ours that the store knows.
func shiftOf(ours, theirs string, known int) (int, error) {
	attempts, err := worker.Attempts(ours)
	if err != nil {
		return 0, err
	}
	newest := known
	for _, a := range attempts {
		newest = max(newest, a.N)
	}
	shift := 0
	for !copiesFollow(ours, theirs, shift, newest) {
		shift++
	}
	return shift, nil
}

// copiesFollow reports whether our attempts behind the first ones, as many as
// shift says, are their attempts from the first on.
func copiesFollow(ours, theirs string, shift, newest int) bool {
	for n := shift + 1; n <= newest; n++ {
		a, errA := worker.Attempt{RunDir: ours, N: n}.Claimed()
		b, errB := worker.Attempt{RunDir: theirs, N: n - shift}.Claimed()
		if errA != nil || errB != nil || a.Token != b.Token || a.Host != b.Host || a.PID != b.PID || !a.Started.Equal(b.Started) {
			return false
		}
	}
	return true
}

// copyAttempts copies the attempts at a run into our folder of it, as attempts
// with numbers higher by shift. Of the checkpoints it takes those that a further
// attempt would go on from.
func copyAttempts(ours, theirs string, shift int) error {
	attempts, err := worker.Attempts(theirs)
	if err != nil || len(attempts) == 0 {
		return err
	}
	if err := os.MkdirAll(ours, 0o777); err != nil {
		return err
	}
	source, err := worker.NewestWithCheckpoints(theirs)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		to := worker.Attempt{RunDir: ours, N: a.N + shift}
		if err := copyAttempt(a, to, a.N == source); err != nil {
			return err
		}
	}
	if err := copyFile(filepath.Join(theirs, "run.json"), filepath.Join(ours, "run.json")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return errors.Join(checkpoint.SyncDir(ours), checkpoint.SyncDir(filepath.Dir(ours)))
}

// copyAttempt copies an attempt's files, its claim last: before that there is no
// such attempt.
func copyAttempt(from, to worker.Attempt, checkpoints bool) error {
	skip := func(path string) bool {
		return path == from.ClaimFile() || !checkpoints && path == from.Checkpoints() || worker.Leftover(filepath.Base(path))
	}
	if err := copyFolder(from.Dir(), to.Dir(), skip); err != nil {
		return err
	}
	if err := copyClaim(from, to); err != nil {
		return err
	}
	return checkpoint.SyncDir(to.Dir())
}

// copyFolder copies the files of a folder and of those in it, but for what skip
// tells of. What is there already, and as long, stays: files are only ever
// appended to, or replaced under another name.
func copyFolder(from, to string, skip func(path string) bool) error {
	return filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if skip(path) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		inner, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(to, inner), 0o777)
		case d.Type().IsRegular():
			return copyFile(path, filepath.Join(to, inner))
		}
		return nil
	})
}

// copyFile copies a file in one piece, unless there is one of that length.
func copyFile(from, to string) error {
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if there, err := os.Stat(to); err == nil && there.Size() == info.Size() {
		return nil
	}
	out, err := renameio.NewPendingFile(to, renameio.WithTempDir(filepath.Dir(to)), renameio.WithPermissions(info.Mode().Perm()))
	if err != nil {
		return err
	}
	defer out.Cleanup()
	if _, err := io.Copy(out, f); err != nil {
		return err
	}
	return out.CloseAtomicallyReplace()
}

// copyClaim copies the claim of an attempt, whose number must be free, unless it
// is taken by that very claim.
func copyClaim(from, to worker.Attempt) error {
	text, err := os.ReadFile(from.ClaimFile())
	if err != nil {
		return err
	}
	if there, err := os.ReadFile(to.ClaimFile()); err == nil && bytes.Equal(there, text) {
		return nil
	}
	f, err := os.CreateTemp(to.RunDir, ".claim-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), to.ClaimFile())
}

// trainers copies the frozen trainers that our store does not have.
func (m *merger) trainers() error {
	entries, err := os.ReadDir(filepath.Join(m.from, frozenTrainers))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		from, to := filepath.Join(m.from, frozenTrainers, e.Name()), filepath.Join(m.dir, frozenTrainers, e.Name())
		if _, err := os.Stat(to); err == nil || !e.IsDir() || strings.HasSuffix(e.Name(), ".new") {
			continue
		}
		if err := copyTrainer(from, to); err != nil {
			return err
		}
		m.done.Trainers++
	}
	return nil
}

// copyTrainer copies a folder, which is there as a whole or not at all.
func copyTrainer(from, to string) error {
	whole := to + ".new"
	if err := os.RemoveAll(whole); err != nil {
		return err
	}
	if err := copyFolder(from, whole, func(string) bool { return false }); err != nil {
		return err
	}
	if err := os.Rename(whole, to); err != nil {
		return err
	}
	return checkpoint.SyncDir(filepath.Dir(to))
}
