package results

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"slices"
	"time"
)

// Version is a study as it once stood in the store: under the name that a study
// has now, or under another one with the same runs.
type Version struct {
	Study
	Shared []int // seeds at which it has runs of the study now; of a study of another name, those at which it has all of them
}

// Versions returns all that the store had under a study's name, itself
// included, and what had its runs under another one, the oldest first, without
// cells and slots. What was asked before there were results, and what after, is
// to be seen from it.
func (s *Store) Versions(study *Study) ([]Version, error) {
	outlines, err := s.Outlines()
	if err != nil {
		return nil, err
	}
	type sharing struct {
		of         int64
		seed       int
		runs, full int
	}
	rows, err := collect(s.db, `WITH ours AS (SELECT DISTINCT seed, run FROM study_slots WHERE study = ?),
		size AS (SELECT seed, count(*) AS n FROM ours GROUP BY seed)
		SELECT theirs.study, ours.seed, count(DISTINCT ours.run), size.n FROM ours
		JOIN study_slots AS theirs ON theirs.run = ours.run JOIN size ON size.seed = ours.seed
		GROUP BY theirs.study, ours.seed ORDER BY ours.seed`,
		func(row *sql.Rows, s *sharing) error { return row.Scan(&s.of, &s.seed, &s.runs, &s.full) }, study.ID)
	some, all := make(map[int64][]int), make(map[int64][]int)
	for _, r := range rows {
		some[r.of] = append(some[r.of], r.seed)
		if r.runs == r.full {
			all[r.of] = append(all[r.of], r.seed)
		}
	}
	var versions []Version
	for _, outline := range outlines {
		switch {
		case outline.Name == study.Name:
			versions = append(versions, Version{outline, some[outline.ID]})
		case all[outline.ID] != nil:
			versions = append(versions, Version{outline, all[outline.ID]})
		}
	}
	slices.SortFunc(versions, func(a, b Version) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	})
	return versions, s.explain(err)
}

// FirstResults returns when each run of the studies with these IDs had its first
// result, by run ID: when its attempt told its last, by the clock of its machine,
// or, should that come first, when it was recorded here, which for runs of
// another store is later. Runs that never had a result are left out; one that is
// done again had it all the same.
func (s *Store) FirstResults(studies ...int64) (map[string]time.Time, error) {
	type first struct {
		id string
		at time.Time
	}
	ids, err := json.Marshal(studies)
	if err != nil {
		return nil, err
	}
	firsts, err := collect(s.db, `SELECT r.id, min(min(a.ended, ifnull(a.active, a.ended))) FROM attempts AS a JOIN runs AS r ON r.key = a.run
		WHERE a.outcome IN ('completed', 'collapsed', 'never_separated', 'diverged')
		AND a.run IN (SELECT run FROM study_slots WHERE study IN (SELECT value FROM json_each(?))) GROUP BY a.run`,
		func(row *sql.Rows, f *first) error { return row.Scan(&f.id, scanTime{&f.at}) }, string(ids))
	byID := make(map[string]time.Time, len(firsts))
	for _, f := range firsts {
		byID[f.id] = f.at
	}
	return byID, s.explain(err)
}
