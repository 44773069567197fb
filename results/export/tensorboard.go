package export

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"ablate/results"

	"google.golang.org/protobuf/encoding/protowire"
)

// tensorBoard writes a folder CELL/seed-N for every place, with its scalars and,
// for the HPARAMS page, its configuration. Scalars are float32, as TensorBoard
// has them. A point's wall time is that at which the attempt that reported it
// began: when it was reported, nobody has written down.
func (e *export) tensorBoard(dir string) error {
	var current *events
	at := 0
	next := func() (err error) { // the place at ends, the next begins
		if current != nil {
			if err = current.finish(e.end(e.places[at])); err != nil {
				return err
			}
			current = nil
			at++
		}
		return nil
	}
	begin := func() (err error) {
		p := e.places[at]
		current, err = createEvents(filepath.Join(dir, fileName(e.name(p)), fmt.Sprintf("seed-%d", p.seed)))
		if err != nil {
			return err
		}
		return current.begin(e.start(p))
	}
	err := e.byPlace(begin, next, func(metric string, point results.Point, reported results.Attempt) error {
		return current.event(reported.Started, point.Step, summary(scalar(metric, point.Value)))
	})
	if current != nil {
		current.file.Close()
	}
	return err
}

// byPlace calls begin before the points of every place, those without any
// included, and end after them.
func (e *export) byPlace(begin, end func() error, f func(metric string, point results.Point, reported results.Attempt) error) error {
	begun := -1
	var by func(step int64) results.Attempt
	reach := func(place int) error {
		for begun < place {
			if err := end(); err != nil {
				return err
			}
			if begun++; begun < len(e.places) {
				by = e.reporter(e.places[begun].ID)
				if err := begin(); err != nil {
					return err
				}
			}
		}
		return nil
	}
	err := e.Store.EachPoint(e.ctx, e.ids(), e.Metrics, func(place int, metric string, point results.Point) error {
		if err := reach(place); err != nil {
			return err
		}
		e.points++
		return f(metric, point, by(point.Step))
	})
	if err != nil {
		return err
	}
	return reach(len(e.places))
}

// events is an event file: TFRecords of Event messages.
type events struct {
	file   *os.File
	w      *bufio.Writer
	record []byte
}

// createEvents creates the event file of a folder, which it makes.
func createEvents(dir string) (*events, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	// TensorBoard looks for "tfevents"; a time and a host are usual and tell nothing.
	f, err := os.Create(filepath.Join(dir, "events.out.tfevents.0.ablate"))
	if err != nil {
		return nil, err
	}
	return &events{file: f, w: bufio.NewWriterSize(f, bufferSize)}, nil
}

// session is what the HPARAMS page wants to know of a place.
type session struct {
	hparams map[string]setting
	began   time.Time
	ended   time.Time
	status  uint64
}

// The states of a session.
const (
	sessionUnknown = iota
	sessionSuccess
	sessionFailure
	sessionRunning
)

func (e *export) start(p place) session {
	s := session{hparams: map[string]setting{}}
	maps.Copy(s.hparams, p.config)
	for i, axis := range e.Axes {
		if level, known := e.level(p, i); known {
			s.hparams["axis."+axis] = setting{kind: text, value: textOf(level)}
		}
	}
	s.hparams["cell"] = setting{kind: text, value: textOf(e.name(p))}
	s.hparams["seed"] = setting{kind: integer, value: integerOf(int64(p.seed))}
	if a := e.attempts[p.ID]; len(a) > 0 {
		s.began = a[0].Started
	}
	return s
}

func (e *export) end(p place) session {
	s := session{status: sessionUnknown}
	if a := e.attempts[p.ID]; len(a) > 0 {
		s.ended = a[len(a)-1].Ended
	}
	switch {
	case p.Outcome.IsResult():
		s.status = sessionSuccess
	case p.Outcome != "":
		s.status = sessionFailure
	case p.Running:
		s.status = sessionRunning
	}
	return s
}

