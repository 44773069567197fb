package data

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrMissing is matched by errors of datasets that are not installed.
var ErrMissing = errors.New("dataset not found")

type missingError struct{ text string }

func (e missingError) Error() string        { return e.text }
func (e missingError) Is(target error) bool { return target == ErrMissing }

// find returns the folder that holds the source's files: dir, or if dir is
// empty the folder that ABLATE_DATA names, or one of the usual places; each
// may be that folder itself or its parent. A source that lists its files has
// no usual places.
func (s source) find(dir string) (*folder, error) {
	if s.list != nil {
		return s.findListed(dir)
	}
	if len(s.files) == 0 {
		return nil, nil
	}
	places, err := places(dir)
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		for _, path := range s.candidates(place) {
			if f := (&folder{path: path}); f.holdsAny(s.files) {
				return f, f.readSums()
			}
		}
	}
	return nil, missingError{fmt.Sprintf("no %s images (data.name = %q) in %s (nor in their folders %s). %s",
		s.name, s.name, strings.Join(places, ", "), strings.Join(s.folders, ", "), s.get)}
}

// candidates lists the folders that may hold the source's files at a place.
// Where the files of two sets have the same names, a folder that is called
// like the other one is not this one's.
func (s source) candidates(place string) []string {
	var paths []string
	if s.isCalled(place) || !s.named && !s.isOthers(place) {
		paths = append(paths, filepath.Join(place, "."))
	}
	for _, sub := range s.folders {
		paths = append(paths, filepath.Join(place, sub))
	}
	return paths
}

// isCalled reports whether path ends like one of the source's folders.
func (s source) isCalled(path string) bool {
	if whole, err := filepath.Abs(path); err == nil {
		path = whole
	}
	return slices.ContainsFunc(s.folders, func(name string) bool {
		return strings.HasSuffix(filepath.ToSlash(path), "/"+name)
	})
}

func (s source) isOthers(path string) bool {
	return slices.ContainsFunc(sources, func(o source) bool {
		return o.name != s.name && slices.Equal(o.files, s.files) && o.isCalled(path)
	})
}

// findListed returns the folder dir, or if dir is empty the one that
// ABLATE_DATA names, with what it holds.
func (s source) findListed(dir string) (*folder, error) {
	root, err := namedPlace(dir)
	if err != nil {
		return nil, err
	}
	if root == "" {
		return nil, missingError{"no folder of images is named: data.name = \"" + s.name + "\" has no usual places. " + s.get}
	}
	f := &folder{path: root}
	if f.listed, err = s.list(root); err != nil {
		return nil, err
	}
	return f, f.readSums()
}

// namedPlace returns the folder that the user names: dir, or if dir is empty
// ABLATE_DATA, which may be empty too.
func namedPlace(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	env := os.Getenv("ABLATE_DATA")
	if env == "" {
		return "", nil
	}
	// The usual places may have other datasets, but a name that leads
	// nowhere is a slip that should not be passed over.
	if info, err := os.Stat(env); err != nil || !info.IsDir() {
		return "", fmt.Errorf("ABLATE_DATA names %s, which is not a folder; correct or unset it", env)
	}
	return env, nil
}

// places lists the folders to look in, the first one first.
func places(dir string) ([]string, error) {
	named, err := namedPlace(dir)
	if err != nil {
		return nil, err
	}
	var places []string
	if named != "" {
		places = append(places, named)
	}
	if dir != "" {
		return places, nil
	}
	places = append(places, "data")
	if home := os.Getenv("XDG_DATA_HOME"); home != "" {
		places = append(places, filepath.Join(home, "ablate", "data"))
	} else if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".local", "share", "ablate", "data"))
	}
	return append(places, "/usr/share/datasets"), nil
}
