package results

import (
	"reflect"
	"testing"
)

// What a study asked before there were results can be told from what it asked
// after.
func TestHistory(t *testing.T) {
	s := newStore(t)
	first, runs := sample("s")
	save(t, s, first, runs)
	begin(t, s, "aa01", 1)
	end(t, s, "aa01", 1, Failed, "no luck")
	begin(t, s, "aa01", 2)
	end(t, s, "aa01", 2, Completed, "")

	more, _ := sample("s")
	more.Sets = []string{"seeds=3"}
	more.Slots = append(more.Slots, Slot{0, 3, "ac01"}, Slot{1, 3, "ac01"})
	save(t, s, more, append(runs, Run{ID: "ac01", Cell: "bn", Seed: 3, Config: []byte("{}")}))
	begin(t, s, "aa01", 3)
	end(t, s, "aa01", 3, Completed, "") // done again, long after it could be looked at
	begin(t, s, "ac01", 1)
	end(t, s, "ac01", 1, Diverged, "")
	other, _ := sample("other")
	save(t, s, other, runs)

	versions, err := s.Versions(more)
	if err != nil {
		t.Fatal(err)
	}
	if len(versions) != 3 || versions[0].Hash != first.Hash || versions[1].Hash != more.Hash || first.Hash == more.Hash {
		t.Fatalf("got %+v", versions)
	}
	if !reflect.DeepEqual(versions[0].Shared, []int{1, 2}) || !reflect.DeepEqual(versions[1].Shared, []int{1, 2, 3}) {
		t.Errorf("shared seeds %v and %v", versions[0].Shared, versions[1].Shared)
	}
	if v := versions[2]; v.Name != "other" || !reflect.DeepEqual(v.Shared, []int{1, 2}) {
		t.Errorf("under another name it is %s with seeds %v", v.Name, v.Shared)
	}
	firsts, err := s.FirstResults(more.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(firsts) != 2 || !firsts["aa01"].After(versions[0].Created) || !firsts["aa01"].Before(versions[1].Created) ||
		!firsts["ac01"].After(versions[1].Created) {
		t.Errorf("first results %v of versions of %v and %v", firsts, versions[0].Created, versions[1].Created)
	}
	if again, err := s.Study("s"); err != nil || again.Hash != more.Hash {
		t.Errorf("read back as %v, %v", again, err)
	}
}
