package results

import (
	"cmp"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SaveStudy stores study and those of runs, the runs of its slots, that the
// store does not have. A study that is there already, with the same slots, is
// started again. Either way it becomes the newest. SaveStudy fills in ID,
// Created, Started, Paused and Hash.
func (s *Store) SaveStudy(study *Study, runs []Run) error {
	return s.write(func(tx *sql.Tx) error {
		keys, err := saveRuns(tx, runs)
		if err != nil {
			return err
		}
		return saveStudy(tx, study, keys, s.now())
	})
}

// saveRuns adds the runs that are not there and returns the keys of all.
func saveRuns(tx *sql.Tx, runs []Run) (map[string]int64, error) {
	add, err := tx.Prepare(`INSERT INTO runs (id, cell, seed, dataset, trainer) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET id = id RETURNING key`)
	if err != nil {
		return nil, err
	}
	defer add.Close()
	configure, err := tx.Prepare(`INSERT OR IGNORE INTO run_configs (run, config) VALUES (?, ?)`)
	if err != nil {
		return nil, err
	}
	defer configure.Close()
	keys := make(map[string]int64, len(runs))
	for _, r := range runs {
		var key int64
		if err := add.QueryRow(r.ID, r.Cell, r.Seed, r.Dataset, r.Trainer).Scan(&key); err != nil {
			return nil, fmt.Errorf("storing run %s: %w", r.ID, err)
		}
		if _, err := configure.Exec(key, string(r.Config)); err != nil {
			return nil, fmt.Errorf("storing the configuration of run %s: %w", r.ID, err)
		}
		keys[r.ID] = key
	}
	return keys, nil
}

func saveStudy(tx *sql.Tx, study *Study, runs map[string]int64, now time.Time) error {
	sets, err := json.Marshal(append([]string{}, study.Sets...)) // [] rather than null
	if err != nil {
		return err
	}
	var fresh bool
	err = tx.QueryRow(`INSERT INTO studies (name, text, sets, hash, created, started, turn)
		VALUES (?1, ?2, ?3, ?4, ?5, ?5, (SELECT coalesce(max(turn), 0) + 1 FROM studies))
		ON CONFLICT (hash) DO UPDATE SET started = excluded.started, turn = excluded.turn
		RETURNING key, created, paused, NOT EXISTS (SELECT * FROM study_cells WHERE study = key)`,
		study.Name, string(study.Text), string(sets), hash(study), now.UnixMilli(),
	).Scan(&study.ID, scanTime{&study.Created}, &study.Paused, &fresh)
	if err != nil {
		return fmt.Errorf("storing study %s: %w", study.Name, err)
	}
	study.Started, study.Hash = time.UnixMilli(now.UnixMilli()), hash(study)
	if !fresh {
		return nil
	}
	for i, name := range study.Cells {
		if _, err := tx.Exec(`INSERT INTO study_cells (study, cell, name) VALUES (?, ?, ?)`, study.ID, i, name); err != nil {
			return fmt.Errorf("storing cell %s: %w", name, err)
		}
	}
	return saveSlots(tx, study, runs)
}

func saveSlots(tx *sql.Tx, study *Study, runs map[string]int64) error {
	add, err := tx.Prepare(`INSERT INTO study_slots (study, cell, seed, run) VALUES (?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer add.Close()
	for _, slot := range study.Slots {
		key, ok := runs[slot.RunID]
		if !ok || slot.Cell < 0 || slot.Cell >= len(study.Cells) {
			return fmt.Errorf("study %s has no run %s or no cell %d for the slot of seed %d", study.Name, slot.RunID, slot.Cell, slot.Seed)
		}
		if _, err := add.Exec(study.ID, slot.Cell, slot.Seed, key); err != nil {
			return fmt.Errorf("storing seed %d of cell %s: %w", slot.Seed, study.Cells[slot.Cell], err)
		}
	}
	return nil
}

// hash identifies what a study is, apart from when it was started.
func hash(study *Study) string {
	slots := slices.SortedFunc(slices.Values(study.Slots), func(a, b Slot) int {
		return cmp.Or(cmp.Compare(a.Cell, b.Cell), cmp.Compare(a.Seed, b.Seed))
	})
	h := sha256.New()
	// Encoding plain values into a hash cannot fail.
	json.NewEncoder(h).Encode([]any{study.Name, study.Text, append([]string{}, study.Sets...), study.Cells, slots})
	return hex.EncodeToString(h.Sum(nil))
}

// Studies returns all studies, the newest first.
func (s *Store) Studies() ([]Study, error) {
	return s.studies("")
}

// Study returns the newest study called name, or the newest of all if name is
// "". Its slots are in the order of cells and seeds. If there is none, the error
// is ErrNotFound and names the near ones.
func (s *Store) Study(name string) (*Study, error) {
	found, err := s.studies(`WHERE key = (SELECT key FROM studies WHERE ?1 IN ('', name) ORDER BY turn DESC LIMIT 1)`, name)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, s.noStudy(name)
	}
	return &found[0], nil
}

// StudyByID returns the study with that ID. Its slots are in the order of cells
// and seeds.
func (s *Store) StudyByID(id int64) (*Study, error) {
	found, err := s.studies(`WHERE key = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, s.noStudyID(id)
	}
	return &found[0], nil
}

// StudiesOf returns the names of the studies that a run is part of, the newest
// first.
func (s *Store) StudiesOf(runID string) ([]string, error) {
	names, err := collect(s.db, `SELECT name FROM studies
		WHERE key IN (SELECT study FROM study_slots WHERE run = (SELECT key FROM runs WHERE id = ?))
		GROUP BY name ORDER BY max(turn) DESC`, scanOne[string], runID)
	return names, s.explain(err)
}

// Outlines returns all studies without their cells and slots, the newest
// first. Unlike Studies it is quick however large they are.
func (s *Store) Outlines() ([]Study, error) {
	outlines, err := s.outlines("")
	return outlines, s.explain(err)
}

func (s *Store) outlines(where string, args ...any) ([]Study, error) {
	return collect(s.db, `SELECT key, name, text, sets, created, started, paused, hash FROM studies `+where+` ORDER BY turn DESC`,
		scanStudy, args...)
}

// studies returns the studies of a WHERE clause, or all, the newest first. It
// takes several queries, but of a study only the time of its start changes.
func (s *Store) studies(where string, args ...any) ([]Study, error) {
	studies, err := s.outlines(where, args...)
	for i := 0; err == nil && i < len(studies); i++ {
		err = s.fillStudy(&studies[i])
	}
	return studies, s.explain(err)
}

func scanStudy(row *sql.Rows, st *Study) error {
	var sets []byte
	err := row.Scan(&st.ID, &st.Name, &st.Text, &sets, scanTime{&st.Created}, scanTime{&st.Started}, &st.Paused, &st.Hash)
	if err != nil {
		return err
	}
	st.Sets, err = parseSets(sets)
	return err
}

// parseSets reads a study's overrides; none are nil.
func parseSets(text []byte) (sets []string, err error) {
	if string(text) == "[]" {
		return nil, nil
	}
	err = json.Unmarshal(text, &sets)
	return sets, err
}

// SetPaused records whether runs of a study may start. When they may again, the
// study's entries of the queue that are held because it was paused wait for
// their turn again.
func (s *Store) SetPaused(study int64, paused bool) error {
	return s.write(func(tx *sql.Tx) error { return s.setPaused(tx, study, paused) })
}

func (s *Store) setPaused(tx *sql.Tx, study int64, paused bool) error {
	found, err := changed(tx.Exec(`UPDATE studies SET paused = ? WHERE key = ?`, paused, study))
	if err == nil && !found {
		err = s.noStudyID(study)
	}
	if err != nil || paused {
		return err
	}
	_, err = tx.Exec(`UPDATE queue SET state = 'waiting', reason = '' WHERE study = ? AND state = 'held' AND reason = ?`, study, HeldByPause)
	return err
}

func (s *Store) noStudyID(id int64) error {
	return notFound(fmt.Sprintf("the store %s has no study with the ID %d", s.dir, id))
}

func (s *Store) fillStudy(st *Study) (err error) {
	st.Cells, err = collect(s.db, `SELECT name FROM study_cells WHERE study = ? ORDER BY cell`, scanOne[string], st.ID)
	if err != nil {
		return err
	}
	st.Slots, err = collect(s.db, `SELECT s.cell, s.seed, r.id FROM study_slots AS s JOIN runs AS r ON r.key = s.run
		WHERE s.study = ? ORDER BY s.cell, s.seed`,
		func(row *sql.Rows, slot *Slot) error { return row.Scan(&slot.Cell, &slot.Seed, &slot.RunID) }, st.ID)
	return err
}

// StudyNames returns the name of every study once, the newest first. Unlike
// Studies it is quick however large they are.
func (s *Store) StudyNames() ([]string, error) {
	names, err := collect(s.db, `SELECT name FROM studies GROUP BY name ORDER BY max(turn) DESC`, scanOne[string])
	return names, s.explain(err)
}

// noStudy returns the error about a name that no study has.
func (s *Store) noStudy(name string) error {
	names, err := s.StudyNames()
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return notFound(fmt.Sprintf("the store %s has no study yet; start one", s.dir))
	}
	near := slices.DeleteFunc(slices.Clone(names), func(n string) bool {
		return distance(n, name) > 1+len(name)/3 && !strings.HasPrefix(n, name)
	})
	if len(near) > 0 {
		return notFound(fmt.Sprintf("the store %s has no study %q; did you mean %s?", s.dir, name, list(near, " or ")))
	}
	return notFound(fmt.Sprintf("the store %s has no study %q; it has %s", s.dir, name, list(names, ", ")))
}

// list joins the first few of names.
func list(names []string, sep string) string {
	const few = 8
	if more := len(names) - few; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), more)
	}
	return strings.Join(names, sep)
}

// distance is the number of letters to insert, delete or replace to get from a
// to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
