package evaluate

import (
	"encoding/json"
	"fmt"
	"math"
)

// Share is how many of so many.
type Share struct{ Count, Of int }

func (s *Share) add(yes bool) {
	s.Of++
	if yes {
		s.Count++
	}
}

// Percent gives the share in percent; 0 of nothing.
func (s Share) Percent() float64 {
	if s.Of == 0 {
		return 0
	}
	return 100 * float64(s.Count) / float64(s.Of)
}

// Interval gives the 95 % interval of the share in percent (E. B. Wilson, 1927):
// unlike the usual one it holds for few and for shares near 0 and 100. Of nothing
// it is everything.
func (s Share) Interval() (low, high float64) {
	if s.Of == 0 {
		return 0, 100
	}
	const z = 1.959964
	n, p := float64(s.Of), float64(s.Count)/float64(s.Of)
	middle := p + z*z/(2*n)
	half := z * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	all := 1 + z*z/n
	return 100 * max(0, (middle-half)/all), 100 * min(1, (middle+half)/all)
}

// MarshalJSON writes {"count":…,"of":…,"percent":…,"low":…,"high":…}, the last
// three null of nothing.
func (s Share) MarshalJSON() ([]byte, error) {
	out := struct {
		Count   int      `json:"count"`
		Of      int      `json:"of"`
		Percent *float64 `json:"percent"`
		Low     *float64 `json:"low"`
		High    *float64 `json:"high"`
	}{Count: s.Count, Of: s.Of}
	if s.Of > 0 {
		percent, low, high := round(s.Percent(), 2), 0.0, 0.0
		low, high = s.Interval()
		low, high = round(low, 2), round(high, 2)
		out.Percent, out.Low, out.High = &percent, &low, &high
	}
	return json.Marshal(out)
}

func round(f float64, digits int) float64 {
	unit := math.Pow10(digits)
	return math.Round(f*unit) / unit
}

// String gives the share in percent with its interval.
func (s Share) String() string {
	if s.Of == 0 {
		return "–"
	}
	low, high := s.Interval()
	return fmt.Sprintf("%.1f %% (%.0f to %.0f)", s.Percent(), low, high)
}
