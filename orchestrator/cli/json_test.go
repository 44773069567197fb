package cli

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

var update = flag.Bool("update", false, "write docs/json.md anew")

// jsonOutputs lists what the commands with --json print: a type of this
// package, or one of another with its folder, and [] before it for a list.
var jsonOutputs = []struct{ command, output, note string }{
	{"plan", "planJSON", ""},
	{"status", "statusJSON", ""},
	{"show", "showJSON", ""},
	{"logs", "logJSON", "An object on each line."},
	{"report", "reports.jsonReport", ""},
	{"verify", "verifyJSON", ""},
	{"report", "reports.jsonPivot", "With --rows, --columns, --metric or --where."},
	{"diff", "reports.ConfigDiff", ""},
	{"studies", "[]shippedJSON", ""},
	{"keys", "[]keyJSON", ""},
	{"import", "importJSON", ""},
	{"clean", "cleanJSON", ""},
	{"queue add", "entryJSON", ""},
	{"queue list", "[]entryJSON", ""},
	{"queue run --notify-command COMMAND", "notice", "An object, on the command's standard input."},
	{"bench trainer", "trainerSpeed", "With several norms, a list of these."},
	{"bench trainer", "jointSpeed", "With --processes."},
	{"bench scheduler", "benchSchedulerJSON", ""},
	{"bench store", "storeSpeed", ""},
}

const jsonIntro = `# The commands' JSON

With ` + "`--json`" + ` a command prints one JSON value to standard output, and nothing else. This page names its fields, as paths: ` + "`runs[].id`" + `
is the id of each member of the list runs, ` + "`metrics.*.mean`" + ` a member of each value of the object metrics. Times are RFC 3339.
Fields may be added; those that are here keep their meaning. The page is made from the comments in the source
(` + "`go test ./orchestrator/cli -run TestJSONDocs -update`" + `).
`

