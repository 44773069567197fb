package config

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with some settings. Path names a key
// that they set; Message is complete and says what is allowed.
type Problem struct {
	Path, Message string
}

// invalid is the type of Invalid.
type invalid struct{}

// Invalid stands in settings for a value that was found wrong before: Resolve
// reports neither it nor any combination that it is part of, so that one
// mistake is one error.
var Invalid any = invalid{}

// Merge returns s with the settings of over laid on top. The shorthand norm
// sets all three components anew; a component alone leaves the others as
// they are.
func (s Settings) Merge(over Settings) Settings {
	merged := make(Settings, len(s)+len(over))
	maps.Copy(merged, s)
	merged.Apply(over)
	return merged
}

// Apply is Merge in place.
func (s Settings) Apply(over Settings) {
	if _, ok := over[NormShorthand.Path]; ok {
		for _, path := range normPaths {
			delete(s, path)
		}
	}
	maps.Copy(s, over)
}

var normPaths = [3]string{"norm.encoder", "norm.projector", "norm.predictor"}

// Resolve turns settings as written into complete ones: the shorthand is
// spread over its components, missing keys get their defaults, and keys
// without a meaning here get one fixed value, so that equal work has equal
// settings. Resolved settings resolve to themselves.
//
// SimCLR has neither predictor nor target: whatever is set about them, even
// norm.predictor, has no meaning, and its settings say predictor = false and
// target.stop_gradient = false. Keys that are for other settings only
// (Key.Only) are left out.
//
// The problems are sorted by path. Where there are any, the settings are of no
// use.
func Resolve(s Settings) (Settings, []Problem) {
	out := make(Settings, len(Keys))
	problems := ResolveInto(out, s)
	return out, problems
}

// ResolveInto is Resolve with the result in out, which it empties first:
// whoever resolves many settings makes one map for them.
func ResolveInto(out, s Settings) []Problem {
	clear(out)
	r := resolver{raw: s, out: out}
	r.fill()
	r.combine()
	slices.SortFunc(r.problems, func(a, b Problem) int { return strings.Compare(a.Path, b.Path) })
	return r.problems
}

type resolver struct {
	raw, out Settings
	bad      map[string]bool // keys whose value is not to be trusted
	problems []Problem
}

func (r *resolver) report(path, format string, args ...any) {
	r.problems = append(r.problems, Problem{path, fmt.Sprintf(format, args...)})
}

// spoil marks a key as one that combinations must not judge.
func (r *resolver) spoil(path string) {
	if r.bad == nil {
		r.bad = map[string]bool{}
	}
	r.bad[path] = true
	if path == NormShorthand.Path {
		for _, p := range normPaths {
			r.bad[p] = true
		}
	}
}

// fill gives every key its value, or its default.
func (r *resolver) fill() {
	seen := 0
	shorthand, short := r.raw[NormShorthand.Path]
	if short {
		seen++
		shorthand = r.check(NormShorthand, shorthand)
	}
	for i := range Keys {
		k := &Keys[i]
		v, ok := r.raw[k.Path]
		switch {
		case ok:
			seen++
			if k.Path == "norm.predictor" && v == "" && r.raw["predictor"] == false {
				break // as Resolve itself writes it
			}
			delete(r.bad, k.Path) // a component of its own makes up for a bad shorthand
			v = r.check(*k, v)
		case short && strings.HasPrefix(k.Path, "norm."):
			v = shorthand
		default:
			v = k.Default
		}
		r.out[k.Path] = v
	}
	if seen < len(r.raw) {
		r.unknown()
	}
}

// check returns v in canonical form, or, if it is wrong, the default.
func (r *resolver) check(k Key, v any) any {
	if v != Invalid {
		checked, err := k.Check(v)
		if err == nil {
			return checked
		}
		r.report(k.Path, "%v", err)
	}
	r.spoil(k.Path)
	return k.Default
}

func (r *resolver) unknown() {
	for path, v := range r.raw {
		if _, ok := KeyAt(path); ok || v == Invalid {
			continue
		}
		message, near := UnknownKey(path)
		r.report(path, "%s", message)
		for _, n := range near {
			r.spoil(n)
		}
	}
}

// ok reports whether all keys at paths have trustworthy values.
func (r *resolver) ok(paths ...string) bool {
	for _, p := range paths {
		if r.bad[p] {
			return false
		}
	}
	return true
}

func (r *resolver) text(path string) string { return r.out[path].(string) }
func (r *resolver) whole(path string) int   { return int(r.out[path].(int64)) }
func (r *resolver) flag(path string) bool   { return r.out[path].(bool) }

// combine checks what keys mean together and makes the result canonical.
func (r *resolver) combine() {
	r.conditions()
	r.method()
	r.predictor()
	r.groups()
	r.single()
	r.batch()
	r.probes()
	r.optimizer()
	r.target()
}

// conditions drops the keys that are for other settings only. They are gone
// rather than fixed to some value, so that such a key, when it came to be,
// changed no identity of a run that does without it.
func (r *resolver) conditions() {
	for i := range Keys {
		if k := &Keys[i]; k.Only != (Only{}) && k.Only.Value != r.text(k.Only.Path) {
			delete(r.out, k.Path)
		}
	}
}

// method gives what SimCLR lacks its one value; target does the rest.
func (r *resolver) method() {
	if !r.ok("method") {
		r.spoil("norm.predictor") // there may be no predictor
		return
	}
	if r.text("method") == "simclr" {
		r.out["predictor"] = false
		r.out["norm.predictor"] = ""
		r.out["target.stop_gradient"] = false
	}
}

