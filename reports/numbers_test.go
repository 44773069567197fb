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
		{"", []Number{2.3456}, []Number{0.0002}, 4},
		{"", []Number{2.3456}, []Number{0}, 2},
		{"", []Number{1.2348e12}, []Number{2.5e9}, -9},
		{"%", []Number{0.531}, []Number{14.4}, 1},
		{"%", []Number{67.9}, []Number{0.03}, 2},
		{"", []Number{1}, []Number{1e-12}, 2},
		{"%", []Number{67.9}, []Number{0.0003}, 2},
	} {
		if got := decimalsWithin(c.unit, c.estimates, c.halfWidths); got != c.want {
			t.Errorf("%v ± %v %s: %d decimals, want %d", c.estimates, c.halfWidths, c.unit, got, c.want)
		}
	}
}

func TestFixed(t *testing.T) {
	for _, c := range []struct {
		n        Number
		decimals int
		want     string
	}{
		{-0.04, 1, "0.0"}, {-1.25, 1, "−1.2"}, {1234796, 0, "1234796"}, {unknown, 1, "?"},
		{1.2348e12, -9, "1.235e12"}, {-2.5e9, -9, "−2e9"}, {1e-8, 9, "1.0e−8"}, {-1.234e-6, 8, "−1.23e−6"},
		{0, 8, "0.00000000"}, {0.5, 8, "0.50000000"}, {0.00001, 3, "0.000"},
	} {
		if got := c.n.fixed(c.decimals); got != c.want {
			t.Errorf("%v with %d decimals: %s, want %s", float64(c.n), c.decimals, got, c.want)
		}
	}
}
