package main

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"ablate/ablations"
)

// TestReadmeStudy: the study that the README shows is a good one, and its
// commands name shipped studies that exist.
func TestReadmeStudy(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllSubmatch(text, -1)
	if len(blocks) != 3 {
		t.Fatalf("%d TOML blocks, want 3", len(blocks))
	}
	for i, rest := range map[int]string{
		1: "[axes]\nnorm = [\"bn\", \"init\", \"gn+ws\"]\npredictor = [true, false]\nencoder.width = [8, 16, 32]\n",
		2: "[base]\nlr = 1\n",
	} {
		if _, err := ablations.Parse("README.md", []byte(string(blocks[i][1])+rest), nil); err != nil {
			t.Errorf("block %d, with axes: %v", i+1, err)
		}
	}
	study, err := ablations.Parse("README.md", blocks[0][1], nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(study.Cells) != 5 || len(study.Claims) != 1 {
		t.Errorf("the study has %d cells and %d claims, want 5 and 1", len(study.Cells), len(study.Claims))
	}
	named := regexp.MustCompile(`(?m)^ablate (?:plan|run|studies show) ([a-z0-9]+)(?: |$)`).FindAllSubmatch(text, -1)
	if len(named) == 0 {
		t.Error("no command with a shipped study")
	}
	for _, m := range named {
		if _, err := ablations.Load(string(m[1]), nil); err != nil {
			t.Errorf("%s: %v", m[0], err)
		}
	}
	if strings.Contains(string(text), "@") && regexp.MustCompile(`@[A-Z]+@`).Match(text) {
		t.Error("a placeholder is left")
	}
}
