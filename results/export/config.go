package export

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// setting is a value of a configuration.
type setting struct {
	kind  kind // integer, real, boolean or text
	value value
	json  string // as it was written
}

// configKey is a key of the runs' configurations: "optimizer.lr".
type configKey struct {
	name string
	kind kind // that fits the values of all runs
}

// as is the setting in a column of a kind that fits it.
func (s setting) as(k kind) value {
	switch {
	case !s.value.known || k == s.kind:
		return s.value
	case k == real:
		return realOf(float64(s.value.int))
	}
	return textOf(s.words())
}

// words is the setting as text: a string without its quotes, all else as JSON.
func (s setting) words() string {
	if s.kind == text {
		return s.value.text
	}
	return s.json
}

// flatten reads a configuration, a JSON object of objects, by dotted key. Lists
// are kept as JSON.
func flatten(config []byte) (map[string]setting, error) {
	flat := map[string]setting{}
	if len(config) == 0 {
		return flat, nil
	}
	d := json.NewDecoder(bytes.NewReader(config))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil {
		return nil, err
	}
	return flat, flattenInto(flat, "", object)
}

func flattenInto(flat map[string]setting, prefix string, object map[string]any) error {
	for key, v := range object {
		if inner, ok := v.(map[string]any); ok {
			if err := flattenInto(flat, prefix+key+".", inner); err != nil {
				return err
			}
			continue
		}
		s, err := settingOf(v)
		if err != nil {
			return fmt.Errorf("%s%s: %w", prefix, key, err)
		}
		flat[prefix+key] = s
	}
	return nil
}

func settingOf(v any) (setting, error) {
	written, err := json.Marshal(v)
	s := setting{json: string(written)}
	switch v := v.(type) {
	case string:
		s.kind, s.value = text, textOf(v)
	case bool:
		s.kind, s.value = boolean, booleanOf(v)
	case json.Number:
		if n, err := strconv.ParseInt(v.String(), 10, 64); err == nil {
			s.kind, s.value = integer, integerOf(n)
			break
		}
		f, err := v.Float64()
		if err != nil {
			return s, err
		}
		s.kind, s.value = real, realOf(f)
	default:
		s.kind, s.value = text, value{known: v != nil, text: s.json}
	}
	return s, err
}

// keysOf lists the keys of all configurations, sorted, each with the kind that
// fits all its values.
func keysOf(configs map[string]map[string]setting) []configKey {
	kinds := map[string]kind{}
	for _, config := range configs {
		for name, s := range config {
			if !s.value.known {
				continue
			}
			k, known := kinds[name]
			switch {
			case !known:
				kinds[name] = s.kind
			case k == s.kind:
			case k == integer && s.kind == real, k == real && s.kind == integer:
				kinds[name] = real
			default:
				kinds[name] = text
			}
		}
	}
	var keys []configKey
	for _, name := range slices.Sorted(maps.Keys(kinds)) {
		keys = append(keys, configKey{name, kinds[name]})
	}
	return keys
}
