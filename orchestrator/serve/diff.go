package serve

import (
	"net/http"

	"ablate/reports/table"
	"ablate/results"
)

// Comparison is in what two cells or runs differ.
type Comparison struct {
	Summary string // a sentence
	Tables  []table.Table
}

// diffView is what the page of a comparison shows.
type diffView struct {
	*snapshot
	Comparison
	A, B string
	Few  bool // few enough cells to choose from a list
}

// diff compares two cells of a study, or two runs.
func (s *Server) diff(w http.ResponseWriter, r *http.Request, snap *snapshot) (err error) {
	v := diffView{snapshot: snap, A: r.FormValue("a"), B: r.FormValue("b"), Few: len(snap.Cells) <= fewToPick}
	if v.A != "" && v.B != "" {
		err = s.source.use(func(store *results.Store) error {
			v.Comparison, err = s.Diff(store, snap.Study, v.A, v.B)
			return err
		})
		if err != nil {
			return notFound(err.Error())
		}
	}
	return s.write(w, r, "diff", shell{Title: "Differences in " + snap.Name, Path: s.Store, Body: v})
}
