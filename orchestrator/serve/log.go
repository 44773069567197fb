package serve

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/words"
)

const (
	// lastLines is how much of a log is sent that was there before.
	lastLines = 1000
	// logEvery is how often a log is looked at.
	logEvery = 300 * time.Millisecond
)

// logOf returns what sends the log of the run that a request names, nil if it
// names none: an event "lines" with a JSON list of lines now and then, and "end",
// or "problem", when nothing more is to come.
func (s *Server) logOf(r *http.Request) (func(*stream) error, error) {
	id := r.FormValue("run")
	if id == "" {
		return nil, nil
	}
	attempt, err := numberOf(r, "attempt")
	if err != nil {
		return nil, err
	}
	run, err := s.run(id)
	if err != nil {
		return nil, err
	}
	return func(st *stream) error {
		l := logStream{stream: st}
		over := func() (bool, error) { return s.isOver(run.ID) }
		err := s.Log(run.ID, int(attempt), l.line, over, l.wait)
		if l.gone != nil {
			return l.gone
		}
		if err = errors.Join(err, l.flush()); err != nil {
			return st.send("problem", words.Printable(err.Error()))
		}
		return st.send("end", "")
	}, nil
}

// isOver reports whether nothing more is to come of a run for now.
func (s *Server) isOver(id string) (over bool, err error) {
	if orchestrator.CurrentHead(s.Store) == nil {
		return true, nil
	}
	err = s.source.use(func(store *results.Store) error {
		run, err := store.Run(id)
		if err == nil {
			over = run.Outcome != "" && !run.Running
		}
		return err
	})
	return over, err
}

// logStream gathers lines until there are no more for the moment.
type logStream struct {
	*stream
	lines []LogLine
	gone  error // why nobody reads it any more
}

func (l *logStream) line(line LogLine) error {
	line.Text = words.Printable(line.Text)
	l.lines = append(l.lines, line)
	if len(l.lines) >= 2*lastLines {
		l.lines = append(l.lines[:0], l.lines[len(l.lines)-lastLines:]...)
	}
	return l.request.Context().Err()
}

// wait sends what there is, and waits for more.
func (l *logStream) wait() error {
	l.gone = l.flush()
	tick := time.After(logEvery)
	for ticked := false; !ticked && l.gone == nil; {
		ticked, l.gone = l.next(tick)
	}
	return l.gone
}

func (l *logStream) flush() error {
	if len(l.lines) == 0 {
		return nil
	}
	text, err := json.Marshal(l.lines[max(0, len(l.lines)-lastLines):])
	if err != nil {
		return err
	}
	l.lines = l.lines[:0]
	return l.send("lines", string(text))
}
