package data

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"ablate/trainer/config"
)

func TestLoadGenerated(t *testing.T) {
	s, err := Load(config.Data{Name: "generated"}, "")
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "generated" || s.Height != 16 || s.Width != 16 || s.Channels != 3 || s.Classes != 10 {
		t.Errorf("got %s, %dx%dx%d, %d classes", s.Name, s.Height, s.Width, s.Channels, s.Classes)
	}
	checkSplit(t, s, s.Train, 2000)
	checkSplit(t, s, s.Test, 500)
	again, _ := Load(config.Data{Name: "generated"}, "")
	if !bytes.Equal(again.Train.Images, s.Train.Images) || again.Hash != s.Hash {
		t.Error("a second Load differs")
	}
	// The set is the same everywhere. If it is changed on purpose, runs on
	// it are other runs.
	const want = "e93e5fb7d3366192c45a421f57d20334c8fae397ba69f98fc3bbd688fb77b541"
	if s.Hash != want {
		t.Errorf("hash %s, want %s", s.Hash, want)
	}
}

// checkSplit checks that split holds n images of s, of every class.
func checkSplit(t *testing.T, s *Set, split Split, n int) {
	t.Helper()
	if split.Len() != n || len(split.Images) != n*s.Height*s.Width*s.Channels {
		t.Errorf("%d labels and %d bytes, want %d images", split.Len(), len(split.Images), n)
	}
	for class, count := range classCounts(s, split) {
		if count == 0 {
			t.Errorf("no image of class %d", class)
		}
	}
}

func classCounts(s *Set, split Split) []int {
	counts := make([]int, s.Classes)
	for _, label := range split.Labels {
		counts[label]++
	}
	return counts
}

// The generated set must teach something, or tests of training on it say
// nothing; and pixels alone must not settle it, or every encoder looks good.
func TestGeneratedIsLearnableButNotTrivial(t *testing.T) {
	s, err := Load(config.Data{Name: "generated", Test: 200}, "")
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for i := range s.Test.Len() {
		nearest, best := 0, math.MaxInt
		for j := range s.Train.Len() {
			if d := squaredDistance(s.Test.Image(i), s.Train.Image(j), best); d < best {
				nearest, best = j, d
			}
		}
		if s.Train.Labels[nearest] == s.Test.Labels[i] {
			right++
		}
	}
	if share := float64(right) / float64(s.Test.Len()); share < 0.2 || share > 0.7 {
		t.Errorf("the nearest neighbour in pixels is of the same class for %.0f %% of the test images, want 20 to 70", 100*share)
	}
}

// squaredDistance gives up once it exceeds limit.
func squaredDistance(a, b []byte, limit int) int {
	sum := 0
	for i := range a {
		d := int(a[i]) - int(b[i])
		if sum += d * d; sum > limit {
			break
		}
	}
	return sum
}

func TestSubset(t *testing.T) {
	load := func(train, test int) *Set {
		t.Helper()
		s, err := Load(config.Data{Name: "generated", Train: train, Test: test}, "")
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	all, some := load(0, 0), load(300, 40)
	checkSplit(t, some, some.Train, 300)
	if !bytes.HasPrefix(all.Train.Images, some.Train.Images) || !slices.Equal(all.Train.Labels[:300], some.Train.Labels) {
		t.Error("a subset is not the beginning of the whole")
	}
	if some.Hash != all.Hash {
		t.Error("the hash is not the one of the complete set")
	}
	if exact := load(2000, 500); !bytes.Equal(exact.Train.Images, all.Train.Images) {
		t.Error("all images asked for by number differ from all images")
	}
	for class, n := range classCounts(some, some.Train) {
		if n < 15 || n > 45 { // 30 expected, standard deviation 5
			t.Errorf("%d of 300 images are of class %d", n, class)
		}
	}
}

func TestLoadErrors(t *testing.T) {
	for _, test := range []struct {
		data config.Data
		want string
	}{
		{config.Data{Name: "imagenet"}, `no dataset "imagenet"; known are cifar10, cifar100, fashion-mnist, mnist, folder, generated`},
		{config.Data{Name: "generated", Train: 2001}, "data.train = 2001, but generated has only 2000 training images"},
		{config.Data{Name: "generated", Test: 501}, "data.test = 501, but generated has only 500 test images"},
	} {
		_, err := Load(test.data, "")
		wantError(t, err, test.want)
	}
	_, err := Fingerprint("imagenet", "")
	wantError(t, err, `no dataset "imagenet"`)
}

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want %q", parts)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q, want one with %q", err, part)
		}
	}
}

