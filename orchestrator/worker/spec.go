package worker

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"ablate/trainer/checkpoint"
)

// Spec is the content of run.json: everything a worker has to know.
type Spec struct {
	ID      string          `json:"id"`
	Cell    string          `json:"cell"`
	Seed    int             `json:"seed"`
	Config  json.RawMessage `json:"config"`            // canonical JSON of the resolved settings
	Dataset string          `json:"dataset"`           // content hash that the run's id is made of
	DataDir string          `json:"data_dir"`          // absolute, or "" for the usual places
	Trainer string          `json:"trainer,omitempty"` // folder of a frozen external trainer, absolute; "" for the embedded one

	// Extends is the folder, absolute, of a shorter run that this one goes on
	// from while it has no checkpoint of its own; "" = none. It must be one that
	// config.Extends allows.
	Extends string `json:"extends,omitempty"`

	SaveEvery time.Duration `json:"save_every_ns"` // between checkpoints within an epoch; 0 = the trainer's default
}

// WriteSpec makes the run's folder and puts run.json into it. A newer text
// replaces the one of an earlier day, since the data may have moved.
func WriteSpec(runDir string, s Spec) error {
	if err := os.MkdirAll(runDir, 0o777); err != nil {
		return err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(filepath.Join(runDir, "run.json"), append(text, '\n'), 0o666, renameio.WithTempDir(runDir)); err != nil {
		return err
	}
	return errors.Join(checkpoint.SyncDir(runDir), checkpoint.SyncDir(filepath.Dir(runDir)))
}

// ReadSpec reads run.json of the run in runDir.
func ReadSpec(runDir string) (Spec, error) {
	var s Spec
	path := filepath.Join(runDir, "run.json")
	text, err := os.ReadFile(path)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}
