package worker

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"ablate/trainer/checkpoint"
)

func TestClaim(t *testing.T) {
	dir := t.TempDir()
	for n := 1; n <= 3; n++ {
		a, err := Claim(dir, "token")
		if err != nil || a.N != n {
			t.Fatalf("claim %d: %v, %v", n, a, err)
		}
		info, err := a.Claimed()
		if err != nil || info.Token != "token" || info.PID != os.Getpid() || info.Started.IsZero() {
			t.Errorf("claim.json: %+v, %v", info, err)
		}
		if a.Superseded() {
			t.Errorf("attempt %d is superseded by nothing", n)
		}
	}
	if !(Attempt{dir, 1}).Superseded() || !(Attempt{dir, 2}).Superseded() {
		t.Error("earlier attempts are not superseded")
	}
	left, _ := filepath.Glob(filepath.Join(dir, ".claim-*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// However many claim at once, every number has one owner.
func TestClaimRace(t *testing.T) {
	dir := t.TempDir()
	const racers = 16
	owners := make([]Attempt, racers)
	start := make(chan struct{})
	var done sync.WaitGroup
	for i := range owners {
		done.Go(func() {
			<-start
			a, err := Claim(dir, string(rune('a'+i)))
			if err != nil {
				t.Error(err)
			}
			owners[i] = a
		})
	}
	close(start)
	done.Wait()

	seen := map[int]bool{}
	for i, a := range owners {
		if seen[a.N] || a.N < 1 || a.N > racers {
			t.Errorf("racer %d got attempt %d", i, a.N)
		}
		seen[a.N] = true
		if info, err := a.Claimed(); err != nil || info.Token != string(rune('a'+i)) {
			t.Errorf("attempt %d is owned by %q, %v; want racer %d", a.N, info.Token, err, i)
		}
	}
}

// A folder without a claim is free; removed early attempts leave a gap that is
// not filled.
func TestClaimAfterGap(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "1"), 0o777); err != nil {
		t.Fatal(err)
	}
	if a, err := Claim(dir, ""); err != nil || a.N != 1 {
		t.Errorf("%v, %v", a, err)
	}
	Claim(dir, "")
	if err := os.RemoveAll(filepath.Join(dir, "1")); err != nil {
		t.Fatal(err)
	}
	if a, err := Claim(dir, ""); err != nil || a.N != 3 {
		t.Errorf("%v, %v", a, err)
	}
}

func TestInherit(t *testing.T) {
	dir := t.TempDir()
	save := func(a Attempt, name, text string) {
		t.Helper()
		if err := os.MkdirAll(a.Checkpoints(), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(a.Checkpoints(), name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	claim := func() Attempt {
		t.Helper()
		a, err := Claim(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	content := func(a Attempt) string {
		t.Helper()
		paths, err := checkpoint.List(a.Checkpoints())
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, filepath.Base(path)[13:17]+"="+string(text))
		}
		return strings.Join(all, " ")
	}

	first := claim()
	if err := first.inherit(""); err != nil || content(first) != "" {
		t.Fatalf("the first attempt has %q, %v", content(first), err)
	}
	save(first, "step-000000000100.safetensors", "a")
	save(first, "step-000000000200.safetensors", "b")
	save(first, "step-000000000300.safetensors", "torn")
	save(first, "step-000000000400.safetensors.tmp123", "half")

	second := claim()
	if err := second.inherit(""); err != nil || content(second) != "0300=torn 0200=b" {
		t.Fatalf("the second attempt has %q, %v", content(second), err)
	}
	// It resumes from 200 and writes 300 afresh, by rename.
	os.Remove(filepath.Join(second.Checkpoints(), "step-000000000300.safetensors"))
	save(second, "step-000000000300.safetensors", "c")

	claim() // died before it took over anything
	fourth := claim()
	if err := fourth.inherit(""); err != nil || content(fourth) != "0300=c 0200=b" {
		t.Fatalf("the fourth attempt has %q, %v", content(fourth), err)
	}

	whole, _ := filepath.Glob(filepath.Join(dir, "*", "ckpt.new"))
	if len(whole) > 0 {
		t.Errorf("left behind: %v", whole)
	}

	// An attempt that starts over is behind the earlier ones, and goes on with
	// its own state, even if it has one checkpoint only.
	fifth := claim()
	save(fifth, "step-000000000050.safetensors", "over")
	sixth := claim()
	if err := sixth.inherit(""); err != nil || content(sixth) != "0050=over" {
		t.Fatalf("the sixth attempt has %q, %v", content(sixth), err)
	}

	if err := fourth.DropCheckpoints(200); err != nil || content(fourth) != "0200=b" || content(second) != "0300=c 0200=b" {
		t.Errorf("%v; left %q and %q", err, content(fourth), content(second))
	}
}

func TestDescribeCPU(t *testing.T) {
	const cpuinfo = "processor\t: 0\nmodel name\t: A Processor\nflags\t\t: fpu sse4_2 avx avx2\n\nprocessor\t: 1\nmodel name\t: Another\n"
	if got := describeCPU(bufio.NewScanner(strings.NewReader(cpuinfo))); got != "A Processor avx2" {
		t.Errorf("%q", got)
	}
}
