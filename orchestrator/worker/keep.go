package worker

import (
	"errors"
	"io/fs"
	"os"
	"regexp"
	"slices"
)

// ClaimFile says who owns the attempt. Without it there is no such attempt.
func (a Attempt) ClaimFile() string { return a.claim() }

// NewestWithCheckpoints returns the newest attempt at the run in runDir that has
// checkpoints, of whatever trainer: the one that a further attempt goes on from.
// It is 0 if there is none.
func NewestWithCheckpoints(runDir string) (n int, err error) {
	attempts, err := Attempts(runDir)
	if err != nil {
		return 0, err
	}
	for _, a := range slices.Backward(attempts) {
		files, err := os.ReadDir(a.Checkpoints())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return 0, err
		}
		if len(files) > 0 {
			return a.N, nil
		}
	}
	return 0, nil
}

var leftover = regexp.MustCompile(`^(\.claim-\d+|\..+\.(json|jsonl|log|safetensors)\d+|ckpt\.new)$`)

// Leftover reports whether a file or folder of this name, in the folder of a run
// or of an attempt, is one that was being written and never finished: if its
// writer is gone.
func Leftover(name string) bool { return leftover.MatchString(name) }
