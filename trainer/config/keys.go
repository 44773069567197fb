package config

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Key describes one key of a Config, or of an external trainer: what it is
// called, what it may be and what it is for.
type Key struct {
	Path    string
	Default any      // a string, bool, int64 or float64: its type is the key's type; nil: any of them
	OneOf   []string // the allowed strings, of a string key; nil: any

	// The allowed range of a number, both ends included unless an Open says
	// otherwise; any finite number if Min is Max.
	Min, Max         float64
	OpenMin, OpenMax bool

	// Only is the setting that alone gives the key a meaning; the zero value
	// is none. Resolved settings with another one lack the key.
	Only Only

	// Implied says that the canonical form of settings leaves the key out where
	// it is at its default, so that it changed the identity of no run when it
	// came to be.
	Implied bool

	Says string // one line for help
}

// Only is a condition on settings: the key at Path has the value Value.
type Only struct{ Path, Value string }

// String writes the condition as a study does.
func (o Only) String() string { return fmt.Sprintf("%s = %q", o.Path, o.Value) }

var norms = []string{NormBN, NormLN, NormNone, NormNoneAffine, NormInit, NormGNWS}

// Keys holds every key of Config, in Config's order. A run's settings are
// resolved when they hold exactly these, but for the keys that are for
// other settings only.
var Keys = []Key{
	oneOf("method", "the self-supervised method; simclr has no predictor and no target, whatever their keys say", "byol", "simclr"),

	oneOf("data.name", "the dataset", "cifar10", "cifar100", "fashion-mnist", "mnist", "folder", "generated"),
	whole("data.train", 0, 0, 10_000_000, "training images; 0 = all of them"),
	whole("data.test", 0, 0, 10_000_000, "test images of the evaluations; 0 = all of them"),
	only("data.name", "folder", whole("data.size", 32, 8, 224, "pixels that the images of \"folder\" are resized to, in width and height")),

	oneOf("encoder.arch", "a CIFAR ResNet: 3 stages of 1, 2 or 3 blocks, or resnet18's 4 stages of 2", "resnet8", "resnet14", "resnet20", "resnet18"),
	whole("encoder.width", 16, 1, 1024, "channels of the first stage; each later stage doubles them"),

	oneOf("norm.encoder", "normalization in the encoder", norms...),
	oneOf("norm.projector", "normalization in the projector", norms...),
	oneOf("norm.predictor", "normalization in the predictor, if there is one", norms...),

	whole("heads.hidden", 256, 1, 65536, "hidden units of projector and predictor"),
	whole("heads.out", 64, 2, 65536, "outputs of projector and predictor"),

	{Path: "predictor", Default: true, Says: "whether the online network ends in a predictor; simclr has none"},
	whole("batch", 128, 1, 65536, "images a step; each is seen in two views"),
	whole("epochs", 20, 1, 1_000_000, "passes over the training images"),
	implied(oneOf("stop_when", "whether a run ends at the first probe, from the second after step 0 on, at which it has collapsed; "+
		"one below the threshold from step 0 on trains to its end, for it may still separate", "never", "collapsed")),

	oneOf("optimizer.name", "the optimizer", "sgd", "lars", "adam"),
	above(number("optimizer.lr", 0.1, 0, 1000, "peak learning rate, not scaled by the batch")),
	number("optimizer.weight_decay", 1e-4, 0, 1, "weight decay; norms and biases are exempt"),
	below(number("optimizer.momentum", 0.9, 0, 1, "momentum; of Adam, the decay rate of the first moment")),
	number("optimizer.trust", 0.001, 0, 1000, "trust coefficient of LARS, which needs it above 0; the others have none"),
	number("optimizer.warmup", 0.1, 0, 1, "share of the steps in which the learning rate rises to its peak"),
	implied(oneOf("optimizer.schedule", "how the learning rate goes after the warm-up: down to 0 along a cosine, or not at all", "cosine", "constant")),

	number("target.tau", 0.99, 0, 1, "base decay rate of the target's moving average; 1 = a fixed random target"),
	oneOf("target.schedule", "how the decay rate goes: up to 1 along a cosine, or not at all", "cosine", "constant"),
	{Path: "target.stop_gradient", Default: true, Says: "false: the online network is its own target, and gradients flow through it"},

	only("method", "simclr", above(number("simclr.temperature", 0.5, 0, 100, "temperature of SimCLR's NT-Xent loss"))),

	above(number("augment.crop_min", 0.2, 0, 1, "smallest area share of the random resized crop")),
	number("augment.flip", 0.5, 0, 1, "probability of a horizontal flip"),
	number("augment.jitter", 0.8, 0, 1, "probability of the colour jitter"),
	number("augment.brightness", 0.4, 0, 1, "largest relative change of brightness"),
	number("augment.contrast", 0.4, 0, 1, "largest relative change of contrast"),
	number("augment.saturation", 0.2, 0, 1, "largest relative change of saturation"),
	number("augment.hue", 0.1, 0, 0.5, "largest shift of hue, as a share of the colour circle"),
	number("augment.grayscale", 0.2, 0, 1, "probability of dropping the colours"),
	number("augment.blur1", 0, 0, 1, "probability of a Gaussian blur in view 1"),
	number("augment.blur2", 0, 0, 1, "probability of a Gaussian blur in view 2"),
	number("augment.solarize1", 0, 0, 1, "probability of solarization in view 1"),
	number("augment.solarize2", 0.2, 0, 1, "probability of solarization in view 2"),

	whole("probe.every", 1, 1, 1_000_000, "epochs between two probes; the first and the last step are always probed"),
	whole("probe.images", 1000, 2, 1_000_000, "held-out images of the collapse probe"),
}

