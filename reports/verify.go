package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"ablate/reports/page"
)

// Made is a report that somebody has made, as its files tell it.
type Made struct {
	Study    string // name
	Identity string // of the study in its store, Report.Identity

	json  string            // the file that the report's JSON was in
	said  map[string]any    // that JSON
	files map[string][]byte // all files, by name
	whole bool              // they are a folder, so that none may be missing
}

// ReadMade reads a report that was made: a folder of WriteDir's, or its
// report.json or report.html by itself.
func ReadMade(path string) (*Made, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("the report cannot be read: %w", err)
	}
	m := &Made{files: map[string][]byte{}, whole: info.IsDir()}
	if !m.whole {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("the report cannot be read: %w", err)
		}
		name := "report.json"
		if strings.HasPrefix(string(bytes.TrimSpace(text)), "<") {
			name = "report.html"
		}
		m.files[name] = text
		return m, m.parse(path)
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("the report cannot be read: %w", err)
	}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(path, e.Name()))
		if e.IsDir() || errors.Is(err, fs.ErrNotExist) {
			continue // a link to nowhere is no file
		}
		if err != nil {
			return nil, fmt.Errorf("the report cannot be read: %w", err)
		}
		m.files[e.Name()] = text
	}
	return m, m.parse(path)
}

// parse finds the report's JSON in its files.
func (m *Made) parse(path string) error {
	text, ok := m.files["report.json"]
	m.json = "report.json"
	if !ok {
		html, isPage := m.files["report.html"]
		if !isPage {
			return fmt.Errorf("%s has neither report.json nor report.html; name what \"ablate report --out\" has written", path)
		}
		m.json = "report.html"
		if text, ok = page.Data(html); !ok {
			return fmt.Errorf("the page %s has no data in it, as it has not where there are very many; name the folder that it comes from, or its report.json", path)
		}
	}
	if err := json.Unmarshal(text, &m.said); err != nil {
		return fmt.Errorf("%s of %s is no report: %w", m.json, path, err)
	}
	m.Study, _ = m.said["study"].(string)
	if m.Identity, _ = m.said["identity"].(string); m.Identity == "" {
		return fmt.Errorf("%s of %s does not say by its \"identity\" which study it is of; only a report of a stored study can be verified", m.json, path)
	}
	return nil
}

// Discrepancy is something that a report says and its store does not.
type Discrepancy struct {
	File       string `json:"file"`       // in which it stands
	Where      string `json:"where"`      // table, cell and metric, or claim, or line
	Reported   string `json:"reported"`   // what stands there; "" for nothing
	Recomputed string `json:"recomputed"` // what the store says; "" for nothing
}

// Verification is what a report says, compared with its store.
type Verification struct {
	Cells, Claims int
	Values        int      // of the report's JSON that were compared: figures, verdicts, words
	Files         []string // that were compared
	Others        []string // files of the folder that no report has
	Differences   []Discrepancy
}

// Verify compares a report that was made with this one, which Build has made
// of the store: every value of its JSON, and every file with what WriteDir would
// write, byte by byte. Figures of the JSON may differ by 1e-12 of themselves,
// since processors round sums differently.
func (r *Report) Verify(m *Made) (Verification, error) {
	v := Verification{Cells: len(r.Cells), Claims: len(r.Claims)}
	var text bytes.Buffer
	if err := r.JSON(&text); err != nil {
		return v, err
	}
	var again map[string]any
	if err := json.Unmarshal(text.Bytes(), &again); err != nil {
		return v, err
	}
	c := valueComparison{file: m.json}
	c.compare(nil, m.said, again)
	v.Values, v.Differences = c.values, c.found
	if !m.whole && m.json == "report.json" {
		v.Files = []string{m.json}
		return v, nil
	}
	files, err := r.render()
	if err != nil {
		return v, err
	}
	v.compareFiles(m, files)
	return v, nil
}

// compareFiles compares all files but those whose JSON is known to differ.
func (v *Verification) compareFiles(m *Made, files map[string][]byte) {
	inJSON := len(v.Differences)
	for _, name := range slices.Sorted(maps.Keys(m.files)) {
		want, known := files[name]
		switch {
		case !known:
			v.Others = append(v.Others, name)
			continue
		case bytes.Equal(m.files[name], want):
		case name == "report.json" && inJSON > 0: // which say more
		default:
			v.Differences = append(v.Differences, differenceOf(name, m.files[name], want))
		}
		v.Files = append(v.Files, name)
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if _, there := m.files[name]; m.whole && !there {
			v.Differences = append(v.Differences, Discrepancy{File: name, Where: "the file", Recomputed: "a file that is missing"})
		}
	}
}

// differenceOf is the first place in which a file differs, and how many lines do.
func differenceOf(name string, reported, recomputed []byte) Discrepancy {
	if filepath.Ext(name) == ".png" {
		return Discrepancy{name, "the picture", fmt.Sprintf("%d bytes", len(reported)), fmt.Sprintf("%d other bytes", len(recomputed))}
	}
	was, is := strings.Split(string(reported), "\n"), strings.Split(string(recomputed), "\n")
	first, differ := -1, 0
	for i := range max(len(was), len(is)) {
		if lineOf(was, i) != lineOf(is, i) {
			differ++
			if first < 0 {
				first = i
			}
		}
	}
	where := fmt.Sprintf("line %d", first+1)
	if heading := headingBefore(is[:min(first+1, len(is))]); heading != "" {
		where = heading + ", " + where
	}
	if differ > 1 {
		where += fmt.Sprintf(" and %d more", differ-1)
	}
	a, b := aroundDifference(lineOf(was, first), lineOf(is, first))
	return Discrepancy{name, where, a, b}
}

