package ablations

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"ablate/trainer/config"
)

func mustPlan(t *testing.T, s *Study) *Plan {
	t.Helper()
	p, err := NewPlan(s, fakeHash, "1")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A failure of this test means that every store's finished runs would be run
// again. Only a change that gives other numbers may do that.
func TestIdentityIsStable(t *testing.T) {
	s := mustParse(t, "seeds = [1, 7]\n[base]\noptimizer = { name = \"lars\", lr = 1, weight_decay = 2e-7, trust = 0.02 }\ndata = { name = \"fashion-mnist\", train = 4000 }")
	p, err := NewPlan(s, func(config.Data) (string, error) { return "0123abcd", nil }, "1")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := p.Runs[0].ID+" "+p.Runs[1].ID, "990e1a0d47ec 98c455589b56"; got != want {
		t.Errorf("identities are %s, want %s", got, want)
	}
}

func TestIdentityText(t *testing.T) {
	s := mustParse(t, "")
	var id identity
	id.begin(s.Cells[0], "a\"b")
	id.of(12, "3")
	got := id.of(1, "2")
	text := `{"config":` + string(s.Cells[0].Settings().JSON()) + `,"dataset":"a\"b","seed":1,"trainer":"2"}`
	sum := sha256.Sum256([]byte(text))
	if want := hex.EncodeToString(sum[:6]); got != want || !json.Valid([]byte(text)) {
		t.Errorf("got %s, want %s of %s", got, want, text)
	}
}

func TestIdentityCoversEverything(t *testing.T) {
	s := mustParse(t, "seeds = 2\n[cells]\nx = { batch = 64 }")
	seen := map[string]string{}
	add := func(name string, s *Study, hash, trainer string) {
		p, err := NewPlan(s, func(config.Data) (string, error) { return hash, nil }, trainer)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range p.Runs {
			what := fmt.Sprint(name, s.Cells[r.Cell].Name, r.Seed)
			if other, ok := seen[r.ID]; ok {
				t.Errorf("%s and %s have the same identity", what, other)
			}
			seen[r.ID] = what
		}
	}
	add("", s, "h", "1")
	add("other data", s, "i", "1")
	add("other trainer", s, "h", "2")
}

func TestPlan(t *testing.T) {
	s := mustParse(t, "seeds = [5, 2]\n[axes]\nnorm = [\"bn\", \"ln\"]\n[cells]\nagain = { norm = \"ln\" }\nimages = { data.name = \"generated\" }")
	asked := map[string]int{}
	p, err := NewPlan(s, func(d config.Data) (string, error) { asked[d.Name]++; return d.Name, nil }, "1")
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(asked) != "map[cifar10:1 generated:1]" || fmt.Sprint(p.Dataset) != "map[cifar10:cifar10 generated:generated]" {
		t.Errorf("asked %v, got %v", asked, p.Dataset)
	}
	var places []string
	for _, r := range p.Runs {
		places = append(places, fmt.Sprintf("%s/%d", s.Cells[r.Cell].Name, r.Seed))
	}
	if got, want := strings.Join(places, " "), "bn/5 ln/5 again/5 images/5 bn/2 ln/2 again/2 images/2"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if p.Runs[1].ID != p.Runs[2].ID || p.Runs[5].ID != p.Runs[6].ID || p.Runs[1].ID == p.Runs[5].ID || p.Runs[0].ID == p.Runs[3].ID {
		t.Errorf("identities: %v", p.Runs)
	}
}

// Equal work in two studies is one run, however it is written.
func TestIdentityAcrossStudies(t *testing.T) {
	a := mustPlan(t, mustParse(t, "[base]\nnorm = \"ln\"\npredictor = false\noptimizer.lr = 1"))
	b := mustPlan(t, mustParse(t, "[axes]\npredictor = [true, false]\n[base]\nnorm = { encoder = \"ln\", projector = \"ln\" }\noptimizer.lr = 1.0\noptimizer.trust = 0.5"))
	if a.Runs[0].ID != b.Runs[1].ID {
		t.Errorf("got %s and %s", a.Runs[0].ID, b.Runs[1].ID)
	}
}

func TestPlanErrors(t *testing.T) {
	s := mustParse(t, "[cells]\nx = { data.name = \"generated\" }\ny = { data.name = \"fashion-mnist\" }")
	_, err := NewPlan(s, func(d config.Data) (string, error) {
		if d.Name == "generated" {
			return "h", nil
		}
		return "", errors.New("no " + d.Name)
	}, "1")
	if err == nil || err.Error() != "no cifar10\nno fashion-mnist" {
		t.Errorf("got %v", err)
	}
}
