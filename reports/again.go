package reports

import (
	"regexp"
	"strings"
)

// studyFile is the name under which WriteDir leaves a study that is not
// shipped with the program.
const studyFile = "study.toml"

// commands are the lines that make the report again.
func (r *Report) commands() []string {
	name := r.Name
	if !r.shipped {
		name = "./" + studyFile
	}
	run := "ablate run " + quote(name)
	for _, set := range r.Sets {
		run += " --set " + quote(set)
	}
	return []string{run, "ablate report " + quote(r.Name)}
}

var bare = regexp.MustCompile(`^[A-Za-z0-9_./=:,+@%-]+$`)

// quote writes an argument as a POSIX shell takes it.
func quote(arg string) string {
	if bare.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
