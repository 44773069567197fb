// Package checkpoint reads and writes the state of a run as safetensors
// files, so that other programs can read it too.
//
// A folder holds the newest two, each called step-000000001200.safetensors
// after the optimizer steps done. A file is complete or absent: it is written
// under another name, synced, renamed; its metadata carries a checksum of the
// whole, and a file that fails it is passed over for the one before.
package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
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
	suffix = ".safetensors"
	keep   = 2

	// Metadata keys of checksums, CRC-32C in hex. The one that Write writes is of
	// the whole file, with zeros in its own place. Other writers, who cannot know
	// how we order our keys, may give one of the data alone.
	wholeSum = "crc32c_file"
	dataSum  = "crc32c"
	noSum    = "00000000"

	// maxHeader is the longest header that the format allows.
	maxHeader = 100_000_000
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
// newest two, by their steps: dir must hold none of a later step. It makes dir,
// but not its parent, which may be gone because somebody has removed the run.
func Save(dir string, step int64, f *File) error {
	if err := os.Mkdir(dir, 0o777); err != nil && !errors.Is(err, fs.ErrExist) {
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
	out, err := encode(f)
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(path, out, 0o666, renameio.WithTempDir(filepath.Dir(path))); err != nil {
		return cannotWrite(path, err)
	}
	return SyncDir(filepath.Dir(path))
}

// encode returns f as the bytes of a file, with a checksum of them all.
func encode(f *File) ([]byte, error) {
	var data []byte
	header := make(map[string]any, len(f.Tensors)+1)
	for _, t := range f.Tensors {
		start := int64(len(data))
		for _, v := range t.Data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		header[t.Name] = entry{"F32", t.Shape, [2]int64{start, int64(len(data))}}
	}
	meta := map[string]string{}
	maps.Copy(meta, f.Meta)
	meta[wholeSum] = noSum
	header["__metadata__"] = meta
	head, err := json.Marshal(header) // keys sorted: same content, same bytes
	if err != nil {
		return nil, err
	}
	for len(head)%8 != 0 {
		head = append(head, ' ')
	}
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	out = append(append(out, head...), data...)
	at := sumPlace(out[:8+len(head)])
	copy(out[at:], sumOf(out, at))
	return out, nil
}

// sumPlace returns where the checksum of the whole stands in a file's
// beginning, or -1.
func sumPlace(head []byte) int {
	key := `"` + wholeSum + `":"`
	at := bytes.Index(head, []byte(key))
	if at < 0 || at+len(key)+len(noSum) > len(head) {
		return -1
	}
	return at + len(key)
}

// sumOf returns the checksum of a file that has its own at place.
func sumOf(raw []byte, place int) string {
	sum := crc32.Checksum(raw[:place], castagnoli)
	sum = crc32.Update(sum, castagnoli, []byte(noSum))
	return inHex(crc32.Update(sum, castagnoli, raw[place+len(noSum):]))
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

func inHex(sum uint32) string { return fmt.Sprintf("%08x", sum) }

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
	if n > maxHeader {
		return nil, fmt.Errorf("its header would be %d bytes long; at most %d are allowed", n, maxHeader)
	}
	if n > uint64(len(raw)-8) {
		return nil, errors.New("its header is cut short")
	}
	var header map[string]json.RawMessage
	if err := json.Unmarshal(raw[8:8+n], &header); err != nil {
		return nil, fmt.Errorf("its header is damaged: %w", err)
	}
	f := &File{}
	if m, ok := header["__metadata__"]; ok {
		if err := json.Unmarshal(m, &f.Meta); err != nil {
			return nil, fmt.Errorf("its metadata is damaged: %w", err)
		}
		delete(header, "__metadata__")
	}
	if err := f.verify(raw, 8+int(n)); err != nil {
		return nil, err
	}
	return f, f.readTensors(header, raw[8+n:])
}

// verify compares raw, whose data begin at start, with the checksum in its
// metadata, which it removes from there.
func (f *File) verify(raw []byte, start int) error {
	what, want, got := "the file", f.Meta[wholeSum], ""
	if place := sumPlace(raw[:start]); want != "" && place >= 0 {
		got = sumOf(raw, place)
	} else {
		what, want, got = "its data", f.Meta[dataSum], inHex(crc32.Checksum(raw[start:], castagnoli))
	}
	if want != got {
		return fmt.Errorf("%s has checksum %s, not %.20q", what, got, want)
	}
	delete(f.Meta, wholeSum)
	delete(f.Meta, dataSum)
	return nil
}

// readTensors fills in the tensors that the header describes. They must lie in
// the data one behind the other: a header must not make more of them than there
// is.
func (f *File) readTensors(header map[string]json.RawMessage, data []byte) error {
	entries := make(map[string]entry, len(header))
	for name, raw := range header {
		var e entry
		if err := json.Unmarshal(raw, &e); err != nil {
			return fmt.Errorf("tensor %q: %w", name, err)
		}
		entries[name] = e
	}
	end := int64(0)
	for _, name := range slices.SortedFunc(maps.Keys(entries), func(a, b string) int {
		x, y := entries[a].Offsets, entries[b].Offsets
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]), strings.Compare(a, b))
	}) {
		e := entries[name]
		if e.Offsets[0] != end {
			return fmt.Errorf("tensor %q begins at byte %d of the data, where byte %d was due", name, e.Offsets[0], end)
		}
		t, err := e.tensor(name, data)
		if err != nil {
			return err
		}
		f.Tensors = append(f.Tensors, t)
		end = e.Offsets[1]
	}
	if end != int64(len(data)) {
		return fmt.Errorf("its tensors end at byte %d of %d", end, len(data))
	}
	slices.SortFunc(f.Tensors, func(a, b Tensor) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// tensor reads the tensor called name, which e describes, from the data.
func (e entry) tensor(name string, data []byte) (Tensor, error) {
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
