package reports

import (
	"ablate/words"
	"strings"
)

// studyFile is the name under which WriteDir leaves a study that is not
// shipped with the program.
const studyFile = "study.toml"

// hereCommands are the lines that make the report again from its store.
func (r *Report) hereCommands() []string {
	lines := r.commands("")
	if r.Store == "" {
		return lines
	}
	for i := range lines {
		lines[i] += " --store " + words.Quote(r.Store)
	}
	return lines
}

// commands are the lines that make the report again. A study that is not
// shipped is run from file; where that is "", nobody knows where its file is.
func (r *Report) commands(file string) []string {
	var sets strings.Builder
	for _, set := range r.Sets {
		sets.WriteString(" --set " + words.Quote(set))
	}
	report := "ablate report " + words.Quote(r.Name) + sets.String()
	if r.shipped {
		file = r.Name
	}
	if file == "" {
		return []string{report}
	}
	return []string{"ablate run " + words.Quote(file) + sets.String(), report}
}
