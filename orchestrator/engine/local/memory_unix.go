//go:build unix && !linux

package local

import "syscall"

// memoryGroup would bound the memory of a worker and of all that it starts; only
// Linux can.
type memoryGroup struct{}

func newMemoryGroup(int64, string) *memoryGroup { return nil }

func (*memoryGroup) hold(*syscall.SysProcAttr) {}
func (*memoryGroup) killed() bool              { return false }
func (*memoryGroup) remove()                   {}
