package serve

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"
)

// snapshot is a study at a version of the store.
type snapshot struct {
	*results.Study
	Head    *orchestrator.Head
	Total   int // different runs
	Ended   int // those that have an outcome
	Counts  []count
	AtWork  []row // the runs at work
	Left    string
	Queue   []results.Entry
	Control bool // there is a token

	rows []row // a place each, in the study's order
}

// count is how many runs are in a state.
type count struct {
	State string
	N     int
}

// row is a run in its place in a study.
type row struct {
	results.Run
	State string
}

// Percent is how much of the training is done.
func (r row) Percent() int {
	if r.Steps <= 0 {
		return 0
	}
	return int(min(100, 100*r.Step/r.Steps))
}

// Took is the time of all attempts in words.
func (r row) Took() string {
	if r.Seconds <= 0 {
		return ""
	}
	return words.Duration(time.Duration(r.Seconds * float64(time.Second)))
}

// Overrides writes the overrides as they were given.
func (s *snapshot) Overrides() string { return overrides(s.Sets) }

func overrides(sets []string) string {
	quoted := make([]string, len(sets))
	for i, set := range sets {
		quoted[i] = words.Quote(set)
	}
	return strings.Join(quoted, " ")
}

// Percent is how many of the runs have an outcome.
func (s *snapshot) Percent() int { return 100 * s.Ended / max(1, s.Total) }

// Has reports whether there are runs in one of the states.
func (s *snapshot) Has(states ...string) bool {
	return slices.ContainsFunc(s.Counts, func(c count) bool { return slices.Contains(states, c.State) })
}

// study finds the study that a request names, by its number or its name.
func (s *Server) study(r *http.Request) (id int64, err error) {
	name := r.PathValue("study")
	if id, err := strconv.ParseInt(name, 10, 64); err == nil {
		return id, nil
	}
	err = s.source.use(func(store *results.Store) error {
		study, err := store.Study(name)
		if err == nil {
			id = study.ID
		}
		return err
	})
	return id, err
}

// snapshot is a study as it is now.
func (s *Server) snapshot(id int64) (*snapshot, error) {
	version := s.hub.current()
	return get(&s.cache, fmt.Sprint("study ", id), version, func() (snap *snapshot, err error) {
		err = s.source.use(func(store *results.Store) error {
			snap, err = s.takeSnapshot(store, id)
			return err
		})
		return snap, err
	})
}

func (s *Server) takeSnapshot(store *results.Store, id int64) (*snapshot, error) {
	study, err := store.StudyByID(id)
	if err != nil {
		return nil, err
	}
	runs, err := store.Runs(study)
	if err != nil {
		return nil, err
	}
	snap := &snapshot{Study: study, Head: s.source.headNow(), Control: s.Token != ""}
	if snap.Queue, err = openEntries(store); err != nil {
		return nil, err
	}
	snap.count(runs)
	if snap.Ended < snap.Total && snap.Head != nil && !snap.Paused {
		left, known, err := orchestrator.Left(store, study, runs, s.Cost, time.Now())
		if err != nil {
			return nil, err
		}
		if known {
			snap.Left = words.Duration(left)
		}
	}
	return snap, nil
}

// count sorts the runs by their states.
func (s *snapshot) count(runs map[string]results.Run) {
	counts, counted := map[string]int{}, map[string]bool{}
	for _, slot := range s.Slots {
		r := row{Run: runs[slot.RunID]}
		r.State = orchestrator.StateOf(r.Run, s.Head != nil)
		r.Cell, r.Seed = s.Cells[slot.Cell], slot.Seed
		s.rows = append(s.rows, r)
		if counted[r.ID] {
			continue
		}
		counted[r.ID] = true
		s.Total++
		counts[r.State]++
		if r.Outcome != "" {
			s.Ended++
		}
		if r.State == "running" {
			s.AtWork = append(s.AtWork, r)
		}
	}
	for _, state := range states {
		if counts[state] > 0 {
			s.Counts = append(s.Counts, count{state, counts[state]})
		}
	}
}

