package orchestrator

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Head is the one process that works on a store. Its description lies in the
// store's lock file.
type Head struct {
	PID     int       `json:"pid"`     // of its process
	Host    string    `json:"host"`    // name of its machine
	Started time.Time `json:"started"` // when it took the store
}

// HeldError reports that another head works on the store, or that there can be
// none just now.
type HeldError struct {
	Dir    string
	Head   Head // zero if it cannot be read, or Reader
	Reader bool // there is no head, but an import reads the store: nobody answers requests
}

func (e *HeldError) Error() string {
	if e.Reader {
		return fmt.Sprintf("the store %s is being read by an import; try again when that has ended", e.Dir)
	}
	if e.Head.PID == 0 {
		return fmt.Sprintf("another ablate works on the store %s; wait for it to end, or choose another store with --store DIR", e.Dir)
	}
	return fmt.Sprintf("the store %s is in use by process %d on %s since %s; wait for it to end, or choose another store with --store DIR",
		e.Dir, e.Head.PID, e.Head.Host, e.Head.Started.Local().Format("2006-01-02 15:04:05"))
}

// Lock is held by the head for as long as it lives. The kernel drops it with
// the process, so a dead head never stands in the way.
type Lock struct{ f *os.File }

// lockPatience is how long Acquire waits: a reader that asks who the head is
// holds the lock for an instant.
const lockPatience = 300 * time.Millisecond

// Acquire makes this process the head of the store in dir, which it creates if
// need be. It returns a *HeldError if there is a head already, or an import reads
// the store.
func Acquire(dir string) (*Lock, error) {
	f, err := openLock(dir)
	if err != nil {
		return nil, fmt.Errorf("the store %s cannot be written: %w; choose another place with --store DIR", dir, err)
	}
	for end := time.Now().Add(lockPatience); ; time.Sleep(lockPatience / 10) {
		err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) || time.Now().After(end) {
			break
		}
	}
	switch {
	case errors.Is(err, syscall.EWOULDBLOCK):
		err = heldBy(dir, f)
	case err != nil:
		err = fmt.Errorf("locking %s: %w", f.Name(), err)
	default:
		err = explain(dir, writeHead(f))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &Lock{f}, nil
}

// heldBy says who holds a lock: a head has it for itself, readers share it.
func heldBy(dir string, f *os.File) *HeldError {
	if syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB) == nil {
		return &HeldError{Dir: dir, Reader: true}
	}
	return &HeldError{Dir: dir, Head: readHead(f)}
}

// Release lets another head work on the store.
func (l *Lock) Release() error {
	return errors.Join(l.f.Truncate(0), l.f.Close())
}

// Lost returns an error if the store is not at its place any more: its folder
// was removed, or has become another. A nil lock is never lost.
func (l *Lock) Lost() error {
	if l == nil {
		return nil
	}
	held, err := l.f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(l.f.Name())
	if err == nil && os.SameFile(held, there) || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil // or it cannot be told at the moment
	}
	return fmt.Errorf("the store %s was removed or replaced while it was worked on: what is done from here on would be lost; "+
		"put it back if it was moved, and start again", filepath.Dir(l.f.Name()))
}

func openLock(dir string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Join(dir, "runs"), 0o777); err != nil {
		return nil, err
	}
	return os.OpenFile(lockPath(dir), os.O_RDWR|os.O_CREATE, 0o666)
}

func lockPath(dir string) string { return filepath.Join(dir, "lock") }

func writeHead(f *os.File) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	text, err := json.Marshal(Head{PID: os.Getpid(), Host: host, Started: time.Now().UTC()})
	if err != nil {
		return err
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.WriteAt(append(text, '\n'), 0)
	return err
}

func readHead(f *os.File) Head {
	var h Head
	text := make([]byte, 1024)
	n, _ := f.ReadAt(text, 0)
	if json.Unmarshal(text[:n], &h) != nil {
		return Head{} // it is just being written
	}
	return h
}

// CurrentHead returns the head that works on the store in dir, or nil.
func CurrentHead(dir string) *Head {
	f, err := os.Open(lockPath(dir))
	if err != nil {
		return nil
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB); err == nil {
		return nil // closing the file drops the lock again
	}
	h := readHead(f)
	return &h
}
