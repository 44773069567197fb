package reports

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"

	"ablate/results"

	"github.com/google/renameio/v2"
)

// WriteDir writes the report into a folder, which it makes if need be:
// report.html, report.md, report.tex, report.csv, report.json, the figures as
// SVG and PNG, and the study's file if it is not one that the program ships. It
// returns the files' paths, sorted. Everything is rendered before anything is
// written, and each file replaces its predecessor at once. The store that the
// report was built from must still be open.
func (r *Report) WriteDir(dir string) ([]string, error) {
	files, err := r.render()
	if err != nil {
		return nil, fmt.Errorf("making the report of study %s: %w", r.Name, err)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, cannotWrite(dir, err)
	}
	var paths []string
	for name := range files {
		paths = append(paths, filepath.Join(dir, name))
	}
	sort.Strings(paths)
	for _, path := range paths {
		if err := renameio.WriteFile(path, files[filepath.Base(path)], 0o666, renameio.WithTempDir(dir)); err != nil {
			return nil, cannotWrite(dir, err)
		}
	}
	return paths, nil
}

func cannotWrite(dir string, err error) error {
	advice := "Name a folder that can be written"
	if results.NoRoom(err) {
		advice = "Make room, or name a folder on another disk"
	}
	return fmt.Errorf("cannot write the report to %s: %w. %s", dir, err, advice)
}

// render makes the contents of all files by name.
func (r *Report) render() (map[string][]byte, error) {
	figures, err := r.Figures()
	if err != nil {
		return nil, err
	}
	drawn, files, err := draw(figures)
	if err != nil {
		return nil, err
	}
	files["report.md"] = []byte(r.markdown(drawn, "./"+studyFile))
	for name, write := range map[string]func(io.Writer) error{"report.json": r.JSON, "report.csv": r.CSV, "report.tex": r.LaTeX} {
		var text bytes.Buffer
		if err := write(&text); err != nil {
			return nil, err
		}
		files[name] = text.Bytes()
	}
	var html bytes.Buffer
	if err := r.page(figures, files, "./"+studyFile).HTML(&html); err != nil {
		return nil, err
	}
	files["report.html"] = html.Bytes()
	if !r.shipped {
		files[studyFile] = r.text
	}
	return files, nil
}