// TestJSONDocs: docs/json.md is what the comments of the printed structs say, and
// every field has one.
func TestJSONDocs(t *testing.T) {
	d := docs{t: t, packages: map[string]map[string]*declared{}}
	d.WriteString(jsonIntro)
	command := ""
	for _, o := range jsonOutputs {
		if o.command != command {
			fmt.Fprintf(&d, "\n## ablate %s\n", o.command)
		}
		command = o.command
		d.output(o.output, o.note)
	}
	path := filepath.FromSlash("../../docs/json.md")
	if *update {
		if err := os.WriteFile(path, []byte(d.String()), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := os.ReadFile(path); err != nil || string(text) != d.String() {
		t.Errorf("docs/json.md is not what the source says (%v); make it anew: go test ./orchestrator/cli -run TestJSONDocs -update", err)
	}
}

// TestJSONFlags: the commands that have --json are those whose output is
// documented, and no others are without it than these.
func TestJSONFlags(t *testing.T) {
	without := []string{"run", "retry", "pause", "resume", "cancel", "serve",
		"queue move", "queue pause", "queue resume", "queue remove", "queue run", "queue log", "trace", "export csv", "export jsonl", "export parquet", "export tensorboard", "export mlflow", "export encoder", "studies show", "studies schema", "completion", "man"}
	eachCommand(newApp(io.Discard, io.Discard).Commands, nil, func(c *cli.Command, path []string) {
		name := strings.Join(path, " ")
		has := find(c.Flags, "json") != nil
		documented := slices.ContainsFunc(jsonOutputs, func(o struct{ command, output, note string }) bool { return o.command == name })
		switch {
		case has && !documented:
			t.Errorf("%s has --json: add what it prints to jsonOutputs, and make docs/json.md anew", name)
		case !has && documented:
			t.Errorf("%s has no --json, but its output is documented", name)
		case !has && len(c.Subcommands) == 0 && !slices.Contains(without, name):
			t.Errorf("%s has no --json: if it prints a list, give it one, else name it here", name)
		}
	})
}

// docs writes the page. It knows the types of the packages that it has met, by
// the package's folder and the type's name.
type docs struct {
	strings.Builder
	t        *testing.T
	packages map[string]map[string]*declared
}

// declared is a type as its package declares it.
type declared struct {
	dir, name string
	expr      ast.Expr
	imports   map[string]string // folders of our packages, by their names
	values    []string          // of its constants, if it is a kind of string
	marshals  bool              // it writes its own JSON
}

// output writes the table of one value.
func (d *docs) output(name, note string) {
	name, isList := strings.CutPrefix(name, "[]")
	dir := "orchestrator/cli"
	if place, inner, ok := strings.Cut(name, "."); ok {
		dir, name = place, inner
	}
	says, prefix := "An object.", ""
	if isList {
		says, prefix = "A list of objects.", "[]."
	}
	if note != "" {
		says = note
	}
	fmt.Fprintf(d, "\n%s\n\n| field | type | |\n|---|---|---|\n", says)
	d.fields(prefix, d.named(dir, name))
}

// fields writes a line for each field of a struct, and of those below it.
func (d *docs) fields(prefix string, of *declared) {
	s, ok := of.expr.(*ast.StructType)
	if !ok {
		d.t.Fatalf("%s.%s is no struct", of.dir, of.name)
	}
	for _, f := range s.Fields.List {
		if len(f.Names) == 0 {
			if embedded := d.typeOf(of, f.Type); embedded != nil {
				d.fields(prefix, embedded)
			}
			continue
		}
		for _, name := range f.Names {
			tag := ""
			if f.Tag != nil {
				text, _ := strconv.Unquote(f.Tag.Value)
				tag = reflect.StructTag(text).Get("json")
			}
			key, options, _ := strings.Cut(tag, ",")
			if key == "-" || !name.IsExported() {
				continue
			}
			says := comment(f)
			if key == "" || says == "" {
				d.t.Errorf("%s.%s.%s is printed as JSON: it needs a json tag and a comment that says what it is", of.dir, of.name, name)
			}
			kind, below, path := d.kind(of, f.Type)
			if strings.Contains(options, "omitempty") || strings.Contains(options, "omitzero") {
				kind += ", or absent"
			}
			fmt.Fprintf(d, "| `%s%s` | %s | %s |\n", prefix, key, kind, strings.ReplaceAll(says, "|", `\|`))
			if below != nil {
				d.fields(prefix+key+path+".", below)
			}
		}
	}
}

// comment is what is written above or behind a field, as one line.
func comment(f *ast.Field) string {
	text := f.Doc.Text() + " " + f.Comment.Text()
	return strings.TrimSuffix(strings.Join(strings.Fields(text), " "), ".")
}

// kind says in words what a type is in JSON. If there is a struct in it, that
// is below, and path leads there.
func (d *docs) kind(of *declared, e ast.Expr) (kind string, below *declared, path string) {
	switch e := e.(type) {
	case *ast.StarExpr:
		kind, below, path = d.kind(of, e.X)
		return kind + " or null", below, path
	case *ast.ArrayType:
		kind, below, path = d.kind(of, e.Elt)
		return "list of " + several(kind), below, "[]" + path
	case *ast.MapType:
		kind, below, path = d.kind(of, e.Value)
		return "object of " + several(kind), below, ".*" + path
	case *ast.InterfaceType:
		return "any value", nil, ""
	case *ast.SelectorExpr:
		switch fmt.Sprint(e.X, ".", e.Sel) {
		case "time.Time":
			return "time", nil, ""
		case "json.RawMessage":
			return "object", nil, ""
		}
	case *ast.Ident:
		switch e.Name {
		case "string":
			return "string", nil, ""
		case "bool":
			return "boolean", nil, ""
		case "int", "int64", "uint64", "uint32":
			return "whole number", nil, ""
		case "float64", "float32":
			return "number", nil, ""
		case "any":
			return "any value", nil, ""
		}
	}
	found := d.typeOf(of, e)
	switch {
	case found == nil:
		d.t.Fatalf("%s.%s: what is %v in JSON?", of.dir, of.name, e)
	case found.marshals && found.name == "Number":
		return "number or null", nil, ""
	case found.marshals:
		d.t.Fatalf("%s.%s writes its own JSON; say here what that is", found.dir, found.name)
	}
	if _, ok := found.expr.(*ast.StructType); ok {
		return "object", found, ""
	}
	kind, below, path = d.kind(found, found.expr)
	if len(found.values) > 0 {
		kind += ": " + strings.Join(found.values, ", ")
	}
	return kind, below, path
}

func several(kind string) string {
	first, rest, ok := strings.Cut(kind, " or ")
	if noun, values, cut := strings.Cut(first, ": "); cut {
		return noun + "s: " + values
	}
	if ok {
		return first + "s or " + rest
	}
	if strings.HasPrefix(kind, "list of ") || strings.HasPrefix(kind, "object of ") {
		noun, rest, _ := strings.Cut(kind, " ")
		return noun + "s " + rest
	}
	return kind + "s"
}

// typeOf finds the declaration of a named type of ours that is used in of's
// package, nil if it is none.
func (d *docs) typeOf(of *declared, e ast.Expr) *declared {
	switch e := e.(type) {
	case *ast.Ident:
		return d.named(of.dir, e.Name)
	case *ast.SelectorExpr:
		if dir, ok := of.imports[fmt.Sprint(e.X)]; ok {
			return d.named(dir, e.Sel.Name)
		}
	}
	return nil
}

// named finds a type in the package in dir.
func (d *docs) named(dir, name string) *declared {
	if d.packages[dir] == nil {
		d.packages[dir] = d.read(dir)
	}
	found := d.packages[dir][name]
	if found == nil {
		d.t.Fatalf("there is no type %s in %s", name, dir)
	}
	return found
}

// read lists the types of a package.
func (d *docs) read(dir string) map[string]*declared {
	types := map[string]*declared{}
	files, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(dir), "*.go"))
	if err != nil || len(files) == 0 {
		d.t.Fatalf("no source in %s: %v", dir, err)
	}
	var all []ast.Decl
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			d.t.Fatal(err)
		}
		imports := map[string]string{}
		for _, i := range file.Imports {
			path, _ := strconv.Unquote(i.Path.Value)
			if ours, ok := strings.CutPrefix(path, "ablate/"); ok {
				imports[ours[strings.LastIndex(ours, "/")+1:]] = ours
			}
		}
		all = append(all, file.Decls...)
		for _, decl := range file.Decls {
			if g, ok := decl.(*ast.GenDecl); ok && g.Tok == token.TYPE {
				for _, s := range g.Specs {
					s := s.(*ast.TypeSpec)
					types[s.Name.Name] = &declared{dir: dir, name: s.Name.Name, expr: s.Type, imports: imports}
				}
			}
		}
	}
	for _, decl := range all {
		learn(types, decl)
	}
	return types
}

// learn notes the constants of types, and which write their own JSON.
func learn(types map[string]*declared, decl ast.Decl) {
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		if decl.Recv != nil && (decl.Name.Name == "MarshalJSON" || decl.Name.Name == "MarshalText") {
			if of := types[fmt.Sprint(decl.Recv.List[0].Type)]; of != nil {
				of.marshals = true
			}
		}
	case *ast.GenDecl:
		if decl.Tok != token.CONST {
			return
		}
		for _, s := range decl.Specs {
			s := s.(*ast.ValueSpec)
			of := types[fmt.Sprint(s.Type)]
			for _, v := range s.Values {
				if literal, ok := v.(*ast.BasicLit); ok && of != nil && literal.Kind == token.STRING {
					of.values = append(of.values, literal.Value)
				}
			}
		}
	}
}
