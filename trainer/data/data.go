// Package data reads image sets, augments their images and hands out the
// random streams that everything in a run draws from.
//
// Images are bytes, 0..255, in NHWC order. What a run sees of them is decided
// by its configuration and seed alone: subsets come from a shuffle that knows
// no seed, and every augmented view from a stream of its own (Stream), so
// that neither the order of the work nor its distribution over threads
// changes a number.
package data

import (
	"fmt"
	"strings"

	"ablate/trainer/config"
)

// Set is an image set in memory.
type Set struct {
	Name                    string
	Height, Width, Channels int
	Classes                 int
	Train, Test             Split
	Hash                    string // Fingerprint of the complete set, whatever part of it was loaded
	Dir                     string // where its files lie; "" if it is computed
}

// Split is one part of a set.
type Split struct {
	Images []byte  // n*Height*Width*Channels, NHWC
	Labels []uint8 // n, each below Set.Classes
}

// Len returns the number of images.
func (s Split) Len() int { return len(s.Labels) }

// Image returns the bytes of image i (Height*Width*Channels), not a copy.
func (s Split) Image(i int) []byte {
	size := len(s.Images) / len(s.Labels)
	return s.Images[i*size : (i+1)*size : (i+1)*size]
}

// Load reads the dataset c.Name from dir, or from the usual places if dir is
// empty, and keeps c.Train and c.Test of its images (0 = all). The images of
// "folder" become c.Size pixels wide and high. It checks the files completely:
// whatever Load accepts can be trained on.
//
// The images come in the order of a fixed shuffle, so that the first n of
// them hold about n/Classes of each class, and a smaller subset is the
// beginning of a larger one.
func Load(c config.Data, dir string) (*Set, error) {
	src, err := lookup(c.Name)
	if err != nil {
		return nil, err
	}
	f, err := src.find(dir)
	if err != nil {
		return nil, err
	}
	s, err := src.read(f, c.Size)
	if err != nil {
		return nil, err
	}
	if s.Train, err = s.Train.subset(c.Train, "data.train", c.Name, "training"); err != nil {
		return nil, err
	}
	if s.Test, err = s.Test.subset(c.Test, "data.test", c.Name, "test"); err != nil {
		return nil, err
	}
	s.Name = c.Name
	if f != nil {
		s.Dir = f.path
	}
	s.Hash, err = src.fingerprint(f)
	return s, err
}

// subset returns n images of s (0 = all), shuffled by a permutation that
// depends on nothing but the number of images in s. key is where n is from.
func (s Split) subset(n int, key, name, kind string) (Split, error) {
	if n > s.Len() {
		return Split{}, fmt.Errorf("%s = %d, but %s has only %d %s images", key, n, name, s.Len(), kind)
	}
	if n == 0 {
		n = s.Len()
	}
	size := len(s.Images) / s.Len()
	sub := Split{Images: make([]byte, 0, n*size), Labels: make([]uint8, 0, n)}
	for _, i := range Stream(0, "subset").Perm(s.Len())[:n] {
		sub.Images = append(sub.Images, s.Image(i)...)
		sub.Labels = append(sub.Labels, s.Labels[i])
	}
	return sub, nil
}

// source is a dataset that can be loaded.
type source struct {
	name    string
	files   []string                                // what it consists of; none: it is computed, or listed
	folders []string                                // what the folder of its files is usually called
	named   bool                                    // its folder must be called so
	list    func(root string) ([]string, error)     // finds its files in the folder that the user names, if they have no names of their own
	get     string                                  // how to get it
	read    func(f *folder, size int) (*Set, error) // fills in all but Name and Hash
}

var sources = []source{cifar10, cifar100, fashionMNIST, mnist, imageFolder, generated}

// Names lists the datasets that Load knows.
func Names() []string {
	names := make([]string, len(sources))
	for i, s := range sources {
		names[i] = s.name
	}
	return names
}

func lookup(name string) (source, error) {
	for _, s := range sources {
		if s.name == name {
			return s, nil
		}
	}
	return source{}, fmt.Errorf("there is no dataset %q; known are %s", name, strings.Join(Names(), ", "))
}
