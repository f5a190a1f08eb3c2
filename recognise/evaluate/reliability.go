package evaluate

import "math"

// Reliability says how far confidence can be believed: that of whole reads, and that
// of the characters of captured plates.
type Reliability struct {
	Calibration
	Characters Calibration `json:"characters"`
}

// Calibration compares confidence with what is right: of a confidence of 80, 80 of
// 100 should be.
type Calibration struct {
	// Sure counts those with a confidence of 90 and more that are right.
	Sure Share `json:"sure"`
	// Error is the expected calibration error in percent: how far confidence
	// and the share that is right lie apart, the mean over all.
	Error float64 `json:"error"`
	// Bins are of equal width, least sure first; empty ones are left out.
	Bins []Bin `json:"bins"`
}

// Bin is those of about the same confidence.
type Bin struct {
	// From and To bound the confidence, both included; Confidence is the mean.
	From       int     `json:"from"`
	To         int     `json:"to"`
	Confidence float64 `json:"confidence"`
	Right      Share   `json:"right"`
}

const (
	bins = 10
	sure = 90
)

// calibration is what was counted so far.
type calibration struct {
	sure  Share
	right [bins]Share
	sum   [bins]float64
}

// add counts one with its confidence from 0 to 100.
func (c *calibration) add(confidence float64, right bool) {
	if confidence >= sure {
		c.sure.add(right)
	}
	i := max(0, min(bins-1, int(confidence)*bins/100))
	c.right[i].add(right)
	c.sum[i] += confidence
}

func (c *calibration) finish() Calibration {
	out := Calibration{Sure: c.sure, Bins: []Bin{}}
	all, apart := 0, 0.0
	for i, right := range c.right {
		if right.Of == 0 {
			continue
		}
		b := Bin{From: i * 100 / bins, To: (i+1)*100/bins - 1, Confidence: c.sum[i] / float64(right.Of), Right: right}
		if i == bins-1 {
			b.To = 100
		}
		apart += math.Abs(b.Confidence-right.Percent()) * float64(right.Of)
		all += right.Of
		b.Confidence = round(b.Confidence, 1)
		out.Bins = append(out.Bins, b)
	}
	if all > 0 {
		out.Error = round(apart/float64(all), 2)
	}
	return out
}
