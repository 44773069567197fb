package results

import "testing"

// What a person has asked for is on the disk when it is confirmed.
func TestSharedWritesAreDurable(t *testing.T) {
	s := newStore(t)
	shared, err := OpenShared(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer shared.Close()
	var synchronous int
	if err := shared.db.QueryRow("PRAGMA synchronous").Scan(&synchronous); err != nil || synchronous != 2 { // FULL
		t.Errorf("synchronous is %d, %v", synchronous, err)
	}
}