// NormShorthand is the one key that Keys lacks: it stands for the three
// norm.* keys and is gone from resolved settings.
var NormShorthand = oneOf("norm", "normalization of encoder, projector and predictor at once", norms...)

// The first choice is the default.
func oneOf(path, says string, choices ...string) Key {
	return Key{Path: path, Default: choices[0], OneOf: choices, Says: says}
}

func whole(path string, def int64, min, max float64, says string) Key {
	return Key{Path: path, Default: def, Min: min, Max: max, Says: says}
}

func number(path string, def, min, max float64, says string) Key {
	return Key{Path: path, Default: def, Min: min, Max: max, Says: says}
}

func above(k Key) Key { k.OpenMin = true; return k }
func below(k Key) Key { k.OpenMax = true; return k }

func implied(k Key) Key { k.Implied = true; return k }

func only(path, value string, k Key) Key { k.Only = Only{path, value}; return k }

var (
	keyIndex = map[string]int{}      // position in Keys, by path
	groups   = map[string][]string{} // names below a table, by its path
	topNames []string                // first segments of all keys, once each
	allPaths []string                // what may be written: Keys and the shorthand
)

func init() {
	for i, k := range Keys {
		keyIndex[k.Path] = i
		allPaths = append(allPaths, k.Path)
		group, name, nested := strings.Cut(k.Path, ".")
		if nested {
			groups[group] = append(groups[group], name)
		}
		if !slices.Contains(topNames, group) {
			topNames = append(topNames, group)
		}
	}
	allPaths = append(allPaths, NormShorthand.Path)
}

// KeyAt returns the key at path, NormShorthand included.
func KeyAt(path string) (Key, bool) {
	if path == NormShorthand.Path {
		return NormShorthand, true
	}
	i, ok := keyIndex[path]
	if !ok {
		return Key{}, false
	}
	return Keys[i], true
}

// Group returns the names of the keys in the table at path ("data": name,
// train, test, size), or nil if no key lies below path.
func Group(path string) []string { return groups[path] }

// Allows says what the key accepts, as it goes after "must be".
func (k Key) Allows() string {
	switch k.Default.(type) {
	case nil:
		return "a string, true, false or a finite number"
	case string:
		if k.OneOf == nil {
			return "a string"
		}
		quoted := make([]string, len(k.OneOf))
		for i, s := range k.OneOf {
			quoted[i] = strconv.Quote(s)
		}
		return orList(quoted)
	case bool:
		return "true or false"
	case int64:
		if k.Min == k.Max {
			return "a whole number"
		}
		return fmt.Sprintf("a whole number from %.0f to %.0f", k.Min, k.Max)
	}
	if k.Min == k.Max {
		return "a finite number"
	}
	low, high := "at least", "at most"
	if k.OpenMin {
		low = "above"
	}
	if k.OpenMax {
		high = "below"
	}
	return fmt.Sprintf("a number %s %s and %s %s", low, Print(k.Min), high, Print(k.Max))
}

