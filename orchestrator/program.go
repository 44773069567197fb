package orchestrator

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

// programs is the folder of the frozen programs in a store's folder.
const programs = "programs"

// FreezeProgram keeps this very program in the store at dir, so that what is
// queued today is executed by it although it is rebuilt before the night. It
// returns the file's name relative to dir. The file is a hard link where that
// can be.
func FreezeProgram(dir string) (string, error) {
	name, err := freezeProgram(dir)
	if err != nil {
		return "", fmt.Errorf("keeping this program in the store: %w", err)
	}
	return name, nil
}

func freezeProgram(dir string) (string, error) {
	running, err := os.Open(runningProgram())
	if err != nil {
		return "", err
	}
	defer running.Close()
	info, err := running.Stat()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(dir, programs)
	kept, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, entry := range kept { // a link to it spares the hash
		other, err := entry.Info()
		if err == nil && os.SameFile(info, other) {
			return filepath.Join(programs, entry.Name()), nil
		}
	}
	h := sha256.New()
	if _, err := io.Copy(h, running); err != nil {
		return "", err
	}
	name := filepath.Join(programs, hex.EncodeToString(h.Sum(nil)[:8]))
	if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
		return name, nil
	}
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return "", err
	}
	return name, keep(running, info, filepath.Join(dir, name))
}

// runningProgram is the file of this process's program: by the link to it where
// there is one, since the file of that name may have been replaced.
func runningProgram() string {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link
	}
	path, err := os.Executable()
	if err != nil {
		return os.Args[0]
	}
	return path
}

// keep links or copies the open program to path.
func keep(program *os.File, info fs.FileInfo, path string) error {
	if source, err := os.Executable(); err == nil {
		now, err := os.Stat(source)
		if err == nil && os.SameFile(now, info) && os.Link(source, path) == nil {
			return nil
		}
	}
	if _, err := program.Seek(0, io.SeekStart); err != nil {
		return err
	}
	to, err := renameio.NewPendingFile(path, renameio.WithPermissions(0o777))
	if err != nil {
		return err
	}
	defer to.Cleanup()
	if _, err := io.Copy(to, program); err != nil {
		return err
	}
	return to.CloseAtomicallyReplace()
}
