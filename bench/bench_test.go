package main

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func rates(perSecond ...float64) (all []speed) {
	for _, r := range perSecond {
		all = append(all, speed{
			ImagesPerSecond: r, Share: r / 400, PeakBytes: 512 << 20,
			CPU: "A Processor avx2", Kernels: "onednn 9", Torch: "8.0", OneDNN: "7.0",
		})
	}
	return all
}

func TestReport(t *testing.T) {
	small, large := row{"resnet8", 16, 128, 20, true}, row{"resnet18", 64, 32, 4, false}
	r := report{
		Args: []string{"--rounds", "3"}, Date: time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC), Load: 0.25, Cores: 2, Rounds: 3,
		Results: []result{
			{small, "bn", rates(200, 900, 100), rates(100, 1, 101), rates(50, 50, 50)},
			{small, "ln", rates(200, 200, 200), rates(25, 25, 25), rates(10, 10, 10)},
			{large, "bn", rates(30, 30, 30), rates(40, 40, 40), nil},
		},
		Joint: &joint{ImagesPerSecond: 190, AloneImagesPerSecond: 100, Speedup: 1.9},
	}
	got := r.markdown()
	for _, want := range []string{
		"| date                | 2026-01-02 03:04 UTC             |\n",
		"A Processor avx2, 2 cores", "8.0 with oneDNN 7.0", "`./justw bench-torch --rounds 3`",
		// Medians of the rounds: 200 to 100 and 200 to 25, so 2 and 8, which make 4.
		"| resnet8, width 16  |         4.00 |   2.00 |",
		"| resnet18, width 64 |         0.75 |   0.75 |                  – |                8 % |\n",
		"| bn             | 200.0 | 100.0 |        50.0 |         2.00 |               4.00 |               50 % |       512 |        512 |\n",
		"| geometric mean |       |       |             |         4.00 |               8.94 |",
		"**1.90 times**",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the report lacks %q", want)
		}
	}
	r.Joint, r.NoJoint = nil, "program: it failed"
	if got := r.markdown(); !strings.HasSuffix(got, "## Two runs on two cores\n\nThis could not be measured: program: it failed\n") {
		t.Error("the report does not end in why there is no joint measurement")
	}
	if t.Failed() {
		t.Log(got)
	}
}

func TestParse(t *testing.T) {
	o, err := parse([]string{"--quick", "--norms", "ln,init"})
	if err != nil || len(o.rows) != 1 || o.rounds != 1 || o.steps != 2 || o.out != "" || strings.Join(o.norms, " ") != "ln init" {
		t.Errorf("%+v, %v", o, err)
	}
	o, err = parse([]string{"--python", "/opt/python", "--rows", "resnet8-64,resnet18-64"})
	if err != nil || len(o.rows) != 2 || o.rows[1].Batch != 32 || o.out == "" {
		t.Errorf("%+v, %v", o, err)
	}
	if strings.Join(o.args, " ") != "--rows resnet8-64,resnet18-64" {
		t.Errorf("to repeat: %v", o.args)
	}
	for _, wrong := range []string{"--rows=resnet9-1", "--norms=batch", "--rounds=0", "more"} {
		if _, err := parse([]string{wrong}); err == nil {
			t.Errorf("no error for %s", wrong)
		}
	}
}

// A measurement goes to both sides with the same sizes, and init's peer is the
// network without a norm. An interpreter without PyTorch is refused with what
// to install.
func TestSides(t *testing.T) {
	script := filepath.Join(t.TempDir(), "program")
	text := "#!/bin/sh\necho \"$@\" >> \"$0.log\"\necho '{\"images_per_second\": 7}'\n"
	if err := os.WriteFile(script, []byte(text), 0o777); err != nil {
		t.Fatal(err)
	}
	r := result{row: row{"resnet18", 64, 32, 4, true}, Norm: "init"}
	if err := (sides{script, script}).measure(&r); err != nil {
		t.Fatal(err)
	}
	if len(r.Ours) != 1 || len(r.Tuned) != 1 || len(r.Plain) != 1 || r.Ours[0].ImagesPerSecond != 7 {
		t.Errorf("%+v", r)
	}
	joint := options{steps: 2, sides: sides{script, script}}
	with, without := report{}, report{}
	joint.addJoint(&with)
	if with.Joint == nil || with.Joint.ImagesPerSecond != 7 || with.NoJoint != "" {
		t.Errorf("measured jointly: %+v", with)
	}
	joint.sides.ablate = "false"
	joint.addJoint(&without)
	if without.Joint != nil || !strings.Contains(without.NoJoint, "exit status 1") {
		t.Errorf("where that fails: %+v", without)
	}
	log, err := os.ReadFile(script + ".log")
	const size = " --arch resnet18 --width 64 --batch 32 --steps 4"
	want := "bench trainer --json --norm init" + size + "\n" +
		peer + " --norm none" + size + " --tuned\n" +
		peer + " --norm none" + size + "\n" +
		"bench trainer --json --processes 2 --steps 6\n" // --steps 2 would not do
	if err != nil || string(log) != want {
		t.Errorf("ran\n%swant\n%s%v", log, want, err)
	}
	if _, err := findPython("false"); err == nil || !strings.Contains(err.Error(), "apt install python3-torch") {
		t.Errorf("without PyTorch: %v", err)
	}
	if err := (sides{"false", "false"}).measure(&r); err == nil || !strings.Contains(err.Error(), "false bench trainer") {
		t.Errorf("of a program that fails: %v", err)
	}
}

// What was measured is kept although two processes at once cannot be, and
// help is no failure.
func TestRunKeepsResults(t *testing.T) {
	t.Chdir("..") // where it is run
	dir := t.TempDir()
	script, out := filepath.Join(dir, "program"), filepath.Join(dir, "RESULTS.md")
	text := "#!/bin/sh\ncase \"$*\" in *--processes*) cp " + out + " " + out + ".before; echo too few steps >&2; exit 1 ;; esac\n" +
		"echo '{\"images_per_second\": 7}'\n"
	if err := os.WriteFile(script, []byte(text), 0o777); err != nil {
		t.Fatal(err)
	}
	o := options{rows: rows[:1], norms: norms[:1], rounds: 1, sides: sides{script, script}, out: out}
	if err := o.measure(report{Cores: 2, Rounds: 1}); err != nil {
		t.Error(err)
	}
	for path, want := range map[string]string{out + ".before": "| bn             |  7.0 |", out: "could not be measured: " + script} {
		if got, err := os.ReadFile(path); err != nil || !strings.Contains(string(got), want) {
			t.Errorf("%s lacks %q: %v\n%s", path, want, err, got)
		}
	}
	if err := run([]string{"--help"}); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("--help: %v", err)
	}
}
