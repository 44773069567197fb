package results

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// ErrReplaced is wrapped by Watch.Changed's error when the database that was
// opened is not the one that lies in the store's folder any more.
var ErrReplaced = errors.New("the store's database was replaced")

// Watch notices what others write to an open store, at the price of a look at a
// counter.
type Watch struct {
	store   *Store
	conn    *sql.Conn // one and the same: SQLite counts for each connection what the others do
	version int64
	file    fs.FileInfo
}

// Watch begins to watch. The caller closes it before the store.
func (s *Store) Watch() (*Watch, error) {
	conn, err := s.db.Conn(context.Background())
	if err != nil {
		return nil, s.explain(err)
	}
	w := &Watch{store: s, conn: conn}
	if w.file, err = os.Stat(w.path()); err == nil {
		w.version, err = w.look()
	}
	if err != nil {
		conn.Close()
		return nil, s.explain(err)
	}
	return w, nil
}

// Close ends the watch.
func (w *Watch) Close() error { return w.conn.Close() }

// Changed reports whether anything was written since the last call, or since
// Watch. If its error is ErrReplaced, the store has to be opened anew.
func (w *Watch) Changed() (bool, error) {
	if err := w.checkFile(); err != nil {
		return false, err
	}
	version, err := w.look()
	if err != nil {
		return false, w.store.explain(err)
	}
	changed := version != w.version
	w.version = version
	return changed, nil
}

func (w *Watch) path() string { return filepath.Join(w.store.dir, fileName) }

func (w *Watch) look() (version int64, err error) {
	err = w.conn.QueryRowContext(context.Background(), "PRAGMA data_version").Scan(&version)
	return version, err
}

// checkFile tells whether the database lies where it was. One that was opened as
// nobody's to write must not have been written to.
func (w *Watch) checkFile() error {
	now, err := os.Stat(w.path())
	if err != nil || !os.SameFile(now, w.file) {
		return fmt.Errorf("%w: %s", ErrReplaced, w.path())
	}
	if !strings.Contains(w.store.uri, "immutable=1") {
		return nil
	}
	log, err := os.Stat(w.path() + "-wal")
	if err == nil && log.Size() > 0 || now.Size() != w.file.Size() || !now.ModTime().Equal(w.file.ModTime()) {
		return fmt.Errorf("%w: %s is written to", ErrReplaced, w.path())
	}
	return nil
}
