package serve

import (
	"errors"
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

// events is a page's stream: "change" when something has changed but the report,
// "report" for that, and of a run's page what its log says. A browser has but six
// connections to a server, so a page has one stream for all it is told.
func (s *Server) events(w http.ResponseWriter, r *http.Request) error {
	study, err := numberOf(r, "study")
	if err != nil {
		return err
	}
	follow, err := s.logOf(r)
	if err != nil {
		return err
	}
	st, err := s.stream(w, r)
	if err != nil {
		return err
	}
	defer st.close()
	st.viewer = s.hub.join(study)
	defer s.hub.leave(st.viewer)
	// What has changed between the making of the page and now. It comes before the
	// log: a page that sees a change after the log's end may ask for the log again.
	err = errors.Join(st.send("change", ""), st.send("report", ""))
	if follow != nil && err == nil {
		err = follow(st)
	}
	for err == nil {
		_, err = st.next(nil)
	}
	return nil // the viewer has gone, or the server stops
}

// numberOf is what a request says under a name, a number from 1; 0 if it says
// nothing.
func numberOf(r *http.Request, name string) (int64, error) {
	text := r.FormValue(name)
	n, err := strconv.ParseInt(text, 10, 64)
	if text != "" && (err != nil || n < 1) {
		return 0, badRequest(name + " is a number from 1")
	}
	return n, nil
}

// stream is an answer that goes on.
type stream struct {
	*viewer
	w       http.ResponseWriter
	out     *http.ResponseController
	request *http.Request
	server  *Server
	ping    *time.Ticker
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
	return &stream{w: w, out: http.NewResponseController(w), request: r, server: s, ping: time.NewTicker(pingEvery)}, nil
}

func (st *stream) close() {
	st.ping.Stop()
	<-st.server.streams
}

// next waits for something to tell and tells it, or until tick has something.
func (st *stream) next(tick <-chan time.Time) (ticked bool, err error) {
	select {
	case <-st.request.Context().Done():
		return false, st.request.Context().Err()
	case <-st.server.done:
		return false, http.ErrServerClosed
	case <-st.changed:
		return false, st.send("change", "")
	case <-st.reported:
		return false, st.send("report", "")
	case <-st.ping.C:
		return false, st.send("ping", "")
	case <-tick:
		return true, nil
	}
}

// send sends an event; data has no line ends.
func (st *stream) send(event, data string) error {
	st.out.SetWriteDeadline(time.Now().Add(sendWithin)) // a recorder has none
	if _, err := st.w.Write([]byte("event: " + event + "\ndata: " + data + "\n\n")); err != nil {
		return err
	}
	return st.out.Flush()
}
