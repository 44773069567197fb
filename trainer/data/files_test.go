package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ablate/trainer/config"
)

// record is a CIFAR record whose pixels differ by channel and place.
func record(labels ...byte) []byte {
	r := slices.Clone(labels)
	for i := range 3 * cifarPlane {
		r = append(r, byte(i/cifarPlane*100+i%97))
	}
	return r
}

// cifarFolder is a folder with a small CIFAR-10: two records in each training
// file, three in the test file.
func cifarFolder(t *testing.T) string {
	dir := t.TempDir()
	for i, name := range cifar10Files.names() {
		contents := append(record(byte(i)), record(9)...)
		if name == "test_batch.bin" {
			contents = append(contents, record(0)...)
		}
		write(t, dir, name, contents)
	}
	return dir
}

// cifar100Folder is a folder with a small CIFAR-100: three training images
// and two test images.
func cifar100Folder(t *testing.T) string {
	dir := t.TempDir()
	write(t, dir, "train.bin", slices.Concat(record(0, 0), record(19, 99), record(3, 42)))
	write(t, dir, "test.bin", slices.Concat(record(19, 7), record(0, 7)))
	return dir
}

// idx is an idx file of bytes with the given dimensions.
func idx(dims []uint32, values []byte) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, values...)
}

func images(n int) []byte {
	return idx([]uint32{uint32(n), 28, 28}, bytes.Repeat([]byte{7}, n*28*28))
}

func labels(values ...byte) []byte { return idx([]uint32{uint32(len(values))}, values) }

// mnistFolder is a folder with a small set in MNIST's files, three training images
// and two test images, half of the files compressed.
func mnistFolder(t *testing.T) string {
	return mnistAt(t, t.TempDir())
}

// mnistAt is mnistFolder in the folder dir.
func mnistAt(t *testing.T, dir string) string {
	write(t, dir, "train-images-idx3-ubyte.gz", zip(t, images(3)))
	write(t, dir, "train-labels-idx1-ubyte", labels(0, 9, 5))
	write(t, dir, "t10k-images-idx3-ubyte", images(2))
	write(t, dir, "t10k-labels-idx1-ubyte.gz", zip(t, labels(1, 2)))
	return dir
}

func zip(t *testing.T, contents []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(contents); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, dir, name string, contents []byte) {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, contents, 0o666); err != nil {
		t.Fatal(err)
	}
}

