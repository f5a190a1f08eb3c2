package recognise

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"math"
	"slices"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/recognise/network"
)

const (
	// stride is the side of the map's cells in pixels of the network's input,
	// offset the unit of its corner offsets.
	stride = 8
	offset = 32
	// MaxPlates bounds how many plates are taken from one image.
	MaxPlates = 32
	// leastFound is the probability from which a place is looked at more
	// closely, leastPlate the one from which it then counts as a plate.
	leastFound = 0.30
	leastPlate = 0.50
	// leastBeside is leastFound beside a sure plate for what is narrower than
	// wideBeside, in pixels of the image: nearly all of it is no plate, what is one
	// can hardly be read, and a look takes a quarter of the time that finding takes.
	leastBeside, wideBeside = 0.36, 45
)

// networkLocaliser finds plates with two fully convolutional networks: for each
// cell of 8 by 8 pixels they give the probability that a plate's centre is there,
// and where its corners are.
//
// The finder, which is fast, searches the whole image. What it finds is looked at
// again by the closer one in a small window in which a plate has the size that
// is seen best: that tells plates from the rest and sets the corners right.
type networkLocaliser struct {
	finder, closer *network.Network
	rectifier      *rectifier
	// halved and scaled are the image on its way to the finder.
	halved, scaled gocv.Mat
}

// NewNetworkLocaliser opens our own localiser.
func NewNetworkLocaliser() (Localiser, error) {
	finder, _, err := openNetwork("finder")
	if err != nil {
		return nil, err
	}
	closer, _, err := openNetwork("localiser")
	if err != nil {
		finder.Close()
		return nil, err
	}
	return &networkLocaliser{finder: finder, closer: closer, rectifier: newRectifier(), halved: gocv.NewMat(), scaled: gocv.NewMat()}, nil
}

// Close gives the networks back.
func (l *networkLocaliser) Close() error {
	l.rectifier.close()
	l.closer.Close()
	l.finder.Close()
	return errors.Join(l.halved.Close(), l.scaled.Close())
}

// Localise searches the image, and looks at each plate that it finds again, at the
// surest first.
func (l *networkLocaliser) Localise(img gocv.Mat, side int) ([]Plate, error) {
	found, err := l.at(img, side)
	if err != nil {
		return nil, err
	}
	var plates []Plate
	sure := false
	for _, p := range distinct(found) {
		if wide, _ := size(p.Quad); sure && p.Confidence < leastBeside && wide < wideBeside {
			continue
		}
		closer, seen, err := l.settle(img, p)
		if err != nil {
			return nil, err
		}
		if seen {
			plates = append(plates, closer)
			sure = sure || closer.Confidence >= surePlate
		}
	}
	return distinct(plates), nil
}

// at searches the image with its longer side brought to side pixels.
func (l *networkLocaliser) at(img gocv.Mat, side int) ([]Plate, error) {
	w, h := inputSize(img.Cols(), img.Rows(), side)
	l.shrink(img, w, h)
	found, err := platesIn(l.finder, l.scaled, leastFound)
	if err != nil {
		return nil, err
	}
	scale := matrix{float64(img.Cols()) / float64(w), 0, 0, 0, float64(img.Rows()) / float64(h), 0, 0, 0, 1}
	return inImage(found, scale, img.Cols(), img.Rows()), nil
}

// A plate is looked at again until its outline changes by less than settled, in
// shares of its width, but not more than mostLooks times.
const (
	mostLooks = 3
	settled   = 0.25
)

// settle looks at a plate again until its outline stays: first upright, then
// straightened by what the look before has found, which sets a leaning plate
// upright step by step.
//
// It reports false for what is no plate when seen closer.
func (l *networkLocaliser) settle(img gocv.Mat, p Plate) (closer Plate, seen bool, err error) {
	view := upright(p.Quad)
	for range mostLooks {
		again, found, err := l.look(img, p, view)
		if err != nil || !found {
			return p, seen, err
		}
		p, seen = again, true
		if apart(p.Quad, view) < settled {
			break
		}
		view = p.Quad
	}
	return p, seen, nil
}

