package data

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	_ "image/jpeg" // to decode
	_ "image/png"  // to decode
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/image/draw"
)

// imageFolder is a set of one's own: PNG and JPEG images (*.png, *.jpg, *.jpeg,
// in any case) in train/CLASS and test/CLASS. The classes are the names of
// these folders in byte order. Hidden files and folders and files with other
// endings are left alone.
//
// Images become RGB squares of data.size pixels: the centre is cut out and
// resized once, by a cubic kernel that covers all pixels when it shrinks.
// Transparent pixels become black; an orientation noted in a JPEG's metadata
// is not applied. The squares are kept (cache.go).
var imageFolder = source{
	name: "folder",
	list: listClassFolders,
	get:  imageFolderGet,
	read: readClassFolders,
}

const imageFolderGet = "Put PNG or JPEG images into FOLDER/train/CLASS and FOLDER/test/CLASS and name FOLDER by --data or ABLATE_DATA"

const (
	maxClasses = 256      // labels are bytes
	maxPixels  = 1 << 27  // of an image file: a damaged header must not ask for all memory
	maxDensity = 8 * 1032 // pixels in a byte of a file: deflate saves that much of PNG's single bits, JPEG stays below
	maxNamed   = 10       // names in one error
)

// listClassFolders returns the paths of the images below root: those of
// training before those of test, each in the order of their classes and names.
// Both parts have the same classes, each with at least one image.
func listClassFolders(root string) ([]string, error) {
	parts := [2]string{filepath.Join(root, "train"), filepath.Join(root, "test")}
	var classes [2][]string
	for i, part := range parts {
		if !isFolder(part) {
			return nil, missingError{fmt.Sprintf("no image folder in %s: there is no folder %s. %s", root, part, imageFolderGet)}
		}
		var err error
		if classes[i], err = visible(part, func(e os.DirEntry) bool { return isFolder(filepath.Join(part, e.Name())) }); err != nil {
			return nil, err
		}
	}
	if err := sameClasses(parts, classes); err != nil {
		return nil, err
	}
	var paths []string
	for _, part := range parts {
		for _, class := range classes[0] {
			dir := filepath.Join(part, class)
			names, err := visible(dir, isImage)
			if err != nil {
				return nil, err
			}
			if len(names) == 0 {
				return nil, fmt.Errorf("%s holds no PNG or JPEG images; every class needs some for training and for test", dir)
			}
			for _, name := range names {
				paths = append(paths, filepath.Join(dir, name))
			}
		}
	}
	return paths, nil
}

// sameClasses checks that there are classes to tell apart, the same ones in
// both parts.
func sameClasses(parts [2]string, classes [2][]string) error {
	var only []string
	for i, part := range parts {
		others := classes[1-i]
		extra := slices.DeleteFunc(slices.Clone(classes[i]), func(c string) bool { return slices.Contains(others, c) })
		if len(extra) > 0 {
			only = append(only, "only "+part+" has "+strings.Join(atMost(extra), ", "))
		}
	}
	if len(only) > 0 {
		return fmt.Errorf("training and test differ in their classes: %s; both need the same ones", strings.Join(only, "; "))
	}
	if n := len(classes[0]); n < 2 || n > maxClasses {
		return fmt.Errorf("%s holds %d class folders; take 2 to %d", parts[0], n, maxClasses)
	}
	return nil
}

// atMost cuts a list to maxNamed items and the number of the others.
func atMost(items []string) []string {
	if len(items) <= maxNamed {
		return items
	}
	return append(slices.Clone(items[:maxNamed]), fmt.Sprintf("and %d more", len(items)-maxNamed))
}

// visible lists the wanted entries of a folder by name, but for hidden ones.
func visible(dir string, want func(os.DirEntry) bool) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && want(e) {
			names = append(names, e.Name())
		}
	}
	return names, err
}

// isFolder follows links.
func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

func isImage(e os.DirEntry) bool {
	switch strings.ToLower(filepath.Ext(e.Name())) {
	case ".png", ".jpg", ".jpeg":
		return !e.IsDir()
	}
	return false
}

