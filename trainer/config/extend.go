package config

import (
	"fmt"
	"strings"
)

// Extends reports whether a run of longer is, step by step, the one of shorter
// with more epochs after it, so that it may go on from there, both having the
// same seed and data. That is so if only the number of epochs differs and no
// step depends on it.
//
// If only the number of epochs differs, but the steps depend on it, why says
// why longer repeats everything: a sentence without a full stop. It is "" if
// longer is no longer run of the same configuration at all.
func Extends(longer, shorter Config) (ok bool, why string) {
	epochs := longer.Epochs
	longer.Epochs = shorter.Epochs
	if longer != shorter || epochs <= shorter.Epochs {
		return false, ""
	}
	var spread, instead []string
	depends := func(what, constant string) {
		spread, instead = append(spread, what), append(instead, constant)
	}
	if o := longer.Optimizer; o.Schedule != "constant" {
		depends(`optimizer.schedule = "cosine"`, `optimizer.schedule = "constant"`)
	}
	if t := longer.Target; t.Schedule != "constant" && t.Tau != 1 { // 1 is 1 all along
		depends(`target.schedule = "cosine"`, `target.schedule = "constant"`)
	}
	if w := longer.Optimizer.Warmup; w != 0 {
		depends("optimizer.warmup = "+Print(w), "optimizer.warmup = 0")
	}
	if len(spread) == 0 {
		return true, ""
	}
	verb := "spreads"
	if len(spread) > 1 {
		verb = "spread"
	}
	return false, fmt.Sprintf("with %d epochs in place of %d every step is another one, for %s %s over all of them; "+
		"runs with %s can be extended without repeating anything",
		epochs, shorter.Epochs, andList(spread), verb, andList(instead))
}

// andList writes "a", "a and b", "a, b and c".
func andList(items []string) string {
	if len(items) < 2 {
		return strings.Join(items, "")
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}
