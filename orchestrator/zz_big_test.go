package orchestrator_test
import ("testing";"os";"ablate/ablations";"ablate/orchestrator";"ablate/results";"ablate/trainer/data";"ablate/trainer";"ablate/trainer/config")
func TestZZBig(t *testing.T) {
	dir, file := os.Getenv("BIGDIR"), os.Getenv("BIGFILE")
	if dir == "" { t.Skip() }
	s, err := ablations.Load(file, nil); must(t, err)
	p, err := ablations.NewPlan(s, func(d config.Data) (string, error) { return data.Fingerprint(d.Name, "") }, trainer.Version); must(t, err)
	st, err := results.Open(dir); must(t, err)
	n := 10000
	if p.Runs = p.Runs[:n]; true {}
	_, err = orchestrator.Record(st, dir, p, func(string) {}); must(t, err)
	for _, r := range p.Runs { must(t, st.BeginAttempt(r.ID, 1)); must(t, st.EndAttempt(r.ID, 1, results.Completed, "")) }
	st.Close()
}
