package data

import (
	"fmt"
	"math"
	"testing"

	"ablate/trainer/config"
)

// byol is the augmentation of a run that says nothing else.
var byol = config.Augment{
	CropMin: 0.2, Flip: 0.5, Jitter: 0.8, Brightness: 0.4, Contrast: 0.4, Saturation: 0.2, Hue: 0.1,
	Grayscale: 0.2, Solarize2: 0.2,
}

// picture is a set of one image: soft colours with a little noise, much like
// a photograph to the operations.
func picture(height, width, channels int) *Set {
	rng := Stream(1, "picture")
	s := &Set{Name: "picture", Height: height, Width: width, Channels: channels, Classes: 1}
	s.Train.Labels = []uint8{0}
	for y := range height {
		for x := range width {
			for c := range channels {
				v := 128 + 100*math.Sin(float64(c)+5*float64(x)/float64(width)+3*float64(y)/float64(height)) + 20*rng.Float64()
				s.Train.Images = append(s.Train.Images, byte(v))
			}
		}
	}
	return s
}

func BenchmarkView(b *testing.B) {
	for _, size := range []struct{ side, channels int }{{32, 3}, {28, 1}} {
		s := picture(size.side, size.side, size.channels)
		a := NewAugmenter(byol, s, s.Standardize())
		dst := make([]float32, len(s.Train.Images))
		b.Run(fmt.Sprintf("%dx%dx%d", size.side, size.side, size.channels), func(b *testing.B) {
			b.ReportAllocs()
			rng := Stream(1, "augment")
			for i := range b.N {
				a.View(dst, s.Train.Images, i%2, rng)
			}
		})
	}
}

func BenchmarkOps(b *testing.B) {
	s := picture(32, 32, 3)
	a := NewAugmenter(byol, s, s.Standardize())
	pix, original := make([]float32, len(s.Train.Images)), make([]float32, len(s.Train.Images))
	src := s.Train.Images
	whole := box{2, 2, 28, 28}
	for _, op := range []struct {
		name string
		do   func()
	}{
		{"resize", func() { a.resize(pix, src, whole, false) }},
		{"brightness", func() { scaleBrightness(pix, 0.9) }},
		{"contrast", func() { scaleContrast(pix, 3, 0.9) }},
		{"saturation", func() { scaleSaturation(pix, 0.9) }},
		{"hue", func() { shiftHue(pix, 0.1) }},
		{"grayscale", func() { grayscale(pix) }},
		{"blur", func() { a.gaussianBlur(pix, 1) }},
		{"solarize", func() { solarize(pix) }},
		{"clean", func() { a.Clean(pix, src) }},
	} {
		a.resize(original, src, whole, false)
		b.Run(op.name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				copy(pix, original)
				op.do()
			}
		})
	}
}

func BenchmarkStream(b *testing.B) {
	b.ReportAllocs()
	for i := range b.N {
		Stream(1, "augment", 3, i, 1)
	}
}
