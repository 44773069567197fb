package ablations

import (
	"slices"
	"testing"

	"ablate/trainer/config"
)

// A key that comes to be later must not change the identity of a run that
// leaves it at its default: whoever has results of a shipped study keeps them.
// If this test fails, make the new key one that is left out at its default.
func TestShippedIdentitiesAreStable(t *testing.T) {
	first := map[string]string{ // of each study on a dataset whose hash is "0123abcd", under trainer 2
		"predictor": "620a0b226384",
		"quick":     "cf9b784a3a05",
		"table1":    "620a0b226384",
		"table2":    "cfb46a10a567",
	}
	for _, name := range Shipped() {
		want, known := first[name]
		if !known {
			continue // a new study has no results yet
		}
		s, err := Load(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		p, err := NewPlan(s, func(config.Data) (string, error) { return "0123abcd", nil }, "2")
		if err != nil {
			t.Fatal(err)
		}
		if p.Runs[0].ID != want {
			t.Errorf("%s: the first run is %s, want %s", name, p.Runs[0].ID, want)
		}
	}
	for name := range first {
		if !slices.Contains(Shipped(), name) {
			t.Errorf("the study %s is gone", name)
		}
	}
}