func TestReadCIFAR10(t *testing.T) {
	dir := cifarFolder(t)
	s, err := Load(config.Data{Name: "cifar10"}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Dir != dir {
		t.Errorf("the files lie in %s, not %s", dir, s.Dir)
	}
	if s.Train.Len() != 10 || s.Test.Len() != 3 {
		t.Fatalf("%d training and %d test images, want 10 and 3", s.Train.Len(), s.Test.Len())
	}
	if got := classCounts(s, s.Train); !slices.Equal(got, []int{1, 1, 1, 1, 1, 0, 0, 0, 0, 5}) {
		t.Errorf("training images by class: %v", got)
	}
	planes := record(0)[1:]
	for i, b := range s.Test.Image(2) {
		pixel, channel := i/3, i%3
		if want := planes[channel*cifarPlane+pixel]; b != want {
			t.Fatalf("pixel %d, channel %d: %d, want %d", pixel, channel, b, want)
		}
	}
}

// The class is the fine label, and the pixels begin after both labels.
func TestReadCIFAR100(t *testing.T) {
	s, err := Load(config.Data{Name: "cifar100"}, cifar100Folder(t))
	if err != nil {
		t.Fatal(err)
	}
	if s.Train.Len() != 3 || s.Test.Len() != 2 || s.Classes != 100 {
		t.Fatalf("%d training and %d test images of %d classes", s.Train.Len(), s.Test.Len(), s.Classes)
	}
	if got := slices.Sorted(slices.Values(s.Train.Labels)); !slices.Equal(got, []byte{0, 42, 99}) {
		t.Errorf("training labels %v", got)
	}
	if !slices.Equal(s.Test.Labels, []byte{7, 7}) {
		t.Errorf("test labels %v", s.Test.Labels)
	}
	planes := record()
	for i, b := range s.Test.Image(1) {
		if want := planes[i%3*cifarPlane+i/3]; b != want {
			t.Fatalf("pixel %d, channel %d: %d, want %d", i/3, i%3, b, want)
		}
	}
}

func TestReadMNIST(t *testing.T) {
	for _, name := range []string{"fashion-mnist", "mnist"} {
		testReadMNIST(t, name, mnistAt(t, filepath.Join(t.TempDir(), name)))
	}
}

func testReadMNIST(t *testing.T, name, dir string) {
	s, err := Load(config.Data{Name: name}, dir)
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != name || s.Train.Len() != 3 || s.Test.Len() != 2 || len(s.Train.Images) != 3*28*28 || s.Train.Images[0] != 7 {
		t.Errorf("%d training images (%d bytes), %d test images", s.Train.Len(), len(s.Train.Images), s.Test.Len())
	}
	if got := classCounts(s, s.Train); !slices.Equal(got, []int{1, 0, 0, 0, 0, 1, 0, 0, 0, 1}) {
		t.Errorf("training images by class: %v", got)
	}
}

// Every damage to a file is refused with the name of the file.
func TestBadFiles(t *testing.T) {
	flipped := func(b []byte, at int) []byte {
		b = slices.Clone(b)
		b[at] ^= 1
		return b
	}
	zipped := zip(t, images(3))
	const cifarFile, trainImages, trainLabels = "data_batch_3.bin", "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
	for _, test := range []struct {
		name     string
		file     string
		contents []byte // nil: the file is removed
		want     string
	}{
		{"cifar truncated", cifarFile, record(1)[:3000], "record 0: it ends after 3000 of 3073 bytes, so the file (3000 bytes) is truncated or not CIFAR-10's binary version"},
		{"cifar a byte too many", cifarFile, append(record(1), 0), "record 1: it ends after 1 of 3073 bytes, so the file (3074 bytes)"},
		{"cifar empty", cifarFile, []byte{}, "is empty"},
		{"cifar label", cifarFile, append(record(1), record(10)...), "record 1: label 10"},
		{"cifar missing", cifarFile, nil, "is missing"},

		{"cifar100 truncated", "train.bin", record(1, 1)[:3073], "record 0: it ends after 3073 of 3074 bytes, so the file (3073 bytes) is truncated or not CIFAR-100's binary version"},
		{"cifar100 class", "test.bin", slices.Concat(record(1, 1), record(1, 100)), "record 1: label 100, but the classes are 0 to 99"},
		{"cifar100 superclass", "train.bin", record(20, 1), "record 0: label 20, but the superclasses are 0 to 19"},
		{"cifar100 missing", "test.bin", nil, "is missing"},

		{"idx missing", trainLabels, nil, "is missing"},
		{"idx empty", trainLabels, []byte{}, "truncated"},
		{"idx header cut", trainImages, images(1)[:15], "ends within its header"},
		{"idx magic", trainImages, labels(1, 2, 3, 4, 5, 6, 7, 8, 9), "magic number 0x00000801, should be 0x00000803"},
		{"idx dimensions", trainImages, idx([]uint32{1, 32, 32}, make([]byte, 1024)), "images of 32x32, not 28x28"},
		{"idx truncated", trainImages, images(3)[:2000], "1984 of the 2352 bytes"},
		{"idx hostile count", trainImages, idx([]uint32{1<<32 - 1, 28, 28}, nil), "truncated"},
		{"idx oversized", trainImages, append(images(3), 0), "oversized"},
		{"idx no images", trainImages, images(0), "holds nothing"},
		{"idx label", trainLabels, labels(0, 10, 0), "record 1: label 10"},
		{"idx too few labels", trainLabels, labels(0, 1), "2 labels for 3 images"},

		{"gzip truncated", trainImages + ".gz", zipped[:len(zipped)-12], "truncated"},
		{"gzip checksum cut", trainImages + ".gz", zipped[:len(zipped)-3], "truncated"},
		{"gzip checksum", trainImages + ".gz", flipped(zipped, len(zipped)-6), "damaged (gzip: invalid checksum)"},
		{"gzip header", trainImages + ".gz", append([]byte{0x1f, 0x8b}, 1, 2, 3, 4, 5, 6, 7, 8, 9), "damaged (gzip: invalid header)"},
		{"gzip garbage after", trainImages + ".gz", append(slices.Clone(zipped), "garbage after the end"...), "damaged (gzip: invalid header)"},
		{"gzip oversized", trainImages + ".gz", zip(t, append(images(3), 0)), "oversized"},
	} {
		t.Run(test.name, func(t *testing.T) {
			set, dir := "fashion-mnist", ""
			switch test.file {
			case cifarFile:
				set, dir = "cifar10", cifarFolder(t)
			case "train.bin", "test.bin":
				set, dir = "cifar100", cifar100Folder(t)
			default:
				dir = mnistFolder(t)
				if test.file == trainImages {
					os.Remove(filepath.Join(dir, trainImages+".gz"))
				}
			}
			if test.contents == nil {
				os.Remove(filepath.Join(dir, test.file))
			} else {
				write(t, dir, test.file, test.contents)
			}
			_, err := Load(config.Data{Name: set}, dir)
			wantError(t, err, filepath.Join(dir, test.file), test.want)
		})
	}
}

func TestSHA256SUMS(t *testing.T) {
	dir := cifarFolder(t)
	first, err := os.ReadFile(filepath.Join(dir, "data_batch_1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	c := config.Data{Name: "cifar10"}
	for _, line := range []string{"%s  data_batch_1.bin\n", "%s *./data_batch_1.bin\r\n\n", "%s  another.bin"} {
		write(t, dir, sumsFile, []byte(fmt.Sprintf(line, digestOf(first))))
		if _, err := Load(c, dir); err != nil {
			t.Errorf("%q: %v", line, err)
		}
	}

	write(t, dir, sumsFile, []byte(digestOf(first)+"  data_batch_1.bin\n"+digestOf(first)+"  data_batch_2.bin\n"))
	want := filepath.Join(dir, "data_batch_2.bin") + " is not what SHA256SUMS beside it says"
	_, err = Load(c, dir)
	wantError(t, err, want)
	_, err = Fingerprint("cifar10", dir)
	wantError(t, err, want)

	for _, bad := range []string{"not a checksum at all", digestOf(first), digestOf(first)[1:] + "  data_batch_1.bin"} {
		write(t, dir, sumsFile, []byte("\n"+bad))
		_, err = Load(c, dir)
		wantError(t, err, "SHA256SUMS, line 2")
	}
}

// A file that ends between two records may be a part of the set; only a
// checksum knows better.
func TestCutBetweenRecords(t *testing.T) {
	dir := cifarFolder(t)
	whole, err := os.ReadFile(filepath.Join(dir, "data_batch_1.bin"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "data_batch_1.bin", whole[:len(whole)/2])
	if s, err := Load(config.Data{Name: "cifar10"}, dir); err != nil || s.Train.Len() != 9 {
		t.Errorf("got %v, %v", s, err)
	}
	write(t, dir, sumsFile, []byte(digestOf(whole)+"  data_batch_1.bin\n"))
	_, err = Load(config.Data{Name: "cifar10"}, dir)
	wantError(t, err, filepath.Join(dir, "data_batch_1.bin")+" is not what SHA256SUMS beside it says")
}

func TestSHA256SUMSOfCIFAR100(t *testing.T) {
	dir := cifar100Folder(t)
	write(t, dir, sumsFile, []byte(digestOf(nil)+"  test.bin\n"))
	_, err := Load(config.Data{Name: "cifar100"}, dir)
	wantError(t, err, filepath.Join(dir, "test.bin")+" is not what SHA256SUMS beside it says")
}

func TestFingerprint(t *testing.T) {
	dir := cifarFolder(t)
	fingerprint := func() string {
		t.Helper()
		hash, err := Fingerprint("cifar10", dir)
		if err != nil || len(hash) != 64 {
			t.Fatalf("%q, %v", hash, err)
		}
		return hash
	}
	before := fingerprint()
	if again := fingerprint(); again != before {
		t.Errorf("%s, then %s", before, again)
	}
	if s, err := Load(config.Data{Name: "cifar10", Train: 3}, dir); err != nil || s.Hash != before {
		t.Errorf("Load says %s, %v, want %s", s.Hash, err, before)
	}

	// A changed file of the same size has another time of modification.
	contents := append(record(1), record(8)...)
	write(t, dir, "data_batch_4.bin", contents)
	later := time.Now().Add(time.Minute)
	if err := os.Chtimes(filepath.Join(dir, "data_batch_4.bin"), later, later); err != nil {
		t.Fatal(err)
	}
	if fingerprint() == before {
		t.Error("another file has the same fingerprint")
	}

	// Files that trade places are another dataset.
	swapped := cifarFolder(t)
	write(t, swapped, "data_batch_1.bin", append(record(1), record(9)...))
	write(t, swapped, "data_batch_2.bin", append(record(0), record(9)...))
	if hash, err := Fingerprint("cifar10", swapped); err != nil || hash == before {
		t.Errorf("swapped files: %s, %v", hash, err)
	}
	if generated, err := Fingerprint("generated", ""); err != nil || generated == before {
		t.Errorf("generated: %s, %v", generated, err)
	}
}

// Only what a place holds decides; an explicit folder is the only place.
func TestFind(t *testing.T) {
	home, work := t.TempDir(), t.TempDir()
	t.Setenv("XDG_DATA_HOME", home)
	t.Setenv("ABLATE_DATA", "")
	t.Chdir(work)
	move := func(from, to string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(to), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(from, to); err != nil {
			t.Fatal(err)
		}
	}
	find := func(dir string) string {
		t.Helper()
		f, err := cifar10.find(dir)
		if err != nil {
			t.Fatal(err)
		}
		return f.path
	}

	inHome := filepath.Join(home, "ablate", "data", "cifar10")
	move(cifarFolder(t), inHome)
	if got := find(""); got != inHome {
		t.Errorf("in the data home: found %s, want %s", got, inHome)
	}
	move(cifarFolder(t), filepath.Join(work, "data", "cifar-10-batches-bin"))
	if got, want := find(""), filepath.Join("data", "cifar-10-batches-bin"); got != want {
		t.Errorf("in ./data: found %s, want %s", got, want)
	}
	named := cifarFolder(t)
	t.Setenv("ABLATE_DATA", named)
	if got := find(""); got != named {
		t.Errorf("by ABLATE_DATA: found %s, want %s", got, named)
	}
	if got := find(inHome); got != inHome {
		t.Errorf("explicitly: found %s, want %s", got, inHome)
	}
	if got := find(filepath.Dir(inHome)); got != inHome {
		t.Errorf("by its parent: found %s, want %s", got, inHome)
	}
	t.Setenv("ABLATE_DATA", t.TempDir()) // holds nothing, so the usual places are next
	if got, want := find(""), filepath.Join("data", "cifar-10-batches-bin"); got != want {
		t.Errorf("in ./data: found %s, want %s", got, want)
	}
}

// The files of MNIST and Fashion-MNIST have the same names: no folder is taken
// for the wrong one's.
func TestFindTellsMNISTApart(t *testing.T) {
	root, bare := t.TempDir(), mnistFolder(t)
	mnistDir := mnistAt(t, filepath.Join(root, "mnist"))
	fashion := mnistAt(t, filepath.Join(root, "FashionMNIST", "raw"))
	torch := mnistAt(t, filepath.Join(root, "torch", "MNIST", "raw"))
	for _, test := range []struct {
		s         source
		dir, want string // want is empty: there is none
	}{
		{mnist, root, mnistDir},
		{mnist, mnistDir, mnistDir},
		{mnist, filepath.Join(root, "torch"), torch},
		{mnist, fashion, ""},
		{mnist, bare, ""},
		{fashionMNIST, root, fashion},
		{fashionMNIST, fashion, fashion},
		{fashionMNIST, mnistDir, ""},
		{fashionMNIST, torch, ""},
		{fashionMNIST, bare, bare},
	} {
		f, err := test.s.find(test.dir)
		if test.want == "" {
			if !errors.Is(err, ErrMissing) {
				t.Errorf("%s in %s: %v", test.s.name, test.dir, err)
			}
		} else if err != nil || f.path != test.want {
			t.Errorf("%s in %s: %v, %v, want %s", test.s.name, test.dir, f, err, test.want)
		}
	}
	_, err := Load(config.Data{Name: "mnist"}, bare)
	wantError(t, err, "no mnist images (data.name = \"mnist\") in "+bare, "FOLDER/mnist", "ABLATE_DATA")
}

func TestFindMissing(t *testing.T) {
	empty, home := t.TempDir(), t.TempDir()
	t.Setenv("XDG_DATA_HOME", home)
	t.Setenv("ABLATE_DATA", empty)
	t.Chdir(t.TempDir())

	_, err := Load(config.Data{Name: "cifar10"}, "")
	if !errors.Is(err, ErrMissing) {
		t.Skipf("cifar10 is installed system-wide: %v", err)
	}
	wantError(t, err, empty, "data, "+filepath.Join(home, "ablate", "data"), "/usr/share/datasets", "cifar-10-batches-bin",
		"cifar-10-binary.tar.gz", "data_batch_1.bin", "ABLATE_DATA")
	_, err = Fingerprint("fashion-mnist", empty)
	if !errors.Is(err, ErrMissing) {
		t.Errorf("error %v is not ErrMissing", err)
	}
	wantError(t, err, "no fashion-mnist images (data.name = \"fashion-mnist\") in "+empty, "apt install dataset-fashion-mnist", "ABLATE_DATA")

	t.Setenv("ABLATE_DATA", filepath.Join(empty, "slip"))
	_, err = Load(config.Data{Name: "cifar10"}, "")
	wantError(t, err, "ABLATE_DATA names "+filepath.Join(empty, "slip"))
	if errors.Is(err, ErrMissing) {
		t.Error("a wrong ABLATE_DATA would be skipped over by tests")
	}
}
