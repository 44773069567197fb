package ablations

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"strconv"

	"ablate/trainer/config"
)

// Plan is every run of a study with its identity.
type Plan struct {
	Study   *Study
	Dataset map[string]string // content hash by dataset name
	Trainer string            // the trainer's numeric version, or External and the hash of the study's own
	Runs    []Run             // seed-major: all cells of the first seed, then of the next
}

// NewPlan gives every run of s its identity. dataset returns the content hash
// of a dataset and is asked once a name; its errors are returned joined. trainer
// is the embedded trainer's numeric version. A study with a trainer of its own
// has no use for either: its identity is what Trainer.Snapshot finds beside the
// study's file, and whatever data it reads is its own business.
//
// Cells with equal settings share their runs' IDs, and stand in Runs each for
// itself.
func NewPlan(s *Study, dataset func(config.Data) (hash string, err error), trainer string) (*Plan, error) {
	p := &Plan{Study: s, Dataset: map[string]string{}, Trainer: trainer}
	if s.Trainer != nil {
		hash, _, err := s.Trainer.Snapshot(s.Dir())
		if err != nil {
			return nil, err
		}
		p.Trainer = External + hash
		p.addRuns()
		return p, nil
	}
	var errs []error
	for _, c := range s.Cells {
		d := c.Data()
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

func (p *Plan) addRuns() {
	s := p.Study
	p.Runs = make([]Run, len(s.Cells)*len(s.Seeds))
	var id identity
	for i, c := range s.Cells {
		id.begin(c, p.Dataset[c.Data().Name])
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
//
// The hash of its beginning was taken when the settings were resolved.
type identity struct {
	hashed hash.Cloner
	rest   []byte
	begun  int // length of what all seeds share
}

func (id *identity) begin(c Cell, dataset string) {
	id.hashed = c.hashed
	id.rest = append(id.rest[:0], `"dataset":`...)
	id.rest = appendString(id.rest, dataset)
	id.begun = len(id.rest)
}

// of returns the first 12 hex digits of the SHA-256: 48 bits, enough for
// studies of a million runs.
func (id *identity) of(seed int, trainer string) string {
	id.rest = append(id.rest[:id.begun], `,"seed":`...)
	id.rest = strconv.AppendInt(id.rest, int64(seed), 10)
	id.rest = append(id.rest, `,"trainer":`...)
	id.rest = append(appendString(id.rest, trainer), '}')
	h := clone(id.hashed)
	h.Write(id.rest)
	var sum [sha256.Size]byte
	return hex.EncodeToString(h.Sum(sum[:0])[:6])
}

func clone(h hash.Cloner) hash.Cloner {
	c, err := h.Clone()
	if err != nil {
		panic(err) // the standard library's can be cloned
	}
	return c
}

// appendString writes a JSON string.
func appendString(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always marshals
	return append(b, quoted...)
}