// Check returns v in its canonical form, or an error that says what the key
// accepts. A whole number is fine where any number is.
func (k Key) Check(v any) (any, error) {
	ok := false
	want := k.Default
	if want == nil {
		want = v
	}
	switch want.(type) {
	case string:
		var s string
		s, ok = v.(string)
		ok = ok && (k.OneOf == nil || slices.Contains(k.OneOf, s))
	case bool:
		_, ok = v.(bool)
	case int64:
		var n int64
		n, ok = v.(int64)
		ok = ok && k.inRange(float64(n))
	case float64:
		if n, isInt := v.(int64); isInt {
			v = float64(n)
		}
		var f float64
		f, ok = v.(float64)
		ok = ok && k.inRange(f)
		if ok && f == 0 {
			v = 0.0 // negative zero would be another identity for equal work
		}
	}
	if !ok {
		return nil, fmt.Errorf("%s must be %s, not %s", k.Path, k.Allows(), show(v))
	}
	return v, nil
}

// inRange is false for NaN as well.
func (k Key) inRange(f float64) bool {
	if k.Min == k.Max {
		return !math.IsNaN(f) && !math.IsInf(f, 0)
	}
	if math.IsNaN(f) || f < k.Min || f > k.Max {
		return false
	}
	return !(k.OpenMin && f == k.Min) && !(k.OpenMax && f == k.Max)
}

// Print writes a value as tables, names and JSON show it: strings bare,
// numbers in the fewest digits that give the same number back.
func Print(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case bool:
		return strconv.FormatBool(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return string(appendFloat(nil, v))
	}
	return fmt.Sprint(v)
}

// appendFloat writes 1e-5 where strconv writes 1e-05.
func appendFloat(b []byte, f float64) []byte {
	start := len(b)
	b = strconv.AppendFloat(b, f, 'g', -1, 64)
	e := slices.Index(b[start:], 'e')
	if e < 0 {
		return b
	}
	digits := start + e + 2 // after the exponent's sign
	if b[digits] == '0' {
		b = slices.Delete(b, digits, digits+1)
	}
	if b[digits-1] == '+' {
		b = slices.Delete(b, digits-1, digits)
	}
	return b
}

// show writes a value as a message quotes it.
func show(v any) string {
	if s, ok := v.(string); ok {
		return strconv.Quote(s)
	}
	return Print(v)
}

// UnknownKey says that there is no key at path, and which ones there are.
// near holds the paths that were probably meant; it may be empty.
func UnknownKey(path string) (message string, near []string) {
	near = nearKeys(path)
	message = fmt.Sprintf("unknown key %q", path)
	group, _, _ := strings.Cut(path, ".")
	switch {
	case len(near) > 0:
		message += "; did you mean " + orList(near) + "?"
	case groups[group] != nil:
		message += "; " + group + " has the keys " + strings.Join(groups[group], ", ")
	default:
		message += "; the keys are " + strings.Join(topNames, ", ")
	}
	return message, near
}

// nearKeys finds misspellings of a name in its table, of a whole path or of a
// table's name, and keys that were written without their table ("lr").
func nearKeys(path string) []string {
	var near []string
	if group, name, _ := strings.Cut(path, "."); groups[group] != nil {
		for _, n := range Near(name, groups[group]) {
			near = append(near, group+"."+n)
		}
		return near
	}
	if near := Near(path, allPaths); len(near) > 0 {
		return near
	}
	for _, k := range Keys {
		if strings.HasSuffix(k.Path, "."+path) {
			near = append(near, k.Path)
		}
	}
	if len(near) == 0 && !strings.Contains(path, ".") {
		near = Near(path, topNames)
	}
	return near
}

// Near returns the names that name may be a misspelling of, the likeliest
// first: at most three, at an edit distance of at most a third of its length.
func Near(name string, names []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	limit := min(3, max(1, len(name)/3), len(name)-1)
	var found []candidate
	for _, n := range names {
		if abs(len(n)-len(name)) > limit {
			continue
		}
		if d := editDistance(strings.ToLower(name), strings.ToLower(n)); d <= limit {
			found = append(found, candidate{n, d})
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return a.distance - b.distance })
	var near []string
	for _, c := range found[:min(3, len(found))] {
		near = append(near, c.name)
	}
	return near
}

// editDistance counts insertions, deletions, substitutions and swaps of
// neighbours (optimal string alignment).
func editDistance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func abs(n int) int { return max(n, -n) }

// orList writes "a", "a or b", "a, b or c".
func orList(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " or " + items[len(items)-1]
}
