package data

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Decoding and resizing a folder of photographs takes far longer than hashing
// it, and every run begins with it, so the result is kept in the user's cache
// folder ($XDG_CACHE_HOME/ablate/images, ~/.cache/... on Linux). A file there
// is named by the hash of the files, the size and the number of the method, so
// it is never out of date. It may be deleted at any time, and a cache that cannot be read or written does
// nothing.

// resized numbers the method that makes a square of a file: raise it when a
// decoder or the resizing gives other pixels.
const resized = 1

// cache is where the images of one fingerprint at one size are kept.
type cache struct{ path string }

func newCache(fingerprint string, size int) cache {
	dir, err := os.UserCacheDir()
	if err != nil {
		return cache{}
	}
	return cache{filepath.Join(dir, "ablate", "images", fmt.Sprintf("%s-%d-v%d", fingerprint, size, resized))}
}

// load fills images, and reports whether it could. What stands in the file
// besides the images is their SHA-256.
func (c cache) load(images []byte) bool {
	file, err := os.ReadFile(c.path)
	if err != nil || len(file) != len(images)+sha256.Size {
		return false
	}
	kept, sum := file[:len(images)], file[len(images):]
	if got := sha256.Sum256(kept); !bytes.Equal(got[:], sum) {
		return false
	}
	copy(images, kept)
	return true
}

func (c cache) store(images []byte) {
	sum := sha256.Sum256(images)
	if c.path == "" || os.MkdirAll(filepath.Dir(c.path), 0o777) != nil {
		return
	}
	// Without a cache the next run takes longer, and that is all.
	_ = renameio.WriteFile(c.path, append(bytes.Clone(images), sum[:]...), 0o666, renameio.WithTempDir(filepath.Dir(c.path)))
}
