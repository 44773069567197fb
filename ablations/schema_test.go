package ablations

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"ablate/trainer/config"
)

// schema compiles the schema of studies.
func schema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("study.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("study.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asJSON reads TOML as an editor's checker does.
func asJSON(t *testing.T, text string) any {
	t.Helper()
	var tree map[string]any
	if err := toml.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	b, err := json.Marshal(tree)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// Schema and parser agree on what the schema can know.
func TestSchema(t *testing.T) {
	s := schema(t)
	good := []string{
		"", zipped, conditional, parts, axis2, ownStudy + ownTrainer, ownStudy + ownTrainer + ownKeys,
		"expand = \"leave_one_out\"\norder = 2\ntimeout = \"1h30m\"\nmemory = \"1.5 GiB\"\nseeds = [3, 1]\nalpha = 0.01\ntest = \"sign-flip\"\n" + parts,
		"exclude = [{ norm.encoder = [\"ln\"], batch = 8 }]\n[base]\nnorm = { encoder = \"ln\" }\noptimizer.lr = 1\n[axes]\nnorm.encoder = [\"bn\", \"ln\"]\nbatch = [4, 8]",
		axis2 + claimOn(`{ metric = "loss", greater = ["bn", "ln@untrained"] }, { metric = "z_spectrum_48", equivalent = ["bn", "ln"], margin = 1 }, { not_collapsed = ["ln"] }`) +
			"paper = { value = 1, against = 2.5, unit = \"%\", where = \"here\" }",
		axis2 + "[paper]\nwhere = \"here\"\nunit = \"%\"\nmetric = \"loss\"\nvalues = { bn = 1, ln = 2.5 }",
	}
	for _, name := range Shipped() {
		text, err := shipped.ReadFile("studies/" + name + ".toml")
		if err != nil {
			t.Fatal(err)
		}
		good = append(good, string(text))
	}
	for _, text := range good {
		mustParse(t, text)
		if err := s.Validate(asJSON(t, text)); err != nil {
			t.Errorf("%v in\n%s", err, text)
		}
	}
	for _, text := range []string{
		"quux = 1", "name = \"a b\"", "name = 5", "title = []", "seeds = 0", "seeds = [1, 1]", "seeds = \"5\"", "seeds = []", "alpha = 1", "test = \"u\"",
		"paper = 3", "[paper]\nwhere = \"a\"", "[paper]\nwhere = \"a\"\nunit = \"%\"\nmetric = \"foo\"\nvalues = {}", "[paper]\nwhere = \"a\"\nunit = \"%\"\nmetric = \"loss\"\nvalues = { base = \"a\" }",
		"exclude = {}", "exclude = [{}]\n" + axis2, "exclude = [{ norm = [] }]\n" + axis2,
		"zip = [[\"norm\"]]\n" + axis2, "zip = [\"norm\"]\n" + axis2, "expand = \"all\"\n" + axis2, "expand = \"leave_one_out\"\norder = 3\n" + axis2,
		"timeout = 2", "timeout = \"2 hours\"", "memory = \"4\"", "memory = \"4 gigs\"",
		"[base]\nbacth = 1", "[base]\nbatch = 0", "[base]\nbatch = 1.5", "[base]\nbatch = \"8\"", "[base]\noptimizer.lr = 0", "[base]\noptimizer.rl = 1", "[base]\noptimizer.momentum = 1",
		"[base]\nnorm = \"foo\"", "[base]\nnorm = { encoder = \"foo\" }", "[base]\npredictor = \"no\"", "[base]\ndata = \"cifar10\"", "[base]\nseeds = 3",
		"[axes]\nwidth = [8]", "[axes]\nbatch = []", "[axes]\nbatch = [0]", "[axes]\nbatch = 8", "[axes.norm]\nbn = \"bn\"", "[axes.x]", "[axes.x]\na = { bacth = 1 }",
		"[cells]\nx = { bacth = 1 }", "[cells]\nx = 1",
		axis2 + "[[when]]\nset = { batch = 8 }", axis2 + "[[when]]\nmatch = { norm = \"ln\" }", axis2 + "[[when]]\nmatch = { norm = \"ln\" }\nset = { bacth = 8 }", axis2 + "[[when]]\nmatch = { norm = \"ln\" }\nvary = \"norm\"",
		"[[claims]]\nid = \"a\"", claimOn(""), claimOn(`{ collapsed = [] }`), claimOn(`{ colapsed = ["base"] }`), claimOn(`{ collapsed = ["base"], by = 1 }`),
		axis2 + claimOn(`{ metric = "foo", greater = ["bn", "ln"] }`), axis2 + claimOn(`{ metric = "z_spectrum_5", greater = ["bn", "ln"] }`),
		axis2 + claimOn(`{ metric = "z_spectrum_K", greater = ["bn", "ln"] }`), axis2 + claimOn(`{ metric = "loss", greater = ["bn"] }`), axis2 + claimOn(`{ metric = "loss", equivalent = ["bn", "ln"] }`),
		claimOn(`{ collapsed = ["base"] }`) + "paper = { value = 1 }",
		"[trainer]", "[trainer]\ncommand = \"x\"", "[trainer]\ncommand = []", "[trainer]\ncommand = [\"x\"]\nfile = []", "[trainer]\ncommand = [\"x\"]\nkeys = { a = \"number\" }",
		"[trainer]\ncommand = [\"x\"]\n[base]\na = [1]",
	} {
		if _, err := Parse("test.toml", []byte(text), nil); err == nil {
			t.Errorf("the parser takes\n%s", text)
		}
		if err := s.Validate(asJSON(t, text)); err == nil {
			t.Errorf("the schema takes\n%s", text)
		}
	}
}

// Every key of the grammar has a schema, and every key of a configuration
// takes its default.
func TestSchemaIsComplete(t *testing.T) {
	for _, k := range rootKeys {
		if rootSchema(k, "settings", "axes", object{}) == nil {
			t.Errorf("%s has no schema", k)
		}
	}
	for _, k := range trainerKeys {
		if trainerSchema(k) == nil {
			t.Errorf("%s has no schema", k)
		}
	}
	for of, o := range map[string]object{"when": whenSchema("settings"), "claim": claimSchema(object{}), "part": partSchema(Greater, object{}), "part ": partSchema(Equivalent, object{})} {
		for k, v := range o["properties"].(object) {
			if v.(object) == nil {
				t.Errorf("%s of a %s has no schema", k, of)
			}
		}
	}
	s := schema(t)
	for _, k := range config.Keys {
		for _, v := range []any{k.Default, "nothing of the kind"} {
			b, _ := json.Marshal(v)
			err := s.Validate(asJSON(t, "[base]\n"+k.Path+" = "+string(b)))
			if (err == nil) != (v == k.Default) {
				t.Errorf("%s = %s: %v", k.Path, b, err)
			}
		}
	}
}
