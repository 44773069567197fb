package serve

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// runList is a page of the list of a study's runs.
type runList struct {
	Rows   []row
	States []string // that the runs of the study are in
	Cells  []string // of the study, if they are few enough to choose from
	Seeds  []int

	State, Cell, Seed, ID string // what is asked for; "" is all

	Found, First, Last int // runs that were found, and those of them on this page, from 1
	Page, Pages        int
	URL                string
}

const (
	perPage   = 50
	fewToPick = 300 // that a person can choose among
)

// list finds the runs that a query asks for.
func (s *snapshot) list(q url.Values) (runList, error) {
	l := runList{State: q.Get("state"), Cell: q.Get("cell"), Seed: q.Get("seed"), ID: q.Get("id"), URL: studyURL(s.ID)}
	for _, c := range s.Counts {
		l.States = append(l.States, c.State)
	}
	if len(s.Cells) <= fewToPick {
		l.Cells = s.Cells
	}
	seeds := map[int]bool{}
	for _, r := range s.rows {
		if !seeds[r.Seed] {
			seeds[r.Seed] = true
			l.Seeds = append(l.Seeds, r.Seed)
		}
	}
	slices.Sort(l.Seeds)
	page, err := l.check(s, q.Get("page"))
	if err != nil {
		return l, err
	}
	found := make([]row, 0, perPage)
	for _, r := range s.rows {
		if l.fits(r) {
			found = append(found, r)
		}
	}
	l.Found = len(found)
	l.Pages = max(1, (len(found)+perPage-1)/perPage)
	l.Page = min(page, l.Pages)
	from := (l.Page - 1) * perPage
	l.Rows = found[from:min(len(found), from+perPage)]
	l.First, l.Last = min(from+1, len(found)), from+len(l.Rows)
	return l, nil
}

// check refuses what no list can be made of, and names what is near.
func (l *runList) check(s *snapshot, number string) (page int, err error) {
	if page = 1; number != "" {
		if page, err = strconv.Atoi(number); err != nil || page < 1 {
			return 0, badRequest("a page is a number from 1")
		}
	}
	if l.State != "" && !slices.Contains(states, l.State) {
		return 0, badRequest(fmt.Sprintf("there is no state %q; the states are %s", l.State, strings.Join(states, ", ")))
	}
	if _, err := strconv.Atoi(l.Seed); err != nil && l.Seed != "" {
		return 0, badRequest("a seed is a number")
	}
	return page, nil
}

// fits reports whether a run is asked for. Of a cell any part of the name will
// do, of an id its beginning.
func (l *runList) fits(r row) bool {
	return (l.State == "" || r.State == l.State) &&
		(l.Seed == "" || strconv.Itoa(r.Seed) == l.Seed) &&
		(l.Cell == "" || r.Cell == l.Cell || l.Cells == nil && strings.Contains(r.Cell, l.Cell)) &&
		strings.HasPrefix(r.ID, l.ID)
}

// At is the address of another page of the list.
func (l runList) At(page int) string {
	q := url.Values{}
	for key, value := range map[string]string{"state": l.State, "cell": l.Cell, "seed": l.Seed, "id": l.ID} {
		if value != "" {
			q.Set(key, value)
		}
	}
	if page > 1 {
		q.Set("page", strconv.Itoa(page))
	}
	if len(q) == 0 {
		return l.URL
	}
	return l.URL + "?" + q.Encode()
}

// Before and After are the numbers of the neighbouring pages, 0 if there is none.
func (l runList) Before() int { return l.Page - 1 }

// After is the number of the next page, 0 if there is none.
func (l runList) After() int {
	if l.Page < l.Pages {
		return l.Page + 1
	}
	return 0
}
