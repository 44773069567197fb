package ablations

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strconv"

	"ablate/trainer/config"
)

// Plan is every run of a study with its identity.
type Plan struct {
	Study   *Study
	Dataset map[string]string // content hash by dataset name
	Trainer string            // the trainer's numeric version
	Runs    []Run             // seed-major: all cells of the first seed, then of the next
}

// NewPlan gives every run of s its identity. dataset returns the content hash
// of a dataset and is asked once a name; its errors are returned joined.
//
// Cells with equal settings share their runs' IDs, and stand in Runs each for
// itself.
func NewPlan(s *Study, dataset func(config.Data) (hash string, err error), trainer string) (*Plan, error) {
	p := &Plan{Study: s, Dataset: map[string]string{}, Trainer: trainer}
	var errs []error
	for _, c := range s.Cells {
		d := dataOf(c.Settings)
		if _, known := p.Dataset[d.Name]; known {
			continue
		}
		hash, err := dataset(d)
		if err != nil {
			errs = append(errs, err)
		}
		p.Dataset[d.Name] = hash
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	p.addRuns()
	return p, nil
}

func dataOf(s config.Settings) config.Data {
	train, _ := s["data.train"].(int64)
	test, _ := s["data.test"].(int64)
	name, _ := s["data.name"].(string)
	return config.Data{Name: name, Train: int(train), Test: int(test)}
}

func (p *Plan) addRuns() {
	s := p.Study
	p.Runs = make([]Run, len(s.Cells)*len(s.Seeds))
	var id identity
	for i, c := range s.Cells {
		id.begin(c.Settings, p.Dataset[dataOf(c.Settings).Name])
		for j, seed := range s.Seeds {
			run := &p.Runs[j*len(s.Cells)+i]
			*run = Run{Cell: i, Seed: seed}
			if c.SameAs >= 0 {
				run.ID = p.Runs[j*len(s.Cells)+c.SameAs].ID
			} else {
				run.ID = id.of(seed, p.Trainer)
			}
		}
	}
}

// identity hashes what decides a run's numbers, as canonical JSON:
//
//	{"config":{...},"dataset":"HASH","seed":1,"trainer":"1"}
type identity struct {
	text  []byte
	begun int // length of what all seeds share
}

func (id *identity) begin(s config.Settings, dataset string) {
	id.text = append(id.text[:0], `{"config":`...)
	id.text = s.AppendJSON(id.text)
	id.text = append(id.text, `,"dataset":`...)
	id.text = appendString(id.text, dataset)
	id.begun = len(id.text)
}

// of returns the first 12 hex digits of the SHA-256: 48 bits, enough for
// studies of a million runs.
func (id *identity) of(seed int, trainer string) string {
	id.text = append(id.text[:id.begun], `,"seed":`...)
	id.text = strconv.AppendInt(id.text, int64(seed), 10)
	id.text = append(id.text, `,"trainer":`...)
	id.text = append(appendString(id.text, trainer), '}')
	sum := sha256.Sum256(id.text)
	return hex.EncodeToString(sum[:6])
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(b, quoted...)
}
