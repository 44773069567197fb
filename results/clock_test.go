package results

import (
	"testing"

	"ablate/results/journal"
)

// A clock that was set back between two attempts changes neither their order, nor
// what counts of them, nor makes a time negative.
func TestClockSetBackBetweenAttempts(t *testing.T) {
	s := withRuns(t, "aa")
	for n, began := range []int64{1_000_000_000, 1_000} {
		begin(t, s, "aa", n+1)
		j := newJournal(t)
		j.write(journal.Line{Kind: journal.Start, Time: began, Start: &journal.StartInfo{ResumeStep: 5 * int64(n), Steps: 100}})
		j.point("loss", 5*int64(n)+1, float64(n))
		j.point("loss", 6, float64(n))
		j.write(journal.Line{Kind: journal.Progress, Time: began + 3000, Progress: &journal.ProgressInfo{Step: 6 + int64(n), Steps: 100, Phase: "train"}})
		j.ingest(s, "aa", n+1)
	}
	attempts := attemptsOf(t, s, "aa")
	if len(attempts) != 2 || attempts[0].Number != 1 || attempts[0].State != Fenced || attempts[1].Number != 2 || attempts[1].State != Running {
		t.Errorf("attempts %+v", attempts)
	}
	for _, a := range attempts {
		if took := a.Active.Sub(a.Started).Seconds(); took != 3 {
			t.Errorf("attempt %d took %v s", a.Number, took)
		}
	}
	if r := getRun(t, s, "aa"); r.Seconds != 6 || r.Attempts != 2 || r.Step != 7 {
		t.Errorf("%+v", r)
	}
	if loss := seriesOf(t, s, "aa", "loss"); len(loss) != 2 || loss[0] != (Point{1, 0}) || loss[1] != (Point{6, 1}) {
		t.Errorf("loss %v", loss)
	}
}
