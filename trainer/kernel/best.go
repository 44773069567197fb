package kernel

// Best returns the fastest kernel set that this program was built with.
func Best[T Float]() Set[T] {
	if s, ok := any(best32()).(Set[T]); ok {
		return s
	}
	return Portable[T]{}
}

// Name identifies the kernel set that training uses, as provenance.
func Name() string { return Best[float32]().Name() }
