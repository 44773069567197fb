package data

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"ablate/trainer/config"
)

// still changes nothing.
var still = config.Augment{CropMin: 1}

// sizes are shapes of images: the usual ones, and odd ones.
var sizes = []struct{ height, width, channels int }{{32, 32, 3}, {28, 28, 1}, {16, 16, 3}, {7, 5, 3}, {3, 2, 1}, {1, 1, 3}, {48, 20, 3}}

func TestClean(t *testing.T) {
	s := picture(4, 4, 3)
	a := NewAugmenter(byol, s, Standard{Mean: []float32{0, 0.5, 0.25}, Std: []float32{1, 0.5, 0.1}})
	got := make([]float32, 48)
	a.Clean(got, s.Train.Image(0))
	for i, b := range s.Train.Image(0) {
		v := float64(b) / 255
		want := []float64{v, (v - 0.5) / 0.5, (v - 0.25) / 0.1}[i%3]
		if math.Abs(float64(got[i])-want) > 1e-5 {
			t.Fatalf("value %d: %g, want %g", i, got[i], want)
		}
	}
}

// Settings that do nothing give the clean image, bit by bit.
func TestViewWithoutChanges(t *testing.T) {
	jittered := config.Augment{CropMin: 1, Jitter: 1}
	for _, size := range sizes {
		s := picture(size.height, size.width, size.channels)
		if size.height != size.width {
			continue // other crops than the whole image can have its area
		}
		for _, settings := range []config.Augment{still, jittered} {
			a := NewAugmenter(settings, s, s.Standardize())
			clean, got := buffers(s)
			a.Clean(clean, s.Train.Image(0))
			for seed := range 20 {
				a.View(got, s.Train.Image(0), seed%2, Stream(seed, "augment"))
				if !slices.Equal(got, clean) {
					t.Errorf("%+v: the view of %+v is not the clean image", size, settings)
					break
				}
			}
		}
	}
}

func buffers(s *Set) (a, b []float32) {
	n := s.Height * s.Width * s.Channels
	return make([]float32, n), make([]float32, n)
}

func TestViewIsDeterministic(t *testing.T) {
	s := picture(32, 32, 3)
	all := byol
	all.Blur1, all.Blur2 = 1, 0.5
	a, other := NewAugmenter(all, s, s.Standardize()), NewAugmenter(all, s, s.Standardize())
	first, again := buffers(s)
	distinct := map[float32]bool{}
	for i := range 50 {
		a.View(first, s.Train.Image(0), i%2, Stream(3, "augment", i))
		// What the other one did before must not matter.
		other.View(again, s.Train.Image(0), 0, Stream(4, "augment", i))
		other.View(again, s.Train.Image(0), i%2, Stream(3, "augment", i))
		if !slices.Equal(first, again) {
			t.Fatalf("view %d is not reproduced", i)
		}
		distinct[first[777]] = true
	}
	if len(distinct) < 45 {
		t.Errorf("50 views have only %d different values at one place", len(distinct))
	}
}

func TestViewAllocatesNothing(t *testing.T) {
	s := picture(32, 32, 3)
	all := byol
	all.Blur1, all.Solarize1 = 1, 1
	a := NewAugmenter(all, s, s.Standardize())
	dst, _ := buffers(s)
	rng := Stream(1, "augment")
	if n := testing.AllocsPerRun(100, func() { a.View(dst, s.Train.Image(0), 0, rng) }); n != 0 {
		t.Errorf("%v allocations a view", n)
	}
}

// Every view is within what 0..1 standardizes to, whatever the settings.
func TestViewRange(t *testing.T) {
	extreme := config.Augment{CropMin: 0.01, Flip: 0.5, Jitter: 1, Brightness: 1, Contrast: 1, Saturation: 1, Hue: 0.5,
		Grayscale: 0.3, Blur1: 0.5, Blur2: 0.5, Solarize1: 0.5, Solarize2: 0.5}
	for _, size := range sizes {
		s := picture(size.height, size.width, size.channels)
		a := NewAugmenter(extreme, s, identity(size.channels))
		dst, _ := buffers(s)
		for i := range 500 {
			a.View(dst, s.Train.Image(0), i%2, Stream(0, "augment", i))
			for _, v := range dst {
				if !(v >= -1e-6 && v <= 1+1e-6) {
					t.Fatalf("%+v, view %d: %g is not in 0..1", size, i, v)
				}
			}
		}
	}
}

// identity standardizes to the same values.
func identity(channels int) Standard {
	return Standard{Mean: make([]float32, channels), Std: slices.Repeat([]float32{1}, channels)}
}

