package data

import (
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"sync"
)

// generated is a small computed set for tests and first steps: 16x16 colour
// images of ten shapes, one a class, at varying places, sizes and colours,
// under noise. A class prefers a colour, but does not always have it. The set
// is the same on every machine and under every seed: it is drawn from a
// stream of its own, in integers.
var generated = source{
	name: "generated",
	read: func(*folder, int) (*Set, error) { s := generatedSet(); return &s, nil },
}

const (
	generatedSide  = 16
	generatedTrain = 2000
	generatedTest  = 500
)

var generatedSet = sync.OnceValue(func() Set {
	s := Set{Height: generatedSide, Width: generatedSide, Channels: 3, Classes: len(shapes)}
	s.Train = drawShapes(Stream(0, "generated train"), generatedTrain)
	s.Test = drawShapes(Stream(0, "generated test"), generatedTest)
	return s
})

var generatedHash = sync.OnceValue(func() string {
	s, h := generatedSet(), sha256.New()
	for _, part := range [][]byte{s.Train.Images, s.Train.Labels, s.Test.Images, s.Test.Labels} {
		h.Write(part)
	}
	return hex.EncodeToString(h.Sum(nil))
})

// shapes tell, for each class, whether the point (x, y) relative to the
// centre belongs to a shape of radius r.
var shapes = []func(x, y, r int) bool{
	func(x, y, r int) bool { return x*x+y*y <= r*r },                                      // disc
	func(x, y, r int) bool { d := x*x + y*y; return d <= r*r && d > (r-2)*(r-2) },         // ring
	func(x, y, r int) bool { return max(abs(x), abs(y)) < r },                             // square
	func(x, y, r int) bool { d := max(abs(x), abs(y)); return d < r && d >= r-2 },         // frame
	func(x, y, r int) bool { return min(abs(x), abs(y)) <= 1 && max(abs(x), abs(y)) < r }, // upright cross
	func(x, y, r int) bool { return abs(abs(x)-abs(y)) <= 1 && abs(x)+abs(y) < 2*r },      // diagonal cross
	func(x, y, r int) bool { return abs(y) < r && 2*abs(x) <= y+r },                       // triangle
	func(x, y, r int) bool { return max(abs(x), abs(y)) < r && y&3 < 2 },                  // horizontal stripes
	func(x, y, r int) bool { return max(abs(x), abs(y)) < r && x&3 < 2 },                  // vertical stripes
	func(x, y, r int) bool { return max(abs(x), abs(y)) < r && (x>>1+y>>1)&1 == 0 },       // checkerboard
}

// preferred is the colour that half of a class's shapes have, or nearly so.
var preferred = [][3]int{
	{220, 60, 50}, {60, 190, 70}, {60, 90, 220}, {220, 200, 60}, {190, 70, 200},
	{60, 200, 200}, {230, 140, 50}, {200, 200, 200}, {120, 80, 50}, {150, 220, 120},
}

// drawShapes draws n images, as many of each class.
func drawShapes(rng *rand.Rand, n int) Split {
	s := Split{Images: make([]byte, 0, n*generatedSide*generatedSide*3), Labels: make([]uint8, n)}
	for i := range n {
		class := i % len(shapes)
		s.Labels[i] = uint8(class)
		s.Images = appendShape(s.Images, rng, class)
	}
	return s
}

// appendShape draws one image of a class: a background that fades from top to
// bottom, the shape, and noise on every pixel.
func appendShape(images []byte, rng *rand.Rand, class int) []byte {
	r := 4 + rng.IntN(4)
	cx, cy := r+rng.IntN(generatedSide-2*r+1), r+rng.IntN(generatedSide-2*r+1)
	back, fore := randomColour(rng), randomColour(rng)
	if rng.IntN(2) == 0 {
		fore = preferred[class]
	}
	for abs(brightness(back)-brightness(fore)) < 50 { // to be seen without colour too
		back = randomColour(rng)
	}
	fade := rng.IntN(9) - 4
	for y := range generatedSide {
		for x := range generatedSide {
			colour, light := back, fade*(y-generatedSide/2)
			if shapes[class](x-cx, y-cy, r) {
				colour = fore
			}
			for _, v := range colour {
				noise := rng.IntN(41) + rng.IntN(41) - 40
				images = append(images, uint8(min(max(v+light+noise, 0), 255)))
			}
		}
	}
	return images
}

func randomColour(rng *rand.Rand) [3]int {
	return [3]int{rng.IntN(256), rng.IntN(256), rng.IntN(256)}
}

func brightness(c [3]int) int { return (3*c[0] + 6*c[1] + c[2]) / 10 }

func abs(x int) int { return max(x, -x) }
