package ablations

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"ablate/trainer/config"
)

// vocabulary is what a study's settings may be: those of the embedded trainer,
// or of the study's own.
type vocabulary interface {
	// key returns the key at a path.
	key(path string) (config.Key, bool)
	// group returns the names in the table at path; nil if there is no such table.
	group(path string) []string
	// isTable reports whether a table may stand at path.
	isTable(path string) bool
	// unknown says that there is no such key; near holds what was probably meant.
	unknown(path string) (message string, near []string)
	// resolve makes complete settings of s in out, or says why it cannot.
	resolve(out, s config.Settings) []config.Problem
	// unused says why a key has no meaning in resolved settings, "" if it has one.
	unused(s config.Settings, path string) string
}

// embedded is the vocabulary of the embedded trainer.
type embedded struct{}

func (embedded) key(path string) (config.Key, bool)           { return config.KeyAt(path) }
func (embedded) group(path string) []string                   { return config.Group(path) }
func (embedded) isTable(path string) bool                     { return config.Group(path) != nil }
func (embedded) unknown(path string) (string, []string)       { return config.UnknownKey(path) }
func (embedded) unused(s config.Settings, path string) string { return s.Unused(path) }

func (embedded) resolve(out, s config.Settings) []config.Problem { return config.ResolveInto(out, s) }

// asWritten is how an external trainer's settings are resolved: they are what
// the study says, for nobody else knows of defaults.
type asWritten struct{}

func (asWritten) resolve(out, s config.Settings) []config.Problem {
	clear(out)
	maps.Copy(out, s)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == config.Invalid })
	return nil
}

func (asWritten) unused(config.Settings, string) string { return "" }

// declared is the vocabulary of an external trainer that names its keys.
type declared struct {
	asWritten
	keys  map[string]config.Key
	paths []string // in file order
}

func (d *declared) add(k config.Key) {
	d.keys[k.Path] = k
	d.paths = append(d.paths, k.Path)
}

func (d *declared) key(path string) (config.Key, bool) {
	k, ok := d.keys[path]
	return k, ok
}

func (d *declared) group(path string) (names []string) {
	for _, p := range d.paths {
		if name, below := strings.CutPrefix(p, path+"."); below {
			names = append(names, name)
		}
	}
	return names
}

func (d *declared) isTable(path string) bool { return d.group(path) != nil }

func (d *declared) unknown(path string) (message string, near []string) {
	message = fmt.Sprintf("unknown key %q", path)
	near = config.Near(path, d.paths)
	for _, p := range d.paths {
		if len(near) == 0 && strings.HasSuffix(p, "."+path) {
			near = append(near, p)
		}
	}
	if len(near) > 0 {
		return message + "; did you mean " + strings.Join(near, " or ") + "?", near
	}
	if len(d.paths) == 0 {
		return message + "; keys of [trainer] declares none", nil
	}
	return message + "; keys of [trainer] declares " + list(d.paths), nil
}

// free is the vocabulary of an external trainer that does not name its keys:
// anything, as long as each key has one type.
type free struct{ asWritten }

var goodKey = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func (free) key(path string) (config.Key, bool) {
	return config.Key{Path: path}, goodKey.MatchString(path) && path != "seed" && !slices.Contains(rootKeys, path)
}

func (free) group(string) []string { return nil }
func (free) isTable(string) bool   { return true }

func (free) unknown(path string) (string, []string) { return badKey(path), nil }

// badKey says what is wrong with the name of an external trainer's key.
func badKey(path string) string {
	if path == "seed" {
		return "seed cannot be a key: every run has one of seeds, which a command gets as {seed}"
	}
	return fmt.Sprintf("the key %q must be of letters, digits, _ and -, with dots between its parts", path)
}

// oneType gives every key of a free vocabulary one type: a whole number counts
// as any number where the key is one elsewhere, so that equal settings have
// equal identities however they are written.
func (p *parser) oneType() {
	layers := p.layers()
	first := map[string]*layer{} // where each key is set first
	floats := map[string]bool{}
	for _, l := range layers {
		for _, key := range sortedKeys(l.lines) {
			v := l.set[key]
			if v == config.Invalid {
				continue
			}
			if _, isFloat := v.(float64); isFloat {
				floats[key] = true
			}
			f := first[key]
			if f == nil {
				first[key] = l
				p.leafOrTable(key, l, first)
			} else if a, b := typeOf(f.set[key]), typeOf(v); a != b && !(isNumber(a) && isNumber(b)) {
				l.broken = true
				p.blameLayer(l, key, "%s is %s, but %s %s; a key has one type in all of a study", key, b, a, f.place(key))
			}
		}
	}
	for _, l := range layers {
		for key := range l.lines {
			if i, isInt := l.set[key].(int64); isInt && floats[key] {
				l.set[key] = float64(i)
			}
		}
	}
}

// leafOrTable reports a key that is a table elsewhere.
func (p *parser) leafOrTable(key string, l *layer, first map[string]*layer) {
	for other, f := range first {
		if strings.HasPrefix(key, other+".") || strings.HasPrefix(other, key+".") {
			l.broken = true
			p.blameLayer(l, key, "%s cannot be set beside %s, which is set %s: one would be a table with the other in it", key, other, f.place(other))
			return
		}
	}
}

// place says where a layer sets a key.
func (l *layer) place(key string) string {
	if l.lines[key] == 0 {
		return "by " + l.name
	}
	return fmt.Sprintf("at line %d", l.lines[key])
}

// blameLayer reports an error at a layer's key.
func (p *parser) blameLayer(l *layer, key, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	if l.lines[key] == 0 {
		message = l.name + ": " + message
	}
	p.at(l.lines[key], "%s", message)
}

func typeOf(v any) kind {
	switch v.(type) {
	case string:
		return kindString
	case bool:
		return kindBool
	case int64:
		return kindInt
	}
	return kindFloat
}

func isNumber(k kind) bool { return k == kindInt || k == kindFloat }

// layers returns everything that sets keys, in the order of the file.
func (p *parser) layers() []*layer {
	layers := append([]*layer{p.base}, p.sets...)
	for _, a := range p.axes {
		layers = append(layers, a.levels...)
	}
	for _, w := range p.whens {
		layers = append(layers, w.also)
	}
	return append(layers, p.cells...)
}
