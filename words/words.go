// Package words writes what people and shells read: counted things, text that
// a terminal may be given, arguments.
package words

import (
	"regexp"
	"strconv"
	"strings"
)

// Plural counts things: "1 run", "2 runs".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// Printable replaces control characters, which a terminal would obey.
func Printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c >= 0x7f && c < 0xa0 {
			return ' '
		}
		return c
	}, s)
}

// bare is an argument that a shell takes as it stands.
var bare = regexp.MustCompile(`^[A-Za-z0-9_./=:,+@%-]+$`)

// Quote writes an argument as a POSIX shell takes it.
func Quote(arg string) string {
	if bare.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}

// Bytes writes an amount of memory: "512 MiB", "1.5 GiB".
func Bytes(n int64) string {
	v, unit := float64(n), "B"
	for _, next := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, next
	}
	return strconv.FormatFloat(v, 'g', 4, 64) + " " + unit
}
