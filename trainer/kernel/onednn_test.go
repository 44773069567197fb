//go:build onednn

package kernel

import (
	"math/rand/v2"
	"testing"
)

// TestWinograd: the convolutions that most of a step goes into are by
// Winograd's algorithm, without which a step takes half as long again. Small
// ones are not.
func TestWinograd(t *testing.T) {
	if (OneDNN{}).Lanes(32) == 32 {
		t.Skip("no AVX-512 here, or oneDNN may not use it")
	}
	r := rand.New(rand.NewPCG(11, 12))
	for _, c := range []struct {
		shape ConvShape
		want  bool
	}{
		{ConvShape{4, 32, 32, 32, 32, 3, 1, 1}, true},
		{ConvShape{4, 7, 7, 64, 128, 3, 1, 1}, true},
		{ConvShape{4, 8, 8, 16, 16, 3, 1, 1}, false},
		{ConvShape{4, 8, 8, 32, 64, 3, 2, 1}, false},
		{ConvShape{4, 8, 8, 32, 64, 1, 1, 0}, false},
	} {
		s := c.shape
		x, w := random(r, s.N*s.H*s.W*s.In), random(r, s.Weights())
		y := random(r, s.N*s.OutH()*s.OutW()*s.Out)
		conv := OneDNN{}.Conv(s).(*dnnConv)
		conv.Forward(y, x, w)
		conv.BackwardData(x, y, w)
		conv.BackwardWeights(w, x, y)
		if got := conv.winograd(); got != c.want {
			t.Errorf("%+v: Winograd is %v", s, got)
		}
	}
}
