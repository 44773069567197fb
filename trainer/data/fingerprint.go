package data

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// Fingerprint returns a hash (64 hex digits) of everything that the dataset
// called name consists of: the names and the bytes of its files as they lie
// in dir (or in the usual places if dir is empty), or the pixels of a
// computed set. It also checks the files against a SHA256SUMS beside them,
// but does not look into them: Load does.
//
// A file that has not changed is hashed once per process.
func Fingerprint(name, dir string) (string, error) {
	src, err := lookup(name)
	if err != nil {
		return "", err
	}
	f, err := src.find(dir)
	if err != nil {
		return "", err
	}
	return src.fingerprint(f)
}

func (s source) fingerprint(f *folder) (string, error) {
	if f == nil {
		return generatedHash(), nil
	}
	paths, err := s.paths(f)
	if err != nil {
		return "", err
	}
	return f.fingerprint(paths)
}

// fingerprint hashes the files at these paths, after a check of their sums. Of
// listed images, the error is about all that cannot be used.
func (f *folder) fingerprint(paths []string) (string, error) {
	h := sha256.New()
	var bad []error
	for _, path := range paths {
		digest, err := cachedDigest(path)
		if err == nil {
			err = f.verify(path, digest)
		}
		if err != nil && f.listed == nil {
			return "", err
		}
		if err != nil {
			bad = append(bad, err)
		}
		fmt.Fprintf(h, "%s  %s\n", digest, f.name(path))
	}
	if bad != nil {
		return "", f.unusable(bad)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// paths lists the files of the dataset in f.
func (s source) paths(f *folder) ([]string, error) {
	if s.list != nil {
		return f.listed, nil
	}
	var paths []string
	for _, name := range s.files {
		path, err := f.locate(name)
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
	}
	return paths, nil
}

// version identifies the contents of a file as long as nobody forges its
// modification time.
type version struct {
	path     string
	size     int64
	modified time.Time
}

var digests sync.Map // version to hex digest

func cachedDigest(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	v := version{path, info.Size(), info.ModTime()}
	if d, ok := digests.Load(v); ok {
		return d.(string), nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", fmt.Errorf("reading %s: %w", path, err)
	}
	digest := hex.EncodeToString(h.Sum(nil))
	digests.Store(v, digest)
	return digest, nil
}
