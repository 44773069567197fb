package orchestrator_test

import (
	"bufio"
	crand "crypto/rand"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/results/journal"
)

// storeOf makes a store with a study of these runs, one a cell.
func storeOf(t *testing.T, ids ...string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "runs"), 0o777); err != nil {
		t.Fatal(err)
	}
	study := &results.Study{Name: "s"}
	var runs []results.Run
	for i, id := range ids {
		study.Cells = append(study.Cells, "cell "+id)
		study.Slots = append(study.Slots, results.Slot{Cell: i, Seed: 1, RunID: id})
		runs = append(runs, results.Run{ID: id, Cell: "cell " + id, Seed: 1, Config: []byte("{}"), Trainer: "2"})
	}
	s := openStore(t, dir)
	defer s.Close()
	if err := s.SaveStudy(study, runs); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openStore(t *testing.T, dir string) *results.Store {
	t.Helper()
	s, err := results.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// attempted makes an attempt at a run as a worker and a head would: files, and
// what is in the store of them. It reports these losses from step resume on,
// leaves a checkpoint behind the last, and ends so.
func attempted(t *testing.T, dir, id string, resume int64, o results.Outcome, losses ...float64) worker.Attempt {
	t.Helper()
	var metrics []map[string]journal.Value
	for _, v := range losses {
		metrics = append(metrics, map[string]journal.Value{"loss": journal.Value(v)})
	}
	return reported(t, dir, id, resume, o, metrics...)
}

// reported is attempted with any metrics.
func reported(t *testing.T, dir, id string, resume int64, o results.Outcome, metrics ...map[string]journal.Value) worker.Attempt {
	t.Helper()
	s := openStore(t, dir)
	defer s.Close()
	runDir := orchestrator.RunDir(dir, id)
	must(t, os.MkdirAll(runDir, 0o777))
	a, err := worker.Claim(runDir, crand.Text())
	must(t, err)
	must(t, s.BeginAttempt(id, a.N))
	w, err := journal.Create(a.Journal())
	must(t, err)
	must(t, w.Write(journal.Line{Kind: journal.Start, Time: 1000, Start: &journal.StartInfo{ResumeStep: resume, Steps: 100, Kernels: "k"}}))
	must(t, w.Write(journal.Line{Kind: journal.Event, Time: 2000, Text: "hello"}))
	for i, values := range metrics {
		must(t, w.Write(journal.Line{Kind: journal.Metrics, Step: resume + int64(i), Metrics: values}))
	}
	if o != "" {
		must(t, w.Write(journal.Line{Kind: journal.Outcome, Time: 3000, Outcome: string(o)}))
	}
	must(t, w.Close())
	must(t, os.MkdirAll(a.Checkpoints(), 0o777))
	name := fmt.Sprintf("step-%012d.safetensors", resume+int64(len(metrics)))
	must(t, os.WriteFile(filepath.Join(a.Checkpoints(), name), []byte(id), 0o666))
	must(t, os.WriteFile(a.Stderr(), []byte("log of "+id), 0o666))
	must(t, s.Ingest(id, a.N, a.Journal()))
	must(t, s.EndAttempt(id, a.N, o, "")) // what the journal says holds
	return a
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// runIn returns what a store has of a run.
func runIn(t *testing.T, dir, id string) (results.Run, []results.Attempt, []results.Point) {
	t.Helper()
	s, err := results.OpenReadOnly(dir)
	must(t, err)
	defer s.Close()
	r, err := s.Run(id)
	must(t, err)
	a, err := s.Attempts(id)
	must(t, err)
	p, err := s.Series(id, "loss")
	must(t, err)
	return *r, a, p
}

// filesOf lists the files in the folder of a run, with their content, but for
// what somebody who was killed was just writing.
func filesOf(t *testing.T, dir, id string) (files []string) {
	t.Helper()
	root := orchestrator.RunDir(dir, id)
	must(t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || worker.Leftover(d.Name()) {
			return err
		}
		text, err := os.ReadFile(path)
		files = append(files, strings.TrimPrefix(path, root)+": "+string(text))
		return err
	}))
	return files
}

