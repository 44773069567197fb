package results

import (
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"
)

// fileName is the database in a store's folder.
const fileName = "store.db"

var (
	// ErrNoStore is wrapped by OpenReadOnly's error where there is no store.
	ErrNoStore = errors.New("no store")
	// ErrNotFound is what errors.Is tells of errors about a study, a run or an
	// attempt that the store does not have.
	ErrNotFound = errors.New("not in the store")
)

// notFound is an error that is ErrNotFound and says what is missing.
type notFound string

func (e notFound) Error() string        { return string(e) }
func (e notFound) Is(target error) bool { return target == ErrNotFound }

// Store is an open store. It is safe for use by several goroutines.
type Store struct {
	db       *sql.DB
	dir      string
	uri      string // of the database, with SQLite's query parameters
	readOnly bool
	head     bool             // opened by Open
	writing  sync.Mutex       // SQLite has one writer; waiting here is cheaper than there
	now      func() time.Time // a test's clock
}

// Open opens the store in dir for writing, makes it if there is none (dir
// too, but not its parent), and brings an older one up to date. The caller
// sees to it that nobody else does.
func Open(dir string) (*Store, error) {
	if err := makeWritable(dir); err != nil {
		return nil, err
	}
	// Whoever blocks the head with a long transaction of his own should not end a
	// night's work.
	s, err := connect(dir, writing+"&_synchronous=NORMAL&_journal_mode=WAL&_busy_timeout=120000")
	if err != nil {
		return nil, err
	}
	if err := s.migrate(); err != nil {
		s.db.Close()
		return nil, err
	}
	s.head = true
	return s, nil
}

// OpenShared opens the store in dir for short writes, whether or not it has a
// head. It makes no store and leaves the schema alone; the error wraps
// ErrNoStore if there is no store. What only a head may do, such as Ingest, is
// left to the head.
func OpenShared(dir string) (*Store, error) {
	if err := Exists(dir); err != nil {
		return nil, err
	}
	if err := makeWritable(dir); err != nil {
		return nil, err
	}
	return openChecked(dir, "mode=rw&_synchronous=FULL&"+writing)
}

// Exists checks that there is a store in dir. If not the error wraps ErrNoStore.
func Exists(dir string) error {
	_, err := os.Stat(filepath.Join(dir, fileName))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is %w in %s; start a study, or name the folder of another store", ErrNoStore, dir)
	}
	if err != nil {
		return fmt.Errorf("the store cannot be read: %w", err)
	}
	return nil
}

// OpenReadOnly opens the store in dir for reading, whether or not somebody
// writes to it. The error wraps ErrNoStore if there is none.
func OpenReadOnly(dir string) (*Store, error) {
	if err := Exists(dir); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, fileName)
	s, err := openReader(dir, "mode=ro")
	if !cannotShare(err) {
		return s, err
	}
	// SQLite cannot make the files through which readers and a writer share
	// the database. Without a log of changes beside it there is no writer.
	if log, err := os.Stat(file + "-wal"); err == nil && log.Size() > 0 {
		return nil, fmt.Errorf("the store %s was not closed and its folder is read-only; open it once where it can be written to, or copy the folder", dir)
	}
	return openReader(dir, "mode=ro&immutable=1")
}

func openReader(dir, query string) (*Store, error) {
	s, err := openChecked(dir, query)
	if err == nil {
		s.readOnly = true
	}
	return s, err
}

// openChecked opens the store in dir with SQLite's query parameters and checks
// that it has the schema of this program.
func openChecked(dir, query string) (*Store, error) {
	s, err := connect(dir, query)
	if err != nil {
		return nil, err
	}
	if err := s.checkReadable(); err != nil {
		s.db.Close()
		return nil, err
	}
	return s, nil
}

// writing are SQLite's query parameters of whoever writes. A power failure may
// take back a head's last transactions, since the journals still tell what was in
// them; what a person has asked for stands nowhere else, and is on the disk when
// OpenShared's writes return.
const writing = "_txlock=immediate&_foreign_keys=on"