func readClassFolders(f *folder, size int) (*Set, error) {
	if size < 1 {
		return nil, fmt.Errorf("data.size must say how many pixels wide the images of %s become, not %d", f.path, size)
	}
	s := &Set{Height: size, Width: size, Channels: 3}
	each := 3 * size * size // bytes
	images, labels := make([]byte, len(f.listed)*each), make([]uint8, len(f.listed))
	var classes []string
	train := 0
	for i, path := range f.listed {
		parts := strings.Split(f.name(path), "/") // train or test, class, file
		if parts[0] == "train" {
			train++
			if !slices.Contains(classes, parts[1]) {
				classes = append(classes, parts[1])
			}
		}
		labels[i] = uint8(slices.Index(classes, parts[1]))
	}
	if err := f.squares(images, size); err != nil {
		return nil, err
	}
	s.Classes = len(classes)
	s.Train = Split{Images: images[:train*each], Labels: labels[:train]}
	s.Test = Split{Images: images[train*each:], Labels: labels[train:]}
	return s, nil
}

// squares fills images with those of the listed files, from the cache if they
// were decoded before.
func (f *folder) squares(images []byte, size int) error {
	fingerprint, err := f.fingerprint(f.listed)
	if err != nil {
		return err
	}
	kept := newCache(fingerprint, size)
	if kept.load(images) {
		return nil
	}
	if err := f.decodeAll(images, size); err != nil {
		return err
	}
	// That took a while. What changed meanwhile is not what the name says.
	after, err := f.fingerprint(f.listed)
	if err == nil && after == fingerprint {
		kept.store(images)
	}
	return err
}

// decodeAll decodes the listed images on all processors to dst, one after the
// other. Its error is about all files that cannot be used.
func (f *folder) decodeAll(dst []byte, size int) error {
	n := len(f.listed)
	errs := make([]error, n)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				each := len(dst) / n
				errs[i] = f.decode(dst[i*each:(i+1)*each], f.listed[i], size)
			}
		})
	}
	workers.Wait()
	return f.unusable(errs)
}

// unusable makes one error of those of the listed images, nil of none. It
// wraps them all.
func (f *folder) unusable(errs []error) error {
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	lines := make([]string, len(errs))
	for i, err := range errs {
		lines[i] = err.Error()
	}
	return unusableError{errs, fmt.Sprintf("%d of %d images in %s cannot be used; replace or remove them:\n  %s",
		len(errs), len(f.listed), f.path, strings.Join(atMost(lines), "\n  "))}
}

type unusableError struct {
	errs []error
	text string
}

func (e unusableError) Error() string   { return e.text }
func (e unusableError) Unwrap() []error { return e.errs }

// decode writes the image at path to dst, as size*size RGB pixels.
func (f *folder) decode(dst []byte, path string, size int) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if f.sums != nil {
		if err := f.verify(path, digestOf(raw)); err != nil {
			return err
		}
	}
	img, err := decodeImage(raw)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	square := centreSquare(img, size)
	for i := range size * size {
		copy(dst[3*i:3*i+3], square.Pix[4*i:])
	}
	return nil
}

func decodeImage(raw []byte) (image.Image, error) {
	header, _, err := image.DecodeConfig(bytes.NewReader(raw))
	if err != nil {
		return nil, explained(err)
	}
	n := int64(header.Width) * int64(header.Height)
	if n < 1 || n > maxPixels {
		return nil, fmt.Errorf("%dx%d pixels; an image may have 1 to %d", header.Width, header.Height, maxPixels)
	}
	if n > maxDensity*int64(len(raw)) {
		return nil, fmt.Errorf("it is truncated: %dx%d pixels do not fit into %d bytes", header.Width, header.Height, len(raw))
	}
	img, _, err := image.Decode(bytes.NewReader(raw))
	return img, explained(err)
}

func explained(err error) error {
	if errors.Is(err, image.ErrFormat) {
		return errors.New("neither PNG nor JPEG")
	}
	return err
}

// centreSquare resizes the largest central square of img to size*size pixels.
func centreSquare(img image.Image, size int) *image.RGBA {
	b := img.Bounds()
	side := min(b.Dx(), b.Dy())
	corner := b.Min.Add(image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2))
	dst := image.NewRGBA(image.Rect(0, 0, size, size))
	draw.CatmullRom.Scale(dst, dst.Bounds(), img, image.Rectangle{Min: corner, Max: corner.Add(image.Pt(side, side))}, draw.Src, nil)
	return dst
}
