package journal

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

// sample has a line of every kind, with what is hard to carry.
func sample() []Line {
	return []Line{
		{Kind: Start, Time: 1700000000123, Start: &StartInfo{
			ResumeStep: 40, Steps: 1560, Version: "v0.1.0+dirty", Kernels: "onednn 2.6.3",
			CPU: `Xeon "Platinum" avx512`, Host: "büro", PID: 4711,
		}},
		{Kind: Progress, Time: 1700000000456, Progress: &ProgressInfo{Step: 41, Steps: 1560, ImagesPerSecond: 812.5, Phase: "train"}},
		{Kind: Metrics, Metrics: map[string]Value{"loss": 7.25, "z_std": 0.1}},
		{Kind: Metrics, Step: 41, Metrics: map[string]Value{
			"max": math.MaxFloat64, "tiny": math.SmallestNonzeroFloat64, "third": 1. / 3, "minus zero": Value(math.Copysign(0, -1)),
			"big": 1e21, "small": -1e-7, "whole": 1234567, "inf": Value(math.Inf(1)), "-inf": Value(math.Inf(-1)),
			"a \"quoted\\ name": 1, "名": 2, "": 3,
		}},
		{Kind: Metrics, Step: 42, Metrics: map[string]Value{}},
		{Kind: Event, Time: 1700000001000, Text: "a line\nand \x00 another <b> \u2028, \"crc\":\"00000000\"}"},
		{Kind: Outcome, Time: 1700000002000, Outcome: "collapsed", Text: "z_std 0.01 after 0.9"},
	}
}

func create(t testing.TB) (*Writer, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	w, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, path
}

func write(t testing.TB, w *Writer, lines ...Line) {
	t.Helper()
	for _, l := range lines {
		if err := w.Write(l); err != nil {
			t.Fatal(err)
		}
	}
}