// Close closes the store.
func (s *Store) Close() error {
	if s.head {
		// SQLite empties its log of changes when the last one closes the database.
		// That may be a reader, who cannot, and would leave a store that is not
		// whole without its log. If somebody reads just now, the next head does it.
		s.db.Exec("PRAGMA busy_timeout = 1000; PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return s.db.Close()
}

// connect returns a store on dir's database. Pragmas belong in the DSN: a
// statement would reach only one of the pool's connections.
func connect(dir, query string) (*Store, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	dsn := url.URL{
		Scheme:   "file",
		Path:     filepath.Join(abs, fileName),
		RawQuery: query + "&_busy_timeout=10000&_stmt_cache_size=100",
	}
	db, err := sql.Open("sqlite3", dsn.String())
	if err != nil {
		return nil, err
	}
	return &Store{db: db, dir: dir, uri: dsn.String(), now: time.Now}, nil
}

// makeWritable sees to it that dir is a folder in which files can be made.
func makeWritable(dir string) error {
	err := os.Mkdir(dir, 0o777)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the store %s cannot be made because %s does not exist; make that folder or name another store", dir, filepath.Dir(filepath.Clean(dir)))
	case NoRoom(err):
		return noRoomFor(dir, err)
	case err != nil && !errors.Is(err, fs.ErrExist):
		return fmt.Errorf("the store %s cannot be made (%w); name a store in a folder that you can write to", dir, cause(err))
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return fmt.Errorf("the store %s is not a folder; move that file away or name another store", dir)
	}
	f, err := os.CreateTemp(dir, ".writable-*")
	if NoRoom(err) {
		return noRoomFor(dir, err)
	}
	if err != nil {
		return fmt.Errorf("the store %s cannot be written to (%w); make the folder writable or name another store", dir, cause(err))
	}
	f.Close()
	return os.Remove(f.Name())
}

// NoRoom reports whether err comes of a full disk or a used up quota.
func NoRoom(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

func noRoomFor(dir string, err error) error {
	return fmt.Errorf("the disk of the store %s is full (%w); make room and start again, or name a store on another disk", dir, cause(err))
}

// cause strips a *fs.PathError of the path, which the sentence has already.
func cause(err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err
	}
	return err
}

// write calls f in a transaction of which either everything or nothing stays.
func (s *Store) write(f func(tx *sql.Tx) error) error {
	return s.writeOn(s.db.Begin, f)
}

// writeOn is write in a transaction of begin's.
func (s *Store) writeOn(begin func() (*sql.Tx, error), f func(tx *sql.Tx) error) error {
	if s.readOnly {
		return fmt.Errorf("the store %s is open for reading only", s.dir)
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	tx, err := begin()
	if err != nil {
		return s.explain(err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		return s.explain(err)
	}
	return s.explain(tx.Commit())
}

// explain says in a sentence what SQLite means by some of its errors.
func (s *Store) explain(err error) error {
	e, ok := errors.AsType[sqlite3.Error](err)
	if !ok {
		return err
	}
	file := filepath.Join(s.dir, fileName)
	if e.Code == sqlite3.ErrFull || NoRoom(e.SystemErrno) {
		return fmt.Errorf("the disk of the store %s is full; make room and start again, nothing stored is lost (%w)", s.dir, err)
	}
	switch e.Code {
	case sqlite3.ErrCantOpen, sqlite3.ErrReadonly, sqlite3.ErrPerm:
		return fmt.Errorf("the database %s cannot be opened as needed; see to it that you may write to it and to its folder, or copy the folder to where you may (%w)", file, err)
	case sqlite3.ErrNotADB, sqlite3.ErrCorrupt:
		return fmt.Errorf("%s is no intact database; put a backup in its place or name another store (%w)", file, err)
	case sqlite3.ErrBusy:
		return fmt.Errorf("the store %s is busy with another program's writing; try again when that is done (%w)", s.dir, err)
	}
	return fmt.Errorf("the store %s: %w", s.dir, err)
}

// cannotShare reports whether err is what SQLite says of a database in a
// folder where it cannot make the files that readers and a writer share.
func cannotShare(err error) bool {
	e, ok := errors.AsType[sqlite3.Error](err)
	return ok && (e.Code == sqlite3.ErrCantOpen || e.Code == sqlite3.ErrReadonly)
}

//go:embed migrations/*.sql
var migrationFiles embed.FS

// migrations returns the statements that lead from one schema to the next:
// the first makes schema 1.
func migrations() ([]string, error) {
	names, err := fs.Glob(migrationFiles, "migrations/*.sql") // sorted
	if err != nil {
		return nil, err
	}
	var all []string
	for _, name := range names {
		text, err := migrationFiles.ReadFile(name)
		if err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
	return all, nil
}

// migrate brings the database to the newest schema, a transaction a step.
func (s *Store) migrate() error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	version, err := s.schema()
	if err != nil {
		return err
	}
	if version > len(steps) {
		return s.newer(version, len(steps))
	}
	for i := version; i < len(steps); i++ {
		err := s.write(func(tx *sql.Tx) error {
			_, err := tx.Exec(steps[i] + ";PRAGMA user_version = " + strconv.Itoa(i+1))
			return err
		})
		if err != nil {
			return fmt.Errorf("bringing the store to schema %d: %w", i+1, err)
		}
	}
	return nil
}

// checkReadable reports whether the database has the schema of this program.
func (s *Store) checkReadable() error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	version, err := s.schema()
	switch {
	case err != nil:
		return err
	case version > len(steps):
		return s.newer(version, len(steps))
	case version == 0: // its maker was stopped before it had any table
		return fmt.Errorf("there is %w in %s yet; start a study, or name the folder of another store", ErrNoStore, s.dir)
	case version < len(steps):
		return fmt.Errorf("the store %s has the older schema %d; \"ablate clean --store %s\" brings it to schema %d and removes nothing", s.dir, version, s.dir, len(steps))
	}
	return nil
}

func (s *Store) newer(has, known int) error {
	return fmt.Errorf("the store %s has schema %d, but this program knows schemas up to %d only; use the newer version of the program that wrote it, or name another store", s.dir, has, known)
}

func (s *Store) schema() (version int, err error) {
	err = s.db.QueryRow("PRAGMA user_version").Scan(&version)
	return version, s.explain(err)
}
