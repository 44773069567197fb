package data

import "math/rand/v2"

// Stream returns a random stream that depends on nothing but its arguments.
// Streams of different seeds, purposes ("init", "order", "augment", ...) or
// keys (such as epoch, image and view) are independent. It is cheap enough
// to be called for every image.
func Stream(seed int, purpose string, keys ...int) *rand.Rand {
	h := mix(uint64(seed) + golden)
	for i := 0; i < len(purpose); i++ {
		h = mix(h ^ uint64(purpose[i]) + golden)
	}
	h = mix(h + uint64(len(keys)))
	for _, k := range keys {
		h = mix(h ^ uint64(k) + golden)
	}
	return rand.New(rand.NewPCG(mix(h), mix(h+golden)))
}

// Order returns the order in which an epoch visits n training images: a
// permutation that depends on seed and epoch.
func Order(seed, epoch, n int) []int {
	return Stream(seed, "order", epoch).Perm(n)
}

const golden = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio

// mix is the output function of SplitMix64 (Steele et al. 2014): a bijection
// in which every bit of x changes every bit of the result with probability
// about one half.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