// A ramp has its order kept by any crop and resize, its direction turned by
// a flip, and its slope reduced by the crop.
func TestCropOfARamp(t *testing.T) {
	s := picture(32, 32, 3)
	for i := range s.Train.Images {
		s.Train.Images[i] = byte(i / 3 % 32 * 8)
	}
	a := NewAugmenter(byol, s, identity(3))
	dst, _ := buffers(s)
	rng := Stream(5, "crop")
	for i := range 300 {
		crop, flip := a.drawCrop(rng), i%2 == 1
		a.resize(dst, s.Train.Images, crop, flip)
		for y := range 32 {
			row := dst[y*96 : (y+1)*96]
			left, right := row[0], row[93]
			if flip {
				left, right = right, left
			}
			low, high := float32(crop.x*8)/255, float32((crop.x+crop.width-1)*8)/255
			if math.Abs(float64(left-low)) > 0.01 || math.Abs(float64(right-high)) > 0.01 {
				t.Fatalf("crop %+v, flip %v: the ramp goes from %g to %g, want %g to %g", crop, flip, left, right, low, high)
			}
			for x := 1; x < 32; x++ {
				if step := row[3*x] - row[3*x-3]; step < -1e-6 && !flip || step > 1e-6 && flip {
					t.Fatalf("crop %+v, flip %v: step %g at column %d", crop, flip, step, x)
				}
			}
		}
	}
}

func TestDrawCrop(t *testing.T) {
	s := picture(32, 32, 3)
	a := NewAugmenter(byol, s, identity(3))
	rng := Stream(1, "crop")
	const n = 20000
	var area float64
	corners := map[[2]int]bool{}
	for range n {
		c := a.drawCrop(rng)
		if c.x < 0 || c.y < 0 || c.width < 1 || c.height < 1 || c.x+c.width > 32 || c.y+c.height > 32 {
			t.Fatalf("crop %+v is not within the image", c)
		}
		// Sides are rounded to whole pixels, by a half at most.
		w, h := float64(c.width), float64(c.height)
		if (w+.5)*(h+.5) < 0.2*1024 {
			t.Fatalf("crop %+v is smaller than a fifth of the image", c)
		}
		if aspect := (w + .5) / (h - .5); aspect < 3.0/4 {
			t.Fatalf("crop %+v is too narrow", c)
		} else if aspect := (w - .5) / (h + .5); aspect > 4.0/3 {
			t.Fatalf("crop %+v is too broad", c)
		}
		area += w * h / 1024 / n
		if c.width == 20 && c.height == 20 {
			corners[[2]int{c.x, c.y}] = true
		}
	}
	if area < 0.54 || area > 0.59 { // 0.6 if every draw did fit; large ones fit less often
		t.Errorf("mean area %.3f", area)
	}
	if len(corners) < 60 {
		t.Errorf("crops of 20x20 were drawn at only %d of 169 places", len(corners))
	}
}

// Where ten draws do not fit, the crop is the largest central one.
func TestDrawCropFallback(t *testing.T) {
	for _, test := range []struct {
		height, width int
		want          box
	}{
		{32, 32, box{0, 0, 32, 32}},
		{48, 20, box{0, 10, 20, 27}},
		{20, 48, box{10, 0, 27, 20}},
		{30, 36, box{0, 0, 36, 30}},
	} {
		a := NewAugmenter(still, picture(test.height, test.width, 1), identity(1))
		if got := a.drawCrop(Stream(1, "crop")); got != test.want {
			t.Errorf("%dx%d: %+v, want %+v", test.height, test.width, got, test.want)
		}
	}
}

// The probabilities are those of the settings, by view.
func TestProbabilities(t *testing.T) {
	s := picture(8, 8, 3)
	clean, mirrored := buffers(s)
	NewAugmenter(still, s, identity(3)).Clean(clean, s.Train.Image(0))
	for i, v := range clean {
		y, x, c := i/24, i/3%8, i%3
		mirrored[(y*8+7-x)*3+c] = v
	}
	for _, test := range []struct {
		name     string
		settings config.Augment
		views    [2]float64 // share of changed views
		changed  []float32  // what they look like, if known
	}{
		{"flip", config.Augment{CropMin: 1, Flip: 0.5}, [2]float64{0.5, 0.5}, mirrored},
		{"jitter", config.Augment{CropMin: 1, Jitter: 0.8, Brightness: 0.4}, [2]float64{0.8, 0.8}, nil},
		{"grayscale", config.Augment{CropMin: 1, Grayscale: 0.2}, [2]float64{0.2, 0.2}, nil},
		// A sigma below 0.16, 3 % of them, is too small to change a float32.
		{"blur", config.Augment{CropMin: 1, Blur1: 1, Blur2: 0.1}, [2]float64{0.97, 0.097}, nil},
		{"solarize", config.Augment{CropMin: 1, Solarize1: 0, Solarize2: 0.2}, [2]float64{0, 0.2}, nil},
	} {
		a := NewAugmenter(test.settings, s, identity(3))
		got, _ := buffers(s)
		for view, want := range test.views {
			const n = 4000
			count := 0.0
			for i := range n {
				a.View(got, s.Train.Image(0), view, Stream(2, "augment", i, view))
				if slices.Equal(got, clean) {
					continue
				}
				count++
				if test.changed != nil && !slices.Equal(got, test.changed) {
					t.Fatalf("%s: an unexpected image", test.name)
				}
			}
			if share := count / n; math.Abs(share-want) > 4*math.Sqrt(want*(1-want)/n) {
				t.Errorf("%s: %.3f of view %d are changed, want %.3f", test.name, share, view, want)
			}
		}
	}
}

