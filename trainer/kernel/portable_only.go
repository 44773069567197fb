//go:build !onednn

package kernel

func best32() Set[float32] { return Portable[float32]{} }