func lineOf(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return ""
}

// headingBefore is what the last of lines stands under: a heading of Markdown or
// LaTeX, or a table of the page.
func headingBefore(lines []string) string {
	for _, line := range slices.Backward(lines) {
		if heading, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " "); ok && strings.HasPrefix(line, "#") {
			return heading
		}
		for _, mark := range []struct{ before, after, kind string }{{` id="table-`, `"`, "table "}, {`<h2 id="`, `"`, ""}, {`\caption{`, `}`, "table "}} {
			if i := strings.LastIndex(line, mark.before); i >= 0 {
				name, _, _ := strings.Cut(line[i+len(mark.before):], mark.after)
				return mark.kind + strings.TrimSuffix(name, "-title")
			}
		}
	}
	return ""
}

// aroundDifference cuts two lines to what surrounds their first difference.
func aroundDifference(a, b string) (string, string) {
	const around = 60
	from := 0
	for from < min(len(a), len(b)) && a[from] == b[from] {
		from++
	}
	cut := func(s string) string {
		begin, end := max(from-around, 0), min(from+around, len(s))
		if begin >= end {
			return ""
		}
		return strings.TrimSpace(strings.ToValidUTF8(s[begin:end], ""))
	}
	return cut(a), cut(b)
}

// valueComparison compares the JSON of two reports.
type valueComparison struct {
	file   string
	values int
	found  []Discrepancy
}

// compare compares what stands at a path of keys, names and numbers.
func (c *valueComparison) compare(path []string, reported, recomputed any) {
	was, wasObject := reported.(map[string]any)
	is, isObject := recomputed.(map[string]any)
	if wasObject && isObject {
		for _, key := range slices.Sorted(maps.Keys(union(was, is))) {
			c.member(append(path[:len(path):len(path)], key), was, is, key)
		}
		return
	}
	wasList, wasOne := reported.([]any)
	isList, isOne := recomputed.([]any)
	if wasOne && isOne {
		c.list(path, wasList, isList)
		return
	}
	c.values++
	if !equalValues(reported, recomputed) {
		c.add(path, show(reported), show(recomputed))
	}
}

func (c *valueComparison) member(path []string, was, is map[string]any, key string) {
	reported, there := was[key]
	recomputed, known := is[key]
	switch {
	case there && known:
		c.compare(path, reported, recomputed)
	case there:
		c.add(path, show(reported), "")
	default:
		c.add(path, "", show(recomputed))
	}
}

// list compares lists: of objects with names by these, else by number.
func (c *valueComparison) list(path []string, reported, recomputed []any) {
	was, is := objectsByName(reported), objectsByName(recomputed)
	if was == nil || is == nil {
		was, is = byNumber(reported), byNumber(recomputed)
	} else if !slices.Equal(namesOf(reported), namesOf(recomputed)) && len(was) == len(is) && len(union(was, is)) == len(is) {
		c.add([]string{"order of " + path[len(path)-1]}, strings.Join(namesOf(reported), ", "), strings.Join(namesOf(recomputed), ", "))
	}
	for _, key := range slices.Sorted(maps.Keys(union(was, is))) {
		c.member(append(path[:len(path):len(path)], key), was, is, key)
	}
}

func (c *valueComparison) add(path []string, reported, recomputed string) {
	c.found = append(c.found, Discrepancy{c.file, whereIs(path), reported, recomputed})
}

// whereIs says in words what a path leads to: "cell bn, metric linear_top1,
// mean".
func whereIs(path []string) string {
	kinds := map[string]string{"cells": "cell", "metrics": "metric", "claims": "claim", "parts": "part", "values": "value",
		"batch_dependence": "table dependence,", "difference": "table comparison, difference"}
	var parts []string
	for i := 0; i < len(path); i++ {
		kind, known := kinds[path[i]]
		switch {
		case !known:
			parts = append(parts, strings.ReplaceAll(placeName(path[i]), "_", " "))
		case i+1 < len(path) && path[i] != "difference":
			i++
			parts = append(parts, kind+" "+placeName(path[i]))
		default:
			parts = append(parts, kind)
		}
	}
	return strings.Join(parts, ", ")
}

// placeName is a key, or of byNumber's the number.
func placeName(key string) string {
	if number, ok := strings.CutPrefix(key, "#"); ok && len(number) == 6 {
		return strings.TrimLeft(number, "0")
	}
	return key
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

// objectsByName lists objects by their name or id; nil if one has none, or two the same.
func objectsByName(list []any) map[string]any {
	names := namesOf(list)
	if len(names) != len(list) || len(list) == 0 {
		return nil
	}
	all := map[string]any{}
	for i, v := range list {
		all[names[i]] = v
	}
	if len(all) < len(list) {
		return nil
	}
	return all
}

func namesOf(list []any) (names []string) {
	for _, v := range list {
		object, _ := v.(map[string]any)
		for _, key := range []string{"name", "id"} {
			if name, ok := object[key].(string); ok {
				names = append(names, name)
				break
			}
		}
	}
	return names
}

func byNumber(list []any) map[string]any {
	all := map[string]any{}
	for i, v := range list {
		all[fmt.Sprintf("#%06d", i+1)] = v // as sorted
	}
	return all
}

// equalValues compares what is no list and no object.
func equalValues(a, b any) bool {
	x, isNumber := a.(float64)
	y, alsoNumber := b.(float64)
	if isNumber && alsoNumber {
		return x == y || math.Abs(x-y) <= 1e-12*max(math.Abs(x), math.Abs(y))
	}
	if isNumber != alsoNumber {
		return false
	}
	return show(a) == show(b)
}

// show writes a value for a person.
func show(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprint(v)
	}
	return string(text)
}