// The jitter's factors are uniform around 1, its order is random.
func TestJitter(t *testing.T) {
	s := picture(4, 4, 3)
	for i := range s.Train.Images {
		s.Train.Images[i] = 100
	}
	a := NewAugmenter(config.Augment{CropMin: 1, Jitter: 1, Brightness: 0.4}, s, identity(3))
	got, _ := buffers(s)
	low, high, mean := 2.0, 0.0, 0.0
	const n = 4000
	for i := range n {
		a.View(got, s.Train.Image(0), 0, Stream(1, "augment", i))
		factor := float64(got[0]) * 255 / 100
		low, high, mean = min(low, factor), max(high, factor), mean+factor/n
	}
	if low < 0.6-1e-5 || low > 0.61 || high > 1.4+1e-5 || high < 1.39 || math.Abs(mean-1) > 0.02 {
		t.Errorf("brightness from %.3f to %.3f, mean %.3f; want 0.6 to 1.4, mean 1", low, high, mean)
	}

	// Brightness and contrast do not commute where pixels are clamped, so
	// the two orders show as different images of equal factors.
	a = NewAugmenter(config.Augment{CropMin: 1, Jitter: 1, Brightness: 1, Contrast: 1}, s, identity(3))
	first := 0
	for i := range n {
		pix, rng := []float32{0.9, 0.9, 0.9, 0.1, 0.1, 0.1}, Stream(1, "jitter", i)
		a.jitter(pix, rng)
		// Reproduce the draws.
		rng = Stream(1, "jitter", i)
		ops := []int{0, 1, 2, 3}
		rng.Shuffle(4, func(i, j int) { ops[i], ops[j] = ops[j], ops[i] })
		brightness, contrast := float32(uniform(rng, 0, 2)), float32(uniform(rng, 0, 2))
		want := []float32{0.9, 0.9, 0.9, 0.1, 0.1, 0.1}
		if slices.Index(ops, 0) < slices.Index(ops, 1) {
			scaleBrightness(want, brightness)
			scaleContrast(want, 3, contrast)
			first++
		} else {
			scaleContrast(want, 3, contrast)
			scaleBrightness(want, brightness)
		}
		if !slices.Equal(pix, want) {
			t.Fatalf("jitter %d: %v, want %v", i, pix, want)
		}
	}
	if math.Abs(float64(first)/n-0.5) > 0.03 {
		t.Errorf("brightness came first in %d of %d", first, n)
	}
}

// Images of one channel know brightness and contrast only.
func TestOneChannel(t *testing.T) {
	s := picture(8, 8, 1)
	a := NewAugmenter(config.Augment{CropMin: 1, Jitter: 1, Saturation: 1, Hue: 0.5, Grayscale: 1}, s, s.Standardize())
	clean, got := buffers(s)
	a.Clean(clean, s.Train.Image(0))
	for i := range 20 {
		if a.View(got, s.Train.Image(0), 0, Stream(1, "augment", i)); !slices.Equal(got, clean) {
			t.Fatal("an operation on colour changed a grey image")
		}
	}
	a = NewAugmenter(config.Augment{CropMin: 1, Jitter: 1, Contrast: 0.5}, s, s.Standardize())
	if a.View(got, s.Train.Image(0), 0, Stream(1, "augment")); slices.Equal(got, clean) {
		t.Error("contrast does not change a grey image")
	}
}

// randomPixels are n values in 0..1 that include both ends.
func randomPixels(rng *rand.Rand, n int) []float32 {
	pix := make([]float32, n)
	for i := range pix {
		pix[i] = min(max(1.2*rng.Float32()-0.1, 0), 1)
	}
	return pix
}
