package reports

import "testing"

// An estimate has no more decimals than the narrowest interval deserves, and a
// wide one beside a narrow one takes none away.
func TestDecimalsWithin(t *testing.T) {
	for _, c := range []struct {
		unit                  string
		estimates, halfWidths []Number
		want                  int
	}{
		{"", []Number{-0.000815}, []Number{14.4}, 1},
		{"", []Number{-0.000815, 0.0012}, []Number{14.4, 0.0004}, 5},
		{"", []Number{0.531}, []Number{0.002}, 3},
		{"", []Number{0.531, unknown}, []Number{unknown, unknown}, 3},
		{"%", []Number{0.531}, []Number{14.4}, 1},
	} {
		if got := decimalsWithin(c.unit, c.estimates, c.halfWidths); got != c.want {
			t.Errorf("%v ± %v %s: %d decimals, want %d", c.estimates, c.halfWidths, c.unit, got, c.want)
		}
	}
}
