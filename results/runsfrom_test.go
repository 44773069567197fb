package results

import (
	"strings"
	"testing"
)

// The newest runs come first, those of one beginning are told apart, and there
// are never more than asked for.
func TestRunsFrom(t *testing.T) {
	s := withRuns(t, "aa01", "aa02", "ab01")
	for _, test := range []struct {
		prefix string
		n      int
		want   string
	}{
		{"", 9, "ab01 aa02 aa01"},
		{"", 2, "ab01 aa02"},
		{"aa", 9, "aa02 aa01"},
		{"aa01", 9, "aa01"},
		{"b", 9, ""},
	} {
		runs, err := s.RunsFrom(test.prefix, test.n)
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, r := range runs {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("%d runs from %q: %s, want %s", test.n, test.prefix, got, test.want)
		}
	}
}
