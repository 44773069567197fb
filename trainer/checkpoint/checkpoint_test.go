package checkpoint

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
)

func sample(step float32) *File {
	return &File{
		Meta: map[string]string{"step": "7"},
		Tensors: []Tensor{
			{"a", []int{2, 3}, []float32{1, 2, 3, 4, 5, float32(math.Inf(1))}},
			{"b", []int{}, []float32{step}},
			{"c", []int{0}, []float32{}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	want := sample(7)
	if err := Write(path, want); err != nil {
		t.Fatal(err)
	}
	got, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v, wrote %+v", got, want)
	}
}

func TestSaveKeepsTwo(t *testing.T) {
	dir := t.TempDir()
	for step := range int64(4) {
		if err := Save(dir, step, sample(float32(step))); err != nil {
			t.Fatal(err)
		}
	}
	got, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{filepath.Join(dir, Name(3)), filepath.Join(dir, Name(2))}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the folder holds %v, want %v", got, want)
	}
}

func TestDropAfter(t *testing.T) {
	dir := t.TempDir()
	for step := range int64(2) {
		if err := Save(dir, step, sample(float32(step))); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		step int64
		left int
	}{{1, 2}, {0, 1}, {-1, 0}, {-1, 0}} {
		if err := DropAfter(dir, test.step); err != nil {
			t.Fatal(err)
		}
		got, err := List(dir)
		if err != nil || len(got) != test.left || test.left == 1 && got[0] != filepath.Join(dir, Name(0)) {
			t.Errorf("after step %d: %v, %v", test.step, got, err)
		}
	}
}

// TestDamage: every cut and every changed byte of the newest checkpoint is
// noticed, and the one before is used.
func TestDamage(t *testing.T) {
	dir := t.TempDir()
	for step := range int64(2) {
		if err := Save(dir, step, sample(float32(step))); err != nil {
			t.Fatal(err)
		}
	}
	newest := filepath.Join(dir, Name(1))
	good, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, raw []byte) {
		t.Helper()
		if err := os.WriteFile(newest, raw, 0o666); err != nil {
			t.Fatal(err)
		}
		f, damaged, err := Load(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(damaged) == 0 {
			t.Fatalf("%s: not noticed, read as %+v", what, f)
		}
		if f == nil || f.Get("b")[0] != 0 {
			t.Fatalf("%s: the checkpoint before was not used", what)
		}
	}
	for n := range good {
		check("cut", good[:n])
	}
	for n := range good {
		for _, change := range []byte{0x01, 0x10, 0x20} {
			raw := bytes.Clone(good)
			raw[n] ^= change
			check(fmt.Sprintf("byte %d changed to %q", n, raw[n]), raw)
		}
	}
}

// Whoever asked for a checkpoint can tell a full disk from other troubles.
func TestCannotWriteKeepsTheCause(t *testing.T) {
	for _, err := range []error{
		&fs.PathError{Op: "write", Path: "/d/.x123", Err: syscall.ENOSPC},
		&os.LinkError{Op: "rename", Old: "/d/.x123", New: "/d/x", Err: syscall.ENOSPC},
		errors.Join(&fs.PathError{Op: "sync", Path: "/d/.x123", Err: syscall.ENOSPC}),
	} {
		got := cannotWrite("/d/x", err)
		if !errors.Is(got, syscall.ENOSPC) || got.Error() != "cannot write /d/x: no space left on device" {
			t.Errorf("%v", got)
		}
	}
}

func TestLoadOfNothing(t *testing.T) {
	f, damaged, err := Load(filepath.Join(t.TempDir(), "absent"))
	if f != nil || damaged != nil || err != nil {
		t.Errorf("got %v, %v, %v", f, damaged, err)
	}
}
