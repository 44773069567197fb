package worker

import (
	"context"
	"os"
	"strings"
	"testing"

	"ablate/trainer"
)

// Where somebody has removed a run's folder, its worker makes no part of it anew.
func TestWorkerOfARemovedRun(t *testing.T) {
	dir := newRun(t)
	w := Worker{Train: Embedded(func(_ context.Context, _ trainer.Job, h trainer.Hooks) (trainer.Outcome, error) {
		h.Start(0, 10)
		if err := h.BeforeSave(); err != nil {
			t.Errorf("before that: %v", err)
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
		return trainer.Outcome{}, h.BeforeSave()
	})}
	if err := w.Run(t.Context(), dir); err == nil || !strings.Contains(err.Error(), "the folder of the attempt was removed") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the folder is there: %v", err)
	}
}
