package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// rooms lists, for every package, the packages of ours that it may import.
// A trailing /... allows a whole folder.
var rooms = map[string][]string{
	".":                         {"orchestrator/cli"},
	"ablations":                 {"trainer/config"},
	"bench":                     {},
	"orchestrator":              {"ablations", "orchestrator/engine", "orchestrator/worker", "results", "results/journal", "trainer/checkpoint", "trainer/config", "words"},
	"orchestrator/cli":          {"ablations", "orchestrator", "orchestrator/...", "reports", "results", "results/export", "results/journal", "trainer", "trainer/...", "words"},
	"orchestrator/engine":       {},
	"orchestrator/engine/local": {"orchestrator/engine", "orchestrator/worker"},
	"orchestrator/serve":        {"orchestrator", "reports/page", "reports/table", "results", "trainer/config", "words"},
	"orchestrator/worker":       {"results", "results/journal", "trainer", "trainer/..."},
	"reports":                   {"ablations", "reports/figure", "reports/page", "reports/stats", "reports/table", "results", "trainer/config", "words"},
	"reports/figure":            {},
	"reports/page":              {"reports/table", "words"},
	"reports/page/browser":      {},
	"reports/stats":             {},
	"reports/table":             {"words"},
	"results":                   {"results/journal"},
	"results/export":            {"results"},
	"results/journal":           {},
	"trainer":                   {"trainer/..."},
	"trainer/checkpoint":        {},
	"trainer/config":            {},
	"trainer/data":              {"trainer/config"},
	"trainer/kernel":            {},
	"trainer/net":               {"trainer/config", "trainer/kernel", "trainer/op"},
	"trainer/op":                {"trainer/kernel"},
	"trainer/probe":             {},
	"words":                     {},
}

// homes lists the libraries that live in some rooms only.
var homes = map[string][]string{
	"github.com/mattn/go-sqlite3":      {"results"},
	"github.com/urfave/cli":            {"orchestrator/cli"},
	"github.com/vbauerster/mpb":        {"orchestrator/cli"},
	"github.com/pelletier/go-toml":     {"ablations"},
	"gonum.org/v1/plot":                {"reports/figure"},
	"gonum.org/v1/gonum/stat":          {"reports/stats"},
	"gorgonia.org/":                    {"trainer", "trainer/net", "trainer/op"},
	"github.com/parquet-go/":           {"results/export"},
	"google.golang.org/protobuf":       {"results/export"},
	"github.com/rogpeppe/go-internal/": {}, // tests only
	"github.com/santhosh-tekuri/":      {}, // tests only
}

// TestImportsPointDown keeps the house in order: no package imports one that
// stands above it, and each library has its home.
func TestImportsPointDown(t *testing.T) {
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && file != "." {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return nil
		}
		room := path.Dir(filepath.ToSlash(file))
		allowed, known := rooms[room]
		if !known {
			t.Errorf("%s is not in the list of rooms", room)
			return nil
		}
		for _, imported := range importsOf(t, file) {
			checkImport(t, room, allowed, imported)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room := range rooms {
		if _, err := os.Stat(filepath.FromSlash(room)); err != nil {
			t.Errorf("the room %s is gone: %v", room, err)
		}
	}
}

func importsOf(t *testing.T, file string) (paths []string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range f.Imports {
		p, err := strconv.Unquote(i.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, p)
	}
	return paths
}

func checkImport(t *testing.T, room string, allowed []string, imported string) {
	t.Helper()
	if ours, ok := strings.CutPrefix(imported, "ablate/"); ok {
		fits := func(a string) bool {
			folder, whole := strings.CutSuffix(a, "...")
			return a == ours || whole && strings.HasPrefix(ours, folder)
		}
		if !slices.ContainsFunc(allowed, fits) {
			t.Errorf("%s must not import %s", room, imported)
		}
		return
	}
	for library, home := range homes {
		if strings.HasPrefix(imported, library) && !slices.Contains(home, room) {
			t.Errorf("%s imports %s, which lives in %v", room, imported, home)
		}
	}
}
