package serve

import (
	"fmt"
	"sync"
)

// cache keeps what was made of the store, for all who look at the same. The zero
// cache is empty.
type cache struct {
	mu      sync.Mutex
	entries map[string]*entry
}

// entry is one thing that was made, or is being made.
type entry struct {
	version int64 // of the store, when its making began
	ready   chan struct{}
	value   any
	err     error
}

// maxEntries is how many things are kept. When there are more, all are dropped
// that are not of the newest version, and then everything.
const maxEntries = 64

// get returns what is kept under key if it is of that version of the store or a
// newer one, else what f makes. However many ask at once, f is called once. What
// could not be made is made anew when it is asked for again.
func get[T any](c *cache, key string, version int64, f func() (T, error)) (T, error) {
	e, mine := c.claim(key, version)
	if mine {
		func() {
			defer close(e.ready)
			defer func() {
				if p := recover(); p != nil {
					e.err = fmt.Errorf("%s could not be made: %v", key, p)
				}
			}()
			e.value, e.err = f()
		}()
		if e.err != nil {
			c.drop(key, e)
		}
	}
	<-e.ready
	value, _ := e.value.(T)
	return value, e.err
}

// claim returns the entry of a key, and whether the caller is to make it.
func (c *cache) claim(key string, version int64) (e *entry, mine bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e = c.entries[key]; e != nil && e.version >= version {
		return e, false
	}
	if len(c.entries) >= maxEntries {
		for k, old := range c.entries {
			if old.version < version {
				delete(c.entries, k)
			}
		}
	}
	if c.entries == nil || len(c.entries) >= maxEntries {
		c.entries = map[string]*entry{}
	}
	e = &entry{version: version, ready: make(chan struct{})}
	c.entries[key] = e
	return e, true
}

func (c *cache) drop(key string, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key] == e {
		delete(c.entries, key)
	}
}
