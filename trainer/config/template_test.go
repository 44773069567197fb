package config

import (
	"strings"
	"testing"
)

func TestFill(t *testing.T) {
	value := func(name string) (string, bool) {
		v, ok := map[string]string{"norm": "gn+ws", "optimizer.lr": "0.1", "seed": "3", "braces": "{norm}"}[name]
		return v, ok
	}
	for arg, want := range map[string]string{
		"":                           "",
		"plain":                      "plain",
		"{norm}":                     "gn+ws",
		"--lr={optimizer.lr},{seed}": "--lr=0.1,3",
		"{{norm}}":                   "{norm}",
		"{{{norm}}}":                 "{gn+ws}",
		"}}{{":                       "}{",
		"{braces}{seed}":             "{norm}3", // a value is never looked at again
	} {
		if got, err := Fill(arg, value); err != nil || got != want {
			t.Errorf("Fill(%q) = %q, %v, want %q", arg, got, err, want)
		}
	}
	for arg, want := range map[string]string{
		"{":       "has a single {",
		"a}b":     "has a single }",
		"{norm":   "has a single {",
		"{a{b}}":  "has a single {",
		"{norm}}": "has a single }",
		"}norm}":  "has a single }",
		"{}":      "has the placeholder {}, which has no value",
		"{nrom}":  "has the placeholder {nrom}, which has no value",
	} {
		if got, err := Fill(arg, value); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Fill(%q) = %q, %v, want %q", arg, got, err, want)
		}
	}
}
