package ablations

import (
	"embed"
	"fmt"
	"os"
	"strings"

	"ablate/trainer/config"
)

//go:embed studies/*.toml
var shipped embed.FS

// Shipped returns the names of the studies in the binary, sorted.
func Shipped() []string {
	entries, err := shipped.ReadDir("studies")
	if err != nil {
		return nil // the folder is part of the binary
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = strings.TrimSuffix(e.Name(), ".toml")
	}
	return names
}

// IsFile reports whether a study is named by its file: the name has a slash or
// ends in .toml. Any other name is one of a shipped study.
func IsFile(name string) bool {
	return strings.Contains(name, "/") || strings.HasSuffix(name, ".toml")
}

// Load reads a study, a file (IsFile) or one of the shipped ones. For sets and errors see Parse.
func Load(name string, sets []string) (*Study, error) {
	if IsFile(name) {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("cannot read the study: %w", err)
		}
		return Parse(name, text, sets)
	}
	text, err := shipped.ReadFile("studies/" + name + ".toml")
	if err != nil {
		return nil, unknownStudy(name)
	}
	return Parse(name, text, sets)
}

func unknownStudy(name string) error {
	names := Shipped()
	if near := config.Near(name, names); len(near) > 0 {
		return fmt.Errorf("no shipped study is called %q; did you mean %s? A file is named with a slash or .toml", name, strings.Join(near, " or "))
	}
	return fmt.Errorf("no shipped study is called %q; there are %s. A file is named with a slash or .toml", name, strings.Join(names, ", "))
}