// upright is the rectangle with a quad's centre, width and height.
func upright(q nrd.Quad) nrd.Quad {
	w, h := size(q)
	c := centre(q)
	return nrd.Quad{{X: c.X - w/2, Y: c.Y - h/2}, {X: c.X + w/2, Y: c.Y - h/2}, {X: c.X + w/2, Y: c.Y + h/2}, {X: c.X - w/2, Y: c.Y + h/2}}
}

// apart is how far two outlines are from each other, in shares of their width:
// the greatest distance of two corners.
func apart(a, b nrd.Quad) float64 {
	most := 0.0
	for i := range a {
		most = max(most, distance(a[i], b[i]))
	}
	w, _ := size(b)
	return most / max(w, 1)
}

// The window of a second look, in pixels of the network's input, and how wide
// the plate is in it.
const (
	windowWidth, windowHeight = 192, 128
	windowPlate               = 110
)

// look finds a plate again in a window in which view is an upright rectangle, and
// reports false if it is not seen there.
func (l *networkLocaliser) look(img gocv.Mat, p Plate, view nrd.Quad) (closer Plate, seen bool, err error) {
	w, h := size(view)
	high := min(windowPlate*h/max(w, 1), windowPlate)
	x, y := 0.5-0.5*windowWidth/windowPlate, 0.5-0.5*windowHeight/high
	picture := l.rectifier.cut(img, view, part{x, y, 1 - x, 1 - y}, windowWidth, windowHeight)
	found, err := platesIn(l.closer, picture, leastPlate)
	if err != nil {
		return p, false, err
	}
	toImage := quadFromUnit(view).times(matrix{1.0 / windowPlate, 0, x, 0, 1 / high, y, 0, 0, 1})
	box := p.Quad.Bounds()
	for _, f := range inImage(found, toImage, img.Cols(), img.Rows()) {
		if f.Confidence > closer.Confidence && covers(f.Quad.Bounds(), box) > 0.5 {
			closer, seen = f, true
		}
	}
	return closer, seen, nil
}

// inImage takes plates found in a picture to the image that it was cut from, w by
// h pixels, and leaves out what can be no plate there.
func inImage(found []Plate, toImage matrix, w, h int) []Plate {
	var plates []Plate
	for _, p := range found {
		q := toImage.quad(p.Quad)
		for i := range q {
			q[i].X = min(max(q[i].X, 0), float64(w))
			q[i].Y = min(max(q[i].Y, 0), float64(h))
		}
		if plausible(q) {
			plates = append(plates, Plate{Quad: q, Confidence: p.Confidence})
		}
	}
	return plates
}

// platesIn sends a picture through a network and gives the plates in it, in pixels
// of the picture.
func platesIn(n *network.Network, picture gocv.Mat, least float64) ([]Plate, error) {
	w, h := picture.Cols(), picture.Rows()
	values, err := n.Run(picture, 0.45*255, 1.0/255, [4]int{1, 9, h / stride, w / stride})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	m := plateMap{values: values, w: w / stride, h: h / stride}
	return m.plates(least), nil
}

// shrink makes scaled of an image: averaged down by a whole number, which is
// fast, and interpolated from there.
func (l *networkLocaliser) shrink(img gocv.Mat, w, h int) {
	if times := min(img.Cols()/w, img.Rows()/h); times > 1 {
		size := image.Pt(img.Cols()/times, img.Rows()/times)
		even := img.Region(image.Rectangle{Max: size.Mul(times)})
		defer even.Close()
		gocv.Resize(even, &l.halved, size, 0, 0, gocv.InterpolationArea)
		img = l.halved
	}
	gocv.Resize(img, &l.scaled, image.Pt(w, h), 0, 0, gocv.InterpolationLinear)
}

