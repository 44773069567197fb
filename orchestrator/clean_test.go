package orchestrator_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ablate/orchestrator"
	"ablate/orchestrator/worker"
	"ablate/results"
	"ablate/results/journal"
	"ablate/trainer/checkpoint"
)

// found lists what can be removed from a store, as "kind path", and removes it.
func found(t *testing.T, dir string, o orchestrator.CleanOptions) (list []string, c *orchestrator.Cleaning) {
	t.Helper()
	s := openStore(t, dir)
	defer s.Close()
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	c, err := orchestrator.FindRemovable(s, dir, o)
	must(t, err)
	must(t, c.Do(dir))
	must(t, c.Do(dir)) // what is gone is no trouble
	for _, r := range c.Remove {
		list = append(list, r.Kind+" "+r.Path)
	}
	slices.Sort(list)
	return list, c
}

var (
	last       = orchestrator.CleanOptions{Checkpoints: orchestrator.KeepLast}
	inTwoHours = orchestrator.CleanOptions{Checkpoints: orchestrator.KeepLast, Now: time.Now().Add(2 * time.Hour)}
)

// put writes a file, and the folders above it. It is two hours old.
func put(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.MkdirAll(filepath.Dir(path), 0o777))
	must(t, os.WriteFile(path, []byte(text), 0o666))
	aged(t, path, 2*time.Hour)
}

func aged(t *testing.T, path string, age time.Duration) {
	t.Helper()
	then := time.Now().Add(-age)
	must(t, os.Chtimes(path, then, then))
}

// saved leaves a good checkpoint.
func saved(t *testing.T, a worker.Attempt, step int64) string {
	t.Helper()
	path := filepath.Join(a.Checkpoints(), checkpoint.Name(step))
	must(t, checkpoint.Write(path, &checkpoint.File{Tensors: []checkpoint.Tensor{{Name: "w", Shape: []int{1}, Data: []float32{1}}}}))
	return path
}

func has(t *testing.T, path string, want bool) {
	t.Helper()
	if _, err := os.Stat(path); (err == nil) != want {
		t.Errorf("%s is there: %v, want %v", path, err == nil, want)
	}
}

func TestCleanAttempts(t *testing.T) {
	dir := storeOf(t, "done", "open", "new")
	first := attempted(t, dir, "done", 0, "", 1, 2)
	second := attempted(t, dir, "done", 2, results.Completed, 3)
	attempted(t, dir, "open", 0, "", 1, 2)
	source := attempted(t, dir, "open", 1, "", 3)
	crashed := attempted(t, dir, "open", 2, results.Failed)
	newest := attempted(t, dir, "open", 2, results.Failed)
	must(t, os.RemoveAll(crashed.Checkpoints())) // they died before they had any
	must(t, os.RemoveAll(newest.Checkpoints()))

	list, c := found(t, dir, last)
	if want := []string{"attempt runs/done/1", "attempt runs/open/1", "attempt runs/open/3"}; !slices.Equal(list, want) || len(c.Kept) != 0 {
		t.Errorf("%q, %v", list, c.Kept)
	}
	for _, a := range []worker.Attempt{first, crashed, {RunDir: newest.RunDir, N: 1}} {
		if files, _ := os.ReadDir(a.Dir()); len(files) != 1 || files[0].Name() != "claim.json" {
			t.Errorf("%s has %v", a.Dir(), files)
		}
	}
	for _, a := range []worker.Attempt{second, source, newest} {
		has(t, a.Journal(), true)
		has(t, a.Stderr(), true)
	}
	has(t, source.Checkpoints(), true)
	if n, err := worker.NewestWithCheckpoints(source.RunDir); err != nil || n != source.N {
		t.Errorf("a further attempt would go on from %d, %v", n, err)
	}
	if _, _, p := runIn(t, dir, "done"); len(p) != 3 {
		t.Errorf("%v", p)
	}
	if list, _ := found(t, dir, last); len(list) != 0 {
		t.Errorf("once more: %q", list)
	}
	// The next attempt gets the next number.
	if a, err := worker.Claim(newest.RunDir, "t"); err != nil || a.N != 5 {
		t.Error(a, err)
	}
}

