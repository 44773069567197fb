package data

import (
	"encoding/binary"
	"fmt"
	"io"
)

// mnist and fashionMNIST are MNIST (LeCun et al. 1998) and Fashion-MNIST (Xiao
// et al. 2017): 28x28 grey images in idx files, compressed or not. The files
// of both have the same names, so MNIST is told by the name of its folder.
var (
	mnist = source{
		name:    "mnist",
		files:   mnistFiles,
		folders: []string{"mnist", "MNIST/raw"},
		named:   true,
		get: "Put its four files (train-images-idx3-ubyte.gz and the others, compressed or not) into FOLDER/mnist " +
			"and set ABLATE_DATA=FOLDER; the folder must be called mnist, since Fashion-MNIST's files have the same names",
		read: readMNIST,
	}
	fashionMNIST = source{
		name:    "fashion-mnist",
		files:   mnistFiles,
		folders: []string{"fashion-mnist", "FashionMNIST/raw"},
		get: "Install it (on Debian: apt install dataset-fashion-mnist), or put its four files into FOLDER " +
			"and set ABLATE_DATA=FOLDER",
		read: readMNIST,
	}
)

// mnistFiles are the images and the labels of the training set, then of the
// test set.
var mnistFiles = []string{
	"train-images-idx3-ubyte", "train-labels-idx1-ubyte",
	"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte",
}

const mnistSide = 28

func readMNIST(f *folder, _ int) (*Set, error) {
	s := &Set{Height: mnistSide, Width: mnistSide, Channels: 1, Classes: 10}
	for i, split := range []*Split{&s.Train, &s.Test} {
		var path string
		var err error
		if split.Images, _, err = f.readIDX(mnistFiles[2*i], mnistSide, mnistSide); err != nil {
			return nil, err
		}
		if split.Labels, path, err = f.readIDX(mnistFiles[2*i+1]); err != nil {
			return nil, err
		}
		if n := len(split.Images) / (mnistSide * mnistSide); n != split.Len() {
			return nil, fmt.Errorf("%s holds %d labels for %d images; install the dataset again", path, split.Len(), n)
		}
		for j, label := range split.Labels {
			if int(label) >= s.Classes {
				return nil, fmt.Errorf("%s, record %d: label %d, but the classes are 0 to %d; install the file again",
					path, j, label, s.Classes-1)
			}
		}
	}
	return s, nil
}

// readIDX reads a file of unsigned bytes in the idx format: a magic number
// (two zeros, type 8, the number of dimensions), the dimensions as big-endian
// 32-bit numbers, the bytes. The first dimension counts the records, the
// others must be dims.
func (f *folder) readIDX(name string, dims ...int) (values []byte, path string, err error) {
	contents, path, err := f.open(name)
	if err != nil {
		return nil, "", err
	}
	header := make([]uint32, 2+len(dims))
	if err := binary.Read(contents, binary.BigEndian, header); err == io.EOF || err == io.ErrUnexpectedEOF {
		return nil, "", fmt.Errorf("%s is truncated: it ends within its header; install it again", path)
	} else if err != nil {
		return nil, "", damaged(path, err)
	}
	if want := uint32(0x0801 + len(dims)); header[0] != want {
		return nil, "", fmt.Errorf("%s is not an idx file of bytes in %d dimensions (magic number %#08x, should be %#08x); install it again",
			path, 1+len(dims), header[0], want)
	}
	size := int64(header[1])
	for i, d := range dims {
		if header[2+i] != uint32(d) {
			return nil, "", fmt.Errorf("%s holds images of %dx%d, not %dx%d; install it again",
				path, header[2], header[3], dims[0], dims[1])
		}
		size *= int64(d)
	}
	// One byte more than announced tells an oversized file; the end of the
	// file, where gzip compares its checksum, is reached otherwise.
	values, err = io.ReadAll(io.LimitReader(contents, size+1))
	switch n := int64(len(values)); {
	case err == io.ErrUnexpectedEOF || err == nil && n < size:
		return nil, "", fmt.Errorf("%s is truncated: it holds %d of the %d bytes that its header announces; install it again", path, n, size)
	case err != nil:
		return nil, "", damaged(path, err)
	case n > size:
		return nil, "", fmt.Errorf("%s is oversized: it holds more than the %d bytes that its header announces; install it again", path, size)
	case n == 0:
		return nil, "", fmt.Errorf("%s holds nothing; install it again", path)
	}
	return values, path, nil
}
