package results

import (
	"context"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
)

// reported is a store with these runs, that have these figures.
func reported(t testing.TB, ids []string, report func(j *testJournal, id string)) *Store {
	s := withRuns(t, ids...)
	for _, id := range ids {
		begin(t, s, id, 1)
		j := newJournal(t)
		j.start(0)
		report(j, id)
		j.ingest(s, id, 1)
	}
	return s
}

func TestCurves(t *testing.T) {
	s := reported(t, []string{"aa", "bb", "cc", "dd"}, func(j *testJournal, id string) {
		switch id {
		case "aa":
			for step := range int64(10) {
				j.point("loss", step, float64(step))
				j.point("other", step, 100)
			}
		case "bb": // diverges
			for step, v := range []float64{4, 6, math.NaN(), math.Inf(1), math.Inf(-1)} {
				j.point("loss", int64(step), v)
			}
		case "cc":
			j.point("loss", 3, math.NaN())
		}
	})
	for _, c := range []struct {
		most int
		want Curves
	}{
		{10, Curves{1, map[string]Curve{
			"aa": {[]Bin{{0, 0, 0, 0}, {1, 1, 1, 1}, {2, 2, 2, 2}, {3, 3, 3, 3}, {4, 4, 4, 4}, {5, 5, 5, 5}, {6, 6, 6, 6}, {7, 7, 7, 7}, {8, 8, 8, 8}, {9, 9, 9, 9}}, Point{9, 9}},
			"bb": {[]Bin{{0, 0, 0, 4}, {1, 1, 1, 6}}, Point{1, 6}},
		}}},
		{3, Curves{4, map[string]Curve{
			"aa": {[]Bin{{0, 0, 3, 1.5}, {1, 4, 7, 5.5}, {2, 8, 9, 8.5}}, Point{9, 9}},
			"bb": {[]Bin{{0, 0, 1, 5}}, Point{1, 6}},
		}}},
	} {
		got, err := s.Curves("loss", []string{"aa", "bb", "cc", "dd", "there is no such run"}, c.most)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("at most %d: %+v, %v; want %+v", c.most, got, err, c.want)
		}
	}
	for _, ids := range [][]string{nil, {"cc", "dd"}} {
		if got, err := s.Curves("loss", ids, 10); err != nil || got.Each != 1 || len(got.Runs) > 0 {
			t.Errorf("%q: %+v, %v", ids, got, err)
		}
	}
	if got, err := s.Curves("no such metric", []string{"aa"}, 10); err != nil || len(got.Runs) > 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

// Few points, however far apart, are not averaged.
func TestCurvesOfFewPoints(t *testing.T) {
	s := reported(t, []string{"aa"}, func(j *testJournal, _ string) {
		for _, step := range []int64{1_000_000, 1_000_001, 9_000_000} {
			j.point("loss", step, float64(step))
		}
	})
	if c, err := s.Curves("loss", []string{"aa"}, 3); err != nil || c.Each != 1 || len(c.Runs["aa"].Bins) != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := s.Curves("loss", []string{"aa"}, 2); err != nil || c.Each != 4_000_001 || len(c.Runs["aa"].Bins) != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestEachPoint(t *testing.T) {
	s := reported(t, []string{"bb", "aa"}, func(j *testJournal, id string) {
		j.point("z", 1, 0.5)
		j.point("loss", 0, math.NaN())
		j.point("loss", 1, math.Inf(-1))
		if id == "aa" {
			j.point("extra", 7, 7)
		}
	})
	for _, c := range []struct {
		runs, metrics []string
		want          []string
	}{
		{[]string{"aa", "bb"}, nil, []string{"0 extra 7 7", "0 loss 0 NaN", "0 loss 1 -Inf", "0 z 1 0.5", "1 loss 0 NaN", "1 loss 1 -Inf", "1 z 1 0.5"}},
		{[]string{"bb", "no such run", "aa"}, []string{"z", "extra", "no such metric"}, []string{"0 z 1 0.5", "2 extra 7 7", "2 z 1 0.5"}},
		{[]string{"bb"}, []string{}, nil},
		{nil, nil, nil},
	} {
		var got []string
		err := s.EachPoint(t.Context(), c.runs, c.metrics, func(run int, metric string, p Point) error {
			got = append(got, fmt.Sprint(run, " ", metric, " ", p.Step, " ", p.Value))
			return nil
		})
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q, %q: %q, %v; want %q", c.runs, c.metrics, got, err, c.want)
		}
	}
	if names, err := s.MetricNames(); err != nil || !slices.Equal(names, []string{"extra", "loss", "z"}) {
		t.Errorf("%q, %v", names, err)
	}
	enough := errors.New("enough")
	if err := s.EachPoint(t.Context(), []string{"aa"}, nil, func(int, string, Point) error { return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.EachPoint(ctx, []string{"aa"}, nil, func(int, string, Point) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestAttemptsOf(t *testing.T) {
	s := newStore(t)
	study, runs := sample("s")
	save(t, s, study, runs)
	begin(t, s, "aa02", 1)
	begin(t, s, "aa02", 2)
	begin(t, s, "ab01", 1)
	end(t, s, "ab01", 1, Failed, "no luck")
	other := &Study{Name: "other", Cells: []string{"c"}, Slots: []Slot{{0, 1, "ff"}}}
	save(t, s, other, runsOf([]string{"ff"}))
	begin(t, s, "ff", 1)
	got, err := s.AttemptsOf(study)
	want := map[string][]Attempt{"aa02": attemptsOf(t, s, "aa02"), "ab01": attemptsOf(t, s, "ab01")}
	if err != nil || len(want["aa02"]) != 2 || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

// BenchmarkReaders is what reports and exports read of a store of 500 runs with
// -points points.
func BenchmarkReaders(b *testing.B) {
	ids := manyRuns(500)
	s := withRuns(b, ids...)
	text, points := usualJournal(b, *benchPoints/len(ids))
	ingestAll(b, s, ids, text, 1)
	b.Run("curves", func(b *testing.B) {
		for b.Loop() {
			if c, err := s.Curves("loss", ids, 120); err != nil || len(c.Runs) != len(ids) {
				b.Fatal(len(c.Runs), err)
			}
		}
	})
	b.Run("each point", func(b *testing.B) {
		for b.Loop() {
			n := 0
			err := s.EachPoint(b.Context(), ids, nil, func(int, string, Point) error { n++; return nil })
			if err != nil || n != points*len(ids) {
				b.Fatal(n, err)
			}
		}
		b.ReportMetric(float64(points*len(ids)*b.N)/b.Elapsed().Seconds(), "points/s")
	})
}
