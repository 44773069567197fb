package data

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// ErrMissing is matched by errors of datasets that are not installed.
var ErrMissing = errors.New("dataset not found")

type missingError struct{ text string }

func (e missingError) Error() string        { return e.text }
func (e missingError) Is(target error) bool { return target == ErrMissing }

// find returns the folder that holds the source's files: dir, or if dir is
// empty the folder that ABLATE_DATA names, or one of the usual places; each
// may be that folder itself or its parent.
func (s source) find(dir string) (*folder, error) {
	if len(s.files) == 0 {
		return nil, nil
	}
	places, err := places(dir)
	if err != nil {
		return nil, err
	}
	for _, place := range places {
		for _, sub := range append([]string{"."}, s.folders...) {
			if f := (&folder{path: filepath.Join(place, sub)}); f.holdsAny(s.files) {
				return f, f.readSums()
			}
		}
	}
	return nil, missingError{fmt.Sprintf("no %s images in %s (nor in their folders %s). %s",
		s.name, strings.Join(places, ", "), strings.Join(s.folders, ", "), s.get)}
}

// places lists the folders to look in, the first one first.
func places(dir string) ([]string, error) {
	if dir != "" {
		return []string{dir}, nil
	}
	var places []string
	if env := os.Getenv("ABLATE_DATA"); env != "" {
		// The usual places may have other datasets, but a name that leads
		// nowhere is a slip that should not be passed over.
		if info, err := os.Stat(env); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("ABLATE_DATA names %s, which is not a folder; correct or unset it", env)
		}
		places = append(places, env)
	}
	places = append(places, "data")
	if home := os.Getenv("XDG_DATA_HOME"); home != "" {
		places = append(places, filepath.Join(home, "ablate", "data"))
	} else if home, err := os.UserHomeDir(); err == nil {
		places = append(places, filepath.Join(home, ".local", "share", "ablate", "data"))
	}
	return append(places, "/usr/share/datasets"), nil
}
