// Package checkpoint reads and writes the state of a run as safetensors
// files, so that other programs can read it too.
//
// A folder holds the newest two, each called step-000000001200.safetensors
// after the optimizer steps done. A file is complete or absent: it is written
// under another name, synced, renamed; its metadata carries a checksum of the
// data, and a file that fails it is passed over for the one before.
package checkpoint

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/renameio/v2"
)

// Tensor is one named float32 array.
type Tensor struct {
	Name  string
	Shape []int
	Data  []float32
}

// File is the content of one safetensors file.
type File struct {
	Meta    map[string]string
	Tensors []Tensor
}

// Get returns the data of the tensor called name, or nil.
func (f *File) Get(name string) []float32 {
	for _, t := range f.Tensors {
		if t.Name == name {
			return t.Data
		}
	}
	return nil
}

const (
	suffix   = ".safetensors"
	checksum = "crc32c" // metadata key: CRC-32C of the data, in hex
	keep     = 2
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Name is the file name of the checkpoint at step.
func Name(step int64) string { return fmt.Sprintf("step-%012d%s", step, suffix) }

// List returns the checkpoints of dir, newest first. A missing folder has
// none.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), "step-") && strings.HasSuffix(e.Name(), suffix) {
			paths = append(paths, filepath.Join(dir, e.Name()))
		}
	}
	slices.Sort(paths)
	slices.Reverse(paths)
	return paths, nil
}

// Save writes f as the checkpoint of dir at step and removes all but the
// newest two, by their steps: dir must hold none of a later step.
func Save(dir string, step int64, f *File) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	if err := Write(filepath.Join(dir, Name(step)), f); err != nil {
		return err
	}
	paths, err := List(dir)
	if err != nil {
		return err
	}
	for _, p := range paths[min(keep, len(paths)):] {
		if err := os.Remove(p); err != nil {
			return err
		}
	}
	return nil
}

// DropAfter removes the checkpoints of dir after step; with -1, all of them.
func DropAfter(dir string, step int64) error {
	paths, err := List(dir)
	if err != nil {
		return err
	}
	for _, p := range paths {
		if filepath.Base(p) > Name(step) {
			if err := os.Remove(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// Load reads the newest good checkpoint of dir, or nil if there is none. The
// damaged ones that it passed over are returned as one error each.
func Load(dir string) (f *File, damaged []error, err error) {
	paths, err := List(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, p := range paths {
		f, err := Read(p)
		if err == nil {
			return f, damaged, nil
		}
		damaged = append(damaged, err)
	}
	return nil, damaged, nil
}

// entry is a tensor's description in the header.
type entry struct {
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// Write writes f to path in one piece: a reader sees the old file or the new.
func Write(path string, f *File) error {
	var data []byte
	header := make(map[string]any, len(f.Tensors)+1)
	for _, t := range f.Tensors {
		start := int64(len(data))
		for _, v := range t.Data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[t.Name] = entry{"F32", t.Shape, [2]int64{start, int64(len(data))}}
	}
	meta := map[string]string{checksum: sum(data)}
	for k, v := range f.Meta {
		meta[k] = v
	}
	header["__metadata__"] = meta
	head, err := json.Marshal(header) // keys sorted: same content, same bytes
	if err != nil {
		return err
	}
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	out = append(append(out, head...), data...)
	if err := renameio.WriteFile(path, out, 0o666); err != nil {
		return cannotWrite(path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// cannotWrite names the file that was to be written, where err may name the
// temporary one.
func cannotWrite(path string, err error) error {
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		err = file.Err
	case errors.As(err, &link):
		err = link.Err
	}
	return fmt.Errorf("cannot write %s: %w", path, err)
}

// SyncDir makes the names in dir survive a power loss: files that were made,
// linked or renamed there.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

func sum(data []byte) string { return fmt.Sprintf("%08x", crc32.Checksum(data, castagnoli)) }

// Read reads and checks the file at path.
func Read(path string) (*File, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f, err := decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%s is not a good checkpoint: %w", path, err)
	}
	return f, nil
}

func decode(raw []byte) (*File, error) {
	if len(raw) < 8 {
		return nil, errors.New("it is cut short")
	}
	n := binary.LittleEndian.Uint64(raw)
	if n > uint64(len(raw)-8) {
		return nil, errors.New("its header is cut short")
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		return nil, fmt.Errorf("its header is damaged: %w", err)
	}
	data := raw[8+n:]
	f := &File{}
	if m, ok := header["__metadata__"]; ok {
		if err := json.Unmarshal(m, &f.Meta); err != nil {
			return nil, fmt.Errorf("its metadata is damaged: %w", err)
		}
		delete(header, "__metadata__")
	}
	if want := f.Meta[checksum]; want != sum(data) {
		return nil, fmt.Errorf("its data has checksum %s, not %q", sum(data), want)
	}
	delete(f.Meta, checksum)
	for name, e := range header {
		t, err := tensor(name, e, data)
		if err != nil {
			return nil, err
		}
		f.Tensors = append(f.Tensors, t)
	}
	slices.SortFunc(f.Tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return f, nil
}

func tensor(name string, raw json.RawMessage, data []byte) (Tensor, error) {
	var e entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return Tensor{}, fmt.Errorf("tensor %q: %w", name, err)
	}
	elements := int64(1)
	for _, d := range e.Shape {
		if d < 0 || (d > 0 && elements > int64(len(data))/int64(d)) {
			return Tensor{}, fmt.Errorf("tensor %q: impossible shape %v", name, e.Shape)
		}
		elements *= int64(d)
	}
	from, to := e.Offsets[0], e.Offsets[1]
	if e.Type != "F32" || from < 0 || to > int64(len(data)) || to-from != 4*elements {
		return Tensor{}, fmt.Errorf("tensor %q: type %s, shape %v and offsets %v do not fit", name, e.Type, e.Shape, e.Offsets)
	}
	t := Tensor{Name: name, Shape: e.Shape, Data: make([]float32, elements)}
	for i := range t.Data {
		t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[from+4*int64(i):]))
	}
	return t, nil
}
