package config

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
)

// fields lists the key paths and kinds of a configuration type, in order.
func fields(t reflect.Type, prefix string) (paths []string, kinds []reflect.Kind) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		path := prefix + name
		if f.Type.Kind() == reflect.Struct {
			p, k := fields(f.Type, path+".")
			paths, kinds = append(paths, p...), append(kinds, k...)
			continue
		}
		paths, kinds = append(paths, path), append(kinds, f.Type.Kind())
	}
	return paths, kinds
}

func TestKeysAndConfigAreInStep(t *testing.T) {
	paths, kinds := fields(reflect.TypeFor[Config](), "")
	if len(paths) != len(Keys) {
		t.Errorf("Config has %d fields, Keys %d entries", len(paths), len(Keys))
	}
	for i := range min(len(paths), len(Keys)) {
		k := Keys[i]
		if k.Path != paths[i] {
			t.Errorf("key %d is %s, the field %s", i, k.Path, paths[i])
		}
		kind := reflect.TypeOf(k.Default).Kind()
		if kind == reflect.Int64 {
			kind = reflect.Int
		}
		if kind != kinds[i] {
			t.Errorf("%s: default of kind %v, field of kind %v", k.Path, kind, kinds[i])
		}
		if k.Says == "" {
			t.Errorf("%s: undocumented", k.Path)
		}
		if _, err := k.Check(k.Default); err != nil {
			t.Errorf("default: %v", err)
		}
	}
}

const defaults = `{"augment":{"blur1":0,"blur2":0,"brightness":0.4,"contrast":0.4,"crop_min":0.2,"flip":0.5,"grayscale":0.2,"hue":0.1,"jitter":0.8,"saturation":0.2,"solarize1":0,"solarize2":0.2},"batch":128,"data":{"name":"cifar10","test":0,"train":0},"encoder":{"arch":"resnet8","width":16},"epochs":20,"heads":{"hidden":256,"out":64},"method":"byol","norm":{"encoder":"bn","predictor":"bn","projector":"bn"},"optimizer":{"lr":0.1,"momentum":0.9,"name":"sgd","trust":0,"warmup":0.1,"weight_decay":0.0001},"predictor":true,"probe":{"every":1,"images":1000},"target":{"schedule":"cosine","stop_gradient":true,"tau":0.99}}`

