package data

import (
	"fmt"
	"io"
)

// cifar10 and cifar100 are CIFAR-10 and CIFAR-100 in their "binary versions"
// (Krizhevsky 2009, and the sets' home page). CIFAR-10's official files hold
// 10,000 records each; CIFAR-100's training file holds 50,000. Any whole
// number is read, so that parts of the sets will do; a file that is cut between
// two records is told from such a part by SHA256SUMS alone.
var (
	cifar10 = source{
		name:    "cifar10",
		files:   cifar10Files.names(),
		folders: []string{"cifar-10-batches-bin", "cifar10"},
		get: "Get cifar-10-binary.tar.gz from the dataset's home page, unpack it so that data_batch_1.bin lies in FOLDER, " +
			"and set ABLATE_DATA=FOLDER",
		read: cifar10Files.read,
	}
	cifar100 = source{
		name:    "cifar100",
		files:   cifar100Files.names(),
		folders: []string{"cifar-100-binary", "cifar100"},
		get: "Get cifar-100-binary.tar.gz from the dataset's home page, unpack it so that train.bin and test.bin lie in FOLDER, " +
			"and set ABLATE_DATA=FOLDER",
		read: cifar100Files.read,
	}
)

// cifarFormat is what tells the binary versions apart: files of records of
// one or more label bytes and 3,072 pixels, as three planes (red, green, blue)
// of 32x32 in row order.
type cifarFormat struct {
	title       string
	train, test []string
	labels      []int // how many values each label byte may have; the last one is the class
}

var (
	cifar10Files = cifarFormat{
		title:  "CIFAR-10",
		train:  []string{"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"},
		test:   []string{"test_batch.bin"},
		labels: []int{10},
	}
	cifar100Files = cifarFormat{
		title:  "CIFAR-100",
		train:  []string{"train.bin"},
		test:   []string{"test.bin"},
		labels: []int{20, 100}, // superclass ("coarse") and class ("fine")
	}
)

const (
	cifarSide  = 32
	cifarPlane = cifarSide * cifarSide
)

func (c cifarFormat) names() []string {
	return append(append([]string{}, c.train...), c.test...)
}

func (c cifarFormat) read(f *folder, _ int) (*Set, error) {
	s := &Set{Height: cifarSide, Width: cifarSide, Channels: 3, Classes: c.labels[len(c.labels)-1]}
	for _, name := range c.train {
		if err := c.appendTo(&s.Train, f, name); err != nil {
			return nil, err
		}
	}
	for _, name := range c.test {
		if err := c.appendTo(&s.Test, f, name); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// appendTo appends the records of one file to s.
func (c cifarFormat) appendTo(s *Split, f *folder, name string) error {
	contents, path, err := f.open(name)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(contents)
	if err != nil {
		return damaged(path, err)
	}
	pixels := len(c.labels) // where a record's pixels begin
	size := pixels + 3*cifarPlane
	if len(raw) == 0 {
		return fmt.Errorf("%s is empty; install it again", path)
	}
	if rest := len(raw) % size; rest != 0 {
		return fmt.Errorf("%s, record %d: it ends after %d of %d bytes, so the file (%d bytes) is truncated or not %s's binary version; install it again",
			path, len(raw)/size, rest, size, len(raw), c.title)
	}
	for i := 0; i < len(raw)/size; i++ {
		record := raw[i*size : (i+1)*size]
		for j, values := range c.labels {
			if int(record[j]) >= values {
				return fmt.Errorf("%s, record %d: label %d, but %s are 0 to %d; install the file again",
					path, i, record[j], c.labelled(j), values-1)
			}
		}
		s.Labels = append(s.Labels, record[pixels-1])
		s.Images = appendInterleaved(s.Images, record[pixels:])
	}
	return nil
}

// labelled says what label byte j of a record counts.
func (c cifarFormat) labelled(j int) string {
	if j < len(c.labels)-1 {
		return "the superclasses"
	}
	return "the classes"
}

// appendInterleaved appends an image of three planes to images as NHWC.
func appendInterleaved(images, planes []byte) []byte {
	red, green, blue := planes[:cifarPlane], planes[cifarPlane:2*cifarPlane], planes[2*cifarPlane:]
	for i, r := range red {
		images = append(images, r, green[i], blue[i])
	}
	return images
}
