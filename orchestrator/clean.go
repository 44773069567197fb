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
	"time"

	"golang.org/x/sys/unix"

	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/trainer/checkpoint"
)

// Retention says which checkpoints of runs that have a result stay. Those of
// other runs stay as far as a further attempt would go on from them.
type Retention string

// The retentions.
const (
	KeepNone Retention = "none" // encoders cannot be exported any more, nor runs extended
	KeepLast Retention = "last" // the newest good one
	KeepAll  Retention = "all"
)

// leftoverAge is how old a file that was never finished has to be to count as
// left behind: its writer may be at work.
const leftoverAge = time.Hour

// CleanOptions say what may be removed.
type CleanOptions struct {
	Checkpoints Retention
	OlderThan   time.Duration // only what has not changed for so long
	Now         time.Time
}

// Cleaning is what can be removed from a store.
type Cleaning struct {
	Remove []Removal
	Kept   []Kept
	Bytes  int64 // that are free when all is removed
}

// Removal is something that nobody needs any more.
type Removal struct {
	Path  string // relative to the store's folder
	Kind  string // "attempt", "checkpoint", "leftover", "orphan", "program" or "trainer"
	Bytes int64  // in its files; 0 for those that also have another name
	files []string
	dirs  []string // to remove if they are empty then, in this order

	changed time.Time // of what somebody may come to need meanwhile: when it was touched last
}

// Kept is something that was left alone although it looks as if nobody needed
// it.
type Kept struct {
	Path string // relative to the store's folder
	Why  string
}

// FindRemovable lists what can be removed from the store in dir. The caller is
// its head, and stays it until all is removed.
//
// Nothing goes that a further attempt at a run without a result needs, no
// journal of which the store has not read all that there is to read, and no
// claim: attempts look for those of newer ones.
func FindRemovable(store *results.Store, dir string, o CleanOptions) (*Cleaning, error) {
	c := &cleaner{store: store, dir: dir, o: o, names: map[inode]int{}}
	for _, find := range []func() error{c.runs, c.programs, c.trainers, c.root} {
		if err := find(); err != nil {
			return nil, err
		}
	}
	c.weigh()
	return &c.found, nil
}

// Do removes all that was found in the store in dir. What is gone already is no
// error, so that a cleaning which was stopped can be repeated. A program or trainer
// that was touched since it was found stays: a study is being enqueued with it.
func (c *Cleaning) Do(dir string) error {
	for _, r := range c.Remove {
		if now, err := changed(filepath.Join(dir, r.Path)); !r.changed.IsZero() && err == nil && !now.Equal(r.changed) {
			continue
		}
		for _, f := range r.files {
			if err := os.Remove(f); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		for _, d := range r.dirs {
			err := os.Remove(d)
			if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTEMPTY) && !errors.Is(err, syscall.EEXIST) {
				return err
			}
		}
	}
	return checkpoint.SyncDir(dir)
}

type cleaner struct {
	store *results.Store
	dir   string
	o     CleanOptions
	found Cleaning
	names map[inode]int // how many names of a file are to be removed
}

type inode struct{ dev, ino uint64 }

func (c *cleaner) keep(path, why string) {
	c.found.Kept = append(c.found.Kept, Kept{c.relative(path), why})
}

func (c *cleaner) relative(path string) string {
	if r, err := filepath.Rel(c.dir, path); err == nil {
		return r
	}
	return path
}

// remove lists a file, or a folder with all that is in it but for what spare
// tells of, unless something in it is too new.
func (c *cleaner) remove(kind, path string, age time.Duration, spare func(path string) bool) error {
	r := Removal{Path: c.relative(path), Kind: kind}
	young := false
	err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if spare != nil && spare(path) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if d.IsDir() {
			r.dirs = append(r.dirs, path)
			return nil
		}
		young = young || c.o.Now.Sub(info.ModTime()) < age
		r.files = append(r.files, path)
		return nil
	})
	slices.Reverse(r.dirs) // inner ones first
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || young || len(r.files) == 0 && spare != nil {
		return err
	}
	c.found.Remove = append(c.found.Remove, r)
	return nil
}

// weigh says how much will be free. A file with several names, as checkpoints
// have that were handed on, takes its room until the last is gone.
func (c *cleaner) weigh() {
	stat := func(path string) (inode, int64, int) {
		info, err := os.Lstat(path)
		if err != nil {
			return inode{}, 0, 0
		}
		s := info.Sys().(*syscall.Stat_t)
		return inode{uint64(s.Dev), s.Ino}, info.Size(), int(s.Nlink)
	}
	for i := range c.found.Remove {
		r := &c.found.Remove[i]
		for _, f := range r.files {
			id, size, links := stat(f)
			c.names[id]++
			if c.names[id] == links {
				r.Bytes += size
			}
		}
		c.found.Bytes += r.Bytes
	}
}

