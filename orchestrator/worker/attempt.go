package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"ablate/trainer/checkpoint"
)

// Attempt is one try at a run. Its files lie in a folder of its own, so that
// an attempt that was given up but still runs can harm no later one.
type Attempt struct {
	RunDir string // the run's folder
	N      int    // 1, 2, ...
}

// Dir is the attempt's folder.
func (a Attempt) Dir() string { return filepath.Join(a.RunDir, strconv.Itoa(a.N)) }

// Journal is where the attempt tells what it does.
func (a Attempt) Journal() string { return filepath.Join(a.Dir(), "journal.jsonl") }

// Stderr holds what the attempt's process said on standard error.
func (a Attempt) Stderr() string { return filepath.Join(a.Dir(), "stderr.log") }

// Checkpoints is the folder of the attempt's checkpoints.
func (a Attempt) Checkpoints() string { return filepath.Join(a.Dir(), "ckpt") }

func (a Attempt) claim() string { return filepath.Join(a.Dir(), "claim.json") }

// LaunchLog holds what a worker says on standard error before it has claimed
// an attempt.
func LaunchLog(runDir string) string { return filepath.Join(runDir, "launch.log") }

// ClaimInfo is the content of claim.json: who owns the attempt.
type ClaimInfo struct {
	Host    string    `json:"host"`
	PID     int       `json:"pid"`
	Token   string    `json:"token"` // the launch that the attempt belongs to
	Started time.Time `json:"started"`
}

// Claimed returns who owns the attempt.
func (a Attempt) Claimed() (ClaimInfo, error) {
	var info ClaimInfo
	text, err := os.ReadFile(a.claim())
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return info, fmt.Errorf("%s: %w", a.claim(), err)
	}
	return info, nil
}

// Superseded reports whether a later attempt has been claimed. Attempt
// numbers have no gaps above the newest, so looking at the next one will do.
func (a Attempt) Superseded() bool {
	next := Attempt{a.RunDir, a.N + 1}
	_, err := os.Stat(next.claim())
	return err == nil
}

// Attempts lists the claimed attempts of the run in runDir, oldest first.
func Attempts(runDir string) ([]Attempt, error) {
	entries, err := os.ReadDir(runDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var attempts []Attempt
	for _, e := range entries {
		n, err := strconv.Atoi(e.Name())
		if err != nil || n < 1 {
			continue
		}
		a := Attempt{runDir, n}
		if _, err := os.Stat(a.claim()); err == nil {
			attempts = append(attempts, a)
		}
	}
	slices.SortFunc(attempts, func(a, b Attempt) int { return a.N - b.N })
	return attempts, nil
}

// Claim takes the next free attempt number of the run in runDir. The claim is
// a complete, synced file put in place by link(2), which fails if the name is
// taken: however many workers try, on however many machines, each number has
// one owner.
func Claim(runDir, token string) (Attempt, error) {
	tmp, err := writeClaim(runDir, token)
	if err != nil {
		return Attempt{}, fmt.Errorf("claiming an attempt: %w", err)
	}
	defer os.Remove(tmp)
	for {
		earlier, err := Attempts(runDir)
		if err != nil {
			return Attempt{}, err
		}
		a := Attempt{runDir, 1}
		if len(earlier) > 0 {
			a.N = earlier[len(earlier)-1].N + 1
		}
		if err := os.Mkdir(a.Dir(), 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
			return Attempt{}, fmt.Errorf("claiming an attempt: %w", err)
		}
		err = os.Link(tmp, a.claim())
		if err != nil && !sameFile(tmp, a.claim()) {
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			return Attempt{}, fmt.Errorf("claiming an attempt: %w", err)
		}
		return a, errors.Join(checkpoint.SyncDir(a.Dir()), checkpoint.SyncDir(runDir))
	}
}

// sameFile tells a lost race from a lost answer: a network file system may
// report that the name exists because it made the link and was asked again.
func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func writeClaim(runDir, token string) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(ClaimInfo{Host: host, PID: os.Getpid(), Token: token, Started: time.Now().UTC()})
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(runDir, ".claim-*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(text, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}

// inherit links the two newest checkpoints of the newest earlier attempt that
// has any, or else of the run in the folder extends, if it is given, into this
// attempt's folder: two, because the newest may be torn, which the trainer
// finds out. Links suffice, since a checkpoint is never changed in place. Older
// attempts do not matter, though theirs may be of later steps: the run has
// started over since. The folder is put in place whole, so that an attempt that
// dies meanwhile does not hand on a part.
func (a Attempt) inherit(extends string) error {
	paths, err := newestCheckpoints(a.RunDir, a.N)
	if err == nil && len(paths) == 0 && extends != "" {
		paths, err = newestCheckpoints(extends, math.MaxInt)
	}
	if err != nil {
		return err
	}
	whole := a.Checkpoints() + ".new"
	if err := os.MkdirAll(whole, 0o777); err != nil {
		return err
	}
	for _, path := range paths[:min(2, len(paths))] {
		if err := os.Link(path, filepath.Join(whole, filepath.Base(path))); err != nil {
			return fmt.Errorf("taking over a checkpoint: %w", err)
		}
	}
	if err := checkpoint.SyncDir(whole); err != nil {
		return err
	}
	if err := os.Rename(whole, a.Checkpoints()); err != nil {
		return fmt.Errorf("taking over checkpoints: %w", err)
	}
	return checkpoint.SyncDir(a.Dir())
}

// newestCheckpoints lists the checkpoints of the run's newest attempt before
// attempt n that has any, newest first.
func newestCheckpoints(runDir string, n int) ([]string, error) {
	attempts, err := Attempts(runDir)
	if err != nil {
		return nil, err
	}
	for _, earlier := range slices.Backward(attempts) {
		if earlier.N >= n {
			continue
		}
		paths, err := checkpoint.List(earlier.Checkpoints())
		if err != nil || len(paths) > 0 {
			return paths, err
		}
	}
	return nil, nil
}

// DropCheckpoints removes the attempt's checkpoints after step, so that later
// attempts do those steps again. An external trainer's go all, since nobody
// knows which steps they are of.
func (a Attempt) DropCheckpoints(step int64) error {
	if _, err := os.Stat(a.Reports()); err == nil {
		return os.RemoveAll(a.Checkpoints())
	}
	return checkpoint.DropAfter(a.Checkpoints(), step)
}

// HasCheckpoint reports whether there is a checkpoint of the run in runDir that
// another could go on from.
func HasCheckpoint(runDir string) (bool, error) {
	paths, err := newestCheckpoints(runDir, math.MaxInt)
	return len(paths) > 0, err
}
