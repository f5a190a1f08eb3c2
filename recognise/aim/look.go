package aim

import (
	"image"
	"math"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
	"nrd/recognise"
	"nrd/recognise/picture"
)

// Look is what the page shows of one frame.
type Look struct {
	// Sequence counts the looks from 1.
	Sequence uint64 `json:"sequence"`
	// Width and Height are the frame's in pixels, JPEG a smaller copy.
	Width  int    `json:"width"`
	Height int    `json:"height"`
	JPEG   []byte `json:"picture"`
	// Plates are those found, surest first.
	Plates []Plate `json:"plates"`
	// Advice is what to do with the camera, Verdict whether the site can meet
	// its figures.
	Advice  []Advice `json:"advice"`
	Minute  Minute   `json:"minute"`
	Verdict Verdict  `json:"verdict"`
	// Rate is how many frames a second are looked at.
	Rate float64 `json:"rate"`
	// Region is the part of the picture that counts, all 0 for all of it.
	Region recognise.Region `json:"region"`
	// Problem is why no new picture comes, "" while all is well.
	Problem string `json:"problem"`
}

// Plate is a plate that was found in a frame.
type Plate struct {
	// Outline is its corners in shares of the picture's width and height.
	Outline [4][2]float64 `json:"outline"`
	// Width is its width in pixels of the frame, Sharpness 0 to 100, Tilt by
	// how many degrees it is turned clockwise.
	Width     int `json:"width"`
	Sharpness int `json:"sharpness"`
	Tilt      int `json:"tilt"`
	// Counted says that it lies in the region.
	Counted bool `json:"counted"`
	// Level is "good", "fair" or "bad", Says why in a word or two.
	Level Level  `json:"level"`
	Says  string `json:"says"`
	// Sure is the confidence of its read, 0 where it cannot be read; Read the
	// text where reads are shown.
	Sure int     `json:"sure"`
	Read nrd.VRM `json:"read,omitempty"`

	quad       nrd.Quad
	text       nrd.VRM
	confidence int
}

// The live picture: at most so wide, at this JPEG quality.
const pictureWidth, pictureQuality = 1280, 72

// rateOver is the time over which the frame rate is measured.
const rateOver = 5 * time.Second

// eye looks at frames. One goroutine owns it.
type eye struct {
	localiser *once
	reader    *recognise.Recogniser
	gauge     *gauge
	follower  follower
	tally     tally
	showReads bool
	region    recognise.Region
	sequence  uint64
	times     []time.Duration
	file      string
}

// look makes of a frame what the page shows.
func (e *eye) look(f *capture.Frame, now time.Duration) (*Look, error) {
	if f.File != e.file {
		// The next photograph is another scene.
		e.tally.add(e.follower.flush(), now)
		e.file = f.File
	}
	plates, err := e.plates(f)
	if err != nil {
		return nil, err
	}
	jpeg, err := picture.JPEG(f.Image, image.Rectangle{}, pictureWidth, pictureQuality)
	if err != nil {
		return nil, err
	}
	e.tally.add(e.follower.see(plates, now), now)
	e.sequence++
	l := &Look{
		Sequence: e.sequence, Width: f.Image.Cols(), Height: f.Image.Rows(), JPEG: jpeg, Plates: plates, Region: e.region,
		Rate: e.rate(now), Minute: e.tally.minute(e.follower.under, now),
	}
	l.Advice = advise(l)
	l.Verdict = e.tally.verdict()
	return l, nil
}

// plates finds and reads the plates of a frame. They are found once, and what the
// recogniser makes of them is looked up by their outline.
func (e *eye) plates(f *capture.Frame) ([]Plate, error) {
	e.localiser.begin(side(e.region, f.Image.Cols(), f.Image.Rows()))
	seen, err := e.reader.Photograph(f)
	if err != nil {
		return nil, err
	}
	read := map[nrd.Quad]nrd.Read{}
	for _, s := range seen {
		read[s.Plate.Quad] = s.Read
	}
	w, h := float64(f.Image.Cols()), float64(f.Image.Rows())
	plates := []Plate{}
	for _, found := range e.localiser.found {
		q := found.Quad
		p := Plate{quad: q, Width: int(width(q) + 0.5), Sharpness: e.gauge.sharpness(f.Image, q), Tilt: tilt(q)}
		for i, c := range q {
			p.Outline[i] = [2]float64{c.X / w, c.Y / h}
		}
		c := centre(q)
		p.Counted = within(e.region, c.X/w, c.Y/h)
		if r, ok := read[q]; ok {
			p.text, p.confidence, p.Sure = r.VRM, r.Confidence, r.Confidence
			if e.showReads {
				p.Read = r.VRM
			}
		} else if found.Confidence < surePlate {
			continue // neither read nor surely a plate
		}
		p.Level, p.Says = judge(&p)
		plates = append(plates, p)
	}
	return plates, nil
}

// surePlate is the certainty from which a place that cannot be read is shown as a
// plate: below it grilles and signs are among them.
const surePlate = 0.7

// once finds plates as the unit will, and remembers them: a photograph is looked at
// more closely than a camera's frames are, and what is seen only then the unit will
// not see.
type once struct {
	recognise.Localiser
	side   int
	looked bool
	found  []recognise.Plate
}

// begin is called before each frame.
func (o *once) begin(side int) { o.side, o.looked, o.found = side, false, nil }

// Localise finds plates at the first look at a frame, at the unit's scale.
func (o *once) Localise(img gocv.Mat, _ int) (plates []recognise.Plate, err error) {
	if !o.looked {
		o.looked = true
		o.found, err = o.Localiser.Localise(img, o.side)
		plates = o.found
	}
	return plates, err
}

// side is what the longer side of a whole frame of w by h pixels is brought to, so
// that the region has the scale that the unit sees it at. The frame is not enlarged.
func side(r recognise.Region, w, h int) int {
	if r == (recognise.Region{}) {
		r = recognise.Region{0, 0, 1, 1}
	}
	whole, wide, high := float64(max(w, h)), (r[2]-r[0])*float64(w), (r[3]-r[1])*float64(h)
	unit := float64(recognise.FrameSide(int(wide), int(high)))
	return int(min(unit*whole/max(wide, high, 1), max(whole, unit)) + 0.5)
}

// rate is how many frames a second were looked at lately.
func (e *eye) rate(now time.Duration) float64 {
	e.times = append(e.times, now)
	for len(e.times) > 2 && now-e.times[0] > rateOver {
		e.times = e.times[1:]
	}
	took := (now - e.times[0]).Seconds()
	if len(e.times) < 2 || took <= 0 {
		return 0
	}
	return math.Round(10*float64(len(e.times)-1)/took) / 10
}

// tilt is by how many degrees a plate is turned clockwise.
func tilt(q nrd.Quad) int {
	x, y := q[1].X-q[0].X+q[2].X-q[3].X, q[1].Y-q[0].Y+q[2].Y-q[3].Y
	return int(math.Round(math.Atan2(y, x) * 180 / math.Pi))
}

// within reports whether a place in shares of the picture lies in a region.
func within(r recognise.Region, x, y float64) bool {
	return r == (recognise.Region{}) || r[0] <= x && x <= r[2] && r[1] <= y && y <= r[3]
}
