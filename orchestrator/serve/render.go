package serve

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"ablate/orchestrator"
	"ablate/reports/page"
	"ablate/results"
	"ablate/words"
)

//go:embed assets
var assets embed.FS

// shell is what every page is made of.
type shell struct {
	Title   string
	Live    string // address of its stream of events, "" if it never changes
	Path    string // the store's folder
	Control bool   // there is a token
	Body    any
}

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"allStates": func() []string { return states },
	"ofEntry":   ofEntry,
	"clock":     clock,
	"overrides": overrides,
	"pick":      pick,
	"plural":    words.Plural,
	"short":     func(id string) string { return id[:min(len(id), 10)] },
	"stateName": func(state string) string { return results.Outcome(state).Words() },
	"studyURL":  studyURL,
	// What a dead head was at is interrupted.
	"entryState": func(e results.Entry, head *orchestrator.Head) string {
		if e.State == results.EntryRunning && head == nil {
			return "interrupted"
		}
		return string(e.State)
	},
}).ParseFS(assets, "assets/templates.html"))

// clock is a time of the day, with its date unless that is today's.
func clock(t time.Time) string {
	t = t.Local()
	if t.Format(time.DateOnly) == time.Now().Format(time.DateOnly) {
		return t.Format(time.TimeOnly)
	}
	return t.Format(time.DateTime)
}

// choice is what a cell can be picked from.
type choice struct {
	Name, Now    string
	Cells        []string
	Few, Strange bool // Strange: what is picked is no cell
}

func pick(v diffView, name, now string) choice {
	return choice{name, now, v.Cells, v.Few, now != "" && !slices.Contains(v.Cells, now)}
}

// entryButton asks for something to be done with an entry of the queue.
type entryButton struct {
	Entry           results.Entry
	Kind, Yes, Says string
}

func ofEntry(e results.Entry, kind, says string) entryButton {
	return entryButton{e, kind, strings.ToUpper(kind[:1]) + kind[1:], says}
}

// write answers with a page or a part of one. What the viewer has already is not
// sent again.
func (s *Server) write(w http.ResponseWriter, r *http.Request, name string, data any) error {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	send(w, r, b.Bytes())
	return nil
}

// render writes a page into an answer that is begun.
func (s *Server) render(w http.ResponseWriter, r *http.Request, name string, data any) {
	if r.Method != http.MethodHead {
		templates.ExecuteTemplate(w, name, data) // a viewer who has gone misses nothing
	}
}

// send sends an answer with its hash, unless the viewer has the same one.
func send(w http.ResponseWriter, r *http.Request, text []byte) {
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	w.Header().Set("Cache-Control", "no-cache") // to be kept, but asked for
	w.Header().Set("ETag", tag)
	if r.Header.Get("If-None-Match") == tag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(text))
}

// files are the pages' styles and scripts.
var files = map[string]string{
	"page.css": page.Style,
	"page.js":  page.Script,
	"live.css": embedded("live.css"),
	"live.js":  embedded("live.js"),
	"icon.svg": embedded("icon.svg"),
}

func embedded(name string) string {
	text, err := assets.ReadFile("assets/" + name)
	if err != nil {
		panic(err) // it is in the program
	}
	return string(text)
}

// asset is a file of the pages.
func (s *Server) asset(w http.ResponseWriter, r *http.Request) error {
	text, known := files[r.PathValue("file")]
	if !known {
		return notFound("there is no such file")
	}
	kinds := map[string]string{"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
	_, ending, _ := strings.Cut(r.PathValue("file"), ".")
	w.Header().Set("Content-Type", kinds[ending]+"; charset=utf-8")
	send(w, r, []byte(text))
	return nil
}
