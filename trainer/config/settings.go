package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Settings is a configuration in flat form: dotted key path to value, a
// string, bool, int64 or float64.
type Settings map[string]any

// sortedKeys is the order in which JSON writes: by path, which puts the keys
// of a table side by side.
var sortedKeys []jsonKey

// leastKeys is how many keys resolved settings have at least: the others are
// for other settings only.
var leastKeys int

type jsonKey struct {
	path, group, name string // group is empty for a key outside any table
	implied           any    // the value that is left out, nil if there is none
}

func init() {
	for _, k := range Keys {
		group, name, nested := strings.Cut(k.Path, ".")
		if !nested {
			group, name = "", k.Path
		}
		if k.Only == (Only{}) {
			leastKeys++
		}
		j := jsonKey{path: k.Path, group: group, name: name}
		if k.Implied {
			j.implied = k.Default
		}
		sortedKeys = append(sortedKeys, j)
	}
	slices.SortFunc(sortedKeys, func(a, b jsonKey) int { return strings.Compare(a.path, b.path) })
}

// JSON writes resolved settings in their one canonical form: nested, keys
// sorted, no spaces, no implied key at its default. Identities hash it, so it
// must never change for equal settings.
func (s Settings) JSON() []byte {
	return s.AppendJSON(make([]byte, 0, 1024))
}

// AppendJSON is JSON at the end of b.
func (s Settings) AppendJSON(b []byte) []byte {
	start := len(b)
	b = append(b, '{')
	group, known := "", 0
	for _, k := range sortedKeys {
		v, ok := s[k.path]
		if !ok {
			continue
		}
		known++
		if k.implied != nil && v == k.implied {
			continue
		}
		if group != "" && k.group != group {
			b = append(b, '}')
		}
		if last := b[len(b)-1]; last != '{' {
			b = append(b, ',')
		}
		if k.group != "" && k.group != group {
			b = append(append(append(b, '"'), k.group...), `":{`...)
		}
		group = k.group
		b = append(append(append(b, '"'), k.name...), `":`...)
		b = appendValue(b, v)
	}
	if known < len(s) || known < leastKeys { // an external trainer's implies nothing, whatever its keys are called
		return s.appendForeign(b[:start])
	}
	if group != "" {
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendForeign writes settings with other keys than Keys, those of an
// external trainer, whose tables may be nested to any depth. No key is the
// table of another.
func (s Settings) appendForeign(b []byte) []byte {
	b = append(b, '{')
	var open []string // the tables around the last key
	for _, path := range slices.Sorted(maps.Keys(s)) {
		parts := strings.Split(path, ".")
		tables := parts[:len(parts)-1]
		same := 0
		for same < min(len(open), len(tables)) && open[same] == tables[same] {
			same++
		}
		for range open[same:] {
			b = append(b, '}')
		}
		if last := b[len(b)-1]; last != '{' {
			b = append(b, ',')
		}
		for _, t := range tables[same:] {
			b = append(appendString(b, t), ":{"...)
		}
		open = tables
		b = append(appendString(b, parts[len(parts)-1]), ':')
		b = appendValue(b, s[path])
	}
	for range open {
		b = append(b, '}')
	}
	return append(b, '}')
}

// appendString writes a JSON string, valid UTF-8, with as few escapes as there
// may be.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = fmt.Appendf(b, "\\u%04x", c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '"')
}

func appendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendString(b, v)
	case bool:
		return strconv.AppendBool(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return appendFloat(b, v)
	}
	return append(b, "null"...)
}

// Config returns resolved settings in typed form. Unresolved settings are an
// error.
func (s Settings) Config() (Config, error) {
	return Parse(s.JSON())
}

// JSON writes the configuration as its settings would be.
func (c Config) JSON() []byte {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err) // plain data always marshals
	}
	s, err := parseSettings(text)
	if err != nil {
		panic(err) // Config and Keys have the same keys
	}
	return s.JSON()
}

// Parse reads what Settings.JSON wrote. It accepts nothing else: every key
// of resolved settings must be there but for implied ones at their defaults,
// none other, and resolving must change nothing.
func Parse(text []byte) (Config, error) {
	settings, err := parseSettings(text)
	if err != nil {
		return Config{}, fmt.Errorf("configuration: %w", err)
	}
	resolved, problems := Resolve(settings)
	if len(problems) > 0 {
		return Config{}, fmt.Errorf("configuration: %s", problems[0].Message)
	}
	for _, k := range Keys {
		v, ok := settings[k.Path]
		want, meant := resolved[k.Path]
		switch {
		case k.Implied && !ok: // at its default, which resolving has filled in
		case k.Implied && v == k.Default:
			return Config{}, fmt.Errorf("configuration: %s = %s is the default, which is left out", k.Path, show(v))
		case meant && !ok:
			return Config{}, fmt.Errorf("configuration: %s is missing", k.Path)
		case ok && !meant:
			return Config{}, fmt.Errorf("configuration: %s is for %s only", k.Path, k.Only)
		case v != want:
			return Config{}, fmt.Errorf("configuration: %s is %s where the other settings make it %s", k.Path, show(v), show(want))
		}
	}
	var c Config
	err = json.Unmarshal(resolved.JSON(), &c)
	return c, err
}

func parseSettings(text []byte) (Settings, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("there is more after the closing brace")
	}
	s := Settings{}
	return s, s.flatten("", tree)
}

// flatten adds the values of a JSON object under their paths.
func (s Settings) flatten(prefix string, tree map[string]any) error {
	for name, v := range tree {
		path := prefix + name
		if sub, ok := v.(map[string]any); ok {
			if err := s.flatten(path+".", sub); err != nil {
				return err
			}
			continue
		}
		i, ok := keyIndex[path]
		if !ok {
			message, _ := UnknownKey(path)
			return errors.New(message)
		}
		value, err := Keys[i].fromJSON(v)
		if err != nil {
			return err
		}
		s[path] = value
	}
	return nil
}

// fromJSON gives a number the type of its key.
func (k Key) fromJSON(v any) (any, error) {
	n, ok := v.(json.Number)
	if !ok {
		return v, nil
	}
	if _, isFloat := k.Default.(float64); isFloat {
		return n.Float64()
	}
	i, err := n.Int64()
	if err != nil {
		return nil, fmt.Errorf("%s must be %s, not %s", k.Path, k.Allows(), n)
	}
	return i, nil
}