// runs looks through the folders of runs.
func (c *cleaner) runs() error {
	inStudies, err := c.store.RunIDs()
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(c.dir, "runs"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if err != nil {
			return err
		}
		if !e.IsDir() {
			continue
		}
		if studied, known := inStudies[e.Name()]; studied {
			err = c.run(e.Name())
		} else {
			err = c.orphan(e.Name(), known)
		}
	}
	return err
}

// orphan looks at the folder of a run that no study has. The store may know it
// nevertheless.
func (c *cleaner) orphan(id string, known bool) error {
	dir := RunDir(c.dir, id)
	attempts, err := worker.Attempts(dir)
	if err != nil {
		return err
	}
	read := map[int]results.Attempt{}
	if known {
		if read, err = c.attempts(id); err != nil {
			return err
		}
	}
	for _, a := range attempts {
		if why, err := unread(a, read); err != nil || why != "" {
			if why != "" {
				c.keep(dir, "no study has this run, but "+why+"; start a study that has it, or remove the folder by hand")
			}
			return err
		}
	}
	return c.remove("orphan", dir, c.o.OlderThan, nil)
}

func (c *cleaner) attempts(id string) (map[int]results.Attempt, error) {
	attempts, err := c.store.Attempts(id)
	byNumber := make(map[int]results.Attempt, len(attempts))
	for _, a := range attempts {
		byNumber[a.Number] = a
	}
	return byNumber, err
}

// unread says what of an attempt's journal the store has not read, if anything.
// A last line without an end, or what is behind damage, never will be.
func unread(a worker.Attempt, read map[int]results.Attempt) (why string, err error) {
	f, err := os.Open(a.Journal())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer f.Close()
	r, known := read[a.N]
	if known && r.Damage != "" {
		return "", nil
	}
	if _, err := f.Seek(r.Offset, io.SeekStart); err != nil {
		return "", err
	}
	rest, err := io.ReadAll(io.LimitReader(f, 1<<20))
	if err != nil || !bytes.Contains(rest, []byte("\n")) && len(rest) < 1<<20 {
		return "", err
	}
	return fmt.Sprintf("the store has not read all of the journal of attempt %d", a.N), nil
}

// run looks at the folder of a run of some study.
func (c *cleaner) run(id string) error {
	dir := RunDir(c.dir, id)
	run, err := c.store.Run(id)
	if err != nil {
		return err
	}
	read, err := c.attempts(id)
	if err != nil {
		return err
	}
	attempts, err := worker.Attempts(dir)
	if err != nil {
		return err
	}
	for _, a := range attempts {
		why, err := unread(a, read)
		if _, known := read[a.N]; err == nil && !known {
			why = fmt.Sprintf("the store does not know of attempt %d yet", a.N)
		}
		if err != nil || why != "" {
			if why != "" {
				c.keep(dir, why+"; \"ablate run\" of its study reads it")
			}
			return err
		}
	}
	if run.Running {
		c.keep(dir, "an attempt at it has not ended; \"ablate run\" of its study goes on with it")
		return nil
	}
	if err := c.leftovers(dir); err != nil {
		return err
	}
	return c.oldAttempts(dir, run, attempts)
}

// oldAttempts lists the attempts at a run before the newest, and the checkpoints
// that are not to be kept. Without a result, the attempt that a further one goes
// on from stays as it is, and with a trainer of the study's own all do: the next
// one looks in their reports for what is in no journal.
func (c *cleaner) oldAttempts(dir string, run *results.Run, attempts []worker.Attempt) error {
	source, err := worker.NewestWithCheckpoints(dir)
	if err != nil {
		return err
	}
	external := TrainerDir(c.dir, run.Trainer) != ""
	for _, a := range attempts {
		if err := c.leftovers(a.Dir()); err != nil {
			return err
		}
		if err := c.halfCheckpoints(a); err != nil {
			return err
		}
		if a.N < run.Attempts && (run.Outcome.IsResult() || a.N != source && !external) {
			spare := func(path string) bool {
				return path == a.ClaimFile() || c.o.Checkpoints == KeepAll && path == a.Checkpoints() || worker.Leftover(filepath.Base(path))
			}
			if err := c.remove("attempt", a.Dir(), c.o.OlderThan, spare); err != nil {
				return err
			}
			continue
		}
		if run.Outcome.IsResult() {
			if err := c.checkpoints(a); err != nil {
				return err
			}
		}
	}
	return nil
}