// states are all states of a run, in the order in which they are counted up.
var states = func() (all []string) {
	for _, o := range results.Outcomes {
		all = append(all, string(o))
	}
	return append(all, "running", "interrupted", "waiting")
}()

// fewEnded is how many entries of the queue are shown that have ended.
const fewEnded = 5

// openEntries is the queue, with the last few that have ended.
func openEntries(store *results.Store) ([]results.Entry, error) {
	all, err := store.Queue()
	ended := slices.IndexFunc(all, func(e results.Entry) bool { return e.State.Ended() })
	if err != nil || ended < 0 {
		return all, err
	}
	return append(all[:ended:ended], all[max(ended, len(all)-fewEnded):]...), nil
}

// studyPage shows a study: what is quick to know at once, the rest as its script
// fetches it.
func (s *Server) studyPage(w http.ResponseWriter, r *http.Request) error {
	id, err := s.study(r)
	if err != nil {
		return err
	}
	snap, err := s.snapshot(id)
	if err != nil {
		return err
	}
	if r.PathValue("study") != fmt.Sprint(id) {
		http.Redirect(w, r, studyURL(id), http.StatusSeeOther)
		return nil
	}
	list, err := snap.list(r.URL.Query())
	if err != nil {
		return err
	}
	return s.write(w, r, "study", shell{
		Title: s.title(snap.Study), Live: fmt.Sprint("/events?study=", id), Path: s.Store, Control: s.Token != "",
		Body: struct {
			*snapshot
			List runList
			URL  string
		}{snap, list, studyURL(id)},
	})
}

// title is a study's, or its name. A study never changes, so it is found out once.
func (s *Server) title(study *results.Study) string {
	if s.Title == nil {
		return study.Name
	}
	title, _ := get(&s.cache, fmt.Sprint("title ", study.ID), 0, func() (string, error) { return s.Title(study), nil })
	return cmp.Or(title, study.Name)
}

// studyPart is a part of a study's page.
func (s *Server) studyPart(w http.ResponseWriter, r *http.Request) error {
	id, err := s.study(r)
	if err != nil {
		return err
	}
	part := r.PathValue("part")
	if part == "report" {
		return s.reportPart(w, r, id)
	}
	snap, err := s.snapshot(id)
	if err != nil {
		return err
	}
	switch part {
	case "status", "queue":
		return s.write(w, r, part, snap)
	case "work":
		cards, err := s.cards(snap, r.FormValue("metric"))
		if err != nil {
			return err
		}
		return s.write(w, r, "work", cards)
	case "runs":
		list, err := snap.list(r.URL.Query())
		if err != nil {
			return err
		}
		return s.write(w, r, "runs", list)
	case "diff":
		return s.diff(w, r, snap)
	}
	return notFound(fmt.Sprintf("a study has no page %q; it has status, work, runs, queue, report and diff", part))
}

// reportPart waits until there is a report, and answers with the newest.
func (s *Server) reportPart(w http.ResponseWriter, r *http.Request, id int64) error {
	if _, err := s.snapshot(id); err != nil {
		return err
	}
	http.NewResponseController(w).SetWriteDeadline(time.Time{}) // a recorder has none
	p := s.reports.want(id, s.hub.current())
	select {
	case <-p.ready:
	case <-r.Context().Done():
		return nil
	case <-s.done:
		return problem{http.StatusServiceUnavailable, "the server stops"}
	}
	http.NewResponseController(w).SetWriteDeadline(time.Now().Add(answerWithin))
	s.reports.mu.Lock()
	body := p.body
	s.reports.mu.Unlock()
	return s.write(w, r, "report", body)
}

// checkCell refuses the name of a cell that the study does not have.
func (s *snapshot) checkCell(cell string) error {
	if slices.Contains(s.Cells, cell) {
		return nil
	}
	if near := config.Near(cell, s.Cells); len(near) > 0 {
		return notFound(fmt.Sprintf("%s has no cell %q; did you mean %s?", s.Name, cell, strings.Join(near, " or ")))
	}
	return notFound(fmt.Sprintf("%s has no cell %q", s.Name, cell))
}