// written returns the bytes of a journal of lines.
func written(t testing.TB, lines ...Line) []byte {
	t.Helper()
	w, path := create(t)
	write(t, w, lines...)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readAll(r *Reader) (lines []Line, err error) {
	for {
		l, err := r.Next()
		if err != nil {
			return lines, err
		}
		lines = append(lines, l)
	}
}

func numbered(lines []Line) []Line {
	for i := range lines {
		lines[i].Seq = int64(i + 1)
	}
	return lines
}

func TestRoundTrip(t *testing.T) {
	text := written(t, sample()...)
	if n := bytes.Count(text, []byte("\n")); n != len(sample()) {
		t.Errorf("%d newlines for %d lines", n, len(sample()))
	}
	want := numbered(sample())
	for name, r := range map[string]io.Reader{
		"whole":         bytes.NewReader(text),
		"byte by byte":  iotest.OneByteReader(bytes.NewReader(text)),
		"EOF with data": iotest.DataErrReader(bytes.NewReader(text)),
	} {
		r := NewReader(r, 1)
		got, err := readAll(r)
		if err != io.EOF {
			t.Fatalf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", name, got, want)
		}
		if r.Offset() != int64(len(text)) || r.Seq() != int64(len(want)+1) {
			t.Errorf("%s: ends at %d, line %d", name, r.Offset(), r.Seq())
		}
	}
}

// The format is a contract between versions of the program: these bytes may
// not change.
func TestGolden(t *testing.T) {
	got := written(t,
		Line{Kind: Start, Time: 5, Start: &StartInfo{ResumeStep: 0, Steps: 9, Version: "v1", Kernels: "portable", CPU: "c", Host: "h", PID: 3}},
		Line{Kind: Metrics, Step: 120, Time: 99, Metrics: map[string]Value{"loss": 1.25, "b": Value(math.NaN()), "a": Value(math.Inf(-1))}},
		Line{Kind: Progress, Time: 6, Progress: &ProgressInfo{Step: 1, Steps: 9, ImagesPerSecond: math.Inf(1), Phase: "train"}},
		Line{Kind: Event, Text: "hello"},
		Line{Kind: Outcome, Outcome: "completed"},
	)
	want := `{"seq":1,"kind":"start","time":5,"start":{"resume_step":0,"steps":9,"version":"v1","kernels":"portable","cpu":"c","host":"h","pid":3},"crc":"f9e8ffa4"}
{"seq":2,"kind":"metrics","step":120,"metrics":{"a":"-Inf","b":"NaN","loss":1.25},"crc":"a6751d21"}
{"seq":3,"kind":"progress","time":6,"progress":{"step":1,"steps":9,"images_per_second":0,"phase":"train"},"crc":"d13b8277"}
{"seq":4,"kind":"event","text":"hello","crc":"29aec107"}
{"seq":5,"kind":"outcome","outcome":"completed","crc":"3f7d819d"}
`
	if string(got) != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestNaN(t *testing.T) {
	text := written(t, Line{Kind: Metrics, Metrics: map[string]Value{"loss": Value(math.NaN())}})
	l, err := NewReader(bytes.NewReader(text), 1).Next()
	if err != nil || !math.IsNaN(float64(l.Metrics["loss"])) {
		t.Errorf("%v, %v", l, err)
	}
}

func TestValueJSON(t *testing.T) {
	for text, want := range map[string]float64{
		"1": 1, "-0.5": -.5, "1e3": 1000, `"+Inf"`: math.Inf(1), `"-Inf"`: math.Inf(-1),
	} {
		var v Value
		if err := v.UnmarshalJSON([]byte(text)); err != nil || float64(v) != want {
			t.Errorf("%s: %v, %v", text, v, err)
		}
	}
	for _, text := range []string{"", `"Inf"`, "null", "true", "1e999", `"1"`, "{}", "Inf"} {
		var v Value
		if err := v.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%q: no error, but %v", text, v)
		}
	}
}

// A line that another program wrote, or a later version with other members,
// is as good as ours if its checksum is right.
func TestForeignForm(t *testing.T) {
	for _, body := range []string{
		`{"kind":"metrics","seq":1,"step":3,"metrics":{"loss":1.5}`,
		`{ "seq": 1, "kind": "metrics", "step": 3, "metrics": {"loss": 1.5}`,
		`{"seq":1,"kind":"metrics","step":3,"metrics":{"l\u006fss":15E-1}`,
		`{"seq":1,"kind":"metrics","step":3,"metrics":{"loss":1.5},"more":[1]`,
	} {
		got, err := NewReader(strings.NewReader(sealed(body)), 1).Next()
		want := Line{Seq: 1, Kind: Metrics, Step: 3, Metrics: map[string]Value{"loss": 1.5}}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// sealed adds to body its checksum, a brace and a newline.
func sealed(body string) string {
	sum := crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli))
	return fmt.Sprintf(`%s,"crc":"%08x"}`, body, sum) + "\n"
}

func TestTornLineIsNotYet(t *testing.T) {
	text := written(t, sample()...)
	whole := bytes.SplitAfter(text, []byte("\n"))
	for cut := range len(text) {
		r := NewReader(bytes.NewReader(text[:cut]), 1)
		lines, err := readAll(r)
		if err != io.EOF {
			t.Fatalf("cut at %d: %v", cut, err)
		}
		if n := bytes.Count(text[:cut], []byte("\n")); len(lines) != n {
			t.Fatalf("cut at %d: %d lines of %d", cut, len(lines), n)
		}
		if want := len(bytes.Join(whole[:len(lines)], nil)); r.Offset() != int64(want) {
			t.Fatalf("cut at %d: offset %d, want %d", cut, r.Offset(), want)
		}
	}
}

// One reader may follow a journal while it grows, or a new one may go on from
// where another stopped.
func TestIncremental(t *testing.T) {
	text := written(t, sample()...)
	want := numbered(sample())
	path := filepath.Join(t.TempDir(), "growing")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	in, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	follower := NewReader(in, 1)
	var followed, resumed []Line
	offset, seq := int64(0), int64(1)
	for i := 0; i < len(text); i += 17 {
		out.Write(text[i:min(i+17, len(text))])
		lines, err := readAll(follower)
		if err != io.EOF {
			t.Fatal(err)
		}
		followed = append(followed, lines...)

		part, _ := os.ReadFile(path)
		r := NewReader(bytes.NewReader(part[offset:]), seq)
		lines, err = readAll(r)
		if err != io.EOF {
			t.Fatal(err)
		}
		resumed = append(resumed, lines...)
		offset, seq = offset+r.Offset(), r.Seq()
	}
	if !reflect.DeepEqual(followed, want) {
		t.Errorf("followed %+v", followed)
	}
	if !reflect.DeepEqual(resumed, want) {
		t.Errorf("resumed %+v", resumed)
	}
}

func TestCorrupt(t *testing.T) {
	good := string(written(t, sample()...))
	lines := strings.SplitAfter(good, "\n")
	first := int64(len(lines[0]))
	join := func(l ...string) string { return strings.Join(l, "") }
	tests := []struct {
		name, text string
		offset     int64
		line       int64
		why        string
	}{
		{"a flipped byte", join(lines[0], strings.Replace(lines[1], "812", "813", 1), lines[2]), first, 2, "checksum"},
		{"a missing line", join(lines[0], lines[2]), first, 2, "its number is 3 where 2 was due"},
		{"a line twice", join(lines[0], lines[0]), first, 2, "its number is 1 where 2 was due"},
		{"an empty line", join(lines[0], "\n", lines[1]), first, 2, "does not end in a checksum"},
		{"no JSON", join(lines[0], "hello\n"), first, 2, "does not end in a checksum"},
		{"a torn line with another after it", join(lines[0], lines[1][:20], lines[2]), first, 2, "checksum"},
		{"zeros", join(lines[0], strings.Repeat("\x00", 4096), "\n"), first, 2, "does not end in a checksum"},
		{"bad JSON", sealed(`{"seq":1,"kind":`), 0, 1, "no line of a journal"},
		{"a number too large", sealed(`{"seq":1,"kind":"metrics","metrics":{"loss":1e999}`), 0, 1, "no float64"},
		{"an unknown kind", sealed(`{"seq":1,"kind":"gossip"`), 0, 1, `kind "gossip" is unknown`},
		{"a start of nothing", sealed(`{"seq":1,"kind":"start"`), 0, 1, "without a resume step"},
		{"progress of nothing", sealed(`{"seq":1,"kind":"progress"`), 0, 1, "without progress"},
		{"a step before the first", sealed(`{"seq":1,"kind":"metrics","step":-1,"metrics":{}`), 0, 1, "step is -1"},
		{"an endless line", strings.Repeat("x", MaxLine+1), 0, 1, "longer than"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := NewReader(strings.NewReader(tt.text), 1)
			_, err := readAll(r)
			var corrupt *CorruptError
			if !errors.As(err, &corrupt) {
				t.Fatalf("error is %v", err)
			}
			if corrupt.Offset != tt.offset || corrupt.Line != tt.line || !strings.Contains(corrupt.Why, tt.why) {
				t.Errorf("%+v", corrupt)
			}
			if r.Offset() != tt.offset {
				t.Errorf("offset %d is not the good prefix", r.Offset())
			}
			if _, again := r.Next(); again != err {
				t.Errorf("then %v", again)
			}
		})
	}
}

