package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// used lists what this house uses of Gorgonia. Everything else has to pass a
// test of its own before it is added here: much of the library is known to be
// slow, random or wrong, in silence. Above all there are no
//
//   - layers: BatchNorm learns a scale for every image from noise and forgets
//     its statistics when a machine is made, Conv2d is slow, Dropout is in the
//     hash without its probability;
//   - initial values: Glorot, He and the like are drawn from a generator that
//     is seeded by the clock;
//   - BindDualValues, which adds every gradient to those of the run before,
//     and solvers, which alone clear them;
//   - Read and Value, which see what an op has written over since: op.Capture
//     copies in time;
//   - WithEngine, Use, CUDA: global, or untested here.
var used = []string{
	"Node", "Nodes", "ExprGraph", "Value", "VM", "SDOp", "DimSizer", "TensorType", // types
	"NewGraph", "NewTensor", "WithName", "WithShape", "WithValue", // inputs, over memory of ours
	"ApplyOp", "Must", "NewF32", "NewF64", // ops of ours, and their scalar results
	"Grad", "Backpropagate", // gradients, as nodes
	"NewTapeMachine",
}

const gorgonia = "gorgonia.org/gorgonia"

// TestGorgoniaIsUsedSparingly: only what is known to work is used of it, and
// from one goroutine, since its graphs share constants that no lock guards.
func TestGorgoniaIsUsedSparingly(t *testing.T) {
	seen := map[string]bool{}
	err := filepath.WalkDir("trainer", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") {
			return err
		}
		checkGorgonia(t, file, seen)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range used {
		if !seen[name] {
			t.Errorf("%s of Gorgonia is not used any more: take it from the list", name)
		}
	}
}

func checkGorgonia(t *testing.T, file string, seen map[string]bool) {
	files := token.NewFileSet()
	f, err := parser.ParseFile(files, file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	alias := ""
	for _, i := range f.Imports {
		if path, _ := strconv.Unquote(i.Path.Value); path == gorgonia {
			alias = "gorgonia"
			if i.Name != nil {
				alias = i.Name.Name
			}
		}
	}
	if alias == "" {
		return
	}
	if alias == "." || alias == "_" {
		t.Errorf("%s imports Gorgonia as %q, which hides what is used of it", file, alias)
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			t.Errorf("%v: a goroutine beside a graph", files.Position(n.Pos()))
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && x.Name == alias {
				seen[n.Sel.Name] = true
				if !slices.Contains(used, n.Sel.Name) {
					t.Errorf("%v: %s of Gorgonia is not on the list of what is known to work", files.Position(n.Pos()), n.Sel.Name)
				}
			}
		}
		return true
	})
}
