package results

import (
	"cmp"
	"database/sql"
	"slices"
	"time"
)

// Version is a study as it once stood in the store, under the name that a
// study has now.
type Version struct {
	Study
	Shared []int // seeds of its runs that are runs of the study now
}

// Versions returns all that the store had under a study's name, itself
// included, the oldest first, without cells and slots. What was asked before
// there were results, and what after, is to be seen from it.
func (s *Store) Versions(study *Study) ([]Version, error) {
	outlines, err := s.outlines(`WHERE name = ?`, study.Name)
	if err != nil {
		return nil, s.explain(err)
	}
	shared := make(map[int64][]int)
	_, err = collect(s.db, `SELECT DISTINCT study, seed FROM study_slots
		WHERE run IN (SELECT run FROM study_slots WHERE study = ?) AND study IN (SELECT key FROM studies WHERE name = ?) ORDER BY seed`,
		func(row *sql.Rows, _ *struct{}) error {
			var of int64
			var seed int
			err := row.Scan(&of, &seed)
			shared[of] = append(shared[of], seed)
			return err
		}, study.ID, study.Name)
	versions := make([]Version, len(outlines))
	for i, outline := range outlines {
		versions[i] = Version{outline, shared[outline.ID]}
	}
	slices.SortFunc(versions, func(a, b Version) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return versions, s.explain(err)
}

// FirstResults returns when each run of study had its first result, by run ID:
// when its attempt told its last, by the clock of its machine, or, should that
// come first, when it was recorded here, which for runs of another store is
// later. Runs that never had a result are left out; one that is done again had
// it all the same.
func (s *Store) FirstResults(study *Study) (map[string]time.Time, error) {
	type first struct {
		id string
		at time.Time
	}
	firsts, err := collect(s.db, `SELECT r.id, min(min(a.ended, ifnull(a.active, a.ended))) FROM attempts AS a JOIN runs AS r ON r.key = a.run
		WHERE a.outcome IN ('completed', 'collapsed', 'never_separated', 'diverged')
		AND a.run IN (SELECT run FROM study_slots WHERE study = ?) GROUP BY a.run`,
		func(row *sql.Rows, f *first) error { return row.Scan(&f.id, scanTime{&f.at}) }, study.ID)
	byID := make(map[string]time.Time, len(firsts))
	for _, f := range firsts {
		byID[f.id] = f.at
	}
	return byID, s.explain(err)
}
