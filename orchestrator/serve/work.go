package serve

import (
	"html/template"
	"maps"
	"slices"

	"ablate/orchestrator"
	"ablate/results"
	"ablate/trainer/config"
)

// cards are the runs at work, each with a curve that grows.
type cards struct {
	Cards   []card
	Metrics []string // that a curve can show
	Metric  string   // that they show
	More    int      // runs at work without a card
	Head    *orchestrator.Head
	Control bool
}

type card struct {
	row
	Chart template.HTML
	Last  string // value of the metric
}

// maxCards is how many runs at work get a card.
const maxCards = 24

// cards draws the runs at work. metric is what to show, "" for what is usual.
func (s *Server) cards(snap *snapshot, metric string) (cards, error) {
	return get(&s.cache, "work "+studyURL(snap.ID)+" "+metric, s.hub.current(), func() (c cards, err error) {
		err = s.source.use(func(store *results.Store) error {
			c, err = drawCards(store, snap, metric)
			return err
		})
		c.Control = s.Token != ""
		return c, err
	})
}

func drawCards(store *results.Store, snap *snapshot, metric string) (cards, error) {
	rows := snap.AtWork[:min(maxCards, len(snap.AtWork))]
	c := cards{Head: snap.Head, More: len(snap.AtWork) - len(rows), Metric: metric}
	ids := make([]string, len(rows))
	for i, r := range rows {
		ids[i] = r.ID
	}
	ends, err := store.Ends(ids)
	if err != nil {
		return c, err
	}
	names := map[string]bool{}
	for _, of := range ends {
		for name := range of {
			names[name] = true
		}
	}
	c.Metrics = inOrder(names)
	if c.Metric = usual(c.Metrics, metric); c.Metric == "" && metric != "" {
		c.Metric = metric
	}
	curves, err := store.Curves(c.Metric, ids, chartPoints)
	for _, r := range rows {
		card := card{row: r, Chart: chart(c.Metric, curves.Runs[r.ID], r.Steps)}
		if card.Chart != "" {
			card.Last = figure(curves.Runs[r.ID].Last.Value)
		}
		c.Cards = append(c.Cards, card)
	}
	return c, err
}

// usual chooses the metric to show: the wanted one, else the loss, else the first.
func usual(names []string, wanted string) string {
	for _, name := range []string{wanted, "loss"} {
		if slices.Contains(names, name) {
			return name
		}
	}
	if len(names) > 0 {
		return names[0]
	}
	return ""
}

// inOrder lists metrics in the order of their table, others after them.
func inOrder[T any](metrics map[string]T) (names []string) {
	for _, m := range config.Metrics {
		if _, ok := metrics[m.Name]; ok {
			names = append(names, m.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(metrics)) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}
