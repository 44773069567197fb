package export

import (
	"encoding/binary"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	_ "google.golang.org/protobuf/types/known/structpb"
)

// schema reads the messages of testdata/event.textproto.
func schema(t *testing.T) protoreflect.MessageDescriptors {
	t.Helper()
	var file descriptorpb.FileDescriptorProto
	if err := prototext.Unmarshal([]byte(read(t, "testdata", "event.textproto")), &file); err != nil {
		t.Fatal(err)
	}
	d, err := protodesc.NewFile(&file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	return d.Messages()
}

func message(t *testing.T, d protoreflect.MessageDescriptors, name string, b []byte) protoreflect.Message {
	t.Helper()
	m := dynamicpb.NewMessage(d.ByName(protoreflect.Name(name)))
	if err := (proto.UnmarshalOptions{}).Unmarshal(b, m); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if unknown := m.GetUnknown(); len(unknown) > 0 {
		t.Errorf("%s has fields that it should not have: %x", name, unknown)
	}
	return m
}

// field follows names into a message.
func field(m protoreflect.Message, names ...protoreflect.Name) protoreflect.Value {
	for _, name := range names[:len(names)-1] {
		m = m.Get(m.Descriptor().Fields().ByName(name)).Message()
	}
	return m.Get(m.Descriptor().Fields().ByName(names[len(names)-1]))
}

// checksum is CRC-32C by its definition, bit by bit, masked.
func checksum(b []byte) uint32 {
	c := ^uint32(0)
	for _, v := range b {
		c ^= uint32(v)
		for range 8 {
			c = c>>1 ^ c&1*0x82f63b78
		}
	}
	c = ^c
	return (c>>15 | c<<17) + 0xa282ead8
}

// records takes an event file apart and checks its checksums.
func records(t *testing.T, b []byte) (all [][]byte) {
	t.Helper()
	for len(b) > 0 {
		n := binary.LittleEndian.Uint64(b)
		if binary.LittleEndian.Uint32(b[8:]) != checksum(b[:8]) {
			t.Fatalf("wrong checksum of the length %d", n)
		}
		data := b[12 : 12+n]
		if binary.LittleEndian.Uint32(b[12+n:]) != checksum(data) {
			t.Fatal("wrong checksum of data")
		}
		all = append(all, data)
		b = b[16+n:]
	}
	return all
}

func TestTensorBoard(t *testing.T) {
	dir := write(t, fixture(t), TensorBoard)
	messages := schema(t)
	hostileDir := `%2E.%2Fa%20%22b%22,%0D%0Ac=%C3%A9%FF%27%2F..`
	byFolder := map[string][]point{}
	for _, p := range points() {
		folder := map[string]string{"bn": "bn", hostile: hostileDir}[p.cell] + "/seed-" + string(rune('0'+p.seed))
		byFolder[folder] = append(byFolder[folder], p)
	}
	byFolder["later/seed-1"], byFolder["later/seed-2"] = nil, nil
	found, err := filepath.Glob(filepath.Join(dir, "*", "*", "*tfevents*"))
	if err != nil || len(found) != len(byFolder) {
		t.Fatalf("%q, %v", found, err)
	}
	for folder, want := range byFolder {
		all := records(t, []byte(read(t, dir, filepath.FromSlash(folder), "events.out.tfevents.0.ablate")))
		var events []protoreflect.Message
		for _, r := range all {
			events = append(events, message(t, messages, "Event", r))
		}
		if v := field(events[0], "file_version").String(); v != "brain.Event:2" {
			t.Errorf("%s begins with version %q", folder, v)
		}
		scalars := events[2 : len(events)-1]
		if len(scalars) != len(want) {
			t.Errorf("%s has %d figures, want %d", folder, len(scalars), len(want))
			continue
		}
		for i, p := range want {
			v := field(scalars[i], "summary", "value").List().Get(0).Message()
			got := field(v, "simple_value").Float()
			if field(v, "tag").String() != p.metric || field(scalars[i], "step").Int() != p.step || !same(got, float64(float32(p.value))) ||
				field(scalars[i], "wall_time").Float() != float64(p.whenReported)/1000 {
				t.Errorf("%s: event %v, want %+v", folder, scalars[i], p)
			}
		}
	}
}

// The HPARAMS page gets the configuration, and how it ended.
func TestTensorBoardHParams(t *testing.T) {
	dir := write(t, fixture(t), TensorBoard)
	messages := schema(t)
	data := func(folder string, at int) (tag string, data protoreflect.Message) {
		all := records(t, []byte(read(t, dir, filepath.FromSlash(folder), "events.out.tfevents.0.ablate")))
		event := message(t, messages, "Event", all[(at+len(all))%len(all)])
		v := field(event, "summary", "value").List().Get(0).Message()
		plugin := field(v, "metadata", "plugin_data").Message()
		if name := field(plugin, "plugin_name").String(); name != "hparams" {
			t.Errorf("it is data of %q", name)
		}
		if tensor := field(v, "tensor").Message(); field(tensor, "dtype").Int() != 1 || field(tensor, "float_val").List().Len() != 1 {
			t.Errorf("its tensor is %v", tensor)
		}
		return field(v, "tag").String(), message(t, messages, "HParamsPluginData", field(plugin, "content").Bytes())
	}
	tag, start := data("bn/seed-1", 1)
	hparams := field(start, "session_start_info", "hparams").Map()
	value := func(name string, kind protoreflect.Name) any {
		return field(hparams.Get(protoreflect.ValueOfString(name).MapKey()).Message(), kind).Interface()
	}
	if tag != "_hparams_/session_start_info" || hparams.Len() != 9 || value("lr", "number_value") != 0.1 || value("on", "bool_value") != true ||
		value("opt.name", "string_value") != `s,"gd"` || value("opt.warm", "string_value") != `[1,"x"]` || value("seed", "number_value") != 1.0 ||
		value("cell", "string_value") != "bn" || value("axis.x/y", "string_value") != "1" {
		t.Errorf("%s: %v", tag, start)
	}
	if at := field(start, "session_start_info", "start_time_secs").Float(); at != started/1000 {
		t.Errorf("it started at %v", at)
	}
	for folder, want := range map[string]int64{"bn/seed-1": sessionSuccess, "bn/seed-2": sessionRunning, "later/seed-1": sessionUnknown} {
		tag, end := data(folder, -1)
		if status := field(end, "session_end_info", "status").Int(); tag != "_hparams_/session_end_info" || status != want {
			t.Errorf("%s: %s, status %d, want %d", folder, tag, status, want)
		}
	}
}

// CRC-32C's check value, and the mask that the format's description has.
func TestChecksum(t *testing.T) {
	check := uint32(0xe3069283) // of "123456789", in RFC 3720's way
	want := (check>>15 | check<<17) + 0xa282ead8
	if a, b := checksum([]byte("123456789")), masked([]byte("123456789")); a != want || b != want {
		t.Errorf("%#x, %#x; want %#x", a, b, want)
	}
}

func TestFileNames(t *testing.T) {
	seen := map[string]string{}
	for _, name := range []string{"", ".", "..", "a/b", "a%2Fb", "gn+ws", "norm=none,predictor=false", "-x", strings.Repeat("é", 300), strings.Repeat("é", 299) + "e", "a\x00b"} {
		got := fileName(name)
		if got == "" || got[0] == '.' || len(got) > maxName || strings.ContainsAny(got, "/\x00 ") {
			t.Errorf("%q becomes %q", name, got)
		}
		if other, taken := seen[got]; taken {
			t.Errorf("%q and %q both become %q", name, other, got)
		}
		seen[got] = name
	}
	if fileName("gn+ws") != "gn+ws" || fileName("norm=none,predictor=false") != "norm=none,predictor=false" {
		t.Error("usual names do not stay")
	}
}