// A trainer of the study's own may have reported what no journal has: the next
// attempt looks for it in all earlier ones.
func TestCleanKeepsReports(t *testing.T) {
	dir := storeOf(t)
	s := openStore(t, dir)
	must(t, s.SaveStudy(&results.Study{Name: "e", Cells: []string{"c"}, Slots: []results.Slot{{Cell: 0, Seed: 1, RunID: "ee"}}},
		[]results.Run{{ID: "ee", Config: []byte("{}"), Trainer: "external:1234"}}))
	s.Close()
	for range 3 {
		attempted(t, dir, "ee", 0, "", 1)
	}
	if list, _ := found(t, dir, last); len(list) != 0 {
		t.Errorf("%q", list)
	}
	attempted(t, dir, "ee", 1, results.Completed, 1)
	if list, _ := found(t, dir, last); len(list) != 3 {
		t.Errorf("%q", list)
	}
}

func TestCleanCheckpoints(t *testing.T) {
	for keep, want := range map[orchestrator.Retention][]string{
		orchestrator.KeepLast: {"checkpoint runs/a/2/ckpt/step-000000000001.safetensors", "checkpoint runs/b/1/ckpt/step-000000000001.safetensors"},
		orchestrator.KeepAll:  nil,
		orchestrator.KeepNone: {
			"checkpoint runs/a/2/ckpt/step-000000000001.safetensors", "checkpoint runs/a/2/ckpt/step-000000000002.safetensors",
			"checkpoint runs/b/1/ckpt/step-000000000001.safetensors", "checkpoint runs/b/1/ckpt/step-000000000002.safetensors",
			"checkpoint runs/b/1/ckpt/step-000000000003.safetensors",
		},
	} {
		dir := storeOf(t, "a", "b", "open")
		old := attempted(t, dir, "a", 0, "")
		shared := saved(t, old, 1)
		a := attempted(t, dir, "a", 1, results.Completed)
		b := attempted(t, dir, "b", 0, results.Collapsed)
		open := attempted(t, dir, "open", 0, "")
		for _, a := range []worker.Attempt{a, b, open} {
			must(t, os.RemoveAll(a.Checkpoints()))
			must(t, os.Mkdir(a.Checkpoints(), 0o777))
			saved(t, a, 2)
		}
		must(t, os.Link(shared, filepath.Join(a.Checkpoints(), filepath.Base(shared))))
		saved(t, b, 1)
		put(t, filepath.Join(b.Checkpoints(), checkpoint.Name(3)), "torn") // the newest, and no good
		saved(t, open, 1)

		list, c := found(t, dir, orchestrator.CleanOptions{Checkpoints: keep})
		list = slices.DeleteFunc(list, func(s string) bool { return strings.HasPrefix(s, "attempt") })
		if !slices.Equal(list, want) {
			t.Errorf("%s: %q", keep, list)
		}
		if left, _ := checkpoint.List(open.Checkpoints()); len(left) != 2 {
			t.Errorf("%s: of an open run %v is left", keep, left)
		}
		has(t, shared, keep == orchestrator.KeepAll)
		if keep == orchestrator.KeepLast {
			f, _, err := checkpoint.Load(a.Checkpoints())
			if err != nil || f == nil {
				t.Error(f, err)
			}
			weighed(t, c)
		}
	}
}

// weighed checks that a file under two names counts once, with the last one.
func weighed(t *testing.T, c *orchestrator.Cleaning) {
	t.Helper()
	sum := int64(0)
	for _, r := range c.Remove {
		sum += r.Bytes
		if strings.HasSuffix(r.Path, "a/2/ckpt/step-000000000001.safetensors") && r.Bytes == 0 {
			t.Errorf("the last name of a checkpoint frees nothing: %+v", c.Remove)
		}
	}
	if sum != c.Bytes {
		t.Errorf("%d bytes, in all %d", sum, c.Bytes)
	}
}

