package data

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"ablate/trainer/config"
)

// TestMain keeps the tests out of the user's cache, and the cache of earlier
// tests out of these.
func TestMain(m *testing.M) {
	home, err := os.MkdirTemp("", "ablate-data-")
	if err != nil {
		panic(err)
	}
	os.Setenv("XDG_CACHE_HOME", home)
	code := m.Run()
	os.RemoveAll(home)
	os.Exit(code)
}

func pngOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func jpegOf(t *testing.T, img image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 100}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// plain is an image of one colour.
func plain(width, height int, c color.Color) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		img.Set(i%width, i/width, c)
	}
	return img
}

// ramp is an opaque image whose pixels all differ.
func ramp(width, height int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		img.Set(i%width, i/width, color.NRGBA{uint8(i % width * 7), uint8(i / width * 7), uint8(i), 255})
	}
	return img
}

var (
	red   = color.NRGBA{255, 0, 0, 255}
	green = color.NRGBA{0, 255, 0, 255}
	grey  = color.Gray{77}
)

// classFolder is a set of two classes: cats in red, dogs in green.
func classFolder(t *testing.T) string {
	dir := t.TempDir()
	write(t, dir, "train/dog/1.png", pngOf(t, plain(40, 30, green)))
	write(t, dir, "train/cat/b.JPEG", jpegOf(t, plain(9, 50, red)))
	write(t, dir, "train/cat/a.jpg", jpegOf(t, plain(64, 64, red)))
	write(t, dir, "test/cat/a.png", pngOf(t, plain(8, 8, red)))
	write(t, dir, "test/dog/x.jpeg", jpegOf(t, plain(100, 8, green)))

	// These are nobody's images.
	write(t, dir, "train/cat/.a.png", []byte("hidden"))
	write(t, dir, "train/cat/notes.txt", []byte("text"))
	write(t, dir, "train/.cache/x.png", []byte("hidden"))
	write(t, dir, "train/list.png", []byte("not in a class"))
	write(t, dir, "train/cat/deep.png/x.png", []byte("too deep"))
	return dir
}