// begin writes the file's version and the configuration.
func (ev *events) begin(s session) error {
	version := protowire.AppendString(protowire.AppendTag(nil, 3, protowire.BytesType), "brain.Event:2")
	if err := ev.event(s.began, 0, version); err != nil {
		return err
	}
	var start []byte // tensorboard.hparams.SessionStartInfo
	for _, name := range slices.Sorted(maps.Keys(s.hparams)) {
		entry := appendText(nil, 1, name)
		entry = appendMessage(entry, 2, hparam(s.hparams[name]))
		start = appendMessage(start, 1, entry)
	}
	start = appendDouble(start, 5, seconds(s.began))
	return ev.event(s.began, 0, summary(hparamsValue("_hparams_/session_start_info", 3, start)))
}

// finish writes how it ended and closes the file.
func (ev *events) finish(s session) error {
	defer ev.file.Close()
	end := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), s.status) // SessionEndInfo
	end = appendDouble(end, 2, seconds(s.ended))
	if err := ev.event(s.ended, 0, summary(hparamsValue("_hparams_/session_end_info", 4, end))); err != nil {
		return err
	}
	if err := ev.w.Flush(); err != nil {
		return err
	}
	return ev.file.Close()
}

// event writes an Event with this content.
func (ev *events) event(wall time.Time, step int64, content []byte) error {
	b := appendDouble(ev.record[:0], 1, seconds(wall))
	b = protowire.AppendVarint(protowire.AppendTag(b, 2, protowire.VarintType), uint64(step))
	b = append(b, content...)
	ev.record = b
	return writeRecord(ev.w, b)
}

// seconds since 1970, 0 for a time that is not known.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// summary is the field of an Event that holds one Summary.Value.
func summary(v []byte) []byte { return appendMessage(nil, 5, appendMessage(nil, 1, v)) }

// scalar is a Summary.Value.
func scalar(tag string, v float64) []byte {
	b := appendText(nil, 1, tag)
	return protowire.AppendFixed32(protowire.AppendTag(b, 2, protowire.Fixed32Type), math.Float32bits(float32(v)))
}

// hparamsValue is a Summary.Value whose metadata hold data of the plugin hparams
// in the given field of tensorboard.hparams.HParamsPluginData.
func hparamsValue(tag string, field protowire.Number, data []byte) []byte {
	plugin := appendText(nil, 1, "hparams")
	plugin = appendMessage(plugin, 2, appendMessage(nil, field, data))
	b := appendText(nil, 1, tag)
	const float = 1
	tensor := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), float)
	tensor = appendMessage(tensor, 2, nil)                                // no dimension:
	tensor = protowire.AppendFixed32(appendTagAndLength(tensor, 5, 4), 0) // one number, which nobody reads
	b = appendMessage(b, 8, tensor)
	return appendMessage(b, 9, appendMessage(nil, 1, plugin))
}

// hparam is a google.protobuf.Value.
func hparam(s setting) []byte {
	switch {
	case !s.value.known:
		return protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 0)
	case s.kind == integer:
		return appendDouble(nil, 2, float64(s.value.int))
	case s.kind == real:
		return appendDouble(nil, 2, s.value.real)
	case s.kind == boolean:
		return protowire.AppendVarint(protowire.AppendTag(nil, 4, protowire.VarintType), uint64(s.value.int))
	}
	return appendText(nil, 3, s.value.text)
}

func appendText(b []byte, field protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), toUTF8(s))
}

func appendMessage(b []byte, field protowire.Number, m []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), m)
}

func appendDouble(b []byte, field protowire.Number, v float64) []byte {
	return protowire.AppendFixed64(protowire.AppendTag(b, field, protowire.Fixed64Type), math.Float64bits(v))
}

func appendTagAndLength(b []byte, field protowire.Number, n uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.BytesType), n)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the checksum of a TFRecord.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}

// writeRecord writes a TFRecord: the length, its checksum, the data, theirs.
func writeRecord(w io.Writer, data []byte) error {
	var head [12]byte
	binary.LittleEndian.PutUint64(head[:], uint64(len(data)))
	binary.LittleEndian.PutUint32(head[8:], masked(head[:8]))
	if _, err := w.Write(head[:]); err != nil {
		return err
	}
	if _, err := w.Write(data); err != nil {
		return err
	}
	_, err := w.Write(binary.LittleEndian.AppendUint32(nil, masked(data)))
	return err
}
