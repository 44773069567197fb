package worker

import (
	"os"
	"os/exec"
	"regexp"
	"testing"
)

// What a limited process starts is limited, too. The limit cannot be taken back,
// so it is set in a process of its own: this test again.
func TestLimitMemory(t *testing.T) {
	if os.Getenv("LIMITED") == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestLimitMemory$")
		cmd.Env = append(os.Environ(), "LIMITED=1")
		said, err := cmd.CombinedOutput()
		// Go's runtime has several words for it, and its collector does not even look.
		refused := regexp.MustCompile("out of memory|cannot allocate memory|addr=0x0").Match(said)
		if err == nil || !refused {
			t.Errorf("%v\n%.2000s", err, said)
		}
		return
	}
	if err := LimitMemory(100 << 20); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("/bin/sh", "-c", "x=$(head -c 10000000 /dev/zero | tr '\\0' x); exit 0").Run(); err != nil {
		t.Fatal("ten megabytes are too much: ", err)
	}
	kept := make([]byte, 20<<20)
	for i := range kept {
		kept[i] = 1
	}
	more := make([]byte, 1<<30)
	for i := 0; i < len(more); i += 4096 {
		more[i] = kept[i%len(kept)]
	}
}