// A checkpoint whose other name stays frees nothing.
func TestCleanCountsLinksOnce(t *testing.T) {
	dir := storeOf(t, "a")
	old := attempted(t, dir, "a", 0, "")
	must(t, os.RemoveAll(old.Checkpoints()))
	must(t, os.Mkdir(old.Checkpoints(), 0o777))
	path := saved(t, old, 1)
	a := attempted(t, dir, "a", 1, results.Completed)
	must(t, os.RemoveAll(a.Checkpoints()))
	must(t, os.Mkdir(a.Checkpoints(), 0o777))
	must(t, os.Link(path, filepath.Join(a.Checkpoints(), filepath.Base(path))))
	journalSize, _ := os.Stat(old.Journal())
	log, _ := os.Stat(old.Stderr())
	_, c := found(t, dir, last)
	if want := journalSize.Size() + log.Size(); c.Bytes != want {
		t.Errorf("%d bytes, want %d: %+v", c.Bytes, want, c.Remove)
	}
}

// What the store has not read stays, and so does all that a dead head left
// running.
func TestCleanKeepsUnreadJournals(t *testing.T) {
	dir := storeOf(t, "unread", "unknown", "running", "torn")
	for _, id := range []string{"unread", "unknown", "torn"} {
		attempted(t, dir, id, 0, "", 1)
		attempted(t, dir, id, 0, results.Completed, 1)
	}
	unread := worker.Attempt{RunDir: orchestrator.RunDir(dir, "unread"), N: 1}
	appendTo(t, unread.Journal(), "{}\n")
	torn := worker.Attempt{RunDir: orchestrator.RunDir(dir, "torn"), N: 1}
	appendTo(t, torn.Journal(), `{"seq":`) // which nobody will finish
	_, err := worker.Claim(orchestrator.RunDir(dir, "unknown"), "t")
	must(t, err)
	attempted(t, dir, "running", 0, "", 1)
	s := openStore(t, dir)
	must(t, s.BeginAttempt("running", 2))
	s.Close()

	list, c := found(t, dir, last)
	if !slices.Equal(list, []string{"attempt runs/torn/1"}) {
		t.Errorf("%q", list)
	}
	var kept []string
	for _, k := range c.Kept {
		kept = append(kept, k.Path+": "+k.Why)
	}
	for i, want := range []string{"runs/running: ", "runs/unknown: the store does not know of attempt 3", "runs/unread: the store has not read all of the journal of attempt 1"} {
		if len(kept) != 3 || !strings.HasPrefix(kept[i], want) {
			t.Errorf("%q", kept)
		}
	}
	has(t, unread.Journal(), true)
}

func appendTo(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteString(text)
	must(t, err)
	must(t, f.Close())
}

func TestCleanOrphans(t *testing.T) {
	dir := storeOf(t, "aa")
	put(t, filepath.Join(orchestrator.RunDir(dir, "gone"), "run.json"), "{}")
	lost := orchestrator.RunDir(dir, "lost") // the store it was in is gone
	must(t, os.MkdirAll(lost, 0o777))
	a, err := worker.Claim(lost, "t")
	must(t, err)
	w, err := journal.Create(a.Journal())
	must(t, err)
	must(t, w.Write(journal.Line{Kind: journal.Start, Start: &journal.StartInfo{}}))
	must(t, w.Close())
	s := openStore(t, dir)
	must(t, s.SaveStudy(&results.Study{Name: "without slots"}, []results.Run{{ID: "known", Config: []byte("{}")}}))
	s.Close()
	attempted(t, dir, "known", 0, results.Completed, 1)

	list, c := found(t, dir, last)
	if !slices.Equal(list, []string{"orphan runs/gone", "orphan runs/known"}) {
		t.Errorf("%q", list)
	}
	if len(c.Kept) != 1 || c.Kept[0].Path != "runs/lost" || !strings.Contains(c.Kept[0].Why, "no study has this run") {
		t.Errorf("%+v", c.Kept)
	}
	has(t, orchestrator.RunDir(dir, "gone"), false)
	has(t, orchestrator.RunDir(dir, "known"), false)
}

