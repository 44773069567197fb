package serve

import (
	"fmt"
	"html/template"
	"maps"
	"math"
	"net/http"
	"regexp"
	"slices"
	"time"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/trainer/config"
	"ablate/words"
)

// runView is all about a run.
type runView struct {
	row
	Attempts []attempt
	Metrics  []metric
	Settings []setting
	Studies  []string // names of those that have it
	Head     *orchestrator.Head
	Control  bool
}

type attempt struct {
	results.Attempt
	Lasted string
}

type metric struct {
	Name, Unit, Says string
	Last             string
	Step             int64
	Chart            template.HTML
}

type setting struct{ Key, Value string }

// runID is what the store calls runs. Nothing else gets near the file system.
var runID = regexp.MustCompile(`^[0-9A-Za-z]{1,128}$`)

// run finds a run by its ID, or the beginning of it.
func (s *Server) run(id string) (run *results.Run, err error) {
	if !runID.MatchString(id) {
		return nil, notFound(fmt.Sprintf("%q is no run: an id is made of letters and digits", id))
	}
	err = s.source.use(func(store *results.Store) error {
		if run, err = store.Run(id); err != nil {
			return notFound(err.Error()) // or there are several that begin so
		}
		return nil
	})
	if err == nil && !runID.MatchString(run.ID) {
		return nil, notFound(fmt.Sprintf("the store has a run with the strange id %q", run.ID))
	}
	return run, err
}

// runPage shows a run.
func (s *Server) runPage(w http.ResponseWriter, r *http.Request) error {
	view, err := s.viewRun(r)
	if err != nil {
		return err
	}
	if r.PathValue("run") != view.ID {
		http.Redirect(w, r, "/run/"+view.ID, http.StatusSeeOther)
		return nil
	}
	return s.write(w, r, "run", shell{
		Title: fmt.Sprintf("%s, seed %d", view.Cell, view.Seed), Live: "/events?run=" + view.ID, Path: s.Store, Control: s.Token != "", Body: view,
	})
}

// runPart is a part of a run's page.
func (s *Server) runPart(w http.ResponseWriter, r *http.Request) error {
	switch part := r.PathValue("part"); part {
	case "state", "metrics":
		view, err := s.viewRun(r)
		if err != nil {
			return err
		}
		return s.write(w, r, "run-"+part, view)
	default:
		return notFound(fmt.Sprintf("a run has no page %q; it has state and metrics", part))
	}
}

func (s *Server) viewRun(r *http.Request) (*runView, error) {
	run, err := s.run(r.PathValue("run"))
	if err != nil {
		return nil, err
	}
	return get(&s.cache, "run "+run.ID, s.hub.current(), func() (view *runView, err error) {
		err = s.source.use(func(store *results.Store) error {
			view, err = s.describeRun(store, run)
			return err
		})
		return view, err
	})
}

func (s *Server) describeRun(store *results.Store, run *results.Run) (*runView, error) {
	v := &runView{row: row{Run: *run}, Head: s.source.headNow(), Control: s.Token != ""}
	v.State = orchestrator.StateOf(*run, v.Head != nil)
	attempts, err := store.Attempts(run.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range slices.Backward(attempts) { // the newest first
		v.Attempts = append(v.Attempts, attempt{a, words.Duration(max(0, a.Active.Sub(a.Started)))})
	}
	if v.Studies, err = store.StudiesOf(run.ID); err != nil {
		return nil, err
	}
	if v.Metrics, err = metricsOf(store, run); err != nil {
		return nil, err
	}
	flat, err := config.Flat(run.Config)
	for _, key := range slices.Sorted(maps.Keys(flat)) {
		v.Settings = append(v.Settings, setting{key, flat[key]})
	}
	return v, err
}

// metricsOf draws all that a run has reported.
func metricsOf(store *results.Store, run *results.Run) (all []metric, err error) {
	ends, err := store.Ends([]string{run.ID})
	if err != nil {
		return nil, err
	}
	for _, name := range inOrder(ends[run.ID]) {
		e := ends[run.ID][name]
		known, _ := config.MetricByName(name)
		m := metric{Name: name, Unit: known.Unit, Says: known.Says, Step: e.Last.Step, Last: "not finite"}
		if v := e.Last.Value; !math.IsNaN(v) && !math.IsInf(v, 0) {
			m.Last = figure(v)
		}
		if e.First.Step != e.Last.Step {
			curves, err := store.Curves(name, []string{run.ID}, chartPoints)
			if err != nil {
				return nil, err
			}
			m.Chart = chart(name, curves.Runs[run.ID], run.Steps)
		}
		all = append(all, m)
	}
	return all, nil
}

// Ago is how long it is since a run's last sign of life.
func (v *runView) Ago() string {
	if v.State != "running" || v.Active.IsZero() {
		return ""
	}
	return words.Duration(max(0, time.Since(v.Active)))
}