// The canonical form is part of every run's identity: if this test fails,
// finished runs would be run again.
func TestCanonicalJSON(t *testing.T) {
	s, problems := Resolve(nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	if got := string(s.JSON()); got != defaults {
		t.Errorf("defaults are\n%s, want\n%s", got, defaults)
	}
	s, _ = Resolve(Settings{"optimizer.name": "lars", "optimizer.weight_decay": 2e-7, "optimizer.lr": int64(1), "optimizer.trust": 0.02})
	if got, want := string(s.JSON()), `"optimizer":{"lr":1,"momentum":0.9,"name":"lars","trust":0.02,"warmup":0.1,"weight_decay":2e-7}`; !strings.Contains(got, want) {
		t.Errorf("got %s, want %s in it", got, want)
	}
	if !json.Valid(s.JSON()) {
		t.Errorf("not JSON: %s", s.JSON())
	}
}

// An external trainer's settings are written as they are, even where they are
// called like ours and at our defaults.
func TestForeignJSON(t *testing.T) {
	s := Settings{
		"optimizer.schedule": "cosine", "stop_when": "never", "a.b.c": int64(1), "a.b.d": 0.5, "a.e": true, "a-b": "x", "a0": "y",
		"z": "q\"\\\n\u00fc<", "a.f.g": false, "m.x": int64(2), "n.x": int64(3),
	}
	want := `{"a-b":"x","a":{"b":{"c":1,"d":0.5},"e":true,"f":{"g":false}},"a0":"y","m":{"x":2},"n":{"x":3},` +
		`"optimizer":{"schedule":"cosine"},"stop_when":"never","z":"q\"\\\u000a\u00fc<"}`
	want = strings.Replace(want, `\u00fc`, "\u00fc", 1)
	if got := string(s.JSON()); got != want || !json.Valid([]byte(got)) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	few := Settings{"stop_when": "never", "optimizer.schedule": "cosine"}
	if got, want := string(few.JSON()), `{"optimizer":{"schedule":"cosine"},"stop_when":"never"}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A key that is for one dataset only is part of its canonical form, and of
// no other's. TestSimCLR is about that of one method.
func TestKeysOfOneDataset(t *testing.T) {
	for _, c := range []struct {
		settings Settings
		want     string
		size     int
	}{
		{Settings{}, `"data":{"name":"cifar10","test":0,"train":0}`, 0},
		{Settings{"data.size": int64(64)}, `"data":{"name":"cifar10","test":0,"train":0}`, 0},
		{Settings{"data.name": "folder"}, `"data":{"name":"folder","size":32,"test":0,"train":0}`, 32},
		{Settings{"data.name": "folder", "data.size": int64(64)}, `"data":{"name":"folder","size":64,"test":0,"train":0}`, 64},
	} {
		s, problems := Resolve(c.settings)
		if got := string(s.JSON()); len(problems) > 0 || !strings.Contains(got, c.want) {
			t.Errorf("%v: got %s, %v, want %s in it", c.settings, got, problems, c.want)
		}
		if again, problems := Resolve(s); len(problems) > 0 || !reflect.DeepEqual(again, s) {
			t.Errorf("%v: resolving twice gives %v, %v", c.settings, again, problems)
		}
		typed, err := s.Config()
		if err != nil || typed.Data.Size != c.size {
			t.Errorf("%v: size %d, %v", c.settings, typed.Data.Size, err)
		}
		text, err := json.Marshal(typed)
		if again, err2 := Parse(text); err != nil || err2 != nil || again != typed {
			t.Errorf("%v: written and read it is %+v, %v, %v", c.settings, again, err, err2)
		}
	}
	if message, near := UnknownKey("data.siez"); len(near) != 1 || near[0] != "data.size" {
		t.Errorf("%s: %v", message, near)
	}
}

// SimCLR's settings say nothing of a predictor or a target, and it alone has a
// temperature.
func TestSimCLR(t *testing.T) {
	const want = `"norm":{"encoder":"ln","predictor":"","projector":"ln"},` +
		`"optimizer":{"lr":0.1,"momentum":0.9,"name":"sgd","trust":0,"warmup":0.1,"weight_decay":0.0001},"predictor":false,` +
		`"probe":{"every":1,"images":1000},"simclr":{"temperature":0.5},"target":{"schedule":"constant","stop_gradient":false,"tau":0}}`
	for _, over := range []Settings{
		{},
		{"simclr.temperature": 0.5},
		{"predictor": true, "norm.predictor": "init"},
		{"predictor": false, "norm.predictor": "bn"},
		{"predictor": false, "norm.predictor": ""},
		{"norm.predictor": "gn+ws", "heads.hidden": int64(256)},
		{"target.tau": 0.5, "target.schedule": "cosine", "target.stop_gradient": true},
		{"target.stop_gradient": false},
		{"data.size": int64(64)},
	} {
		s, problems := Resolve(Settings{"method": "simclr", "norm": "ln"}.Merge(over))
		if got := string(s.JSON()); len(problems) > 0 || !strings.HasSuffix(got, want) {
			t.Errorf("%v: got %s, %v, want %s at its end", over, got, problems, want)
		}
		if again, problems := Resolve(s); len(problems) > 0 || !reflect.DeepEqual(again, s) {
			t.Errorf("%v: resolving twice gives %v, %v", over, again, problems)
		}
		typed, err := s.Config()
		if err != nil || typed.Method != "simclr" || typed.SimCLR.Temperature != 0.5 || typed.Predictor || typed.Target != (Target{0, "constant", false}) {
			t.Errorf("%v: %+v, %v", over, typed, err)
		}
		text, err := json.Marshal(typed)
		if again, err2 := Parse(text); err != nil || err2 != nil || again != typed {
			t.Errorf("%v: written and read it is %+v, %v, %v", over, again, err, err2)
		}
	}
	s, problems := Resolve(Settings{"simclr.temperature": 0.1})
	if got := string(s.JSON()); len(problems) > 0 || got != defaults {
		t.Errorf("a temperature changes BYOL to %s, %v", got, problems)
	}
}

// What SimCLR does without cannot be in its way.
func TestSimCLRHasNoPredictor(t *testing.T) {
	for _, s := range []Settings{
		{"method": "simclr", "norm.predictor": "gn+ws", "heads.hidden": int64(100)},
		{"method": "simclr", "norm": "ln", "norm.predictor": "bn", "batch": int64(2)},
	} {
		if _, problems := Resolve(s); len(problems) > 0 {
			t.Errorf("%v: %v", s, problems)
		}
	}
}

func TestMerge(t *testing.T) {
	for _, c := range []struct {
		name   string
		layers []Settings
		want   string // encoder/projector/predictor
	}{
		{"default", nil, "bn/bn/bn"},
		{"shorthand", []Settings{{"norm": "ln"}}, "ln/ln/ln"},
		{"component over shorthand", []Settings{{"norm": "ln"}, {"norm.encoder": "none"}}, "none/ln/ln"},
		{"component over default", []Settings{{"norm.projector": "none"}}, "bn/none/bn"},
		{"shorthand resets", []Settings{{"norm.encoder": "none", "norm.predictor": "init"}, {"norm": "gn+ws"}}, "gn+ws/gn+ws/gn+ws"},
		{"component after reset", []Settings{{"norm.encoder": "none"}, {"norm": "ln"}, {"norm.predictor": "bn"}}, "ln/ln/bn"},
		{"without predictor", []Settings{{"norm": "ln"}, {"predictor": false}}, "ln/ln/"},
	} {
		t.Run(c.name, func(t *testing.T) {
			merged := Settings{}
			for _, l := range c.layers {
				before := merged.Merge(nil)
				next := merged.Merge(l)
				if !reflect.DeepEqual(before, merged) {
					t.Errorf("Merge changed its receiver")
				}
				merged = next
			}
			s, problems := Resolve(merged)
			if len(problems) > 0 {
				t.Fatal(problems)
			}
			got := s["norm.encoder"].(string) + "/" + s["norm.projector"].(string) + "/" + s["norm.predictor"].(string)
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if _, ok := s["norm"]; ok {
				t.Error("the shorthand is still there")
			}
		})
	}
}

func TestResolveIsCanonical(t *testing.T) {
	equal := func(a, b Settings) {
		t.Helper()
		ra, pa := Resolve(a)
		rb, pb := Resolve(b)
		if len(pa)+len(pb) > 0 {
			t.Fatal(pa, pb)
		}
		if string(ra.JSON()) != string(rb.JSON()) {
			t.Errorf("%v and %v differ:\n%s\n%s", a, b, ra.JSON(), rb.JSON())
		}
		again, p := Resolve(ra)
		if len(p) > 0 || !reflect.DeepEqual(again, ra) {
			t.Errorf("resolving twice changes %v: %v", a, p)
		}
	}
	equal(Settings{"optimizer.lr": int64(1)}, Settings{"optimizer.lr": 1.0})
	equal(Settings{"optimizer.trust": 0.5}, Settings{})
	equal(Settings{"augment.flip": math.Copysign(0, -1)}, Settings{"augment.flip": int64(0)})
	equal(Settings{"target.stop_gradient": false, "target.tau": 0.5}, Settings{"target.stop_gradient": false, "target.schedule": "constant"})
	equal(Settings{"predictor": false, "norm": "ln"}, Settings{"predictor": false, "norm.encoder": "ln", "norm.projector": "ln"})
	equal(Settings{"predictor": false}, Settings{"predictor": false, "norm.predictor": ""})
}

// A key is unused exactly if its value changes nothing.
func TestUnused(t *testing.T) {
	values := func(k Key) []any {
		switch k.Default.(type) {
		case bool:
			return []any{true, false}
		case string:
			return []any{k.OneOf[0], k.OneOf[1]}
		case int64:
			return []any{int64(k.Min) + 150, int64(k.Min) + 200}
		}
		return []any{k.Max / 4, k.Max / 2}
	}
	unused := map[string]bool{}
	for _, s := range []Settings{
		{}, {"method": "simclr"}, {"predictor": false}, {"optimizer.name": "lars"}, {"optimizer.name": "adam"},
		{"target.stop_gradient": false}, {"data.name": "folder"}, {"data.name": "folder", "method": "simclr"},
	} {
		for _, k := range Keys {
			if _, given := s[k.Path]; given {
				continue
			}
			v := values(k)
			a, problemsA := Resolve(s.Merge(Settings{k.Path: v[0]}))
			b, problemsB := Resolve(s.Merge(Settings{k.Path: v[1]}))
			idle := bytes.Equal(a.JSON(), b.JSON())
			if len(problemsA)+len(problemsB) > 0 {
				idle = true // it is an error to set it
			}
			why := a.Unused(k.Path)
			if idle != (why != "") || idle && !strings.Contains(why, k.Path) {
				t.Errorf("%v: %s changes nothing: %v, but is unused because %q; %v", s, k.Path, idle, why, problemsA)
			}
			unused[k.Path] = unused[k.Path] || idle
		}
	}
	for _, path := range []string{"data.size", "simclr.temperature", "predictor", "norm.predictor", "optimizer.trust", "target.tau", "target.stop_gradient"} {
		if !unused[path] {
			t.Errorf("%s is never unused: the test tests little", path)
		}
	}
}

func TestResolveProblems(t *testing.T) {
	for _, c := range []struct {
		name     string
		settings Settings
		want     []string // "path: part of the message"
	}{
		{"type of string", Settings{"data.name": int64(5)}, []string{`data.name: data.name must be "cifar10", "cifar100", "fashion-mnist", "mnist", "folder" or "generated", not 5`}},
		{"SimCLR alone", Settings{"method": "simclr", "norm": "ln", "batch": int64(1)}, []string{"batch: batch = 1 leaves SimCLR no other image"}},
		{"size", Settings{"data.name": "folder", "data.size": int64(7)}, []string{"data.size: data.size must be a whole number from 8 to 224, not 7"}},
		{"size of another dataset", Settings{"data.size": int64(225)}, []string{"data.size: data.size must be a whole number from 8 to 224, not 225"}},
		{"type of bool", Settings{"predictor": "yes"}, []string{`predictor: predictor must be true or false, not "yes"`}},
		{"type of int", Settings{"batch": 2.5}, []string{"batch: batch must be a whole number from 1 to 65536, not 2.5"}},
		{"float for int", Settings{"batch": 64.0}, []string{"batch: batch must be a whole number"}},
		{"type of float", Settings{"optimizer.lr": true}, []string{"optimizer.lr: optimizer.lr must be a number above 0 and at most 1000, not true"}},
		{"open minimum", Settings{"optimizer.lr": 0.0}, []string{"optimizer.lr: "}},
		{"open maximum", Settings{"optimizer.momentum": 1.0}, []string{"optimizer.momentum: optimizer.momentum must be a number at least 0 and below 1, not 1"}},
		{"NaN", Settings{"target.tau": math.NaN()}, []string{"target.tau: target.tau must be a number at least 0 and at most 1, not NaN"}},
		{"infinity", Settings{"optimizer.lr": math.Inf(1)}, []string{"optimizer.lr: "}},
		{"choice", Settings{"norm": "layer"}, []string{`norm: norm must be "bn", "ln", "none", "none-affine", "init" or "gn+ws", not "layer"`}},
		{"misspelled", Settings{"optimizer.wramup": 0.1}, []string{`optimizer.wramup: unknown key "optimizer.wramup"; did you mean optimizer.warmup?`}},
		{"without table", Settings{"tau": 0.1}, []string{`tau: unknown key "tau"; did you mean target.tau?`}},
		{"in a known table", Settings{"encoder.depth": int64(3)}, []string{`encoder.depth: unknown key "encoder.depth"; encoder has the keys arch, width`}},
		{"far off", Settings{"dropout": 0.1}, []string{`dropout: unknown key "dropout"; the keys are method, data, encoder, norm, heads,`}},
		{"all in one go", Settings{"batch": "x", "epochs": int64(0), "foo.bar": true}, []string{"batch: ", "epochs: ", "foo.bar: "}},

		{"predictor norm without predictor", Settings{"predictor": false, "norm.predictor": "bn"}, []string{`norm.predictor: norm.predictor = "bn" needs a predictor`}},
		{"empty predictor norm with predictor", Settings{"norm.predictor": ""}, []string{`norm.predictor: norm.predictor must be "bn"`}},
		{"groups of the encoder", Settings{"norm": "gn+ws", "encoder.width": int64(18)}, []string{`encoder.width: encoder.width = 18 does not work with norm.encoder = "gn+ws": its channels do not split into groups of equal size; near it, 16 and 20 do`}},
		{"groups of a later stage", Settings{"norm.encoder": "gn+ws", "encoder.width": int64(36)}, []string{"encoder.width: encoder.width = 36 does not work"}},
		{"width without groups", Settings{"norm.projector": "gn+ws", "encoder.width": int64(18)}, nil},
		{"groups of the heads", Settings{"norm.projector": "gn+ws", "heads.hidden": int64(100)}, []string{`heads.hidden: heads.hidden = 100 does not work with norm.projector = "gn+ws"`}},
		{"groups of an absent predictor", Settings{"norm": "gn+ws", "norm.projector": "bn", "heads.hidden": int64(100), "predictor": false}, nil},
		{"one value to normalize", Settings{"heads.hidden": int64(1), "norm.predictor": "ln"}, []string{`heads.hidden: heads.hidden = 1 leaves norm.predictor = "ln" one value`}},
		{"one value to normalize, but for no predictor", Settings{"heads.hidden": int64(1), "norm.projector": "none", "norm.encoder": "ln", "predictor": false}, nil},
		{"one value in a batch norm", Settings{"heads.hidden": int64(1), "encoder.width": int64(1), "norm": "bn"}, nil},
		{"one weight to standardize", Settings{"encoder.width": int64(1), "norm.encoder": "gn+ws"}, []string{`encoder.width: encoder.width = 1 leaves norm.encoder = "gn+ws"`}},
		{"one test image", Settings{"data.test": int64(1)}, []string{"data.test: data.test = 1 leaves the probes no two images to compare; take at least 2"}},
		{"batch of one", Settings{"batch": int64(1)}, []string{`batch: batch = 1 has no statistics for norm.encoder = "bn"; take at least 2`}},
		{"batch of one for init", Settings{"batch": int64(1), "norm": "none", "norm.projector": "init"}, []string{`batch: batch = 1 has no statistics for norm.projector = "init"`}},
		{"batch of one without statistics", Settings{"batch": int64(1), "norm": "ln"}, nil},
		{"less than a batch", Settings{"data.train": int64(100)}, []string{"data.train: data.train = 100 is less than one batch of 128"}},
		{"temperature", Settings{"method": "simclr", "simclr.temperature": 0.0}, []string{"simclr.temperature: simclr.temperature must be a number above 0 and at most 100, not 0"}},
		{"temperature of another method", Settings{"simclr.temperature": 100.5}, []string{"simclr.temperature: "}},
		{"method", Settings{"method": "moco"}, []string{`method: method must be "byol" or "simclr", not "moco"`}},
		{"no trust", Settings{"optimizer.name": "lars", "optimizer.trust": 0.0}, []string{"optimizer.trust: "}},

		// One mistake is one problem.
		{"bad norm, batch of one", Settings{"norm": "x", "batch": int64(1)}, []string{"norm: "}},
		{"bad shorthand, good component", Settings{"norm": "x", "norm.encoder": "bn", "batch": int64(1)}, []string{"batch: ", "norm: "}},
		{"bad width", Settings{"norm": "gn+ws", "encoder.width": "18"}, []string{"encoder.width: "}},
		{"misspelled norm", Settings{"nrom": "gn+ws", "batch": int64(1)}, []string{"nrom: "}},
		{"bad predictor", Settings{"predictor": "no", "norm.predictor": "bn"}, []string{"predictor: "}},
		{"bad method", Settings{"method": "simcrl", "predictor": false, "norm.predictor": "bn"}, []string{"method: "}},
		{"bad method, groups of what may be absent", Settings{"method": "simcrl", "norm.predictor": "gn+ws", "heads.hidden": int64(100)}, []string{"method: "}},
		{"predictor's norm of SimCLR", Settings{"method": "simclr", "norm.predictor": "x"}, []string{"norm.predictor: norm.predictor must be"}},
		{"reported before", Settings{"norm": Invalid, "batch": int64(1)}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, problems := Resolve(c.settings)
			if len(problems) != len(c.want) {
				t.Fatalf("got %d problems %v, want %d", len(problems), problems, len(c.want))
			}
			for i, p := range problems {
				if got := p.Path + ": " + p.Message; !strings.HasPrefix(got, c.want[i]) {
					t.Errorf("got  %s\nwant %s", got, c.want[i])
				}
			}
		})
	}
}

func TestGroupsFor(t *testing.T) {
	for channels, want := range map[int]int{1: 1, 3: 1, 4: 1, 8: 2, 16: 4, 32: 8, 64: 16, 256: 16} {
		if got := GroupsFor(channels); got != want {
			t.Errorf("GroupsFor(%d) = %d, want %d", channels, got, want)
		}
	}
}

func TestConfig(t *testing.T) {
	s, _ := Resolve(Settings{"norm": "gn+ws", "predictor": false, "data.train": int64(500), "optimizer.lr": int64(3)})
	c, err := s.Config()
	if err != nil {
		t.Fatal(err)
	}
	if c.Norm != (Norm{"gn+ws", "gn+ws", ""}) || c.Predictor || c.Data.Train != 500 || c.Optimizer.LR != 3 || !c.Target.StopGradient {
		t.Errorf("got %+v", c)
	}
	// The typed form carries everything: written out and read, it is the same.
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Parse(text)
	if err != nil || again != c {
		t.Errorf("got %+v, %v", again, err)
	}
	for _, s := range []Settings{s, {"method": "simclr"}, {"data.name": "folder", "optimizer.weight_decay": 1e-7}} {
		s, _ := Resolve(s)
		if c, err := s.Config(); err != nil || string(c.JSON()) != string(s.JSON()) {
			t.Errorf("got %s, %v, want %s", c.JSON(), err, s.JSON())
		}
	}
	if _, err := (Settings{"batch": int64(64)}).Config(); err == nil {
		t.Error("unresolved settings became a Config")
	}
}

func TestParseIsStrict(t *testing.T) {
	replaceIn := func(text, old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("no %s in %s", old, text)
		}
		return strings.Replace(text, old, new, 1)
	}
	replace := func(old, new string) string { return replaceIn(defaults, old, new) }
	contrastive, _ := Resolve(Settings{"method": "simclr"})
	simclr := func(old, new string) string { return replaceIn(string(contrastive.JSON()), old, new) }
	for _, c := range []struct{ name, text, want string }{
		{"syntax", "{", "unexpected EOF"},
		{"more", defaults + "{}", "more after"},
		{"missing key", replace(`"batch":128,`, ""), "batch is missing"},
		{"unknown key", replace(`"batch":128`, `"batch":128,"bacth":1`), `unknown key "bacth"`},
		{"type", replace(`"batch":128`, `"batch":"128"`), "batch must be"},
		{"fraction", replace(`"batch":128`, `"batch":128.5`), "batch must be a whole number from 1 to 65536, not 128.5"},
		{"null", replace(`"batch":128`, `"batch":null`), "batch must be"},
		{"list", replace(`"batch":128`, `"batch":[1]`), "batch must be"},
		{"shorthand", replace(`{"encoder":"bn","predictor":"bn","projector":"bn"}`, `"bn"`), "norm"},
		{"range", replace(`"batch":128`, `"batch":0`), "batch must be"},
		{"combination", replace(`"batch":128`, `"batch":1`), "batch = 1 has no statistics"},
		{"key of another dataset", replace(`"name":"cifar10"`, `"name":"cifar10","size":32`), `data.size is for data.name = "folder" only`},
		{"missing key of a dataset", replace(`"name":"cifar10"`, `"name":"folder"`), "data.size is missing"},
		{"key of another method", replace(`"target":`, `"simclr":{"temperature":0.5},"target":`), `simclr.temperature is for method = "simclr" only`},
		{"missing key of a method", simclr(`"simclr":{"temperature":0.5},`, ""), "simclr.temperature is missing"},
		{"predictor of SimCLR", simclr(`"predictor":false`, `"predictor":true`), "norm.predictor must be"},
		{"predictor's norm of SimCLR", simclr(`"predictor":""`, `"predictor":"bn"`), `norm.predictor is "bn" where the other settings make it ""`},
		{"target of SimCLR", simclr(`"tau":0`, `"tau":0.99`), "target.tau is 0.99 where the other settings make it 0"},
		{"gradient of SimCLR", simclr(`"stop_gradient":false`, `"stop_gradient":true`), "target.stop_gradient is true where the other settings make it false"},
		{"not canonical", replace(`"trust":0`, `"trust":0.5`), "optimizer.trust is 0.5 where the other settings make it 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Parse([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := Parse([]byte(defaults)); err != nil {
		t.Error(err)
	}
}

func TestPrint(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{1e-5, "1e-5"}, {2e-7, "2e-7"}, {0.25, "0.25"}, {1.0, "1"}, {1e21, "1e21"}, {1.5e-10, "1.5e-10"}, {1e100, "1e100"},
		{int64(128), "128"}, {true, "true"}, {"gn+ws", "gn+ws"}, {math.Inf(-1), "-Inf"},
	} {
		if got := Print(c.value); got != c.want {
			t.Errorf("Print(%v) = %s, want %s", c.value, got, c.want)
		}
	}
}

func TestNear(t *testing.T) {
	names := []string{"bn", "ln", "none", "none-affine", "init", "gn+ws"}
	for name, want := range map[string]string{
		"nnoe": "none", "none-afine": "none-affine", "NONE": "none", "xn": "bn ln", "gnws": "gn+ws", "whatever": "", "": "",
	} {
		if got := strings.Join(Near(name, names), " "); got != want {
			t.Errorf("Near(%q) = %q, want %q", name, got, want)
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	s := Settings{"norm": "init", "optimizer.name": "lars", "optimizer.lr": 0.3, "optimizer.warmup": 0.5, "data.train": int64(4000), "epochs": int64(5)}
	b.ReportAllocs()
	for b.Loop() {
		if _, problems := Resolve(s); problems != nil {
			b.Fatal(problems)
		}
	}
}

func BenchmarkJSON(b *testing.B) {
	s, _ := Resolve(nil)
	b.ReportAllocs()
	for b.Loop() {
		s.JSON()
	}
}