// predictor refuses a norm for a predictor that is not there; a shorthand is
// fine, for it is about the other components too.
func (r *resolver) predictor() {
	if r.flag("predictor") || !r.ok("predictor") {
		return
	}
	v := r.text("norm.predictor")
	if _, explicit := r.raw["norm.predictor"]; explicit && v != "" && r.ok("norm.predictor") {
		r.report("norm.predictor", "norm.predictor = %q needs a predictor, but predictor = false; leave norm.predictor out or set predictor = true", v)
	}
	r.out["norm.predictor"] = ""
}

// GroupsFor returns the number of groups of a group normalization: the
// paper's 16, or fewer so that a group has at least 4 channels.
func GroupsFor(channels int) int {
	return max(1, min(16, channels/4))
}

// groups checks that every layer under GN+WS splits into equal groups.
func (r *resolver) groups() {
	stages := []int{1, 2, 4}
	if r.text("encoder.arch") == "resnet18" {
		stages = append(stages, 8)
	}
	r.groupsOf("encoder.width", stages, "norm.encoder")
	r.groupsOf("heads.hidden", []int{1}, "norm.projector", "norm.predictor")
}

// groupsOf reports the first component that cannot work with the channels at
// path times each of the factors.
func (r *resolver) groupsOf(path string, factors []int, components ...string) {
	channels := r.whole(path)
	if !r.ok(path) || dividing(channels, factors) {
		return
	}
	for _, c := range components {
		if r.text(c) == NormGNWS && r.ok(c) {
			r.report(path, "%s = %d does not work with %s = %q: its channels do not split into groups of equal size; near it, %s do",
				path, channels, c, NormGNWS, nearest(channels, factors))
			return
		}
	}
}

func dividing(channels int, factors []int) bool {
	for _, f := range factors {
		if channels*f%GroupsFor(channels*f) != 0 {
			return false
		}
	}
	return true
}

// nearest names the numbers of channels next to n, on both sides, that split
// into groups. 1 always does, and so does every multiple of 16.
func nearest(n int, factors []int) string {
	low, high := n, n
	for !dividing(low, factors) {
		low--
	}
	for !dividing(high, factors) {
		high++
	}
	return fmt.Sprintf("%d and %d", low, high)
}

// single refuses norms that would turn every value into the same constant,
// since there is but one to normalize.
func (r *resolver) single() {
	if r.whole("heads.hidden") == 1 && r.ok("heads.hidden") {
		for _, c := range []string{"norm.projector", "norm.predictor"} {
			if n := r.text(c); (n == NormLN || n == NormGNWS) && r.ok(c) {
				r.report("heads.hidden", "heads.hidden = 1 leaves %s = %q one value to normalize: a constant; take at least 2", c, n)
				return
			}
		}
	}
	if r.whole("encoder.width") == 1 && r.ok("encoder.width", "norm.encoder") && r.text("norm.encoder") == NormGNWS {
		r.report("encoder.width", "encoder.width = 1 leaves norm.encoder = %q one weight to standardize in shortcuts: 0; take at least 2", NormGNWS)
	}
}

// probes refuses a single test image: spread and similarity need two.
func (r *resolver) probes() {
	if r.whole("data.test") == 1 && r.ok("data.test") {
		r.report("data.test", "data.test = 1 leaves the probes no two images to compare; take at least 2, or 0 for all images")
	}
}

func (r *resolver) batch() {
	batch, train := r.whole("batch"), r.whole("data.train")
	if !r.ok("batch") {
		return
	}
	if train > 0 && train < batch && r.ok("data.train") {
		r.report("data.train", "data.train = %d is less than one batch of %d: no step would be made; take at least %d, or 0 for all images", train, batch, batch)
	}
	if batch > 1 {
		return
	}
	if r.text("method") == "simclr" && r.ok("method") {
		r.report("batch", "batch = 1 leaves SimCLR no other image to compare with; take at least 2")
		return
	}
	for _, c := range normPaths {
		if n := r.text(c); (n == NormBN || n == NormInit) && r.ok(c) {
			r.report("batch", "batch = %d has no statistics for %s = %q; take at least 2", batch, c, n)
			return
		}
	}
}

func (r *resolver) optimizer() {
	if !r.ok("optimizer.name") {
		return
	}
	if r.text("optimizer.name") != "lars" {
		r.out["optimizer.trust"] = 0.0
	} else if r.out["optimizer.trust"] == 0.0 && r.ok("optimizer.trust") {
		r.report("optimizer.trust", `optimizer.trust = 0 lets "lars" take no step; take a number above 0`)
	}
}

// target drops what a target without its own weights does not use.
func (r *resolver) target() {
	if !r.flag("target.stop_gradient") {
		r.out["target.tau"] = 0.0
		r.out["target.schedule"] = "constant"
	}
}

// Unused says why the key at path has no meaning in resolved settings, which
// are then the same whatever it is set to; "" if it has one.
func (s Settings) Unused(path string) string {
	if k, _ := KeyAt(path); k.Only != (Only{}) && k.Only.Value != s[k.Only.Path] {
		return fmt.Sprintf("%s is for %s only", path, k.Only)
	}
	isTarget := strings.HasPrefix(path, "target.")
	isPredictor := path == "predictor" || path == "norm.predictor"
	switch {
	case s["method"] == "simclr" && (isTarget || isPredictor):
		return fmt.Sprintf("simclr has neither predictor nor target for %s", path)
	case path == "norm.predictor" && s["predictor"] == false:
		return "there is no predictor for norm.predictor"
	case path == "optimizer.trust" && s["optimizer.name"] != "lars":
		return `optimizer.trust is for optimizer.name = "lars" only`
	case isTarget && path != "target.stop_gradient" && s["target.stop_gradient"] == false:
		return fmt.Sprintf("%s is for target.stop_gradient = true only: else the online network is its own target", path)
	}
	return ""
}
