package config

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Flat reads settings as a store has them, nested JSON of whatever keys, as text
// by their dotted paths. Numbers stay as they are written.
func Flat(text []byte) (map[string]string, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree map[string]any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	values := map[string]string{}
	var walk func(prefix string, tree map[string]any)
	walk = func(prefix string, tree map[string]any) {
		for name, v := range tree {
			if sub, ok := v.(map[string]any); ok {
				walk(prefix+name+".", sub)
			} else {
				values[prefix+name] = fmt.Sprint(v)
			}
		}
	}
	walk("", tree)
	return values, nil
}