// Every single damaged byte of a complete journal is noticed, save one that
// takes the last newline, which looks like a line not written to its end.
func TestEveryFlippedBitIsNoticed(t *testing.T) {
	text := written(t, sample()...)
	for i := range text[:len(text)-1] {
		bad := bytes.Clone(text)
		bad[i] ^= 1 << (i % 8)
		lines, err := readAll(NewReader(bytes.NewReader(bad), 1))
		if _, ok := errors.AsType[*CorruptError](err); !ok {
			t.Fatalf("byte %d: %v after %d lines", i, err, len(lines))
		}
	}
}

func TestReadErrorIsNotTheEnd(t *testing.T) {
	text := written(t, sample()...)
	broken := errors.New("input/output error")
	r := NewReader(io.MultiReader(bytes.NewReader(text[:200]), iotest.ErrReader(broken)), 1)
	if _, err := readAll(r); err != broken {
		t.Errorf("%v", err)
	}
}

func TestCreateTwice(t *testing.T) {
	_, path := create(t)
	if _, err := Create(path); !errors.Is(err, os.ErrExist) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
}

func TestWriteRefuses(t *testing.T) {
	w, path := create(t)
	for _, l := range []Line{
		{},
		{Kind: "gossip"},
		{Kind: Start},
		{Kind: Progress},
		{Kind: Metrics, Step: -1},
		{Kind: Event, Text: strings.Repeat("x", MaxLine)},
	} {
		if err := w.Write(l); err == nil {
			t.Errorf("wrote %.80v", l)
		}
	}
	write(t, w, Line{Kind: Event, Text: "still alive"})
	text, _ := os.ReadFile(path)
	if lines, err := readAll(NewReader(bytes.NewReader(text), 1)); err != io.EOF || len(lines) != 1 {
		t.Errorf("%v, %v", lines, err)
	}
}

func TestLongestLine(t *testing.T) {
	w, path := create(t)
	frame := len(sealed(`{"seq":1,"kind":"event","text":""`))
	write(t, w, Line{Kind: Event, Text: strings.Repeat("x", MaxLine-frame)}, Line{Kind: Event})
	text, _ := os.ReadFile(path)
	if lines, err := readAll(NewReader(bytes.NewReader(text), 1)); err != io.EOF || len(lines) != 2 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

func TestConcurrentWriters(t *testing.T) {
	w, path := create(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for i := range int64(50) {
				if err := w.Write(Line{Kind: Metrics, Step: i, Metrics: map[string]Value{"loss": 1}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := w.Sync(); err != nil {
		t.Error(err)
	}
	text, _ := os.ReadFile(path)
	if lines, err := readAll(NewReader(bytes.NewReader(text), 1)); err != io.EOF || len(lines) != 200 {
		t.Errorf("%d lines, %v", len(lines), err)
	}
}

// A usual line: the loss of one step. Every 40th step has ten probes.
func usual(step int64) Line {
	m := map[string]Value{"loss": Value(float32(step) * 0.0013)}
	return Line{Kind: Metrics, Step: step, Metrics: m}
}

func BenchmarkWrite(b *testing.B) {
	w, _ := create(b)
	l := usual(120)
	b.ReportAllocs()
	for b.Loop() {
		if err := w.Write(l); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkEncode(b *testing.B) {
	l := usual(120)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = appendLine(buf[:0], &l)
	}
	b.SetBytes(int64(len(buf)))
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkRead(b *testing.B) {
	var text []byte
	for i := range int64(10000) {
		l := usual(i)
		l.Seq = i + 1
		text, _ = appendLine(text, &l)
	}
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	lines := 0
	for b.Loop() {
		got, err := readAll(NewReader(bytes.NewReader(text), 1))
		if err != io.EOF {
			b.Fatal(err)
		}
		lines += len(got)
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}
