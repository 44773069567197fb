package ablations

import (
	"encoding/json"
	"slices"
	"strings"

	"ablate/trainer/config"
)

// object is a JSON object, of a schema mostly.
type object = map[string]any

// Schema returns the JSON Schema (draft 2020-12) of studies, for editors. It is made of the tables
// that studies are read with, so it has every key and its range, but not what only a study as a whole can be
// wrong about: names of cells, impossible combinations. It knows dotted keys as tables, as
// TOML does; a quoted path ("optimizer.lr" = 1) it does not know.
func Schema() []byte {
	defs := object{
		"scalar":    object{"type": []string{"string", "boolean", "number"}},
		"condition": object{"type": "object", "minProperties": 1, "additionalProperties": anyOf(ref("scalar"), listOf(ref("scalar")), ref("condition"))},
		"keyTypes":  object{"type": "object", "additionalProperties": anyOf(object{"enum": keyTypeNames}, ref("keyTypes"))},

		"settings": embeddedSettings(),
		"levels":   levelsOf("settings"),
		"axes":     embeddedAxes(),

		"freeSettings": object{"type": "object", "additionalProperties": anyOf(ref("scalar"), ref("freeSettings"))},
		"freeLevels":   levelsOf("freeSettings"),
		"freeAxes":     object{"type": "object", "additionalProperties": anyOf(listOf(ref("scalar")), ref("freeLevels"), ref("freeAxes"))},
	}
	study := func(settings, axes string, metric object) object {
		return table(rootKeys, nil, func(key string) object { return rootSchema(key, settings, axes, metric) })
	}
	text := object{
		"$schema": "https://json-schema.org/draft/2020-12/schema",
		"title":   "A study of ablate",
		"$defs":   defs,
		"if":      object{"required": []string{"trainer"}},
		"then":    study("freeSettings", "freeAxes", object{"type": "string", "pattern": `\S`}),
		"else":    study("settings", "axes", metricSchema()),
	}
	b, err := json.MarshalIndent(text, "", "  ")
	if err != nil {
		panic(err) // plain data always marshals
	}
	return append(b, '\n')
}

func ref(name string) object            { return object{"$ref": "#/$defs/" + name} }
func anyOf(of ...object) object         { return object{"anyOf": of} }
func listOf(items object) object        { return object{"type": "array", "minItems": 1, "items": items} }
func says(text string, o object) object { o["description"] = text; return o }

func levelsOf(settings string) object {
	return object{"type": "object", "minProperties": 1, "additionalProperties": ref(settings)}
}

// table is the schema of a table that has these keys and no other.
func table(keys, required []string, schema func(key string) object) object {
	properties := object{}
	for _, k := range keys {
		properties[k] = schema(k)
	}
	t := object{"type": "object", "properties": properties, "additionalProperties": false}
	if required != nil {
		t["required"] = required
	}
	return t
}

// rootSchema is the schema of a root key. settings and axes name the schemas
// of what a study may set; metric is that of a claim's metric.
func rootSchema(key, settings, axes string, metric object) object {
	text := object{"type": "string"}
	switch key {
	case "name":
		return says("the study's name; that of its file if it has none", object{"type": "string", "pattern": goodName.String()})
	case "title":
		return says("what the study asks", text)
	case "source":
		return says("the paper that the study reproduces", text)
	case "seeds":
		seed := object{"type": "integer", "minimum": 1, "maximum": MaxSeed}
		count := object{"type": "integer", "minimum": 1, "maximum": maxRuns}
		return says("how many seeds, or a list of them", anyOf(count, object{"type": "array", "minItems": 1, "uniqueItems": true, "items": seed}))
	case "alpha":
		return says("level of the claims' tests", object{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1, "default": defaultAlpha})
	case "test":
		return says("how comparisons are tested: paired by seed (t, sign-flip) or not (welch)", object{"enum": Tests, "default": Tests[0]})
	case "exclude":
		return says("combinations of levels that are no cells", object{"type": "array", "items": ref("condition")})
	case "zip":
		group := object{"type": "array", "minItems": 2, "uniqueItems": true, "items": text}
		return says("axes that go together level by level", object{"type": "array", "items": group})
	case "expand":
		return says("which combinations of levels are cells", object{"enum": expansions, "default": Product})
	case "order":
		return says("leave out or add one axis, or pairs of them too", object{"enum": []int{1, 2}, "default": 1})
	case "timeout":
		return says("how long a run may take, such as 2h", object{"type": "string", "pattern": `^\+?([0-9]+(\.[0-9]*)?(ns|us|µs|ms|s|m|h))+$`})
	case "memory":
		return says("how much memory a run may take, such as 4GiB", object{"type": "string", "pattern": `^[0-9.e+]+ *(` + strings.Join(unitNames(), "|") + `)$`})
	case "paper":
		return says("what the paper found for some of the cells", paperSchema(metric))
	case "trainer":
		return says("a program of one's own that trains", table(trainerKeys, []string{"command"}, trainerSchema))
	case "base":
		return says("what all cells share", ref(settings))
	case "axes":
		return says("the factors; the first level of each is the baseline", ref(axes))
	case "when":
		return says("what else is set, or varies, where axes have certain levels", object{"type": "array", "items": whenSchema(settings)})
	case "cells":
		return says("named cells beside those of the axes", object{"type": "object", "additionalProperties": ref(settings)})
	case "claims":
		return says("what the study is to decide", object{"type": "array", "items": claimSchema(metric)})
	}
	return nil // a test sees to it that there is none
}

