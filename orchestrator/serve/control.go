package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"ablate/orchestrator"
	"ablate/results"
)

// tokenHeader carries the token. No page of another origin can set it without
// being allowed to, which none is.
const tokenHeader = "X-Ablate-Token"

// answerOfHead is how long to wait for it.
const answerOfHead = answerWithin - 5*time.Second

// wish is what a page asks to be done.
type wish struct {
	Kind     string            `json:"kind"`  // "pause", "resume", "cancel" or "retry"; of an entry "remove"
	Entry    int64             `json:"entry"` // of the queue; by itself
	Study    int64             `json:"study"`
	Cell     string            `json:"cell"`
	Run      string            `json:"run"`
	Outcomes []results.Outcome `json:"outcomes"` // to retry
}

// allowed refuses whoever does not know the token. Comparing hashes takes
// equally long however much of it is right, and however long it is.
func (s *Server) allowed(r *http.Request) error {
	given, right := sha256.Sum256([]byte(r.Header.Get(tokenHeader))), sha256.Sum256([]byte(s.Token))
	if s.Token == "" || subtle.ConstantTimeCompare(given[:], right[:]) != 1 {
		return problem{http.StatusUnauthorized, "that is not the token that this page was started with"}
	}
	return nil
}

// checkToken tells whether the token is the right one.
func (s *Server) checkToken(w http.ResponseWriter, r *http.Request) error {
	if err := s.allowed(r); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// ask has a wish carried out by the store's head, or here where there is none,
// and answers with what became of it.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) error {
	if err := s.allowed(r); err != nil {
		return err
	}
	if r.Header.Get("Content-Type") != "application/json" {
		return problem{http.StatusUnsupportedMediaType, "a wish is JSON"}
	}
	var wanted wish
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	d.DisallowUnknownFields()
	if err := d.Decode(&wanted); err != nil {
		return badRequest("the wish cannot be read: " + err.Error())
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerOfHead)
	defer cancel()
	do := s.demand
	if wanted.Entry != 0 {
		do = s.demandOfEntry
	}
	answer, err := do(ctx, wanted)
	if err != nil {
		return err
	}
	s.hub.look() // it shows at once
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(map[string]string{"answer": answer})
}

// demand has a wish about a study or a run carried out.
func (s *Server) demand(ctx context.Context, wanted wish) (string, error) {
	request, err := s.request(wanted)
	if err != nil {
		return "", err
	}
	answer, err := orchestrator.Demand(ctx, s.Store, request)
	if err != nil {
		return "", conflict(err)
	}
	if wanted.Kind == orchestrator.AskRetry && orchestrator.CurrentHead(s.Store) == nil {
		answer += "; nobody works on the store: start the study with ablate run, or add it to the queue"
	}
	return answer, nil
}

// demandOfEntry has a wish about an entry of the queue carried out.
func (s *Server) demandOfEntry(ctx context.Context, wanted wish) (string, error) {
	if wanted.Study != 0 || wanted.Cell != "" || wanted.Run != "" || len(wanted.Outcomes) > 0 {
		return "", badRequest("an entry of the queue comes by itself")
	}
	store, err := results.OpenShared(s.Store)
	if err != nil {
		return "", err
	}
	defer store.Close()
	answer, err := orchestrator.DemandOfEntry(ctx, store, s.Store, wanted.Kind, wanted.Entry)
	return answer, conflict(err)
}

// conflict is the error about a wish that can be read, but not be carried out.
func conflict(err error) error {
	if err == nil || errors.Is(err, results.ErrNotFound) {
		return err
	}
	return problem{http.StatusConflict, err.Error()}
}

// request makes a wish what a head understands, if it is about things that are
// there.
func (s *Server) request(wanted wish) (r results.Request, err error) {
	r = results.Request{Kind: wanted.Kind, Study: wanted.Study, Cell: wanted.Cell}
	if wanted.Run != "" {
		if wanted.Kind != orchestrator.AskCancel || wanted.Study != 0 || wanted.Cell != "" {
			return r, badRequest("a run by itself can be cancelled, and nothing else")
		}
		return r, s.source.use(func(store *results.Store) error {
			run, err := store.Run(wanted.Run)
			if err == nil {
				r.Run = run.ID
			}
			return err
		})
	}
	snap, err := s.snapshot(wanted.Study)
	if err != nil {
		return r, err
	}
	switch wanted.Kind {
	case orchestrator.AskPause, orchestrator.AskResume:
	case orchestrator.AskCancel:
		if wanted.Cell != "" {
			return r, snap.checkCell(wanted.Cell)
		}
	case orchestrator.AskRetry:
		for _, o := range wanted.Outcomes {
			if !slices.Contains([]results.Outcome{results.Failed, results.TimedOut, results.Cancelled}, o) {
				return r, badRequest(fmt.Sprintf("runs that are %q cannot be tried again by this page", o))
			}
		}
		if len(wanted.Outcomes) == 0 {
			return r, badRequest("which runs to try again is not said")
		}
		r.Kind = orchestrator.Retry(wanted.Outcomes)
	default:
		return r, badRequest(fmt.Sprintf("there is no wish %q; there are pause, resume, cancel and retry", wanted.Kind))
	}
	return r, nil
}
