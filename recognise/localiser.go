package recognise

import (
	"cmp"
	"errors"
	"image"
	"image/color"
	"math"
	"slices"

	"gocv.io/x/gocv"

	"nrd"
)

const (
	// stride is the side of the map's cells in pixels of the network's input,
	// offset the unit of its corner offsets.
	stride = 8
	offset = 32
	// MaxPlates bounds how many plates are taken from one image.
	MaxPlates = 32
	// leastPlate is the probability from which a place counts as a plate.
	leastPlate = 0.40
)

// networkLocaliser finds plates with a fully convolutional network: for each
// cell of 8 by 8 pixels the probability that a plate's centre is there, and where
// its corners are.
//
// It sees plates of middling size best. So each plate found is looked at again in
// a small window in which it has that size, which sets its corners right.
type networkLocaliser struct {
	// network takes whole images, closer windows: OpenCV prepares a network
	// anew whenever the size of its input changes.
	network, closer      *network
	photographs          bool
	scaled, padded, blob gocv.Mat
}

// The longer side of a search, and that of a second one where the first found
// nothing in a photograph of more than large pixels' side: its plates may be
// tiny. A camera is set up so that they are not.
const (
	side      = 640
	finerSide = 1280
	large     = 1600
)

// NewNetworkLocaliser opens our own localiser for a camera's frames, or for
// single photographs: large ones it searches again where it finds nothing.
func NewNetworkLocaliser(photographs bool) (Localiser, error) {
	n, err := openNetwork("localiser")
	if err != nil {
		return nil, err
	}
	closer, err := openNetwork("localiser")
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return &networkLocaliser{network: n, closer: closer, photographs: photographs, scaled: gocv.NewMat(), padded: gocv.NewMat(), blob: gocv.NewMat()}, nil
}

// Close gives the network back.
func (l *networkLocaliser) Close() error {
	return errors.Join(l.network.close(), l.closer.close(), l.scaled.Close(), l.padded.Close(), l.blob.Close())
}

// Localise gives the plates in img, surest first.
func (l *networkLocaliser) Localise(img gocv.Mat) ([]Plate, error) {
	found, err := l.at(img, side)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 && l.photographs && max(img.Cols(), img.Rows()) > large {
		if found, err = l.at(img, finerSide); err != nil {
			return nil, err
		}
	}
	found = distinct(found)
	for i := range found {
		if found[i], err = l.look(img, found[i]); err != nil {
			return nil, err
		}
	}
	return distinct(found), nil
}

// at searches the image with its longer side brought to side pixels.
func (l *networkLocaliser) at(img gocv.Mat, side int) ([]Plate, error) {
	w, h := inputSize(img.Cols(), img.Rows(), side)
	resize(img, &l.scaled, w, h)
	scale := nrd.Point{X: float64(img.Cols()) / float64(w), Y: float64(img.Rows()) / float64(h)}
	return l.search(l.network, l.scaled, scale, nrd.Point{}, img)
}

// The window of a second look, in pixels of the network's input, and how wide
// the plate is in it.
const (
	windowWidth, windowHeight = 256, 160
	windowPlate               = 110
)

