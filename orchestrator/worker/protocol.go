package worker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"ablate/trainer"
)

// Limits of what an external trainer may report.
const (
	maxReport = 512 << 10 // bytes of a line; the journal's line of it is hardly longer
	maxNames  = 1000      // different metrics of a run
	maxName   = 100       // bytes of a metric's name
	maxText   = 8 << 10   // bytes of an event, or of an outcome's reason
)

// report is one line of an external trainer's report; docs/trainers.md has
// what it may be. Exactly one of its parts is there.
type report struct {
	start   *startReport
	figures *figures
	event   string
	outcome *trainer.Outcome
}

// startReport is a line such as {"steps": 1000, "resume_step": 400}.
type startReport struct{ steps, resume int64 }

// figures is a line such as {"step": 10, "loss": 0.5}.
type figures struct {
	step    int64
	metrics map[string]float64 // may be empty: then the line is about progress alone
	phase   string
	speed   float64 // images per second
}

// outcomes are the ends of a run that a trainer may report.
var outcomes = []string{"completed", "collapsed", "never_separated", "diverged"}

// parseReport reads a line, without its newline. The error says what is wrong
// with it.
func parseReport(line []byte) (report, error) {
	var fields map[string]any
	d := json.NewDecoder(bytes.NewReader(quoteNotFinite(line)))
	d.UseNumber()
	if err := d.Decode(&fields); err != nil || fields == nil || d.More() {
		return report{}, errors.New("it is no JSON object")
	}
	for _, kind := range []struct {
		key  string
		read func(map[string]any) (report, error)
	}{{"step", readFigures}, {"outcome", readOutcome}, {"event", readEvent}, {"steps", readStart}, {"resume_step", readStart}} {
		if _, ok := fields[kind.key]; ok {
			return kind.read(fields)
		}
	}
	return report{}, errors.New(`it has none of the keys "step", "steps", "resume_step", "event" and "outcome"`)
}

// notFinite are the numbers that JSON lacks, as Python and the journal write
// them.
var notFinite = map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}

// quoteNotFinite makes strings of them where they stand bare.
func quoteNotFinite(line []byte) []byte {
	if !bytes.Contains(line, []byte("NaN")) && !bytes.Contains(line, []byte("Infinity")) {
		return line
	}
	var quoted []byte
	inString := false
next:
	for i := 0; i < len(line); i++ {
		for word := range notFinite {
			if !inString && bytes.HasPrefix(line[i:], []byte(word)) {
				quoted = append(append(append(quoted, '"'), word...), '"')
				i += len(word) - 1
				continue next
			}
		}
		quoted = append(quoted, line[i])
		switch {
		case line[i] == '"':
			inString = !inString
		case line[i] == '\\' && inString && i+1 < len(line):
			i++
			quoted = append(quoted, line[i])
		}
	}
	return quoted
}

func readFigures(fields map[string]any) (r report, err error) {
	f := figures{metrics: make(map[string]float64, len(fields)-1)}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		v := fields[name]
		switch name {
		case "step":
			f.step, err = count(name, v)
		case "phase":
			f.phase, err = text(name, v)
		case "images_per_second":
			f.speed, err = number(name, v)
		case "steps", "resume_step", "event", "outcome", "why":
			err = fmt.Errorf("%q cannot stand beside \"step\"; write it on a line of its own", name)
		default:
			if err = checkName(name); err == nil {
				f.metrics[name], err = number(name, v)
			}
		}
		if err != nil {
			return report{}, err
		}
	}
	return report{figures: &f}, nil
}

func checkName(name string) error {
	bad := func(r rune) bool { return r < ' ' || r == 0x7f }
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%.40q is no good name of a metric: it must have 1 to %d bytes and no control characters", name, maxName)
	}
	return nil
}

func readStart(fields map[string]any) (r report, err error) {
	var s startReport
	if err := onlyKeys(fields, "steps", "resume_step"); err != nil {
		return report{}, err
	}
	if v, ok := fields["steps"]; ok {
		if s.steps, err = count("steps", v); err != nil {
			return report{}, err
		}
	}
	if v, ok := fields["resume_step"]; ok {
		if s.resume, err = count("resume_step", v); err != nil {
			return report{}, err
		}
	}
	return report{start: &s}, nil
}

func readEvent(fields map[string]any) (r report, err error) {
	if err := onlyKeys(fields, "event"); err != nil {
		return report{}, err
	}
	if r.event, err = text("event", fields["event"]); err == nil && r.event == "" {
		err = errors.New("its event is empty")
	}
	return r, err
}

func readOutcome(fields map[string]any) (report, error) {
	if err := onlyKeys(fields, "outcome", "why"); err != nil {
		return report{}, err
	}
	kind, err := text("outcome", fields["outcome"])
	if err != nil {
		return report{}, err
	}
	if !slices.Contains(outcomes, kind) {
		return report{}, fmt.Errorf("there is no outcome %.40q; it must be one of %s", kind, strings.Join(outcomes, ", "))
	}
	o := trainer.Outcome{Kind: kind}
	if why, ok := fields["why"]; ok {
		if o.Why, err = text("why", why); err != nil {
			return report{}, err
		}
	}
	return report{outcome: &o}, nil
}

func onlyKeys(fields map[string]any, keys ...string) error {
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !slices.Contains(keys, name) {
			return fmt.Errorf("%.40q cannot stand beside %q; figures need a \"step\"", name, keys[0])
		}
	}
	return nil
}

// count reads a whole number from 0 on, however it is written.
func count(name string, v any) (int64, error) {
	n, _ := v.(json.Number)
	if i, err := strconv.ParseInt(n.String(), 10, 64); err == nil && i >= 0 {
		return i, nil
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1<<53 || f != math.Trunc(f) {
		return 0, fmt.Errorf("%q must be a whole number from 0 on, not %s", name, show(v))
	}
	return int64(f), nil
}

func number(name string, v any) (float64, error) {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil {
			return f, nil
		}
	case string:
		if f, ok := notFinite[v]; ok {
			return f, nil
		}
	}
	return 0, fmt.Errorf("%q must be a number, not %s", name, show(v))
}

func text(name string, v any) (string, error) {
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%q must be a string, not %s", name, show(v))
	}
	if len(s) > maxText {
		return "", fmt.Errorf("%q must have at most %d bytes, not %d; say more on standard error", name, maxText, len(s))
	}
	return s, nil
}

func show(v any) string {
	t, _ := json.Marshal(v)
	if len(t) > 40 {
		t = append(t[:37], "..."...)
	}
	return string(t)
}
