// Package serve is the live page: a store in a browser on the same machine, as
// its runs go on.
//
// Pages are made of parts. A page comes with the parts that are quick to make,
// and its script fetches a part again when the server says, by Server-Sent
// Events, that the store has changed (hub). What several viewers look at is made
// once (cache); while nobody looks, nothing is made, and the store is not even
// asked whether it has changed.
//
// Nothing that a store holds is trusted: names are escaped by html/template, the
// pages run no script but their own, and files are opened below the store's
// folder only.
package serve

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"time"

	"ablate/results"
)

// Options are what a Server serves, and how.
type Options struct {
	Store string // folder; there need not be a store in it yet

	// Report makes the body of a study's report, as HTML that is safe to show
	// under the Content-Security-Policy of the page.
	Report func(*results.Store, *results.Study) (template.HTML, error)

	// Title is what a study calls itself besides its name; nil: nothing.
	Title func(*results.Study) string

	// Cost is the relative duration of a run with a configuration.
	Cost func(config []byte) float64

	// Log hands out what an attempt at a run has told, by its number or 0 for the
	// newest, a line at a time. It goes on until over says that nothing more will
	// come, and calls wait when there is nothing more for the moment.
	Log func(runID string, attempt int, line func(LogLine) error, over func() (bool, error), wait func() error) error

	// Diff compares two cells of a study or runs of the store, by their names.
	Diff func(store *results.Store, study *results.Study, a, b string) (Comparison, error)

	// Token allows whoever knows it to pause, resume, cancel and retry; "" lets
	// nobody.
	Token string
}

// LogLine is a line of an attempt's log.
type LogLine struct {
	Attempt int       `json:"attempt"` // its number; 0 of a worker that has made none yet
	Time    time.Time `json:"time"`    // zero if the line tells none
	Kind    string    `json:"kind"`    // as "ablate logs" names it
	Text    string    `json:"text"`    // for a person to read
}

// Server serves the pages of a store.
type Server struct {
	Options
	source  source
	cache   cache
	hub     hub
	reports reports
	streams chan struct{} // a place for each open stream
	done    <-chan struct{}
}

// maxStreams is how many streams of events may be open at a time. A page has one,
// and closes it while it is hidden.
const maxStreams = 64

// New returns a server. It ends its streams when ctx ends.
func New(ctx context.Context, o Options) *Server {
	s := &Server{Options: o, streams: make(chan struct{}, maxStreams), done: ctx.Done()}
	s.source.dir = o.Store
	s.hub.server, s.reports.server = s, s
	return s
}

// Close closes the store. No request may be at work any more.
func (s *Server) Close() { s.source.close() }

// Handler returns what answers requests.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	page := func(pattern string, f func(w http.ResponseWriter, r *http.Request) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			if err := f(w, r); err != nil {
				s.fail(w, r, err)
			}
		})
	}
	page("GET /{$}", s.start)
	page("GET /studies", s.studies)
	page("GET /study/{study}", s.studyPage)
	page("GET /study/{study}/{part}", s.studyPart)
	page("GET /run/{run}", s.runPage)
	page("GET /run/{run}/{part}", s.runPart)
	page("GET /events", s.events)
	page("GET /assets/{file}", s.asset)
	page("POST /ask", s.ask)
	page("POST /token", s.checkToken)
	page("/", func(http.ResponseWriter, *http.Request) error { return notFound("there is no such page") })
	return s.guard(mux)
}

// start leads to the study that was started last.
func (s *Server) start(w http.ResponseWriter, r *http.Request) error {
	var newest []results.Study
	err := s.source.use(func(store *results.Store) (err error) {
		newest, err = store.Outlines()
		return err
	})
	switch {
	case errors.Is(err, results.ErrNoStore) || err == nil && len(newest) == 0:
		return s.write(w, r, "empty", shell{Title: "Nothing yet", Live: "/events", Path: s.Store})
	case err != nil:
		return err
	}
	http.Redirect(w, r, studyURL(newest[0].ID), http.StatusSeeOther)
	return nil
}

func studyURL(id int64) string { return fmt.Sprintf("/study/%d", id) }

// studies lists all studies of the store.
func (s *Server) studies(w http.ResponseWriter, r *http.Request) error {
	var all []results.Study
	err := s.source.use(func(store *results.Store) (err error) {
		all, err = store.Outlines()
		return err
	})
	if err != nil && !errors.Is(err, results.ErrNoStore) {
		return err
	}
	return s.write(w, r, "studies", shell{Title: "Studies", Live: "/events", Path: s.Store, Body: all})
}
