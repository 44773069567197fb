package browser

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestFaults: what is wrong with a page is found.
func TestFaults(t *testing.T) {
	dir := t.TempDir()
	file, steps := filepath.Join(dir, "bad.html"), filepath.Join(dir, "bad.mjs")
	page := `<!doctype html><html lang="en"><title>bad</title><meta name="viewport" content="width=device-width">
<main><h1>Bad</h1><p style="color:#ccc;width:1000px" id="pale">too pale and too wide</p><img src="http://127.0.0.1:9/x.png" alt=""></main>
<script>console.warn("a warning"); nothing()</script></html>`
	for name, text := range map[string]string{file: page, steps: `export async function fails() { throw new Error("as it should"); }`} {
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	found := map[string]string{}
	for _, r := range look(t, "file://"+file, []string{steps}) {
		found[r.Name] = strings.Join(r.Problems, "\n")
	}
	for name, want := range map[string][]string{
		"360 pixels, light":  {"1008 pixels wide in a window of 360: p#pale", "color-contrast"},
		"1440 pixels, light": {"color-contrast"},
		"fails":              {"as it should"},
		"no noise":           {"on the console: a warning", "nothing is not defined", "request to http://127.0.0.1:9/x.png"},
	} {
		for _, w := range want {
			if !strings.Contains(found[name], w) {
				t.Errorf("%s: %q is not found, but %q", name, w, found[name])
			}
		}
	}
}

// TestLock: the packages come from whatever registry npm is set up for.
func TestLock(t *testing.T) {
	lock, err := os.ReadFile("package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(lock), "resolved") || strings.Contains(string(lock), "://") {
		t.Error(`package-lock.json names a registry: make it with npm install --omit-lockfile-registry-resolved`)
	}
}
