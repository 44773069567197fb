package reports

import (
	"regexp"
	"strings"
)

// studyFile is the name under which WriteDir leaves a study that is not
// shipped with the program.
const studyFile = "study.toml"

// commands are the lines that make the report again. A study that is not
// shipped is run from file; where that is "", nobody knows where its file is.
func (r *Report) commands(file string) []string {
	var sets strings.Builder
	for _, set := range r.Sets {
		sets.WriteString(" --set " + quote(set))
	}
	report := "ablate report " + quote(r.Name) + sets.String()
	if r.shipped {
		file = r.Name
	}
	if file == "" {
		return []string{report}
	}
	return []string{"ablate run " + quote(file) + sets.String(), report}
}

var bare = regexp.MustCompile(`^[A-Za-z0-9_./=:,+@%-]+$`)

// quote writes an argument as a POSIX shell takes it.
func quote(arg string) string {
	if bare.MatchString(arg) {
		return arg
	}
	return "'" + strings.ReplaceAll(arg, "'", `'\''`) + "'"
}
