package cli

import (
	"fmt"
	"io"
	"time"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/words"
)

// How seldom a run's progress is worth a line in a log.
const (
	lineShare = 0.1
	lineEvery = 30 * time.Second
)

// lines shows progress as plain lines, for logs.
type lines struct {
	w     io.Writer
	shown map[string]mark
}

// mark is when and where a run's last line was printed.
type mark struct {
	at       time.Time
	fraction float64
}

func newLines(w io.Writer) *lines { return &lines{w: w, shown: map[string]mark{}} }

func (l *lines) Begin(s orchestrator.Status) {
	attempt := ""
	if s.Attempt > 1 {
		attempt = fmt.Sprintf(", attempt %d", s.Attempt)
	}
	fmt.Fprintf(l.w, "%s: started%s\n", runName(s), attempt)
	l.shown[s.ID] = mark{at: time.Now()}
}

func (l *lines) Progress(active []orchestrator.Status, total orchestrator.Total) {
	for _, s := range active {
		last, begun := l.shown[s.ID]
		f := s.Fraction()
		if !begun || s.Steps == 0 || (f < last.fraction+lineShare && time.Since(last.at) < lineEvery) {
			continue
		}
		l.shown[s.ID] = mark{time.Now(), f}
		phase := ""
		if s.Phase != "" {
			phase = s.Phase + ", "
		}
		fmt.Fprintf(l.w, "%s: %s%3.0f %%%s; %s\n", runName(s), phase, 100*f, speed(s), progressOf(total))
	}
}

func (l *lines) End(s orchestrator.Status, e orchestrator.End) {
	delete(l.shown, s.ID)
	fmt.Fprintf(l.w, "%s: %s; %s\n", runName(s), ending(e), progressOf(e.Total))
}

func (l *lines) Idle(s orchestrator.Status) { delete(l.shown, s.ID) }

func (l *lines) Say(text string) { fmt.Fprintf(l.w, "ablate: %s\n", words.Printable(text)) }

func (l *lines) close() {}

// The words that both displays use.

func runName(s orchestrator.Status) string { return fmt.Sprintf("%s seed %d", s.Cell, s.Seed) }

// speed is the speed of the training, while that is what the run does.
func speed(s orchestrator.Status) string {
	if s.ImagesPerSecond <= 0 || s.Phase != "train" {
		return ""
	}
	return fmt.Sprintf(", %.0f images/s", s.ImagesPerSecond)
}

func progressOf(t orchestrator.Total) string {
	text := fmt.Sprintf("%d/%s done", t.Done, words.Plural(t.All, "run"))
	if t.Paused {
		return text + ", paused"
	}
	if t.Left >= 0 && t.Done < t.All {
		text += ", about " + words.Duration(t.Left) + " left"
	}
	return text
}

func ending(e orchestrator.End) string {
	text := fmt.Sprintf("%s after %s", e.Outcome.Words(), words.Duration(e.Took))
	wantsReason := e.Outcome == results.Diverged || !e.Outcome.IsResult()
	if wantsReason && e.Reason != "" {
		text += " (" + words.Printable(e.Reason) + ")"
	}
	return text
}
