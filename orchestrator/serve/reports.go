package serve

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"html"
	"html/template"
	"slices"
	"strings"
	"sync"
	"time"

	"ablate/results"
)

// reports are made in the background, which may take seconds: one at a time for
// each study, and only when a run has ended, or begun anew, since the last.
type reports struct {
	server *Server
	mu     sync.Mutex
	of     map[int64]*report
}

// report is a study's report as it was made last.
type report struct {
	version int64    // of the store that it is known to be true of
	digest  [32]byte // of what it depends on
	body    template.HTML
	ready   chan struct{} // closed when there is a first one
	making  bool
	next    time.Time // not to be made anew before that
}

// maxReports is how many reports are kept.
const maxReports = 8

// want has a study's report made if it is older than the store. Making it takes
// at most a fifth of the time of one processor: there is training to be done.
func (r *reports) want(study, version int64) *report {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.of[study]
	if p == nil {
		if r.of == nil || len(r.of) >= maxReports {
			r.of = map[int64]*report{}
		}
		p = &report{ready: make(chan struct{})}
		r.of[study] = p
	}
	if !p.making && p.version < version && !time.Now().Before(p.next) {
		p.making = true
		go r.make(study, version, p, p.digest)
	}
	return p
}

// make makes a report, unless nothing has changed that it depends on.
func (r *reports) make(study, version int64, p *report, last [32]byte) {
	began := time.Now()
	body, digest, err := r.server.report(study, last)
	if err != nil {
		body = template.HTML(`<p class="problem">` + html.EscapeString(err.Error()) + `</p>`)
		digest = [32]byte{} // the next change of the store is another try
	}
	r.mu.Lock()
	first, fresh := p.version == 0, digest != last || err != nil
	news := fresh && body != p.body
	p.making, p.version, p.digest = false, version, digest
	p.next = time.Now().Add(4 * time.Since(began))
	if fresh {
		p.body = body
	}
	r.mu.Unlock()
	if first {
		close(p.ready)
	}
	if news {
		r.server.hub.reported(study)
	}
}

// report makes the report of a study, "" if its digest is the last one.
func (s *Server) report(id int64, last [32]byte) (body template.HTML, digest [32]byte, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the report could not be made: %v", p)
		}
	}()
	err = s.source.use(func(store *results.Store) error {
		study, err := store.StudyByID(id)
		if err != nil {
			return err
		}
		runs, err := store.Runs(study)
		if err != nil {
			return err
		}
		newest, err := store.Outlines()
		if err != nil {
			return err
		}
		if digest = digestOf(study, runs, newest[0]); digest == last {
			return nil
		}
		body, err = s.Report(store, study)
		return err
	})
	return body, digest, err
}

// digestOf sums up what a report depends on: how the study's runs ended, and
// which studies were started, since claims have a history. What runs at work have
// told so far is in no report.
func digestOf(study *results.Study, runs map[string]results.Run, newest results.Study) [32]byte {
	var b bytes.Buffer
	binary.Write(&b, binary.LittleEndian, []int64{study.ID, newest.ID, newest.Started.UnixMilli()}) // into a buffer, which takes all
	for _, slot := range slices.SortedFunc(slices.Values(study.Slots), func(a, b results.Slot) int { return strings.Compare(a.RunID, b.RunID) }) {
		run := runs[slot.RunID]
		ended := int64(0)
		if run.Outcome != "" {
			ended = int64(run.Attempts) + 1
		}
		b.WriteString(slot.RunID + "\x00" + string(run.Outcome) + "\x00")
		binary.Write(&b, binary.LittleEndian, ended)
	}
	return sha256.Sum256(b.Bytes())
}
