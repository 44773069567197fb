package results

import (
	"database/sql"
	"fmt"
	"time"
)

// Request is what a command asks of the head, which alone can do it.
type Request struct {
	ID    int64
	Made  time.Time
	Kind  string // what is to be done; the store does not look into it
	Study int64  // Study.ID, 0 if it is about none
	Cell  string // name of a cell of the study, "" for all
	Run   string // Run.ID, "" for all

	Done   time.Time // zero while there is no answer
	Answer string
}

const requestColumns = `key, made, kind, ifnull(study, 0), cell, run, done, answer`

func scanRequest(row *sql.Rows, r *Request) error {
	return row.Scan(&r.ID, scanTime{&r.Made}, &r.Kind, &r.Study, &r.Cell, &r.Run, scanTime{&r.Done}, &r.Answer)
}

// Ask stores a request and fills in its ID and the time.
func (s *Store) Ask(r *Request) error {
	return s.write(func(tx *sql.Tx) error {
		return tx.QueryRow(`INSERT INTO requests (made, kind, study, cell, run) VALUES (?, ?, nullif(?, 0), ?, ?) RETURNING key, made`,
			s.now().UnixMilli(), r.Kind, r.Study, r.Cell, r.Run).Scan(&r.ID, scanTime{&r.Made})
	})
}

// OpenRequests returns the requests without an answer, the oldest first. It is
// cheap, however many there have been.
func (s *Store) OpenRequests() ([]Request, error) {
	open, err := collect(s.db, `SELECT `+requestColumns+` FROM requests WHERE done IS NULL ORDER BY key`, scanRequest)
	return open, s.explain(err)
}

// Request returns a request and its answer.
func (s *Store) Request(id int64) (*Request, error) {
	found, err := collect(s.db, `SELECT `+requestColumns+` FROM requests WHERE key = ?`, scanRequest, id)
	if err == nil && len(found) == 0 {
		return nil, noRequest(id)
	}
	if err != nil {
		return nil, s.explain(err)
	}
	return &found[0], nil
}

// Answer stores the answer to a request. A request is answered once: a second
// answer changes nothing.
func (s *Store) Answer(id int64, text string) error {
	return s.write(func(tx *sql.Tx) error {
		var exists bool
		if err := tx.QueryRow(`SELECT EXISTS (SELECT * FROM requests WHERE key = ?)`, id).Scan(&exists); err != nil {
			return err
		}
		if !exists {
			return noRequest(id)
		}
		_, err := tx.Exec(`UPDATE requests SET done = ?2, answer = ?3 WHERE key = ?1 AND done IS NULL`, id, s.now().UnixMilli(), text)
		return err
	})
}

func noRequest(id int64) error { return notFound(fmt.Sprintf("the store has no request %d", id)) }
