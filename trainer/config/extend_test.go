package config

import "testing"

func TestExtends(t *testing.T) {
	constant := Settings{"optimizer.schedule": "constant", "optimizer.warmup": 0.0, "target.schedule": "constant"}
	of := func(epochs int64, over Settings) Config {
		t.Helper()
		s, problems := Resolve(constant.Merge(Settings{"epochs": epochs}).Merge(over))
		if len(problems) > 0 {
			t.Fatal(problems)
		}
		c, err := s.Config()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for _, c := range []struct {
		name string
		over Settings // of both
		ok   bool
		why  string
	}{
		{"constant", nil, true, ""},
		{"fixed random target", Settings{"target.tau": 1.0, "target.schedule": "cosine"}, true, ""},
		{"without a target", Settings{"target.stop_gradient": false, "target.schedule": "cosine"}, true, ""},
		{"SimCLR", Settings{"method": "simclr", "target.schedule": "cosine"}, true, ""},
		{"stopped when collapsed", Settings{"stop_when": "collapsed"}, true, ""},
		{"learning rate", Settings{"optimizer.schedule": "cosine"}, false,
			`with 40 epochs in place of 20 every step is another one, for optimizer.schedule = "cosine" spreads over all of them; ` +
				`runs with optimizer.schedule = "constant" can be extended without repeating anything`},
		{"all", Settings{"optimizer.schedule": "cosine", "target.schedule": "cosine", "optimizer.warmup": 0.1}, false,
			`with 40 epochs in place of 20 every step is another one, for optimizer.schedule = "cosine", target.schedule = "cosine" and ` +
				`optimizer.warmup = 0.1 spread over all of them; runs with optimizer.schedule = "constant", target.schedule = "constant" and ` +
				`optimizer.warmup = 0 can be extended without repeating anything`},
	} {
		if ok, why := Extends(of(40, c.over), of(20, c.over)); ok != c.ok || why != c.why {
			t.Errorf("%s: %v, %q, want %v, %q", c.name, ok, why, c.ok, c.why)
		}
	}
	for name, pair := range map[string][2]Config{
		"equal":       {of(20, nil), of(20, nil)},
		"fewer":       {of(20, nil), of(40, nil)},
		"another":     {of(40, Settings{"optimizer.lr": 0.2}), of(20, nil)},
		"another key": {of(40, Settings{"stop_when": "collapsed"}), of(20, nil)},
		"cosine":      {of(40, Settings{"optimizer.schedule": "cosine"}), of(20, nil)},
	} {
		if ok, why := Extends(pair[0], pair[1]); ok || why != "" {
			t.Errorf("%s: %v, %q", name, ok, why)
		}
	}
}

// A key at its default is the same settings, with and without it, and the same
// identity as before there was such a key.
func TestImpliedKeys(t *testing.T) {
	implied := 0
	for _, k := range Keys {
		if !k.Implied {
			continue
		}
		implied++
		s, problems := Resolve(Settings{k.Path: k.Default})
		if got := string(s.JSON()); len(problems) > 0 || got != defaults || s[k.Path] != k.Default {
			t.Errorf("%s at its default: %v, %s, %v", k.Path, s[k.Path], got, problems)
		}
		other, problems := Resolve(Settings{k.Path: k.OneOf[1]})
		if len(problems) > 0 || string(other.JSON()) == defaults {
			t.Errorf("%s = %s is as at its default: %v", k.Path, k.OneOf[1], problems)
		}
		plain, err := s.Config()
		changed, err2 := other.Config()
		if err != nil || err2 != nil || plain == changed || string(changed.JSON()) != string(other.JSON()) || string(plain.JSON()) != defaults {
			t.Errorf("%s: as a Config %+v, %v, and at its default %+v, %v", k.Path, changed, err2, plain, err)
		}
	}
	if implied == 0 {
		t.Error("no key is implied: the test tests nothing")
	}
	// A default that is written out would be a second text of the same settings.
	if _, err := Parse([]byte(defaults[:len(defaults)-1] + `,"stop_when":"never"}`)); err == nil {
		t.Error("a written default is canonical")
	}
	if c, err := Parse([]byte(defaults[:len(defaults)-1] + `,"stop_when":"collapsed"}`)); err != nil || c.StopWhen != "collapsed" {
		t.Errorf("%+v, %v", c, err)
	}
}
