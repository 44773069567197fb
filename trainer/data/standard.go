package data

import "math"

// Standard is what pixels are standardized with: mean and standard deviation
// per channel, of pixels in 0..1.
type Standard struct {
	Mean, Std []float32
}

// Standardize computes the mean and the standard deviation of each channel
// over all pixels of the training images. A channel that never varies gets
// the standard deviation 1.
func (s *Set) Standardize() Standard {
	st := Standard{Mean: make([]float32, s.Channels), Std: make([]float32, s.Channels)}
	// Sums of bytes and of their squares are exact in integers, and so
	// independent of the order of the images.
	sum, squares := make([]uint64, s.Channels), make([]uint64, s.Channels)
	for i := 0; i < len(s.Train.Images); i += s.Channels {
		for c, b := range s.Train.Images[i : i+s.Channels] {
			sum[c] += uint64(b)
			squares[c] += uint64(b) * uint64(b)
		}
	}
	n := float64(len(s.Train.Images) / s.Channels)
	for c := range sum {
		mean := float64(sum[c]) / n
		variance := float64(squares[c])/n - mean*mean
		st.Mean[c], st.Std[c] = float32(mean/255), 1
		if variance > 1e-6 { // one differing byte in a million pixels
			st.Std[c] = float32(math.Sqrt(variance) / 255)
		}
	}
	return st
}
