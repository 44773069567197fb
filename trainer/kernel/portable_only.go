//go:build !onednn

package kernel

func best32() Set[float32] { return Portable[float32]{} }

// Notice is what a person should know before training with this kernel set.
func Notice() string {
	return "this program was built without oneDNN, and its portable kernels train about thirteen times slower; " +
		"with the library installed (on Debian: libdnnl-dev), ./justw build uses it"
}