func imported(t *testing.T, dir, from string, taken ...string) orchestrator.Imported {
	t.Helper()
	done, err := orchestrator.Import(dir, from)
	must(t, err)
	var ids []string
	for _, r := range done.Taken {
		ids = append(ids, r.ID)
	}
	if !slices.Equal(ids, taken) {
		t.Errorf("took %v, want %v", ids, taken)
	}
	return done
}

func TestImport(t *testing.T) {
	ids := []string{"both", "failed", "fresh", "going", "mine", "never", "newer", "other"}
	ours, theirs := storeOf(t, ids...), storeOf(t, ids...)
	// A program that reports the spectrum agrees with one that did not yet.
	attempted(t, ours, "newer", 0, results.Completed, 1)
	reported(t, theirs, "newer", 0, results.Completed, map[string]journal.Value{"loss": 1, "z_spectrum_1": 0.9, "z_spectrum_64": 0})
	attempted(t, ours, "mine", 0, results.Completed, 1)
	attempted(t, theirs, "fresh", 0, "", 1, 2)
	attempted(t, theirs, "fresh", 1, results.Collapsed, 3)
	attempted(t, ours, "failed", 0, results.Failed, 9, 9, 9)
	attempted(t, theirs, "failed", 0, results.Completed, 4)
	attempted(t, ours, "going", 0, "", 1)
	attempted(t, theirs, "going", 0, "", 1, 2, 3)
	attempted(t, ours, "both", 0, results.Completed, 1, 2)
	attempted(t, theirs, "both", 0, results.Completed, 1, 2)
	attempted(t, ours, "other", 0, results.Completed, 1, 2)
	attempted(t, theirs, "other", 0, results.Collapsed, 1, 2.5)
	for i, taken := range [][]string{{"failed", "fresh"}, nil} {
		done := imported(t, ours, theirs, taken...)
		if done.Runs != len(ids) || len(done.Differ) != 1 || done.Differ[0].ID != "other" || !slices.Equal(done.Differ[0].Metrics, []string{"loss"}) {
			t.Errorf("time %d: %+v", i, done)
		}
	}

	r, a, p := runIn(t, ours, "fresh")
	if r.Outcome != results.Collapsed || r.Attempts != 2 || len(a) != 2 || !slices.Equal(p, []results.Point{{Step: 0, Value: 1}, {Step: 1, Value: 3}}) {
		t.Errorf("%+v, %+v, %v", r, a, p)
	}
	want := slices.DeleteFunc(filesOf(t, theirs, "fresh"), func(f string) bool { return strings.HasPrefix(f, "/1/ckpt/") })
	if got := filesOf(t, ours, "fresh"); !slices.Equal(got, want) {
		t.Errorf("got the files\n%q\nwant\n%q", got, want)
	}
	r, a, p = runIn(t, ours, "failed")
	if r.Outcome != results.Completed || r.Attempts != 2 || a[0].Outcome != results.Failed || len(p) != 1 || p[0].Value != 4 {
		t.Errorf("%+v, %+v, %v", r, a, p)
	}
	if files := filesOf(t, ours, "failed"); len(files) != 8 {
		t.Errorf("%q", files)
	}
	for id, points := range map[string]int{"mine": 1, "going": 1, "other": 2, "never": 0} {
		if r, _, p := runIn(t, ours, id); len(p) != points || r.Attempts != min(1, points) {
			t.Errorf("%+v, %v", r, p)
		}
	}
}

