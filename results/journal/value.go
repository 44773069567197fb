package journal

import (
	"fmt"
	"math"
	"strconv"
)

// Value is a float64 whose NaN and infinities survive JSON, as the strings
// "NaN", "+Inf" and "-Inf".
type Value float64

// MarshalJSON writes the shortest number that reads back as v, or v's name as
// a string if JSON has no number for it.
func (v Value) MarshalJSON() ([]byte, error) {
	return appendValue(nil, v), nil
}

// UnmarshalJSON reads what MarshalJSON wrote. Numbers beyond the range of a
// float64 and any other string are errors.
func (v *Value) UnmarshalJSON(b []byte) error {
	switch string(b) {
	case `"NaN"`:
		*v = Value(math.NaN())
	case `"+Inf"`:
		*v = Value(math.Inf(1))
	case `"-Inf"`:
		*v = Value(math.Inf(-1))
	default:
		if len(b) == 0 || b[0] != '-' && (b[0] < '0' || b[0] > '9') {
			return fmt.Errorf(`%.40q is no number and none of "NaN", "+Inf", "-Inf"`, b)
		}
		f, err := strconv.ParseFloat(string(b), 64)
		if err != nil {
			return fmt.Errorf("%.40q is no float64", b)
		}
		*v = Value(f)
	}
	return nil
}

func appendValue(b []byte, v Value) []byte {
	f := float64(v)
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"+Inf"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Inf"`...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, 64)
}
