package data

import (
	"fmt"
	"io"
)

// cifar10 is CIFAR-10 in its "binary version": files of records of one label
// byte and 3,072 pixels, as three planes (red, green, blue) of 32x32 in row
// order (Krizhevsky 2009, and the set's home page). The official files hold
// 10,000 records each; any whole number is read.
var cifar10 = source{
	name:    "cifar10",
	files:   cifarFiles,
	folders: []string{"cifar-10-batches-bin", "cifar10"},
	get: "Get cifar-10-binary.tar.gz from the dataset's home page, unpack it so that data_batch_1.bin lies in FOLDER, " +
		"and set ABLATE_DATA=FOLDER",
	read: readCIFAR10,
}

var cifarFiles = []string{
	"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin",
	"test_batch.bin",
}

const (
	cifarSide   = 32
	cifarPlane  = cifarSide * cifarSide
	cifarRecord = 1 + 3*cifarPlane
)

func readCIFAR10(f *folder) (*Set, error) {
	s := &Set{Height: cifarSide, Width: cifarSide, Channels: 3, Classes: 10}
	for _, name := range cifarFiles {
		split := &s.Train
		if name == "test_batch.bin" {
			split = &s.Test
		}
		if err := split.appendCIFAR(f, name, s.Classes); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// appendCIFAR appends the records of one file to s.
func (s *Split) appendCIFAR(f *folder, name string, classes int) error {
	contents, path, err := f.open(name)
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(contents)
	if err != nil {
		return damaged(path, err)
	}
	if len(raw) == 0 || len(raw)%cifarRecord != 0 {
		return fmt.Errorf("%s holds %d bytes, which is not a whole number of %d-byte records: it is truncated or not CIFAR-10's binary version; install it again",
			path, len(raw), cifarRecord)
	}
	for i := 0; i < len(raw)/cifarRecord; i++ {
		record := raw[i*cifarRecord : (i+1)*cifarRecord]
		if int(record[0]) >= classes {
			return fmt.Errorf("%s, record %d: label %d, but the classes are 0 to %d; install the file again",
				path, i, record[0], classes-1)
		}
		s.Labels = append(s.Labels, record[0])
		s.Images = appendInterleaved(s.Images, record[1:])
	}
	return nil
}

// appendInterleaved appends an image of three planes to images as NHWC.
func appendInterleaved(images, planes []byte) []byte {
	red, green, blue := planes[:cifarPlane], planes[cifarPlane:2*cifarPlane], planes[2*cifarPlane:]
	for i, r := range red {
		images = append(images, r, green[i], blue[i])
	}
	return images
}