// What failed or was cancelled elsewhere comes with its study, again and again if
// the import was stopped, but does not take a run off that a study here waits for.
func TestImportFailures(t *testing.T) {
	theirs, waiting, empty := storeOf(t, "aa", "bb", "cc"), storeOf(t, "aa", "bb", "cc"), t.TempDir()
	attempted(t, theirs, "aa", 0, results.Failed, 1)
	attempted(t, theirs, "bb", 0, results.Cancelled)
	attempted(t, theirs, "cc", 0, "", 1)
	imported(t, waiting, theirs, "cc")
	if r, a, _ := runIn(t, waiting, "aa"); r.Outcome != "" || len(a) != 0 {
		t.Errorf("%+v, %+v", r, a)
	}
	beginImport(t, empty, theirs)
	imported(t, empty, theirs, "aa", "bb", "cc")
	if r, a, _ := runIn(t, empty, "aa"); r.Outcome != results.Failed || len(a) != 1 {
		t.Errorf("%+v, %+v", r, a)
	}

	// Started here a second time, a study has a new turn, and what is imported is
	// older all the same.
	again, other := openStore(t, waiting), storeOf(t, "dd")
	s, err := again.Study("s")
	must(t, err)
	s.Text = nil // as storeOf gave it
	must(t, again.SaveStudy(s, nil))
	must(t, again.Close())
	attempted(t, other, "dd", 0, results.Failed, 1)
	beginImport(t, waiting, other)
	imported(t, waiting, other, "dd")
}

// beginImport is an import that was stopped behind the studies.
func beginImport(t *testing.T, dir, from string) {
	t.Helper()
	s := openStore(t, dir)
	defer s.Close()
	other, err := results.OpenReadOnly(from)
	must(t, err)
	defer other.Close()
	i, err := s.Import(other)
	must(t, err)
	defer i.Close()
	_, err = i.Studies()
	must(t, err)
}

// A run that was interrupted when it came, and was finished in its own store,
// comes again: as it is there, with its attempts under the same numbers.
func TestImportTwice(t *testing.T) {
	ours, theirs := storeOf(t, "aa"), storeOf(t, "aa")
	first := attempted(t, theirs, "aa", 0, "", 1, 2)
	imported(t, ours, theirs, "aa")
	imported(t, ours, theirs)
	appendTo(t, first.Stderr(), "and more")
	attempted(t, theirs, "aa", 2, results.Completed, 3)
	imported(t, ours, theirs, "aa")
	r, a, p := runIn(t, ours, "aa")
	if r.Outcome != results.Completed || len(a) != 2 || len(p) != 3 {
		t.Errorf("%+v, %+v, %v", r, a, p)
	}
	if files := filesOf(t, ours, "aa"); !slices.Contains(files, "/1/stderr.log: log of aaand more") {
		t.Errorf("%q", files)
	}
	imported(t, ours, theirs)
	imported(t, theirs, ours) // and back: nothing
}

// An attempt that a dead head of ours never read is not taken for theirs, and
// keeps its number.
func TestImportBesideAnUnreadAttempt(t *testing.T) {
	ours, theirs := storeOf(t, "aa"), storeOf(t, "aa")
	must(t, os.MkdirAll(orchestrator.RunDir(ours, "aa"), 0o777))
	_, err := worker.Claim(orchestrator.RunDir(ours, "aa"), "unread")
	must(t, err)
	attempted(t, theirs, "aa", 0, "", 1)
	imported(t, ours, theirs) // ours may be further
	attempted(t, theirs, "aa", 1, results.Completed, 2)
	imported(t, ours, theirs, "aa")
	_, a, p := runIn(t, ours, "aa")
	if len(a) != 3 || a[0].State != results.Fenced || a[2].Outcome != results.Completed || len(p) != 2 {
		t.Errorf("%+v, %v", a, p)
	}
	claim, err := worker.Attempt{RunDir: orchestrator.RunDir(ours, "aa"), N: 1}.Claimed()
	if err != nil || claim.Token != "unread" {
		t.Errorf("%+v, %v", claim, err)
	}
}

