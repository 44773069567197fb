package results

import (
	"maps"
	"slices"
	"testing"
)

// planned is a store with two studies that share a run: "a" with runs a1 and
// shared, "b" with shared and b1; a second "a" has a2 in place of a1.
func planned(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	run := func(id, trainer string) Run {
		return Run{ID: id, Cell: "x", Seed: 1, Config: []byte(`{"id":"` + id + `"}`), Trainer: trainer}
	}
	save := func(name, text string, ids ...string) {
		study := &Study{Name: name, Text: []byte(text), Cells: []string{"x", "y"}}
		var runs []Run
		for i, id := range ids {
			study.Slots = append(study.Slots, Slot{Cell: i, Seed: 1, RunID: id})
			runs = append(runs, run(id, map[bool]string{true: "external:h", false: "1"}[id == "b1"]))
		}
		if err := s.SaveStudy(study, runs); err != nil {
			t.Fatal(err)
		}
	}
	save("a", "1", "a1", "shared")
	save("b", "1", "shared", "b1")
	save("a", "2", "a2", "shared")
	return s
}

func (s *Store) attempt(t *testing.T, id string, o Outcome) {
	t.Helper()
	if err := s.BeginAttempt(id, 1); err != nil {
		t.Fatal(err)
	}
	if err := s.EndAttempt(id, 1, o, ""); err != nil {
		t.Fatal(err)
	}
}

func TestRunsByID(t *testing.T) {
	s := planned(t)
	runs, err := s.RunsByID([]string{"a1", "b1", "nowhere"})
	if got := slices.Sorted(maps.Keys(runs)); err != nil || !slices.Equal(got, []string{"a1", "b1"}) || runs["b1"].Trainer != "external:h" {
		t.Errorf("%v, %v", runs, err)
	}
	configs, err := s.ConfigsByID([]string{"a1", "nowhere"})
	if err != nil || len(configs) != 1 || string(configs["a1"]) != `{"id":"a1"}` {
		t.Errorf("%s, %v", configs, err)
	}
}

func TestEarlier(t *testing.T) {
	s := planned(t)
	earlier := func(name, cell string) string {
		places, err := s.Earlier(name)
		if err != nil {
			t.Fatal(err)
		}
		if e := places[Place{cell, 1}]; e != nil {
			return e.Study + " " + e.ID
		}
		return ""
	}
	check := func(name, cell, want string) {
		t.Helper()
		if got := earlier(name, cell); got != want {
			t.Errorf("%s in %s: %q, want %q", cell, name, got, want)
		}
	}
	check("a", "x", "") // nothing was attempted
	s.attempt(t, "shared", Completed)
	check("a", "x", "b shared") // in no study of its own
	check("a", "y", "a shared")
	s.attempt(t, "a1", Failed)
	check("a", "x", "a a1")
	check("b", "x", "b shared")
	check("new", "x", "b shared") // the newest of all
	s.attempt(t, "a2", Completed)
	check("a", "x", "a a2")
}

func TestDoneBy(t *testing.T) {
	s := planned(t)
	s.attempt(t, "shared", Completed)
	s.attempt(t, "b1", Completed)
	s.attempt(t, "a1", Failed)
	all := []string{"a1", "a2", "b1", "shared"}
	for name, want := range map[string]map[string]int{"a": {"b": 1}, "b": {"a": 1}, "c": {"a": 1, "b": 1}} {
		if by, err := s.DoneBy(all, name); err != nil || !maps.Equal(by, want) {
			t.Errorf("%s: %v, want %v, %v", name, by, want, err)
		}
	}
}