func TestCleanLeftovers(t *testing.T) {
	dir := storeOf(t, "aa")
	a := attempted(t, dir, "aa", 0, results.Completed, 1)
	old := []string{
		filepath.Join(dir, ".writable-1"), filepath.Join(a.RunDir, ".claim-12"), filepath.Join(a.RunDir, ".run.json123"),
		filepath.Join(a.Dir(), "ckpt.new", "x"), filepath.Join(a.Checkpoints(), ".step-000000000003.safetensors77"),
		filepath.Join(dir, "trainers", ".new-1", "files", "x"), filepath.Join(dir, "trainers", "12.new", "x"),
	}
	mine := []string{filepath.Join(a.Dir(), ".notes"), filepath.Join(a.Dir(), "x.new"), filepath.Join(dir, ".gitignore")}
	young := filepath.Join(a.RunDir, ".claim-13")
	for _, path := range slices.Concat(old, mine, []string{young}) {
		put(t, path, "x")
	}
	aged(t, young, -2*time.Hour)
	list, c := found(t, dir, inTwoHours)
	if len(list) != len(old) || c.Bytes != int64(len(old)) {
		t.Errorf("%q, %d bytes", list, c.Bytes)
	}
	for _, path := range old {
		has(t, path, false)
	}
	for _, path := range append(mine, young) {
		has(t, path, true)
	}
	has(t, filepath.Join(a.Dir(), "ckpt.new"), false)
}

func TestCleanFrozen(t *testing.T) {
	dir := storeOf(t, "aa")
	s := openStore(t, dir)
	defer s.Close()
	must(t, s.SaveStudy(&results.Study{Name: "e", Cells: []string{"c"}, Slots: []results.Slot{{Cell: 0, Seed: 1, RunID: "ee"}}},
		[]results.Run{{ID: "ee", Config: []byte("{}"), Trainer: "external:1234"}}))
	for name, state := range map[string]results.EntryState{"open": results.EntryWaiting, "over": results.EntryDone} {
		e := results.Entry{Program: "programs/" + name}
		must(t, s.Enqueue(&results.Study{Name: name}, nil, &e))
		must(t, s.SetEntry(e.ID, state, ""))
	}
	for _, path := range []string{"programs/open", "programs/over", "trainers/1234/files/t", "trainers/5678/files/t", "trainers/234/trainer.json"} {
		put(t, filepath.Join(dir, path), "x")
	}
	if list, _ := found(t, dir, last); len(list) != 0 { // they may be for an entry to come, though the files are old
		t.Errorf("%q", list)
	}
	list, _ := found(t, dir, inTwoHours)
	if !slices.Equal(list, []string{"program programs/over", "trainer trainers/234", "trainer trainers/5678"}) {
		t.Errorf("%q", list)
	}
	has(t, filepath.Join(dir, "trainers", "5678"), false)
	has(t, filepath.Join(dir, "trainers", "1234", "files", "t"), true)
}

// What was reused since it was found stays.
func TestCleanTouched(t *testing.T) {
	dir := storeOf(t, "aa")
	s := openStore(t, dir)
	defer s.Close()
	for _, path := range []string{"programs/a", "programs/b", "trainers/12/trainer.json", "trainers/34/trainer.json"} {
		put(t, filepath.Join(dir, path), "x")
	}
	c, err := orchestrator.FindRemovable(s, dir, inTwoHours)
	must(t, err)
	if len(c.Remove) != 4 {
		t.Fatalf("%+v", c.Remove)
	}
	time.Sleep(20 * time.Millisecond) // the clock of a file system is coarse
	must(t, os.Chmod(filepath.Join(dir, "programs", "a"), 0o700))
	must(t, os.Chmod(filepath.Join(dir, "trainers", "12"), 0o700))
	must(t, c.Do(dir))
	for path, stays := range map[string]bool{"programs/a": true, "programs/b": false, "trainers/12/trainer.json": true, "trainers/34": false} {
		has(t, filepath.Join(dir, path), stays)
	}
}

func TestCleanOlderThan(t *testing.T) {
	dir := storeOf(t, "aa")
	attempted(t, dir, "aa", 0, "", 1)
	attempted(t, dir, "aa", 0, results.Completed, 1)
	day := orchestrator.CleanOptions{Checkpoints: orchestrator.KeepNone, OlderThan: 24 * time.Hour}
	if list, _ := found(t, dir, day); len(list) != 0 {
		t.Errorf("%q", list)
	}
	day.Now = time.Now().Add(25 * time.Hour)
	if list, _ := found(t, dir, day); len(list) != 2 {
		t.Errorf("%q", list)
	}
}