// checkpoints lists those of the newest attempt at a run with a result that are
// not to be kept.
func (c *cleaner) checkpoints(a worker.Attempt) error {
	var gone []string
	switch c.o.Checkpoints {
	case KeepNone:
		entries, err := os.ReadDir(a.Checkpoints())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		for _, e := range entries {
			gone = append(gone, filepath.Join(a.Checkpoints(), e.Name()))
		}
	case KeepLast:
		paths, err := checkpoint.List(a.Checkpoints())
		if err != nil {
			return err
		}
		gone = olderThanGood(paths)
	}
	for _, path := range gone {
		if err := c.remove("checkpoint", path, c.o.OlderThan, nil); err != nil {
			return err
		}
	}
	return nil
}

// olderThanGood returns the checkpoints behind the newest good one, of paths
// from the newest to the oldest. Without a good one all stay.
func olderThanGood(paths []string) []string {
	for i, path := range paths[:max(0, len(paths)-1)] {
		if _, err := checkpoint.Read(path); err == nil {
			return paths[i+1:]
		}
	}
	return nil
}

// leftovers lists what was never finished in the folder of a run or an attempt.
func (c *cleaner) leftovers(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		if !worker.Leftover(e.Name()) {
			continue
		}
		if err := c.remove("leftover", path, max(leftoverAge, c.o.OlderThan), nil); err != nil {
			return err
		}
	}
	return nil
}

// halfCheckpoints lists the checkpoints of an attempt that were never finished.
// External trainers call their files whatever they like.
func (c *cleaner) halfCheckpoints(a worker.Attempt) error {
	paths, err := filepath.Glob(filepath.Join(a.Checkpoints(), ".step-*"))
	for _, path := range paths {
		if err == nil && worker.Leftover(filepath.Base(path)) {
			err = c.remove("leftover", path, max(leftoverAge, c.o.OlderThan), nil)
		}
	}
	return err
}

// programs lists the frozen programs that no open entry of the queue needs.
func (c *cleaner) programs() error {
	queue, err := c.store.Queue()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, e := range queue {
		if !e.State.Ended() {
			used[filepath.Clean(e.Program)] = true
		}
	}
	return c.shelf(Programs, "program", func(path string) bool { return used[path] })
}

// trainers lists the frozen trainers that no run of a study is made with.
func (c *cleaner) trainers() error {
	names, err := c.store.Trainers()
	if err != nil {
		return err
	}
	used := map[string]bool{}
	for _, name := range names {
		used[c.relative(TrainerDir(c.dir, name))] = true
	}
	return c.shelf(frozenTrainers, "trainer", func(path string) bool { return used[path] })
}

// shelf lists what lies in a folder of frozen things and is not in use, and what
// was left behind there. What is new may be meant for a study that is just being
// enqueued.
func (c *cleaner) shelf(name, kind string, inUse func(path string) bool) error {
	entries, err := os.ReadDir(filepath.Join(c.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, e := range entries {
		path := filepath.Join(name, e.Name())
		kind := kind
		if strings.HasSuffix(path, ".new") || strings.HasPrefix(e.Name(), ".") {
			kind = "leftover"
		} else if inUse(path) {
			continue
		}
		touched, err := changed(filepath.Join(c.dir, path))
		if err != nil {
			return err
		}
		if c.o.Now.Sub(touched) < leftoverAge {
			continue
		}
		before := len(c.found.Remove)
		if err := c.remove(kind, filepath.Join(c.dir, path), c.o.OlderThan, nil); err != nil {
			return err
		}
		for i := range c.found.Remove[before:] {
			c.found.Remove[before+i].changed = touched
		}
	}
	return nil
}

// changed returns when a file or folder came to its place, or was touched there,
// however old it is: a frozen program is a link to an older file.
func changed(path string) (time.Time, error) {
	var s unix.Stat_t
	if err := unix.Lstat(path, &s); err != nil {
		return time.Time{}, &fs.PathError{Op: "lstat", Path: path, Err: err}
	}
	return time.Unix(s.Ctim.Unix()), nil
}

// root lists what was left behind in the store's folder itself.
func (c *cleaner) root() error {
	paths, err := filepath.Glob(filepath.Join(c.dir, ".writable-*"))
	for _, path := range paths {
		if err == nil {
			err = c.remove("leftover", path, max(leftoverAge, c.o.OlderThan), nil)
		}
	}
	return err
}
