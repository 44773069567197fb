//go:build unix && !linux

package worker

// idleMemory would be what is mapped and not used; only Linux says.
func idleMemory() int64 { return 0 }
