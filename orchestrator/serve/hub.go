package serve

import (
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

const (
	// lookEvery is how often the store is asked whether it has changed, while
	// somebody looks.
	lookEvery = time.Second
	// pingEvery keeps a stream alive that has nothing to tell.
	pingEvery = 15 * time.Second
	// sendWithin is how long a viewer may take to accept what he is sent.
	sendWithin = 10 * time.Second
)

// hub tells viewers that something has changed. Its goroutine lives while there
// are any.
type hub struct {
	server  *Server
	mu      sync.Mutex
	viewers []*viewer
	version int64 // that the viewers know, or are being told
	stop    chan struct{}
}

// viewer is an open page. Its channels hold one word each: a viewer that is slow
// is told less often.
type viewer struct {
	study    int64 // whose report it shows, 0 for none
	changed  chan struct{}
	reported chan struct{}
}

func (h *hub) join(study int64) *viewer {
	v := &viewer{study: study, changed: make(chan struct{}, 1), reported: make(chan struct{}, 1)}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers = append(h.viewers, v)
	if len(h.viewers) == 1 {
		h.stop = make(chan struct{})
		go h.watch(h.stop)
	}
	return v
}

func (h *hub) leave(v *viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers = slices.DeleteFunc(h.viewers, func(o *viewer) bool { return o == v })
	if len(h.viewers) == 0 {
		close(h.stop)
	}
}

// watch looks at the store until the last viewer has left.
func (h *hub) watch(stop <-chan struct{}) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		h.look()
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
	}
}

// look tells the viewers if the store has changed, and has the reports made that
// they look at.
func (h *hub) look() {
	version := h.server.source.look()
	h.mu.Lock()
	news := version != h.version
	h.version = version
	studies := map[int64]bool{}
	for _, v := range h.viewers {
		studies[v.study] = v.study != 0
		if news {
			tell(v.changed)
		}
	}
	h.mu.Unlock()
	for study, wanted := range studies {
		if wanted {
			h.server.reports.want(study, version)
		}
	}
}

// reported tells those who look at a study that it has a new report.
func (h *hub) reported(study int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, v := range h.viewers {
		if v.study == study {
			tell(v.reported)
		}
	}
}

func tell(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default: // it has not yet heard of the last one
	}
}

// current is the version of the store that answers must not be older than. While
// somebody looks, that is the one that was noticed last: so however many look and
// however fast the store changes, everything is made once a second at most.
func (h *hub) current() int64 {
	h.mu.Lock()
	if len(h.viewers) > 0 && h.version > 0 {
		defer h.mu.Unlock()
		return h.version
	}
	h.mu.Unlock()
	return h.server.source.look()
}

// events is a stream of what has changed: "change" for all but the report,
// "report" for that.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	study, err := strconv.ParseInt(r.FormValue("study"), 10, 64)
	if err != nil && r.FormValue("study") != "" {
		return badRequest("study is a number")
	}
	st, err := s.stream(w, r)
	if err != nil {
		return err
	}
	defer st.close()
	v := s.hub.join(study)
	defer s.hub.leave(v)
	// What has changed between the making of the page and now.
	tell(v.changed)
	tell(v.reported)
	ping := time.NewTicker(pingEvery)
	defer ping.Stop()
	for err == nil {
		select {
		case <-r.Context().Done():
			return nil
		case <-s.done:
			return nil
		case <-v.changed:
			err = st.send("change", "")
		case <-v.reported:
			err = st.send("report", "")
		case <-ping.C:
			err = st.send("ping", "")
		}
	}
	return nil // the viewer has gone
}

// stream is an answer that goes on.
type stream struct {
	w      http.ResponseWriter
	out    *http.ResponseController
	places chan struct{}
}

// stream begins to answer with Server-Sent Events, if there is a place left.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) (*stream, error) {
	if r.Method != http.MethodGet {
		return nil, problem{http.StatusMethodNotAllowed, "a stream has to be read"}
	}
	select {
	case s.streams <- struct{}{}:
	default:
		w.Header().Set("Retry-After", "10")
		return nil, problem{http.StatusServiceUnavailable, "too many pages look at this store; close some"}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	return &stream{w: w, out: http.NewResponseController(w), places: s.streams}, nil
}

func (st *stream) close() { <-st.places }

// send sends an event; data has no line ends.
func (st *stream) send(event, data string) error {
	st.out.SetWriteDeadline(time.Now().Add(sendWithin)) // a recorder has none
	if _, err := st.w.Write([]byte("event: " + event + "\ndata: " + data + "\n\n")); err != nil {
		return err
	}
	return st.out.Flush()
}
