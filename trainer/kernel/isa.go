package kernel

import (
	"runtime"

	"golang.org/x/sys/cpu"
)

// ISA is the widest vector instruction set of this machine that the kernels
// tell apart: equal kernels give equal numbers only where it is equal.
func ISA() string {
	switch {
	case cpu.X86.HasAVX512F:
		return "avx512f"
	case cpu.X86.HasAVX2:
		return "avx2"
	default:
		return runtime.GOARCH
	}
}
