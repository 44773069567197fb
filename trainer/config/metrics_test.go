package config

import (
	"slices"
	"testing"
)

func TestSpectrumRanks(t *testing.T) {
	for d, want := range map[int][]int{
		1: {1}, 2: {1, 2}, 3: {1, 2, 3}, 5: {1, 2, 3, 4}, 12: {1, 2, 3, 4, 6, 8, 12},
		64: {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64}, 95: {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64},
	} {
		if got := SpectrumRanks(d); !slices.Equal(got, want) {
			t.Errorf("of %d dimensions: %v, want %v", d, got, want)
		}
	}
	if n := len(SpectrumRanks(65536)); n != 32 {
		t.Errorf("the largest projection has %d metrics for its spectrum, want 32", n)
	}
}

// A family is documented once; its members are metrics, and nothing else that
// looks like one.
func TestMetricByName(t *testing.T) {
	for name, want := range map[string]bool{
		"loss": true, "z_spectrum_1": true, "z_spectrum_48": true, "z_spectrum_65536": true,
		"z_spectrum_K": false, "z_spectrum_": false, "z_spectrum_0": false, "z_spectrum_-2": false, "z_spectrum_5": false,
		"z_spectrum_016": false, "z_spectrum_16_untrained": false, "y_spectrum_1": false, "": false,
	} {
		m, ok := MetricByName(name)
		if ok != want || ok && (m.Name != name || m.Says == "") {
			t.Errorf("%q: %+v, %v, want %v", name, m, ok, want)
		}
	}
	for _, d := range []int{2, 64, 65536} {
		for _, rank := range SpectrumRanks(d) {
			if got, ok := SpectrumRank(SpectrumName(rank)); !ok || got != rank {
				t.Errorf("%s has the rank %d, %v", SpectrumName(rank), got, ok)
			}
		}
	}
}
