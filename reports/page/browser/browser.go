// Package browser is for tests: it opens pages in Chromium and says what is
// wrong with them.
//
// It needs Chromium, Node and the packages of package.json in .browser/ of the
// project's folder; ./justw test sees to them. Where one is missing, tests are
// skipped with the reason.
package browser

import (
	"bufio"
	"bytes"
	_ "embed"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Screenshots names the environment variable with the folder that pictures of
// the pages are written to; without it there are none.
const Screenshots = "ABLATE_SCREENSHOTS"

//go:embed check.mjs
var script []byte

// Check opens the page at url, which is one of a file or of a server on this
// machine, and reports what a good page has not, each as a subtest:
//
//   - messages on the console, errors of scripts, requests to anywhere but the
//     page's own file or server;
//   - content wider than a window of 360, 768 or 1440 pixels;
//   - serious or critical violations that axe-core finds, light and dark.
//
// Each name in steps is a module (.mjs) whose exported functions are tests of
// the page's own. They are called one after the other as
//
//	async function name({ page, open, url })
//
// with a Playwright page 1440 pixels wide that has just been opened at url, and
// fail by throwing. open({width, colorScheme, ...}) opens another page at url,
// with the options of Playwright's newContext.
func Check(t *testing.T, url string, steps ...string) {
	t.Helper()
	for _, r := range look(t, url, steps) {
		t.Run(r.Name, func(t *testing.T) {
			for _, problem := range r.Problems {
				t.Error(problem)
			}
		})
	}
}

// result is one line of the script's output.
type result struct {
	Name     string
	Problems []string
}

// look opens the page and returns what was found, good or bad.
func look(t *testing.T, url string, steps []string) []result {
	t.Helper()
	for i := range steps {
		path, err := filepath.Abs(steps[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil { // so go test knows, too, that its result depends on it
			t.Fatal(err)
		}
		steps[i] = path
	}
	return run(t, map[string]any{"url": url, "chromium": chromium(t), "modules": modules(t), "steps": steps, "shots": shots(t)})
}

func run(t *testing.T, task any) (results []result) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "check.mjs")
	if err := os.WriteFile(file, script, 0o666); err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(task)
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	node := exec.CommandContext(t.Context(), "node", file)
	node.Stdin, node.Stderr = bytes.NewReader(input), &stderr
	output, err := node.Output()
	if err != nil {
		t.Fatalf("the browser's script: %v\n%s", err, stderr.Bytes())
	}
	lines := bufio.NewScanner(bytes.NewReader(output))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var r result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			t.Fatalf("the browser's script says %q: %v", lines.Text(), err)
		}
		results = append(results, r)
	}
	if len(results) == 0 {
		t.Fatalf("the browser's script says nothing\n%s", stderr.Bytes())
	}
	return results
}

// chromium finds the browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("there is no chromium")
	return ""
}

// modules finds Node's packages.
func modules(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node")
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("not within the project's folder")
		}
		dir = filepath.Dir(dir)
	}
	packages := filepath.Join(dir, ".browser", "node_modules")
	for _, name := range []string{"playwright-core", "axe-core"} {
		if _, err := os.Stat(filepath.Join(packages, name)); err != nil {
			t.Skipf("%s is not in .browser/: ./justw test puts it there", name)
		}
	}
	return packages
}

// shots is what the pictures' names begin with, "" if there are to be none.
func shots(t *testing.T) string {
	t.Helper()
	dir := os.Getenv(Screenshots)
	if dir == "" {
		return ""
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, filepath.Base(t.Name()))
}
