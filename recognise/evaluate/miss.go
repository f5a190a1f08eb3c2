package evaluate

import (
	"cmp"
	"image"
	"slices"

	"gocv.io/x/gocv"

	"nrd/recognise/picture"
)

// miss is a plate that was not read, or a read that is wrong, with its picture.
type miss struct {
	File string
	// Plate is the truth, "" where there is no plate; Read what was read, ""
	// for nothing.
	Plate, Read string
	Confidence  int
	Width       int
	JPEG        []byte
}

// mostMisses is how many misses of each kind are kept as pictures.
const mostMisses = 24

// misses are the worst so far: wrong reads, surest first, and plates without a
// read, widest first.
type misses struct{ wrong, unread []miss }

// The pictures of misses: at most so wide, at this JPEG quality.
const missWidth, missQuality = 320, 82

// photograph keeps the misses of one photograph. A false read of a plate that is
// missed is one miss, not two.
func (m *misses) photograph(img gocv.Mat, t *Truth, missed []Outcome, wrong []FalseRead) error {
	cut := func(b *Box) ([]byte, error) { return picture.JPEG(img, around(b), missWidth, missQuality) }
	var errs error
	for _, o := range missed {
		b := boxOf(t, o)
		for _, w := range wrong {
			if b == nil && o.Captured && w.Read == o.Read {
				b = &w.Box
			}
		}
		errs = cmp.Or(errs, m.add(outcomeMiss(o), func() ([]byte, error) { return cut(b) }))
	}
	for _, w := range wrong {
		if !told(missed, w) {
			errs = cmp.Or(errs, m.add(falseMiss(w), func() ([]byte, error) { return cut(&w.Box) }))
		}
	}
	return errs
}

// clip keeps the misses of one clip, with the pictures of its passages, and with
// that of the scene where nothing was read.
func (m *misses) clip(passages []read, scene []byte, missed []Outcome, wrong []FalseRead) {
	patch := func(text string) func() ([]byte, error) {
		i := slices.IndexFunc(passages, func(r read) bool { return text != "" && r.text == text })
		return func() ([]byte, error) {
			if i < 0 {
				return scene, nil
			}
			return passages[i].patch, nil
		}
	}
	// A patch is there or is not: taking it cannot fail.
	for _, o := range missed {
		_ = m.add(outcomeMiss(o), patch(o.Read))
	}
	for _, w := range wrong {
		_ = m.add(falseMiss(w), patch(w.Read))
	}
}

func outcomeMiss(o Outcome) miss {
	return miss{File: o.File, Plate: string(o.Plate), Read: o.Read, Confidence: o.Confidence, Width: o.Width}
}

func falseMiss(w FalseRead) miss {
	return miss{File: w.File, Read: w.Read, Confidence: w.Confidence, Width: int(w.Box[2])}
}

// told reports whether a false read is that of a missed plate.
func told(missed []Outcome, w FalseRead) bool {
	return slices.ContainsFunc(missed, func(o Outcome) bool { return o.Read == w.Read && o.Confidence == w.Confidence })
}

// boxOf gives the truth's box of a plate.
func boxOf(t *Truth, o Outcome) *Box {
	for _, p := range t.Plates {
		if p.VRM == o.Plate {
			return p.Box
		}
	}
	return nil
}

// around is a box with enough of its surroundings to see what it is; nothing,
// which stands for the whole picture, of no box.
func around(b *Box) image.Rectangle {
	if b == nil {
		return image.Rectangle{}
	}
	x, y := b[2]*0.25+6, b[3]*0.7+6
	return image.Rect(int(b[0]-x), int(b[1]-y), int(b[0]+b[2]+x), int(b[1]+b[3]+y))
}

// add keeps a miss and takes its picture if it is among the worst.
func (m *misses) add(one miss, take func() ([]byte, error)) (err error) {
	list, worse := &m.wrong, func(a, b miss) int { return cmp.Compare(b.Confidence, a.Confidence) }
	if one.Read == "" {
		list, worse = &m.unread, func(a, b miss) int { return cmp.Compare(b.Width, a.Width) }
	}
	if len(*list) == mostMisses && worse(one, (*list)[mostMisses-1]) >= 0 {
		return nil
	}
	if one.JPEG, err = take(); err != nil {
		return err
	}
	*list = append(*list, one)
	slices.SortStableFunc(*list, worse)
	*list = (*list)[:min(len(*list), mostMisses)]
	return nil
}
