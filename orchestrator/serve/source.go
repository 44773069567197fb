package serve

import (
	"errors"
	"sync"

	"ablate/orchestrator"
	"ablate/results"
)

// source is the store that is shown. It is opened when it is there, and anew when
// it was replaced.
type source struct {
	dir     string
	opening sync.RWMutex // held for reading by whoever uses the store
	store   *results.Store
	watch   *results.Watch

	looking sync.Mutex
	seen    *results.Watch // what the last look saw
	version int64          // rises with every change that was noticed
	head    *orchestrator.Head
}

// use calls f with the open store. The error of a store that is not there is
// results.ErrNoStore.
func (s *source) use(f func(*results.Store) error) error {
	for {
		s.opening.RLock()
		if s.store != nil {
			defer s.opening.RUnlock()
			return f(s.store)
		}
		s.opening.RUnlock()
		if err := s.open(); err != nil {
			return err
		}
	}
}

func (s *source) open() error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.store != nil {
		return nil
	}
	store, err := results.OpenReadOnly(s.dir)
	if err != nil {
		return err
	}
	watch, err := store.Watch()
	if err != nil {
		store.Close()
		return err
	}
	s.store, s.watch = store, watch
	return nil
}

func (s *source) close() {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.store != nil {
		s.watch.Close()
		s.store.Close()
		s.store, s.watch = nil, nil
	}
}

// look notices whether the store or its head has changed, and returns the
// version of what is there now. It takes some microseconds.
func (s *source) look() int64 {
	s.looking.Lock()
	defer s.looking.Unlock()
	changed := false
	err := s.use(func(*results.Store) (err error) {
		changed, err = s.watch.Changed()
		changed = changed || s.watch != s.seen // it was opened anew
		s.seen = s.watch
		return err
	})
	if errors.Is(err, results.ErrReplaced) {
		s.close()
		s.seen, changed = nil, true
	}
	head := orchestrator.CurrentHead(s.dir)
	if changed || !sameHead(head, s.head) || s.version == 0 {
		s.version++
	}
	s.head = head
	return s.version
}

// headNow is the head that the last look saw.
func (s *source) headNow() *orchestrator.Head {
	s.looking.Lock()
	defer s.looking.Unlock()
	return s.head
}

func sameHead(a, b *orchestrator.Head) bool {
	return a == b || a != nil && b != nil && a.PID == b.PID && a.Host == b.Host && a.Started.Equal(b.Started)
}
