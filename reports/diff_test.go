package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"ablate/results"
)

// diffStore is a store of a study with three cells and two seeds.
type diffStore map[string]results.Run

func (s diffStore) Run(prefix string) (*results.Run, error) {
	for id, r := range s {
		if strings.HasPrefix(id, prefix) {
			return &r, nil
		}
	}
	return nil, fmt.Errorf("%w: %s", results.ErrNotFound, prefix)
}

func (s diffStore) RunsByID(ids []string) (map[string]results.Run, error) {
	found := map[string]results.Run{}
	for _, id := range ids {
		found[id] = s[id]
	}
	return found, nil
}

func (s diffStore) ConfigsByID(ids []string) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, id := range ids {
		found[id] = s[id].Config
	}
	return found, nil
}

func diffFixture() (diffStore, *results.Study) {
	store := diffStore{}
	study := &results.Study{Name: "quick", Cells: []string{"bn", "gn+ws", "again"}}
	configs := []string{
		`{"norm":{"encoder":"bn","predictor":""},"optimizer":{"lr":1e-5},"predictor":true}`,
		`{"norm":{"encoder":"gn+ws","predictor":"bn"},"optimizer":{"lr":1e-5},"predictor":true,"stop_when":"collapsed","simclr":{"temperature":0.5},"note":""}`,
	}
	for cell := range study.Cells {
		for seed := 1; seed <= 2; seed++ {
			from := cell % 2
			id := fmt.Sprintf("%d%dabcdef0123", from, seed)
			study.Slots = append(study.Slots, results.Slot{Cell: cell, Seed: seed, RunID: id})
			r := results.Run{ID: id, Cell: study.Cells[from], Seed: seed, Config: []byte(configs[from]), Dataset: strings.Repeat("d", 64), Trainer: "2", Outcome: results.Completed}
			if from == 1 && seed == 2 {
				r.Outcome, r.Trainer = results.NeverSeparated, "3"
			}
			store[id] = r
		}
	}
	return store, study
}

func diffText(t *testing.T, a, b string) string {
	t.Helper()
	store, study := diffFixture()
	d, err := diff(store, study, a, b)
	if err != nil {
		t.Fatal(err)
	}
	var s bytes.Buffer
	if err := d.Text(&s, 100); err != nil {
		t.Fatal(err)
	}
	return s.String()
}

func TestDiff(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want string
	}{
		{"bn", "gn+ws", `cell bn of quick and cell gn+ws of quick: 5 of 8 keys of the configuration differ

key                 bn     gn+ws
────────────────────────────────────
norm.encoder        bn     gn+ws
norm.predictor      –      bn
note                –      ""
simclr.temperature  –      0.5
stop_when           never  collapsed
────────────────────────────────────

          bn            gn+ws
────────────────────────────────────────────
seeds     1, 2          1, 2
outcome   completed     never separated 1 of 2
data set  dddddddddddd  dddddddddddd
trainer   2             2, 3
────────────────────────────────────────────
`},
		{"02", "gn+ws", "run 02abcdef01 (bn, seed 2) and cell gn+ws of quick: 5 of 8 keys of the configuration differ\n"},
		{"01", "02", "run 01abcdef01 (bn, seed 1) and run 02abcdef01 (bn, seed 2): equal: all 5 keys of the configuration\n"},
		{"12", "12", "never separated"},
		{"bn", "again", "cell bn of quick and cell again of quick: the same runs: all 5 keys of the configuration are equal\n"},
	} {
		if got := diffText(t, c.a, c.b); !strings.Contains(strings.ReplaceAll(got, "─", ""), strings.ReplaceAll(c.want, "─", "")) {
			t.Errorf("%s and %s: got\n%s\nwant\n%s", c.a, c.b, got, c.want)
		}
	}
}

// What is neither a cell nor a run names the near ones of both.
func TestDiffOfNothing(t *testing.T) {
	store, study := diffFixture()
	for _, c := range []struct{ name, want string }{
		{"gnws", `quick has no cell "gnws", and its store no run whose id begins so; did you mean gn+ws?`},
		{"01abcedf", "did you mean 01abcdef01 or 02abcdef01 or 11abcdef01?"},
		{"zzzzzz", "the cells are bn, gn+ws, again"},
		{"", "the cells are bn"},
	} {
		_, err := diff(store, study, "bn", c.name)
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, results.ErrNotFound) {
			t.Errorf("%q: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestDiffJSON(t *testing.T) {
	store, study := diffFixture()
	d, err := diff(store, study, "bn", "gn+ws")
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d.Keys)
	if err != nil {
		t.Fatal(err)
	}
	if want := `[{"key":"norm.encoder","a":"bn","b":"gn+ws"},{"key":"norm.predictor","a":null,"b":"bn"},{"key":"note","a":null,"b":""},{"key":"simclr.temperature","a":null,"b":"0.5"},{"key":"stop_when","a":"never","b":"collapsed"}]`; string(text) != want {
		t.Errorf("%s, want %s", text, want)
	}
	if same, _ := diff(store, study, "bn", "bn"); !same.Equal() || same.Keys == nil {
		t.Errorf("equal cells: %+v", same)
	}
}
