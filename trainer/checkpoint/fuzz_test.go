package checkpoint

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// file is a file with the given header and data, and with whatever checksum
// the header has in it.
func file(header string, data []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// foreign is a file as other programs write it, with a checksum of its data.
func foreign(tensors string, data []byte) []byte {
	return file(fmt.Sprintf(`{"__metadata__":{"crc32c":"%08x"}%s}`, crc32.Checksum(data, castagnoli), tensors), data)
}

func TestForeign(t *testing.T) {
	data := []byte{0, 0, 128, 63, 0, 0, 0, 64}
	for tensors, want := range map[string]string{
		`,"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}`:  "",
		`,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[0],"data_offsets":[8,8]}`: "",
		`,"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`:                                                      "its tensors end at byte 4 of 8",
		`,"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}`:                                                      "begins at byte 4",
		`,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`: "begins at byte 0 of the data, where byte 8",
		`,"a":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}`:                                                      "type F64",
		`,"a":{"dtype":"F32","shape":[2147483648,2147483648,2147483648],"data_offsets":[0,8]}`:                       "impossible shape",
		`,"a":{"dtype":"F32","shape":[-1,-2],"data_offsets":[0,8]}`:                                                  "impossible shape",
		`,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,9223372036854775807]}`:                                    "do not fit",
		`,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,-8]}`:                                                     "do not fit",
	} {
		f, err := decode(foreign(tensors, data))
		switch {
		case want == "" && (err != nil || len(f.Tensors) != 2 || f.Tensors[0].Name != "a" || len(f.Meta) != 0):
			t.Errorf("%s: %+v, %v", tensors, f, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %q", tensors, err, want)
		}
	}
	if _, err := decode(file(`{}`, data)); err == nil {
		t.Error("a file without a checksum is read")
	}
	if _, err := decode(binary.LittleEndian.AppendUint64(nil, math.MaxUint64)); err == nil || !strings.Contains(err.Error(), "100000000") {
		t.Errorf("a header of all bytes there are: %v", err)
	}
}

// hostile is a small file whose header describes the data over and over.
func hostile(n int) []byte {
	tensors, data := "", make([]byte, 8000)
	for i := range n {
		tensors += fmt.Sprintf(`,"%d":{"dtype":"F32","shape":[2000],"data_offsets":[0,8000]}`, i)
	}
	return foreign(tensors, data)
}

// FuzzDecode: whatever the bytes, decoding ends in an error or in a file that is
// the same when written and read again, it takes memory in proportion to the
// bytes, and a file of ours with a changed byte is noticed.
func FuzzDecode(f *testing.F) {
	good, err := encode(sample(1))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(foreign(`,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`, []byte("\x00\x00\xc0\x7f\xff\xff\xff\xff")))
	f.Add(hostile(12))
	f.Add(file(`{}`, nil))
	f.Add(binary.LittleEndian.AppendUint64(nil, math.MaxUint64))
	f.Fuzz(func(t *testing.T, raw []byte) {
		checkDecode(t, raw)
		// Nearly no mutated file has its own checksum, so read it with a right one too.
		checkDecode(t, withSum(raw))
	})
}

func checkDecode(t *testing.T, raw []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f, err := decode(raw)
	runtime.ReadMemStats(&after)
	// JSON of many small members takes most; the runtime allocates a little meanwhile.
	if took, most := after.TotalAlloc-before.TotalAlloc, uint64(1<<20+1000*len(raw)); took > most {
		t.Fatalf("%d bytes of memory for %d bytes", took, len(raw))
	}
	if err != nil {
		return
	}
	written, err := encode(f)
	if err != nil {
		t.Fatalf("%+v cannot be written: %v", f, err)
	}
	again, err := decode(written)
	if err != nil || !reflect.DeepEqual(bits(again), bits(f)) {
		t.Fatalf("%+v\ncame back as\n%+v, %v", f, again, err)
	}
	at := len(raw) * 7 % len(written)
	changed := bytes.Clone(written)
	changed[at] ^= 1
	if _, err := decode(changed); err == nil {
		t.Fatalf("%q with byte %d changed is read", written, at)
	}
}

// withSum puts a right checksum of the whole into raw, if there is a place for
// it.
func withSum(raw []byte) []byte {
	raw = bytes.Clone(raw)
	if place := sumPlace(raw); place >= 0 {
		copy(raw[place:], sumOf(raw, place))
	}
	return raw
}

// bits makes files comparable: NaN is not equal to itself, its bits are.
func bits(f *File) (all []any) {
	if len(f.Meta) > 0 {
		all = append(all, f.Meta)
	}
	for _, t := range f.Tensors {
		all = append(all, t.Name, append([]int{}, t.Shape...))
		for _, v := range t.Data {
			all = append(all, math.Float32bits(v))
		}
	}
	return all
}
