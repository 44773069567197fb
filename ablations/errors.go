package ablations

import (
	"fmt"
	"slices"
	"strings"
)

// Error is one thing that is wrong with a study.
type Error struct {
	File    string
	Line    int    // 0 for an override, which no line of the file is to blame for
	Message string // complete: what is wrong, and what is allowed
}

func (e Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("%s:%d: %s", e.File, e.Line, e.Message)
}

// Errors is everything that is wrong with a study, sorted by line.
type Errors []Error

// Error puts each error on a line of its own.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// problems collects errors while a study is read.
type problems struct {
	file string
	list Errors
}

func (p *problems) at(line int, format string, args ...any) {
	p.list = append(p.list, Error{p.file, line, fmt.Sprintf(format, args...)})
}

// err returns the errors sorted by line, each once, or nil if there are none.
func (p *problems) err() error {
	if len(p.list) == 0 {
		return nil
	}
	seen := map[Error]bool{}
	p.list = slices.DeleteFunc(p.list, func(e Error) bool {
		again := seen[e]
		seen[e] = true
		return again
	})
	slices.SortStableFunc(p.list, func(a, b Error) int { return a.Line - b.Line })
	return p.list
}
