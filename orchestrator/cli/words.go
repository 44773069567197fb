package cli

import (
	"fmt"
	"regexp"
	"strings"
)

// plural counts things: "1 run", "2 runs".
func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// printable replaces control characters, which a terminal would obey.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return ' '
		}
		return c
	}, s)
}

// bare is an argument that a shell takes as it stands.
var bare = regexp.MustCompile(`^[A-Za-z0-9_./=:,+@%-]+$`)

// quote writes an argument as a POSIX shell takes it.
func quote(arg string) string {
	if bare.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
