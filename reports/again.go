package reports

import (
	"strings"

	"ablate/words"
)

// studyFile is the name under which WriteDir leaves a study that is not
// shipped with the program.
const studyFile = "study.toml"

// hereCommands are the lines that make the report again from its store.
func (r *Report) hereCommands() []string { return r.here(r.commands("")) }

// here adds the report's store to commands, if it is not the usual one.
func (r *Report) here(commands []string) []string {
	if r.Store == "" {
		return commands
	}
	var lines []string
	for _, c := range commands {
		lines = append(lines, c+" --store "+words.Quote(r.Store))
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
	return []string{"ablate run " + words.Quote(file) + sets.String() + r.besides(), report}
}

// besides names, as a comment, what must lie beside the file of a study with a
// trainer of its own.
func (r *Report) besides() string {
	if r.study == nil || r.study.Trainer == nil || len(r.study.Trainer.Files) == 0 {
		return ""
	}
	return " # with " + words.Printable(strings.Join(r.study.Trainer.Files, ", ")) + " beside it"
}
