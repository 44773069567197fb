package worker

import (
	"fmt"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// LimitMemory lets this process, and each that it starts from now on, take so
// many bytes of memory and no more: beyond that they get none. What the runtime
// has set aside until now without using it does not count. Go's heap is kept
// small enough to leave a tenth for what C needs, as long as that is possible.
//
// The limit is on the data that is written to (RLIMIT_DATA), not on addresses,
// of which Go and CUDA reserve far more than they use.
func LimitMemory(bytes int64) error {
	debug.SetMemoryLimit(bytes - bytes/10)
	limit := uint64(bytes + idleMemory())
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: limit, Max: limit}); err != nil {
		return fmt.Errorf("limiting the memory to %d bytes: %w", bytes, err)
	}
	return nil
}