func TestStandardize(t *testing.T) {
	s := &Set{Height: 1, Width: 2, Channels: 3, Classes: 1}
	s.Train = Split{Images: []byte{0, 51, 7, 255, 102, 7}, Labels: []uint8{0}}
	st := s.Standardize()
	for c, want := range []struct{ mean, std float64 }{{0.5, 0.5}, {0.3, 0.1}, {7.0 / 255, 1}} {
		if math.Abs(float64(st.Mean[c])-want.mean) > 1e-6 || math.Abs(float64(st.Std[c])-want.std) > 1e-6 {
			t.Errorf("channel %d: mean %g std %g, want %g and %g", c, st.Mean[c], st.Std[c], want.mean, want.std)
		}
	}
}

// loadReal loads a set of real images, or skips the test if it is not
// installed.
func loadReal(t *testing.T, c config.Data) *Set {
	t.Helper()
	s, err := Load(c, "")
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestRealCIFAR10(t *testing.T) {
	s := loadReal(t, config.Data{Name: "cifar10"})
	if s.Height != 32 || s.Width != 32 || s.Channels != 3 {
		t.Fatalf("images are %dx%dx%d", s.Height, s.Width, s.Channels)
	}
	checkReal(t, s, []float32{0.4914, 0.4822, 0.4465}, []float32{0.2470, 0.2435, 0.2616}, 0.01)
}

func TestRealCIFAR100(t *testing.T) {
	s := loadReal(t, config.Data{Name: "cifar100"})
	checkSplit(t, s, s.Train, 50000)
	checkSplit(t, s, s.Test, 10000)
	checkReal(t, s, []float32{0.5071, 0.4865, 0.4409}, []float32{0.2673, 0.2564, 0.2762}, 0.001)
}

func TestRealMNIST(t *testing.T) {
	s := loadReal(t, config.Data{Name: "mnist"})
	checkSplit(t, s, s.Train, 60000)
	checkSplit(t, s, s.Test, 10000)
	if st := s.Standardize(); math.Abs(float64(st.Mean[0])-0.1307) > 0.0001 || math.Abs(float64(st.Std[0])-0.3081) > 0.0001 {
		t.Errorf("mean %.4f std %.4f, want 0.1307 and 0.3081", st.Mean[0], st.Std[0])
	}
}

func TestRealFashionMNIST(t *testing.T) {
	s := loadReal(t, config.Data{Name: "fashion-mnist"})
	if s.Height != 28 || s.Width != 28 || s.Channels != 1 {
		t.Fatalf("images are %dx%dx%d", s.Height, s.Width, s.Channels)
	}
	checkSplit(t, s, s.Train, 60000)
	checkSplit(t, s, s.Test, 10000)
	checkReal(t, s, []float32{0.2860}, []float32{0.3530}, 0.0001)
}

// checkReal compares a set with the published mean and standard deviation
// (those of CIFAR-10 hold for parts of it too, if not exactly), and its hash
// with Fingerprint.
func checkReal(t *testing.T, s *Set, mean, std []float32, tolerance float64) {
	t.Helper()
	st := s.Standardize()
	for c := range mean {
		if math.Abs(float64(st.Mean[c]-mean[c])) > tolerance || math.Abs(float64(st.Std[c]-std[c])) > tolerance {
			t.Errorf("channel %d: mean %.4f std %.4f, want %.4f and %.4f", c, st.Mean[c], st.Std[c], mean[c], std[c])
		}
	}
	for class, n := range classCounts(s, s.Train) {
		if share := float64(n*s.Classes) / float64(s.Train.Len()); share < 0.9 || share > 1.1 {
			t.Errorf("class %d has %d of %d images", class, n, s.Train.Len())
		}
	}
	hash, err := Fingerprint(s.Name, "")
	if err != nil || hash != s.Hash {
		t.Errorf("Fingerprint %s, %v; the loaded set says %s", hash, err, s.Hash)
	}
}
