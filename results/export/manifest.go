package export

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// manifestName is the file by which a folder is known as an export.
const manifestName = "export.json"

// manifest says what a folder holds.
type manifest struct {
	Format    Format          `json:"format"`
	Study     string          `json:"study"`
	Overrides []string        `json:"overrides"`
	Runs      int             `json:"runs"`   // places of the study's runs
	Points    int64           `json:"points"` // of metrics
	Tables    []manifestTable `json:"tables,omitempty"`
}

type manifestTable struct {
	File    string   `json:"file"`
	Rows    int64    `json:"rows"`
	Columns []string `json:"columns"`
}

func (m manifest) write(dir string) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, manifestName), append(text, '\n'), 0o666)
}
