package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ablate/orchestrator/worker"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"ablate": func() { os.Exit(Main(Interruptible(), os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

// The scripts run the whole program on a small generated dataset.
func TestScripts(t *testing.T) {
	docs, err := filepath.Abs("../../docs")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("ABLATE_STORE", "store")
			env.Setenv("ABLATE_DATA", "")
			env.Setenv("DOCS", docs)
			return os.WriteFile(filepath.Join(env.WorkDir, "tiny.toml"), tiny, 0o666)
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "mounts": // in a name space of its own
				return exec.Command("unshare", "--mount", "true").Run() == nil, nil
			case "root":
				return os.Geteuid() == 0, nil
			case "torch":
				_, err := os.Stat("/usr/share/datasets/fashion-mnist")
				return err == nil && exec.Command("/usr/bin/python3", "-c", "import torch").Run() == nil, nil
			}
			return false, fmt.Errorf("unknown condition %s", cond)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"await": await,
			"code":  code,
			"gone":  gone,
			"runid": runID,
			"shows": shows,
		},
	})
}

// tiny is the study of the scripts: a second's work.
var tiny = []byte(`name  = "tiny"
title = "A study for tests"
seeds = 1

[base]
data    = { name = "generated", train = 32, test = 32 }
encoder = { arch = "resnet8", width = 4 }
heads   = { hidden = 16, out = 8 }
batch   = 8
epochs  = 2
probe   = { every = 5, images = 32 }

[axes.norm]
bn   = { norm = "bn" }
none = { norm = "none" }

[[claims]]
id   = "separate"
says = "Batch norm keeps the outputs apart"
all  = [{ not_collapsed = ["bn"] }]
`)

// patience bounds how long scripts wait for what must happen.
const patience = time.Minute

// code N COMMAND ARGS... runs a command that must exit with N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND ARGS...")
	}
	got := "0"
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
	} else {
		ts.Check(err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

// await GLOB REGEXP waits until a file has a line that matches.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await GLOB REGEXP")
	}
	pattern := regexp.MustCompile(args[1])
	waitFor(ts, fmt.Sprintf("%s in %s", args[1], args[0]), func() bool {
		files, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err == nil && pattern.Match(text) {
				return true
			}
		}
		return false
	})
}

// gone STORE waits until every worker that has claimed an attempt has ended.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone STORE")
	}
	waitFor(ts, "the end of all workers", func() bool {
		dirs, err := filepath.Glob(filepath.Join(ts.MkAbs(args[0]), "runs", "*"))
		ts.Check(err)
		for _, dir := range dirs {
			attempts, err := worker.Attempts(dir)
			ts.Check(err)
			for _, a := range attempts {
				claim, err := a.Claimed()
				ts.Check(err)
				if alive(claim.PID) {
					return false
				}
			}
		}
		return true
	})
}

// alive reports whether the process runs. One that nobody has reaped does not.
func alive(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func waitFor(ts *testscript.TestScript, what string, happened func() bool) {
	for end := time.Now().Add(patience); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("waited in vain for %s", what)
		}
	}
}

// shows REGEXP COMMAND ARGS... repeats a command until its output matches.
func shows(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: shows REGEXP COMMAND ARGS...")
	}
	pattern := regexp.MustCompile("(?m)" + args[0])
	waitFor(ts, fmt.Sprintf("%s in the output of %v", args[0], args[1:]), func() bool {
		ts.Check(ts.Exec(args[1], args[2:]...))
		return pattern.MatchString(ts.ReadFile("stdout"))
	})
}

// runID VAR CELL sets a variable to the id of the cell's first run, as listed
// by "status --json" before.
func runID(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: runid VAR CELL")
	}
	var s statusJSON
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &s))
	for _, r := range s.Runs {
		if r.Cell == args[1] {
			ts.Setenv(args[0], r.ID)
			return
		}
	}
	ts.Fatalf("no run of cell %s", args[1])
}
