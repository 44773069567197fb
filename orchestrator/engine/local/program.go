package local

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Keep keeps this very program in folder, so that what is queued today is executed
// by it although it is rebuilt before the night. It returns the file's name
// there, which is its hash. The file is a hard link where that can be.
func Keep(folder string) (string, error) {
	name, err := keep(folder)
	if err != nil {
		return "", fmt.Errorf("keeping this program in the store: %w", err)
	}
	return name, nil
}

func keep(folder string) (string, error) {
	running, err := os.Open(self())
	if err != nil {
		return "", err
	}
	defer running.Close()
	info, err := running.Stat()
	if err != nil {
		return "", err
	}
	kept, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, entry := range kept { // a link to it spares the hash
		other, err := entry.Info()
		if err == nil && os.SameFile(info, other) && touch(filepath.Join(folder, entry.Name())) {
			return entry.Name(), nil
		}
	}
	h := sha256.New()
	if _, err := io.Copy(h, running); err != nil {
		return "", err
	}
	name := hex.EncodeToString(h.Sum(nil)[:8])
	if touch(filepath.Join(folder, name)) {
		return name, nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", err
	}
	return name, link(running, info, filepath.Join(folder, name))
}

// touch tells "ablate clean", which spares what is new, that a program is about to
// be needed, but leaves the time of its content as it is: it may be a link. It
// reports false if that cannot be done, so that the program has to be copied.
func touch(path string) bool {
	info, err := os.Stat(path)
	return err == nil && os.Chmod(path, info.Mode()) == nil
}

// link links or copies the open program to path.
func link(program *os.File, info fs.FileInfo, path string) error {
	if source, err := os.Executable(); err == nil {
		now, err := os.Stat(source)
		if err == nil && os.SameFile(now, info) && os.Link(source, path) == nil {
			return nil
		}
	}
	if _, err := program.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o777))
	if err != nil {
		return err
	}
	defer to.Cleanup()
	if _, err := io.Copy(to, program); err != nil {
		return err
	}
	return to.CloseAtomicallyReplace()
}