func unitNames() (names []string) {
	for _, u := range memoryUnits {
		names = append(names, u.name)
	}
	return names
}

func trainerSchema(key string) object {
	texts := object{"type": "array", "items": object{"type": "string"}}
	switch key {
	case "command":
		texts["minItems"] = 1
		return says("the program and its arguments; {key} and {seed} stand for values", texts)
	case "files":
		return says("files and folders that the command needs, relative to the study's folder", texts)
	case "keys":
		return says("the settings that the trainer knows, with their types", ref("keyTypes"))
	}
	return nil
}

func whenSchema(settings string) object {
	s := table(whenKeys, []string{"match"}, func(key string) object {
		switch key {
		case "match":
			return says("the levels of axes that it is about", ref("condition"))
		case "set":
			return says("what these cells set beside", ref(settings))
		case "vary":
			return says("axes that vary in these cells only", object{"type": "array", "items": object{"type": "string"}})
		}
		return nil
	})
	s["anyOf"] = []object{{"required": []string{"set"}}, {"required": []string{"vary"}}}
	return s
}

func claimSchema(metric object) object {
	text := object{"type": "string", "pattern": `\S`}
	return table(claimKeys, []string{"id", "says", "all"}, func(key string) object {
		switch key {
		case "id", "says":
			return text
		case "paper":
			return says("what the paper found", table(paperKeys, paperKeys, func(key string) object {
				if key == "value" || key == "against" {
					return object{"type": "number"}
				}
				return object{"type": "string"}
			}))
		case "all":
			var parts []object
			for _, kind := range kinds {
				parts = append(parts, partSchema(kind, metric))
			}
			return says("the claim holds if every part does", listOf(anyOf(parts...)))
		}
		return nil
	})
}

// metricSchema has the members of the spectrum in place of their family's name:
// heads.out may be 65536.
func metricSchema() object {
	enum := slices.DeleteFunc(metricNames(), func(name string) bool {
		_, ok := config.MetricByName(name)
		return !ok
	})
	for _, rank := range config.SpectrumRanks(1 << 16) {
		enum = append(enum, config.SpectrumName(rank))
	}
	return object{"enum": enum}
}

func paperSchema(metric object) object {
	return table(paperValueKeys, paperValueKeys, func(key string) object {
		switch key {
		case "metric":
			return says("the metric of ours that its values stand beside", metric)
		case "values":
			return says("its value by cell", object{"type": "object", "additionalProperties": object{"type": "number"}})
		case "where":
			return says("where in the paper, and on what scale", object{"type": "string", "pattern": `\S`})
		}
		return says("of its values", object{"type": "string"})
	})
}

func partSchema(kind PartKind, metric object) object {
	cells := object{"type": "array", "minItems": 1, "uniqueItems": true, "items": object{"type": "string"}}
	required := slices.DeleteFunc(slices.Clone(partKeys[kind]), func(k string) bool { return k == "by" })
	if slices.Contains(required, "metric") {
		cells["minItems"], cells["maxItems"] = 2, 2
	}
	return table(partKeys[kind], required, func(key string) object {
		switch key {
		case "metric":
			return metric
		case "by":
			return object{"type": "number", "minimum": 0}
		case "margin":
			return object{"type": "number", "exclusiveMinimum": 0}
		}
		return cells
	})
}

// embeddedSettings is the schema of what may be set of the embedded trainer.
func embeddedSettings() object {
	names := embeddedNames()
	return table(names, nil, func(name string) object {
		var is []object
		if k, ok := config.KeyAt(name); ok {
			is = append(is, keySchema(k))
		}
		if group := config.Group(name); group != nil {
			is = append(is, table(group, nil, func(sub string) object {
				k, _ := config.KeyAt(name + "." + sub)
				return keySchema(k)
			}))
		}
		return oneOrAny(is)
	})
}

// embeddedAxes is the schema of axes: lists of a key's values, or named levels.
func embeddedAxes() object {
	names := embeddedNames()
	axes := table(names, nil, func(name string) object {
		is := []object{ref("levels")}
		if k, ok := config.KeyAt(name); ok {
			is = append(is, listOf(keySchema(k)))
		}
		if group := config.Group(name); group != nil {
			is = append(is, table(group, nil, func(sub string) object {
				k, _ := config.KeyAt(name + "." + sub)
				return listOf(keySchema(k))
			}))
		}
		return oneOrAny(is)
	})
	axes["additionalProperties"] = ref("levels")
	return axes
}

// embeddedNames are the first parts of the keys' paths, once each.
func embeddedNames() (names []string) {
	for _, k := range config.Keys {
		name, _, _ := strings.Cut(k.Path, ".")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

func oneOrAny(is []object) object {
	if len(is) == 1 {
		return is[0]
	}
	return anyOf(is...)
}

// keySchema is the schema of a key's value.
func keySchema(k config.Key) object {
	s := object{"description": k.Says, "default": k.Default}
	switch k.Default.(type) {
	case string:
		s["enum"] = k.OneOf
		return s
	case bool:
		s["type"] = "boolean"
		return s
	case int64:
		s["type"] = "integer"
	default:
		s["type"] = "number"
	}
	low, high := "minimum", "maximum"
	if k.OpenMin {
		low = "exclusiveMinimum"
	}
	if k.OpenMax {
		high = "exclusiveMaximum"
	}
	s[low], s[high] = k.Min, k.Max
	return s
}
