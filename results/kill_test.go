package results

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"ablate/results/journal"
)

// The journals of the kill test have a start line, then by turns a figure (on
// even lines) and an event (on odd ones).
const killLines = 6001

var killRuns = []string{"aa", "bb", "cc"}

// TestKilledWhileIngesting kills a process that ingests, again and again. After
// each time the store holds exactly the lines before the offset that it knows,
// and in the end all of them.
func TestKilledWhileIngesting(t *testing.T) {
	if dir := os.Getenv("STORE_OF_CHILD_TO_KILL"); dir != "" {
		ingestUntilKilled(t, dir)
		return
	}
	if testing.Short() {
		t.Skip("kills processes for a second or two")
	}
	dir := t.TempDir()
	s := open(t, dir)
	save(t, s, &Study{Name: "s"}, runsOf(killRuns))
	for _, run := range killRuns {
		begin(t, s, run, 1)
		writeKillJournal(t, killJournal(dir, run))
	}
	s.Close()

	killed := 0
	for round := 0; !checkKilled(t, dir); round++ {
		if round == 200 {
			t.Fatal("no end in sight")
		}
		if killChild(t, dir) {
			killed++
		}
	}
	if killed < 3 {
		t.Errorf("the child was killed %d times only", killed)
	}
	t.Logf("killed %d times", killed)
}

func killJournal(dir, run string) string { return filepath.Join(dir, run+".jsonl") }

func writeKillJournal(t *testing.T, path string) {
	w, err := journal.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	j := testJournal{t, w, path}
	j.start(0)
	for seq := int64(2); seq <= killLines; seq++ {
		if seq%2 == 0 {
			j.point("loss", seq, float64(seq)/3)
		} else {
			j.write(journal.Line{Kind: journal.Event, Text: fmt.Sprint(seq)})
		}
	}
}

// killChild starts a child that ingests and kills it soon after it began. It
// reports whether the child was still at work.
func killChild(t *testing.T, dir string) bool {
	child := exec.Command(os.Args[0], "-test.run=^TestKilledWhileIngesting$")
	child.Env = append(os.Environ(), "STORE_OF_CHILD_TO_KILL="+dir)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the child says %q, %v", line, err)
	}
	time.Sleep(time.Duration(rand.IntN(40_000)) * time.Microsecond)
	child.Process.Kill()
	return child.Wait() != nil
}

func ingestUntilKilled(t *testing.T, dir string) {
	fmt.Println("ready")
	batchPoints = 25
	s := open(t, dir)
	for _, run := range killRuns {
		if err := s.Ingest(run, 1, killJournal(dir, run)); err != nil {
			t.Fatal(err)
		}
	}
}

// checkKilled checks what a killed child left, as a reader and as the next
// writer see it, and reports whether everything is ingested.
func checkKilled(t *testing.T, dir string) (done bool) {
	reader, err := OpenReadOnly(dir)
	if err != nil {
		t.Fatal(err)
	}
	seen := checkLines(t, reader)
	reader.Close()
	s := open(t, dir)
	defer s.Close()
	if again := checkLines(t, s); again != seen {
		t.Fatalf("a reader sees %d lines, the next writer %d", seen, again)
	}
	var result string
	if err := s.db.QueryRow("PRAGMA integrity_check").Scan(&result); err != nil || result != "ok" {
		t.Fatalf("integrity: %s, %v", result, err)
	}
	return seen == int64(len(killRuns)*killLines)
}

// checkLines checks that the store holds the lines before each journal's
// offset, and no others, and returns how many they are.
func checkLines(t *testing.T, s *Store) (lines int64) {
	for _, run := range killRuns {
		a := attemptsOf(t, s, run)[0]
		points, events := seriesOf(t, s, run, "loss"), eventsOf(t, s, run)
		last := a.NextSeq - 1
		if want := last / 2; int64(len(points)) != want {
			t.Fatalf("%d points of %d lines", len(points), last)
		}
		for i, p := range points {
			if want := int64(2*i + 2); p.Step != want || p.Value != float64(want)/3 {
				t.Fatalf("point %d is %v", i, p)
			}
		}
		if want := max(0, (last-1)/2); int64(len(events)) != want {
			t.Fatalf("%d events of %d lines", len(events), last)
		}
		for i, e := range events {
			if e.Text != fmt.Sprint(2*i+3) {
				t.Fatalf("event %d is %v", i, e)
			}
		}
		lines += last
	}
	return lines
}