func TestImportTrainers(t *testing.T) {
	ours, theirs := storeOf(t, "aa"), storeOf(t, "aa")
	must(t, os.MkdirAll(filepath.Join(theirs, "trainers", "12", "files"), 0o777))
	must(t, os.MkdirAll(filepath.Join(theirs, "trainers", "34.new"), 0o777))
	script := filepath.Join("trainers", "12", "files", "train.py")
	must(t, os.WriteFile(filepath.Join(theirs, script), []byte("code"), 0o777))
	for i, want := range []int{1, 0} {
		if done := imported(t, ours, theirs); done.Trainers != want {
			t.Errorf("time %d: %d trainers", i, done.Trainers)
		}
	}
	info, err := os.Stat(filepath.Join(ours, script))
	if err != nil || info.Size() != 4 || info.Mode().Perm()&0o100 == 0 {
		t.Error(info, err)
	}
	if names, _ := os.ReadDir(filepath.Join(ours, "trainers")); len(names) != 1 {
		t.Errorf("%v", names)
	}
}

// An import that is killed, again and again, is completed by the next: the store
// is in the end as if nothing had happened.
func TestKilledWhileImporting(t *testing.T) {
	if dirs := os.Getenv("IMPORT_TO_KILL"); dirs != "" {
		ours, theirs, _ := strings.Cut(dirs, "|")
		fmt.Println("ready")
		_, err := orchestrator.Import(ours, theirs)
		must(t, err)
		return
	}
	if testing.Short() {
		t.Skip("kills processes for a second or two")
	}
	var ids []string
	for i := range 12 {
		ids = append(ids, fmt.Sprintf("%02d", i))
	}
	theirs, ours, whole := storeOf(t, ids...), storeOf(t, ids...), storeOf(t, ids...)
	for _, id := range ids {
		attempted(t, theirs, id, 0, "", 1, 2, 3)
		attempted(t, theirs, id, 2, results.Completed, 4)
	}
	for _, dir := range []string{ours, whole} {
		attempted(t, dir, ids[3], 0, results.Failed, 9, 9, 9, 9, 9)
	}
	imported(t, whole, theirs, ids...)
	killed := 0
	for importAndKill(t, ours+"|"+theirs, time.Duration(4+killed)*time.Millisecond) {
		if killed++; killed == 200 {
			t.Fatal("no end in sight")
		}
	}
	t.Logf("killed %d times", killed)
	if killed < 2 {
		t.Errorf("killed %d times only", killed)
	}
	for _, id := range ids {
		gotRun, gotAttempts, gotPoints := runIn(t, ours, id)
		run, attempts, points := runIn(t, whole, id)
		if id == ids[3] { // of their own, at another time
			gotAttempts, attempts = gotAttempts[1:], attempts[1:]
		}
		if !reflect.DeepEqual(gotRun, run) || !reflect.DeepEqual(gotAttempts, attempts) || !slices.Equal(gotPoints, points) {
			t.Errorf("got %+v, %+v, %v\nwant %+v, %+v, %v", gotRun, gotAttempts, gotPoints, run, attempts, points)
		}
		notOurs := func(f string) bool { return strings.HasPrefix(f, "/1/") || strings.HasPrefix(f, "/run.json") }
		got, want := slices.DeleteFunc(filesOf(t, ours, id), notOurs), slices.DeleteFunc(filesOf(t, whole, id), notOurs)
		if !slices.Equal(got, want) {
			t.Errorf("got the files\n%q\nwant\n%q", got, want)
		}
	}
}

// importAndKill imports in a child, which it kills at some time before latest,
// and reports whether the child was still at work.
func importAndKill(t *testing.T, dirs string, latest time.Duration) bool {
	t.Helper()
	child := exec.Command(os.Args[0], "-test.run=^TestKilledWhileImporting$")
	child.Env = append(os.Environ(), "IMPORT_TO_KILL="+dirs)
	out, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the child says %q, %v", line, err)
	}
	time.Sleep(rand.N(latest))
	child.Process.Kill()
	return child.Wait() != nil
}