// TestSquaresAreKept: the second time, nothing is decoded; what is kept belongs
// to these very files and this size, and a damaged cache does no harm.
func TestSquaresAreKept(t *testing.T) {
	home := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", home)
	dir := classFolder(t)
	load := func(size int) *Set {
		t.Helper()
		s, err := Load(folderOf(size), dir)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	kept := func() []string {
		t.Helper()
		files, err := filepath.Glob(filepath.Join(home, "ablate", "images", "*"))
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	first := load(8)
	if len(kept()) != 1 {
		t.Fatalf("kept: %v", kept())
	}
	// Other pixels under a right sum show whether they are taken from there.
	blank := make([]byte, 5*8*8*3)
	cache{kept()[0]}.store(blank)
	if got := load(8).Train.Images; !bytes.Equal(got, blank[:len(got)]) {
		t.Error("images were decoded again")
	}
	if err := os.WriteFile(kept()[0], blank, 0o666); err != nil {
		t.Fatal(err)
	}
	if got := load(8).Train.Images; !bytes.Equal(got, first.Train.Images) {
		t.Error("a damaged cache was used")
	}
	load(9)
	write(t, dir, "train/cat/c.png", pngOf(t, plain(8, 8, red)))
	load(8)
	if n := len(kept()); n != 3 {
		t.Errorf("%d files are kept for two sizes and a change", n)
	}

	t.Setenv("XDG_CACHE_HOME", "/dev/null")
	if got := load(8).Train.Len(); got != 4 {
		t.Errorf("%d images without a cache", got)
	}
}

func folderOf(size int) config.Data { return config.Data{Name: "folder", Size: size} }

func TestReadClassFolders(t *testing.T) {
	s, err := Load(folderOf(16), classFolder(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "folder" || s.Height != 16 || s.Width != 16 || s.Channels != 3 || s.Classes != 2 {
		t.Errorf("got %s, %dx%dx%d, %d classes", s.Name, s.Height, s.Width, s.Channels, s.Classes)
	}
	checkSplit(t, s, s.Train, 3)
	checkSplit(t, s, s.Test, 2)
	if got := classCounts(s, s.Train); !slices.Equal(got, []int{2, 1}) {
		t.Errorf("training images by class: %v", got)
	}
	for _, split := range []Split{s.Train, s.Test} {
		for i, label := range split.Labels {
			want := []color.NRGBA{red, green}[label]
			for p := 0; p < 3*16*16; p += 3 {
				got := split.Image(i)[p : p+3]
				if abs(int(got[0])-int(want.R)) > 3 || abs(int(got[1])-int(want.G)) > 3 || abs(int(got[2])-int(want.B)) > 3 {
					t.Fatalf("an image of class %d has the colour %v", label, got)
				}
			}
		}
	}
}

// An image of the right size is kept as it is; of a longer one, the centre.
func TestDecodeIsExact(t *testing.T) {
	wide := image.NewNRGBA(image.Rect(0, 0, 25, 8))
	for i := range 8 * 25 {
		wide.Set(i%25, i/25, red)
		if x := i%25 - 8; x >= 0 && x < 8 { // (25-8)/2 = 8
			wide.Set(i%25, i/25, ramp(8, 8).At(x, i/25))
		}
	}
	for name, img := range map[string]image.Image{"square": ramp(8, 8), "wide": wide, "shifted": wide.SubImage(image.Rect(8, 0, 16, 8))} {
		got := decoded(t, pngOf(t, img), 8)
		for i := range 64 {
			if want := ramp(8, 8).Pix[4*i : 4*i+3]; !bytes.Equal(got[3*i:3*i+3], want) {
				t.Errorf("%s: pixel %d is %v, want %v", name, i, got[3*i:3*i+3], want)
				break
			}
		}
	}
}

func decoded(t *testing.T, raw []byte, size int) []byte {
	t.Helper()
	dir, dst := t.TempDir(), make([]byte, 3*size*size)
	write(t, dir, "x.png", raw)
	f := &folder{path: dir}
	if err := f.decode(dst, filepath.Join(dir, "x.png"), size); err != nil {
		t.Fatal(err)
	}
	return dst
}

// Grey, paletted, deep and transparent images all become RGB.
func TestDecodeColours(t *testing.T) {
	greys := image.NewGray(image.Rect(0, 0, 20, 20))
	deep := image.NewGray16(greys.Rect)
	paletted := image.NewPaletted(greys.Rect, color.Palette{grey})
	for i := range greys.Pix {
		greys.Pix[i] = 77
		deep.Pix[2*i], deep.Pix[2*i+1] = 77, 77
	}
	for name, test := range map[string]struct {
		raw  []byte
		want [3]byte
	}{
		"grey PNG":    {pngOf(t, greys), [3]byte{77, 77, 77}},
		"grey JPEG":   {jpegOf(t, greys), [3]byte{77, 77, 77}},
		"16 bits":     {pngOf(t, deep), [3]byte{77, 77, 77}},
		"paletted":    {pngOf(t, paletted), [3]byte{77, 77, 77}},
		"transparent": {pngOf(t, plain(20, 20, color.NRGBA{255, 255, 255, 0})), [3]byte{}},
	} {
		for i, b := range decoded(t, test.raw, 8) {
			if abs(int(b)-int(test.want[i%3])) > 1 {
				t.Errorf("%s: value %d is %d, want %v", name, i, b, test.want)
				break
			}
		}
	}
}

// Shrinking averages: a fine checkerboard becomes grey, and does not alias.
func TestDecodeAverages(t *testing.T) {
	board := image.NewGray(image.Rect(0, 0, 80, 80))
	for i := range board.Pix {
		board.Pix[i] = uint8(255 * ((i%80 + i/80) % 2))
	}
	for i, b := range decoded(t, pngOf(t, board), 8) {
		if b < 120 || b > 135 {
			t.Fatalf("value %d is %d", i, b)
		}
	}
}

func TestBadClassFolders(t *testing.T) {
	good := pngOf(t, plain(8, 8, red))
	for _, test := range []struct {
		name   string
		change func(dir string)
		want   []string
	}{
		{"no test", func(dir string) { os.RemoveAll(dir + "/test") }, []string{"there is no folder DIR/test", "FOLDER/train/CLASS", "--data or ABLATE_DATA"}},
		{"other classes", func(dir string) {
			write(t, dir, "train/owl/1.png", good)
			write(t, dir, "test/emu/1.png", good)
			write(t, dir, "test/ant/1.png", good)
		}, []string{"differ in their classes: only DIR/train has owl; only DIR/test has ant, emu;"}},
		{"many other classes", func(dir string) {
			for i := range 13 {
				write(t, dir, fmt.Sprintf("test/x%02d/1.png", i), good)
			}
		}, []string{"only DIR/test has x00, x01", "x09, and 3 more;"}},
		{"one class", func(dir string) { os.RemoveAll(dir + "/train/cat"); os.RemoveAll(dir + "/test/cat") }, []string{"DIR/train holds 1 class folders; take 2 to 256"}},
		{"too many classes", func(dir string) {
			for i := range 255 {
				write(t, dir, fmt.Sprintf("test/x%d/1.png", i), good)
				write(t, dir, fmt.Sprintf("train/x%d/1.png", i), good)
			}
		}, []string{"DIR/train holds 257 class folders"}},
		{"empty class", func(dir string) { os.Remove(dir + "/test/dog/x.jpeg") }, []string{"DIR/test/dog holds no PNG or JPEG images"}},
		{"not images", func(dir string) {
			write(t, dir, "train/dog/2.png", []byte("text"))
			write(t, dir, "test/cat/a.png", good[:len(good)-20])
			write(t, dir, "test/cat/empty.jpg", nil)
		}, []string{"3 of 7 images in DIR cannot be used", "DIR/train/dog/2.png: neither PNG nor JPEG", "DIR/test/cat/a.png: png: invalid format: unexpected EOF", "DIR/test/cat/empty.jpg: "}},
		{"many not images", func(dir string) {
			for i := range 12 {
				write(t, dir, fmt.Sprintf("test/dog/y%02d.png", i), []byte("text"))
			}
		}, []string{"12 of 17 images", "y09.png: neither PNG nor JPEG\n  and 2 more"}},
		{"huge", func(dir string) {
			// The header's chunk is at 12: its name, width, height, five
			// bytes more and a checksum.
			huge := slices.Clone(good)
			binary.BigEndian.PutUint32(huge[16:], 1<<14)
			binary.BigEndian.PutUint32(huge[20:], 1<<14)
			binary.BigEndian.PutUint32(huge[29:], crc32.ChecksumIEEE(huge[12:29]))
			write(t, dir, "train/cat/a.jpg", huge)
		}, []string{"DIR/train/cat/a.jpg: 16384x16384 pixels"}},
		{"dangling link", func(dir string) {
			for _, name := range []string{"/train/cat/z.png", "/test/dog/y.png"} {
				if err := os.Symlink("nowhere", dir+name); err != nil {
					t.Skip(err)
				}
			}
		}, []string{"2 of 7 images in DIR cannot be used; replace or remove them:", "DIR/train/cat/z.png: ", "DIR/test/dog/y.png: "}},
		{"checksum", func(dir string) { write(t, dir, sumsFile, []byte(digestOf(nil)+"  test/cat/a.png\n")) },
			[]string{"1 of 5 images in DIR cannot be used; replace or remove them:\n  DIR/test/cat/a.png is not what SHA256SUMS beside it says",
				"; if the image is right, correct SHA256SUMS"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := classFolder(t)
			test.change(dir)
			_, err := Load(folderOf(8), dir)
			for _, want := range test.want {
				wantError(t, err, filepath.FromSlash(strings.ReplaceAll(want, "DIR", dir)))
			}
		})
	}
	_, err := Load(folderOf(0), classFolder(t))
	wantError(t, err, "data.size must say")

	dir := classFolder(t)
	if err := os.Symlink("nowhere", dir+"/train/cat/z.png"); err != nil {
		t.Skip(err)
	}
	if _, err := Load(folderOf(8), dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the error of a dangling link does not tell why: %v", err)
	}
}

// The folder is the one that is named; there are no usual places.
func TestFindClassFolders(t *testing.T) {
	dir := classFolder(t)
	t.Chdir(t.TempDir())
	if err := os.Symlink(dir, "data"); err != nil {
		t.Skip(err)
	}
	t.Setenv("ABLATE_DATA", "")
	_, err := Load(folderOf(8), "")
	if !errors.Is(err, ErrMissing) {
		t.Errorf("error %v is not ErrMissing", err)
	}
	wantError(t, err, "has no usual places", "--data or ABLATE_DATA")
	t.Setenv("ABLATE_DATA", dir)
	if _, err := Load(folderOf(8), ""); err != nil {
		t.Error(err)
	}
	_, err = Load(folderOf(8), t.TempDir())
	if !errors.Is(err, ErrMissing) {
		t.Errorf("an empty folder: error %v is not ErrMissing", err)
	}
}

// The hash is about names and bytes of the images, and nothing else.
func TestFingerprintOfClassFolders(t *testing.T) {
	fingerprint := func(change func(dir string)) string {
		t.Helper()
		dir := classFolder(t)
		change(dir)
		hash, err := Fingerprint("folder", dir)
		if err != nil {
			t.Fatal(err)
		}
		s, err := Load(folderOf(8), dir)
		if err != nil || s.Hash != hash {
			t.Errorf("Load says %v, Fingerprint %s", err, hash)
		}
		return hash
	}
	rename := func(dir, from, to string) {
		t.Helper()
		if err := os.Rename(filepath.Join(dir, from), filepath.Join(dir, to)); err != nil {
			t.Fatal(err)
		}
	}
	before := fingerprint(func(string) {})
	if same := fingerprint(func(dir string) { write(t, dir, "train/cat/notes.txt", nil) }); same != before {
		t.Error("a file that is no image matters")
	}
	seen := []string{before}
	for name, change := range map[string]func(dir string){
		"renamed":       func(dir string) { rename(dir, "train/cat/a.jpg", "train/cat/c.jpg") },
		"another class": func(dir string) { rename(dir, "train/cat/a.jpg", "train/dog/a.jpg") },
		"moved to test": func(dir string) { rename(dir, "train/cat/b.JPEG", "test/cat/b.JPEG") },
		"other bytes":   func(dir string) { write(t, dir, "test/cat/a.png", pngOf(t, plain(9, 9, red))) },
	} {
		hash := fingerprint(change)
		if slices.Contains(seen, hash) {
			t.Errorf("%s: the hash is not new", name)
		}
		seen = append(seen, hash)
	}
}