// inputSize brings the longer side to side, and the other one near to what keeps
// the aspect: of a few sizes the nearest, with which no fewer plates are read than
// with the exact one. Plates are known up to a sixth
// wider or narrower than they are; so a low strip, which a camera's region makes
// and which is always the same, keeps its aspect.
func inputSize(w, h, side int) (int, int) {
	scale := float64(side) / float64(max(w, h))
	long, exact := max(4, side/16)*16, float64(min(w, h))*scale
	short := max(4, int(math.Round(exact/16))) * 16
	if step := min(96, side*3/16); exact >= float64(3*step) {
		short = int(math.Round(exact/float64(step))) * step
	}
	if w >= h {
		return long, min(short, long)
	}
	return min(short, long), long
}

// plateMap is the network's output: 9 planes of h rows and w columns.
type plateMap struct {
	values []float32
	w, h   int
}

func (m *plateMap) at(plane, y, x int) float64 { return float64(m.values[(plane*m.h+y)*m.w+x]) }

// plates finds the peaks of the map that are at least so probable.
func (m *plateMap) plates(probability float64) []Plate {
	least := math.Log(probability / (1 - probability))
	var found []Plate
	for y := range m.h {
		for x := range m.w {
			if m.at(0, y, x) >= least && m.peak(y, x) {
				found = append(found, Plate{Quad: m.quad(y, x), Confidence: 1 / (1 + math.Exp(-m.at(0, y, x)))})
			}
		}
	}
	return found
}

// peak reports whether no neighbour of a cell is higher.
func (m *plateMap) peak(y, x int) bool {
	here := m.at(0, y, x)
	for v := max(y-1, 0); v <= min(y+1, m.h-1); v++ {
		for u := max(x-1, 0); u <= min(x+1, m.w-1); u++ {
			if m.at(0, v, u) > here {
				return false
			}
		}
	}
	return true
}

// quad gives the corners, in pixels of the network's input, as the mean of what
// the cell and its neighbours say, each as sure as it is.
func (m *plateMap) quad(y, x int) nrd.Quad {
	var q nrd.Quad
	var sum float64
	for v := max(y-1, 0); v <= min(y+1, m.h-1); v++ {
		for u := max(x-1, 0); u <= min(x+1, m.w-1); u++ {
			p := 1 / (1 + math.Exp(-m.at(0, v, u)))
			weight := p * p
			sum += weight
			for i := range q {
				q[i].X += weight * ((float64(u)+0.5)*stride + m.at(1+2*i, v, u)*offset)
				q[i].Y += weight * ((float64(v)+0.5)*stride + m.at(2+2*i, v, u)*offset)
			}
		}
	}
	for i := range q {
		q[i].X /= sum
		q[i].Y /= sum
	}
	return q
}

// distinct orders plates by confidence and drops those that mostly cover a surer
// one.
func distinct(plates []Plate) []Plate {
	slices.SortStableFunc(plates, func(a, b Plate) int { return cmp.Compare(b.Confidence, a.Confidence) })
	var kept []Plate
	for _, p := range plates {
		if len(kept) == MaxPlates {
			break
		}
		box := p.Quad.Bounds()
		if !slices.ContainsFunc(kept, func(k Plate) bool { return covers(k.Quad.Bounds(), box) > 0.5 }) {
			kept = append(kept, p)
		}
	}
	return kept
}

// covers is the shared area of two boxes as a share of the smaller one.
func covers(a, b nrd.Box) float64 {
	return intersection(a, b) / max(1, float64(min(a.W*a.H, b.W*b.H)))
}

func intersection(a, b nrd.Box) float64 {
	w := min(a.X+a.W, b.X+b.W) - max(a.X, b.X)
	h := min(a.Y+a.H, b.Y+b.H) - max(a.Y, b.Y)
	return float64(max(w, 0)) * float64(max(h, 0))
}
