package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// FuzzFiles: whatever a file of CIFAR-10, CIFAR-100 or MNIST holds, compressed or
// not, reading it ends in an error that names the file, or in images that belong
// to labels that are classes.
func FuzzFiles(f *testing.F) {
	for kind, raw := range [][]byte{record(3), record(0, 99), idx([]uint32{1, 28, 28}, make([]byte, 784)), labels(9, 0)} {
		f.Add(byte(kind), raw)
		f.Add(byte(kind), raw[:len(raw)-1])
		f.Add(byte(kind), append(bytes.Clone(raw), 0))
		f.Add(byte(kind), compressed(f, raw))
		f.Add(byte(kind), compressed(f, raw)[:30])
	}
	f.Add(byte(0), record(10))
	f.Add(byte(1), record(0, 100))
	f.Add(byte(2), idx([]uint32{1<<32 - 1, 28, 28}, nil))
	f.Add(byte(3), idx([]uint32{1<<32 - 1}, []byte{1, 2}))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, kind byte, raw []byte) {
		if len(raw) > 100_000 {
			t.Skip() // it may expand a thousandfold
		}
		path := filepath.Join(dir, "x")
		if err := os.WriteFile(path, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		var s Split
		var err error
		size, classes := 0, 0
		switch kind % 4 {
		case 0:
			err = cifar10Files.appendTo(&s, &folder{path: dir}, "x")
			size, classes = 3*cifarPlane, 10
		case 1:
			err = cifar100Files.appendTo(&s, &folder{path: dir}, "x")
			size, classes = 3*cifarPlane, 100
		case 2:
			s.Images, _, err = (&folder{path: dir}).readIDX("x", mnistSide, mnistSide)
			s.Labels = make([]byte, len(s.Images)/(mnistSide*mnistSide))
			size, classes = mnistSide*mnistSide, 1
		case 3:
			s.Labels, _, err = (&folder{path: dir}).readIDX("x")
			classes = 256
		}
		if err != nil {
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("the error names no file: %v", err)
			}
			return
		}
		if len(s.Labels) == 0 || len(s.Images) != size*len(s.Labels) {
			t.Fatalf("%d labels and %d bytes of images", len(s.Labels), len(s.Images))
		}
		for _, label := range s.Labels {
			if int(label) >= classes {
				t.Fatalf("label %d of %d", label, classes)
			}
		}
	})
}

// compressed is zip for fuzz tests.
func compressed(f *testing.F, raw []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write(raw)
	if err := w.Close(); err != nil {
		f.Fatal(err)
	}
	return b.Bytes()
}

// FuzzImage: whatever the bytes of an image file, decoding it ends in an error
// or in a square, and takes memory in proportion to the bytes: a small file
// must not announce a picture that fills the machine.
func FuzzImage(f *testing.F) {
	for _, raw := range images4(f) {
		f.Add(raw)
		f.Add(raw[:len(raw)*2/3])
	}
	f.Add(hugePNG())
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 4000 {
			t.Skip() // larger ones may take their hundred MiB
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		img, err := decodeImage(raw)
		runtime.ReadMemStats(&after)
		if took, most := after.TotalAlloc-before.TotalAlloc, uint64(4<<20+200_000*len(raw)); took > most {
			t.Fatalf("%d bytes of memory for %d bytes: %v", took, len(raw), err)
		}
		if err == nil && img.Bounds().Dx()*img.Bounds().Dy() < 1<<20 {
			if got := centreSquare(img, 4).Bounds(); got != image.Rect(0, 0, 4, 4) {
				t.Fatalf("a square of %v", got)
			}
		}
	})
}

// images4 are small images of several kinds.
func images4(f *testing.F) [][]byte {
	rect := image.Rect(0, 0, 9, 6)
	grey, deep := image.NewGray(rect), image.NewNRGBA64(rect)
	paletted := image.NewPaletted(rect, color.Palette{color.Black, color.White, color.Transparent})
	colour := image.NewNRGBA(rect)
	for i := range colour.Pix {
		colour.Pix[i] = byte(37 * i)
	}
	var all [][]byte
	for _, img := range []image.Image{grey, deep, paletted, colour} {
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			f.Fatal(err)
		}
		all = append(all, b.Bytes())
	}
	for _, img := range []image.Image{grey, colour} {
		var b bytes.Buffer
		if err := jpeg.Encode(&b, img, nil); err != nil {
			f.Fatal(err)
		}
		all = append(all, b.Bytes())
	}
	return all
}

// hugePNG is the beginning of a PNG file that announces 11,000 x 11,000 pixels
// of 64 bits.
func hugePNG() []byte {
	chunk := func(b []byte, name string, data []byte) []byte {
		b = binary.BigEndian.AppendUint32(b, uint32(len(data)))
		start := len(b)
		b = append(append(b, name...), data...)
		return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[start:]))
	}
	size := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 11_000), 11_000)
	b := chunk([]byte("\x89PNG\r\n\x1a\n"), "IHDR", append(size, 16, 6, 0, 0, 0))
	return chunk(b, "IDAT", []byte{0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01})
}

// TestHugeImage: a picture that the file has no room for is refused by its
// header; a large one of one colour, which compresses best, is not.
func TestHugeImage(t *testing.T) {
	_, err := decodeImage(hugePNG())
	if err == nil || !strings.Contains(err.Error(), "11000x11000 pixels") {
		t.Errorf("error is %v", err)
	}
	white := image.NewPaletted(image.Rect(0, 0, 4000, 3000), color.Palette{color.White, color.Black})
	for name, encode := range map[string]func(*bytes.Buffer) error{
		"PNG":  func(b *bytes.Buffer) error { return png.Encode(b, white) },
		"JPEG": func(b *bytes.Buffer) error { return jpeg.Encode(b, image.NewGray(white.Rect), nil) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		img, err := decodeImage(b.Bytes())
		if err != nil || img.Bounds() != white.Rect {
			t.Errorf("%s of %d bytes: %v", name, b.Len(), err)
		}
	}
}
