package config

import (
	"fmt"
	"strings"
)

// Fill replaces every placeholder {NAME} in an argument of a command by
// value(NAME); {{ and }} stand for braces. A name that value does not know, an
// empty name and a brace without its partner are errors.
func Fill(arg string, value func(name string) (text string, known bool)) (string, error) {
	var b strings.Builder
	rest := arg
	for {
		i := strings.IndexAny(rest, "{}")
		if i < 0 {
			b.WriteString(rest)
			return b.String(), nil
		}
		b.WriteString(rest[:i])
		brace := rest[i]
		rest = rest[i+1:]
		if rest != "" && rest[0] == brace {
			b.WriteByte(brace)
			rest = rest[1:]
			continue
		}
		end := strings.IndexAny(rest, "{}")
		if brace == '}' || end < 0 || rest[end] == '{' {
			return "", fmt.Errorf("%q has a single %c; a placeholder is {key}, and {{ and }} stand for braces", arg, brace)
		}
		text, known := value(rest[:end])
		if !known {
			return "", fmt.Errorf("%q has the placeholder {%s}, which has no value", arg, rest[:end])
		}
		b.WriteString(text)
		rest = rest[end+1:]
	}
}
