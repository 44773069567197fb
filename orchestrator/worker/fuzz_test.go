package worker

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"ablate/trainer/config"
)

// FuzzFiles: whatever stands in run.json and in claim.json, reading them ends in
// an error that names the file, or in what is the same when written and read
// again; and what is no configuration is refused in good order.
func FuzzFiles(f *testing.F) {
	settings, problems := config.Resolve(config.Settings{"data.name": "generated"})
	if problems != nil {
		f.Fatal(problems)
	}
	spec, err := json.Marshal(Spec{ID: "1234", Cell: "bn", Seed: 3, Config: settings.JSON(), Dataset: "d", DataDir: "/data", SaveEvery: time.Minute})
	if err != nil {
		f.Fatal(err)
	}
	claim, err := json.Marshal(ClaimInfo{Host: "h", PID: 7, Token: "t", Started: time.Unix(1700000000, 5).UTC()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(spec)
	f.Add(spec[:len(spec)/2])
	f.Add(claim)
	f.Add([]byte(`{"pid":1e999,"seed":-1,"config":{"epochs":1e30},"started":"0000-01-01T00:00:00+23:59"}`))
	f.Add([]byte(`null`))
	dir := f.TempDir()
	attempt := Attempt{dir, 1}
	if err := os.Mkdir(attempt.Dir(), 0o777); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		read := func() (Spec, error, ClaimInfo, error) {
			for _, path := range []string{filepath.Join(dir, "run.json"), attempt.claim()} {
				if err := os.WriteFile(path, text, 0o666); err != nil {
					t.Fatal(err)
				}
			}
			spec, wrong := ReadSpec(dir)
			claim, wrongClaim := attempt.Claimed()
			return spec, wrong, claim, wrongClaim
		}
		spec, wrong, claim, wrongClaim := read()
		for _, err := range []error{wrong, wrongClaim} {
			if err != nil && !strings.Contains(err.Error(), dir) {
				t.Errorf("the error names no file: %v", err)
			}
		}
		if wrong == nil {
			config.Parse(spec.Config) // must not panic
			text = marshal(t, spec)
			if again, err, _, _ := read(); err != nil || string(marshal(t, again)) != string(text) {
				t.Errorf("%+v came back as %+v, %v", spec, again, err)
			}
		}
		if wrongClaim == nil {
			text = marshal(t, claim)
			if _, _, again, err := read(); err != nil || !again.Started.Equal(claim.Started) || !sameButTime(again, claim) {
				t.Errorf("%+v came back as %+v, %v", claim, again, err)
			}
		}
	})
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("%+v was read, but cannot be written: %v", v, err)
	}
	return text
}

func sameButTime(a, b ClaimInfo) bool {
	a.Started, b.Started = time.Time{}, time.Time{}
	return reflect.DeepEqual(a, b)
}
