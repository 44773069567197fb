package serve

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
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

// log streams what an attempt tells: an event "lines" with a JSON list of lines,
// now and then.
func (s *Server) log(w http.ResponseWriter, r *http.Request) error {
	run, err := s.run(r)
	if err != nil {
		return err
	}
	attempt := 0
	if text := r.FormValue("attempt"); text != "" {
		if attempt, err = strconv.Atoi(text); err != nil || attempt < 1 {
			return badRequest("an attempt is a number from 1")
		}
	}
	st, err := s.stream(w, r)
	if err != nil {
		return err
	}
	defer st.close()
	l := &logStream{stream: st, request: r, done: s.done, sent: time.Now()}
	over := func() (bool, error) { return s.isOver(run.ID) }
	err = s.Log(run.ID, attempt, l.line, over, l.wait)
	if err = errors.Join(err, l.flush()); err != nil && r.Context().Err() == nil {
		return st.send("problem", words.Printable(err.Error()))
	}
	return st.send("end", "")
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
	request *http.Request
	done    <-chan struct{}
	lines   []LogLine
	sent    time.Time
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
	if err := l.flush(); err != nil {
		return err
	}
	select {
	case <-l.request.Context().Done():
		return l.request.Context().Err()
	case <-l.done:
		return errStopped
	case <-time.After(logEvery):
		return nil
	}
}

var errStopped = errors.New("the server stops")

func (l *logStream) flush() error {
	if len(l.lines) == 0 {
		if time.Since(l.sent) < pingEvery {
			return nil
		}
		l.sent = time.Now()
		return l.send("ping", "")
	}
	text, err := json.Marshal(l.lines[max(0, len(l.lines)-lastLines):])
	if err != nil {
		return err
	}
	l.lines, l.sent = l.lines[:0], time.Now()
	return l.send("lines", string(text))
}
