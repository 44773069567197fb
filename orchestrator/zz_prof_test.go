package orchestrator_test
import ("testing";"os";"ablate/ablations";"ablate/orchestrator";"ablate/results";"ablate/trainer/data";"ablate/trainer";"ablate/trainer/config")
func BenchmarkZZ(b *testing.B) {
	dir, file := os.Getenv("BIGDIR"), os.Getenv("BIGFILE")
	if dir == "" { b.Skip() }
	st, err := results.OpenReadOnly(dir); if err != nil { b.Fatal(err) }
	s, err := ablations.Load(file, nil)
	p, err := ablations.NewPlan(s, func(d config.Data) (string, error) { return data.Fingerprint(d.Name, "") }, trainer.Version)
	for b.Loop() {
		if _, err = orchestrator.Inspect(st, dir, p); err != nil { b.Fatal(err) }
	}
}
