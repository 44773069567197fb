package export

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"ablate/results"
)

// What MLflow 2 checks of names (mlflow/utils/validation.py).
var (
	mlflowName       = regexp.MustCompile(`^[/\w.\- ]*$`)
	mlflowRunID      = regexp.MustCompile(`^[a-zA-Z0-9][\w\-]{0,255}$`)
	mlflowExperiment = regexp.MustCompile(`^[a-zA-Z0-9][\w\-]{0,63}$`)
)

// readMeta reads a meta.yaml as far as ours go: a value on each line, plain, in
// single quotes or as a JSON string, which YAML's double quotes contain.
func readMeta(t *testing.T, path ...string) map[string]string {
	t.Helper()
	meta := map[string]string{}
	for line := range strings.Lines(read(t, path...)) {
		key, v, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			t.Fatalf("%q is no key with a value", line)
		}
		if strings.HasPrefix(v, `"`) {
			var err error
			if v, err = strconv.Unquote(v); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		meta[key] = strings.Trim(v, "'")
	}
	return meta
}

func filesIn(t *testing.T, path ...string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		if !mlflowName.MatchString(e.Name()) {
			t.Errorf("MLflow refuses the name %q", e.Name())
		}
		files[e.Name()] = read(t, append(path, e.Name())...)
	}
	return files
}

func TestMLflow(t *testing.T) {
	s := fixture(t)
	dir := write(t, s, MLflow)
	experiments, err := filepath.Glob(filepath.Join(dir, "*", "meta.yaml"))
	if err != nil || len(experiments) != 1 {
		t.Fatalf("%q, %v", experiments, err)
	}
	experiment := filepath.Dir(experiments[0])
	meta := readMeta(t, experiments[0])
	id := filepath.Base(experiment)
	if meta["experiment_id"] != id || !mlflowExperiment.MatchString(id) || meta["name"] != `a, "study" (data.name=generated)` || meta["lifecycle_stage"] != "active" {
		t.Errorf("experiment %s: %q", id, meta)
	}
	byName := map[string]string{}
	runs, _ := filepath.Glob(filepath.Join(experiment, "*", "meta.yaml"))
	for _, path := range runs {
		meta, id := readMeta(t, path), filepath.Base(filepath.Dir(path))
		if meta["run_id"] != id || meta["run_uuid"] != id || !mlflowRunID.MatchString(id) || meta["experiment_id"] != filepath.Base(experiment) {
			t.Errorf("run %s: %q", id, meta)
		}
		byName[meta["run_name"]] = filepath.Dir(path)
	}
	if len(byName) != 6 {
		t.Fatalf("runs %q", slices.Collect(maps.Keys(byName)))
	}
	for name, status := range map[string]string{"bn seed 1": "3", "bn seed 2": "1", "later seed 1": "2", strings.ToValidUTF8(hostile, "\uFFFD") + " seed 1": "3"} {
		if meta := readMeta(t, byName[name], "meta.yaml"); meta["status"] != status {
			t.Errorf("%q: %q", name, meta)
		}
	}
	bn := byName["bn seed 1"]
	metrics := filesIn(t, bn, "metrics")
	want := fmt.Sprintf("%d 3 0\n%d 2 1\n%d 0.1 2\n%d 1e-300 3\n", int64(started), int64(started), int64(started+60_000), int64(started+60_000))
	if len(metrics) != 2 || metrics["loss"] != want || metrics["z std"] != fmt.Sprintf("%d 0.5 0\n", int64(started)) {
		t.Errorf("%q", metrics)
	}
	params := filesIn(t, bn, "params")
	if fmt.Sprint(params) != `map[lr:0.1 n:0 on:true opt.name:s,"gd" opt.warm:[1,"x"] seed:1]` {
		t.Errorf("%v", params)
	}
	tags := filesIn(t, bn, "tags")
	if tags["ablate.cell"] != "bn" || tags["ablate.run"] != "aa" || tags["ablate.axis.x_y"] != "1" || tags["mlflow.runName"] != "bn seed 1" || tags["ablate.kernels"] != "portable" {
		t.Errorf("%q", tags)
	}
	diverged := filesIn(t, byName[strings.ToValidUTF8(hostile, "\uFFFD")+" seed 1"], "metrics")
	at := strconv.FormatInt(started, 10)
	if diverged["loss"] != at+" nan 0\n"+at+" inf 1\n"+at+" -inf 2\n"+at+" 1.6777217e+07 3\n" || diverged["a_b_c"] != at+" 5 0\n" {
		t.Errorf("%q", diverged)
	}
}

// Names and values beyond MLflow's limits are made to fit, and stay apart.
func TestMLflowLimits(t *testing.T) {
	s := fixture(t)
	study := &results.Study{Name: strings.Repeat("ü", 2000), Cells: []string{"c"}, Slots: []results.Slot{{Cell: 0, Seed: 1, RunID: "zz"}}}
	config := fmt.Sprintf(`{"a/b":1,"a:b":2,"A_b":3,"..":4,"":5,%q:"long key",%q:"other","long":%q}`,
		strings.Repeat("k", 400)+"1", strings.Repeat("k", 400)+"2", strings.Repeat("é", 7000))
	if err := s.Store.SaveStudy(study, []results.Run{{ID: "zz", Cell: "c", Seed: 1, Config: []byte(config)}}); err != nil {
		t.Fatal(err)
	}
	dir := write(t, Source{Store: s.Store, Study: study}, MLflow)
	runs, _ := filepath.Glob(filepath.Join(dir, "*", "*", "meta.yaml"))
	if len(runs) != 1 {
		t.Fatalf("runs %q", runs)
	}
	params := filesIn(t, filepath.Dir(runs[0]), "params")
	if len(params) != 9 {
		t.Errorf("%d parameters", len(params))
	}
	for name, value := range params {
		if len(name) > 250 || utf8.RuneCountInString(value) > maxParam || strings.Trim(name, ".") == "" {
			t.Errorf("%q = %q", name, value)
		}
	}
	if tags := filesIn(t, filepath.Dir(runs[0]), "tags"); tags["ablate.cut_off"] != "long" {
		t.Errorf("cut off: %q", tags["ablate.cut_off"])
	}
	experiments, _ := filepath.Glob(filepath.Join(dir, "*", "meta.yaml"))
	if name := readMeta(t, experiments[0])["name"]; utf8.RuneCountInString(name) > maxExperiment {
		t.Errorf("the experiment's name has %d letters", utf8.RuneCountInString(name))
	}
}
