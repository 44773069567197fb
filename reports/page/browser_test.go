package page

import (
	"os"
	"path/filepath"
	"testing"

	"ablate/reports/page/browser"
)

// TestBrowser opens a page in a browser and uses it.
func TestBrowser(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(file, []byte(htmlOf(t, example("init"))), 0o666); err != nil {
		t.Fatal(err)
	}
	browser.Check(t, "file://"+file, "testdata/page.mjs")
}