// look finds a plate again in a window of its own, and gives it as it was if it
// is not seen there.
func (l *networkLocaliser) look(img gocv.Mat, p Plate) (Plate, error) {
	w, _ := size(p.Quad)
	scale := w / windowPlate // pixels of the image a pixel of the window
	c := centre(p.Quad)
	window := image.Rect(0, 0, int(windowWidth*scale), int(windowHeight*scale)).
		Add(image.Pt(int(c.X-windowWidth/2*scale), int(c.Y-windowHeight/2*scale)))
	inside := window.Intersect(image.Rect(0, 0, img.Cols(), img.Rows()))
	if inside.Empty() {
		return p, nil
	}
	// The part of the window within the image, and the rest as its edge.
	part := img.Region(inside)
	defer part.Close()
	tw := max(1, min(windowWidth, int(math.Round(float64(inside.Dx())/scale))))
	th := max(1, min(windowHeight, int(math.Round(float64(inside.Dy())/scale))))
	resize(part, &l.scaled, tw, th)
	left := max(0, min(windowWidth-tw, int(math.Round(float64(inside.Min.X-window.Min.X)/scale))))
	top := max(0, min(windowHeight-th, int(math.Round(float64(inside.Min.Y-window.Min.Y)/scale))))
	gocv.CopyMakeBorder(l.scaled, &l.padded, top, windowHeight-th-top, left, windowWidth-tw-left, gocv.BorderReplicate, color.RGBA{})
	perPixel := nrd.Point{X: float64(inside.Dx()) / float64(tw), Y: float64(inside.Dy()) / float64(th)}
	origin := nrd.Point{X: float64(inside.Min.X) - float64(left)*perPixel.X, Y: float64(inside.Min.Y) - float64(top)*perPixel.Y}
	seen, err := l.search(l.closer, l.padded, perPixel, origin, img)
	if err != nil {
		return p, err
	}
	best := p
	best.Confidence = 0
	for _, s := range seen {
		if s.Confidence > best.Confidence && covers(s.Quad.Bounds(), p.Quad.Bounds()) > 0.5 {
			best = s
		}
	}
	if best.Confidence == 0 {
		return p, nil
	}
	best.Confidence = max(best.Confidence, p.Confidence)
	return best, nil
}

// search sends a picture through a network. scale and origin take its pixels to
// those of the image.
func (l *networkLocaliser) search(n *network, picture gocv.Mat, scale, origin nrd.Point, img gocv.Mat) ([]Plate, error) {
	w, h := picture.Cols(), picture.Rows()
	const shift = 0.45 * 255
	gocv.BlobFromImages([]gocv.Mat{picture}, &l.blob, 1.0/255, image.Pt(w, h), gocv.NewScalar(shift, shift, shift, 0), false, false, gocv.MatTypeCV32F)
	out, values, err := n.run(l.blob, 1, 9, h/stride, w/stride)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	m := plateMap{values: values, w: w / stride, h: h / stride}
	return m.plates(scale, origin, img.Cols(), img.Rows()), nil
}

func resize(src gocv.Mat, dst *gocv.Mat, w, h int) {
	interpolation := gocv.InterpolationArea
	if w > src.Cols() {
		interpolation = gocv.InterpolationLinear
	}
	gocv.Resize(src, dst, image.Pt(w, h), 0, 0, interpolation)
}

// inputSize brings the longer side to side and both to multiples of 16, which
// may change the aspect a little; an image that is all length keeps a minimum.
func inputSize(w, h, side int) (int, int) {
	scale := float64(side) / float64(max(w, h))
	round := func(v int) int { return max(4, int(math.Round(float64(v)*scale/16))) * 16 }
	return round(w), round(h)
}

// plateMap is the network's output: 9 planes of h rows and w columns.
type plateMap struct {
	values []float32
	w, h   int
}

func (m *plateMap) at(plane, y, x int) float64 { return float64(m.values[(plane*m.h+y)*m.w+x]) }

// plates finds the peaks of the map. scale and origin take pixels of the
// network's input to pixels of the image, which is w by h.
func (m *plateMap) plates(scale, origin nrd.Point, w, h int) []Plate {
	least := math.Log(leastPlate / (1 - leastPlate))
	var found []Plate
	for y := range m.h {
		for x := range m.w {
			if !(m.at(0, y, x) >= least) || !m.peak(y, x) {
				continue
			}
			q := m.quad(y, x)
			for i := range q {
				q[i].X = min(max(origin.X+q[i].X*scale.X, 0), float64(w))
				q[i].Y = min(max(origin.Y+q[i].Y*scale.Y, 0), float64(h))
			}
			if plausible(q) {
				found = append(found, Plate{Quad: q, Confidence: 1 / (1 + math.Exp(-m.at(0, y, x)))})
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
