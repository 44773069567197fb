package data

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// folder is a folder of data files, with the checksums that lie beside them.
type folder struct {
	path   string
	listed []string          // paths of the images, in a folder of class folders
	sums   map[string]string // SHA-256 in hex by file name, from SHA256SUMS if there is one
}

// name returns what the file at path is called within the folder.
func (f *folder) name(path string) string {
	name, err := filepath.Rel(f.path, path)
	if err != nil {
		name = filepath.Base(path)
	}
	return filepath.ToSlash(name)
}

// locate returns the path of the file called name, which may be compressed
// (name.gz).
func (f *folder) locate(name string) (string, error) {
	path := filepath.Join(f.path, name)
	for _, p := range []string{path + ".gz", path} {
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is missing, so the dataset is incomplete; install it again", path)
}

func (f *folder) holdsAny(names []string) bool {
	for _, name := range names {
		if _, err := f.locate(name); err == nil {
			return true
		}
	}
	return false
}

// open checks the file called name against its checksum and returns its
// uncompressed contents, and its path for error messages.
func (f *folder) open(name string) (contents io.Reader, path string, err error) {
	path, err = f.locate(name)
	if err != nil {
		return nil, "", err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, "", err
	}
	if err := f.verify(path, digestOf(raw)); err != nil {
		return nil, "", err
	}
	if !bytes.HasPrefix(raw, []byte{0x1f, 0x8b}) {
		return bytes.NewReader(raw), path, nil
	}
	contents, err = gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		return nil, "", damaged(path, err)
	}
	return contents, path, nil
}

// damaged says that the file at path cannot be decompressed.
func damaged(path string, err error) error {
	return fmt.Errorf("%s is damaged (%v); install it again", path, err)
}

func digestOf(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// verify compares the digest of the file at path with what SHA256SUMS says.
func (f *folder) verify(path, digest string) error {
	want := f.sums[f.name(path)]
	if want == "" || want == digest {
		return nil
	}
	advice := "install it again"
	if f.listed != nil { // nobody installed these
		advice = "if the image is right, correct " + sumsFile
	}
	return fmt.Errorf("%s is not what %s beside it says (SHA-256 %.12s..., should be %.12s...); %s", path, sumsFile, digest, want, advice)
}

const sumsFile = "SHA256SUMS"

// readSums reads the folder's SHA256SUMS, in sha256sum's format, if there is
// one.
func (f *folder) readSums() error {
	path := filepath.Join(f.path, sumsFile)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	f.sums = map[string]string{}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			continue
		}
		digest, name, _ := strings.Cut(line, " ")
		name = strings.TrimPrefix(strings.TrimLeft(name, " *"), "./")
		if raw, err := hex.DecodeString(digest); err != nil || len(raw) != sha256.Size || name == "" {
			return fmt.Errorf("%s, line %d: not a SHA-256 checksum and a file name", path, i+1)
		}
		f.sums[name] = strings.ToLower(digest)
	}
	return nil
}
