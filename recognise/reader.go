package recognise

import (
	"fmt"
	"image/color"
	"math"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/recognise/network"
)

const (
	// The reader's input and how many frames it makes of it.
	cropWidth, cropHeight = 128, 32
	cropFrames            = 32
	// A plate narrower than oneLine times its height may have two lines; one
	// narrower than twoLines surely has.
	oneLine, twoLines = 3.0, 1.9
	// evenLines is where one and two lines are about as likely.
	evenLines = 2.3
	// narrowest is the least aspect of a plate with two lines (a motorcycle's is 229
	// by 178 mm or wider): one seen from beside is stretched to it, because its
	// characters would have too few frames.
	narrowest = 1.25
	// sure is the certainty from which a plate is not looked at again.
	sure = 0.9
	// caution is taken from the judge's logit: half of the crops that it learnt from
	// show no plate, and a sign that is read as a plate is worse than a plate that is
	// read less surely.
	caution = 1.5
)

// looks are the cuts of a plate that is hard to read: what they say is averaged,
// because a reading depends on where the crop sits. Each gives how much is added
// to the margins, in shares of the plate's width and height; the outlines are a
// little wide.
var looks = [...]struct{ x, y float64 }{{-0.008, 0}, {0.02, 0.06}, {-0.035, -0.05}}

// networkReader reads plates with a convolutional network whose frames are
// decoded by CTC.
type networkReader struct {
	network   *network.Network
	version   string
	rectifier *rectifier
	line      gocv.Mat
}

// NewNetworkReader opens our own reader.
func NewNetworkReader() (Reader, error) {
	n, version, err := openNetwork("reader")
	if err != nil {
		return nil, err
	}
	return &networkReader{
		network:   n,
		version:   version,
		rectifier: newRectifier(),
		line:      gocv.NewMat(),
	}, nil
}

// Engine names the network by the beginning of its checksum.
func (r *networkReader) Engine() string { return "network " + r.version }

// Close gives the network back.
func (r *networkReader) Close() error {
	r.rectifier.close()
	r.network.Close()
	return r.line.Close()
}

// Read reads a plate, looking again with other margins while it is not sure.
func (r *networkReader) Read(img gocv.Mat, quad nrd.Quad) ([]Glyphs, error) {
	w, h := size(quad)
	var votes ballot
	lines := linesOf(w / max(h, 1))
	for i, look := range looks {
		seen, err := r.best(img, quad, lines, look.x, look.y)
		if err != nil {
			return nil, err
		}
		votes.add(seen, 1)
		// Nothing at all at the first look: not a plate.
		if i == 0 && (len(seen) == 0 || certainty(seen) >= sure) {
			break
		}
		if i == 0 {
			lines = []int{seen[0].Lines}
		}
	}
	return votes.count(1), nil
}

// best is the surest reading of one cut as one of so many lines; what is sure is
// not tried with others.
func (r *networkReader) best(img gocv.Mat, quad nrd.Quad, lines []int, x, y float64) ([]Glyphs, error) {
	var seen []Glyphs
	for _, n := range lines {
		g, err := r.look(img, quad, n, x, y)
		if err != nil {
			return nil, err
		}
		if certainty(g) > certainty(seen) || seen == nil {
			seen = g
		}
		if certainty(seen) >= sure {
			break
		}
	}
	return seen, nil
}

// linesOf gives the numbers of lines that a plate of this aspect may have, the
// likelier first. An oblique view makes a plate with one line look narrow.
func linesOf(aspect float64) []int {
	switch {
	case aspect >= oneLine:
		return []int{1}
	case aspect <= twoLines:
		return []int{2}
	case aspect < evenLines:
		return []int{2, 1}
	default:
		return []int{1, 2}
	}
}

// look reads one cut of a plate.
func (r *networkReader) look(img gocv.Mat, quad nrd.Quad, lines int, extraX, extraY float64) ([]Glyphs, error) {
	cut := whole(extraX, extraY)
	if lines == 1 {
		return r.frames(r.rectifier.cutGrey(img, quad, cut, cropWidth, cropHeight))
	}
	top, bottom := cut, cut
	top.bottom, bottom.top = 0.54, 0.46
	above, err := r.readLine(img, quad, top)
	if err != nil || len(above) == 0 {
		return nil, err
	}
	below, err := r.readLine(img, quad, bottom)
	if err != nil {
		return nil, err
	}
	return under(above, below), nil
}

// readLine reads one line of a plate with two: it has the plate's aspect, and what it
// does not fill of the crop is filled with its median grey.
func (r *networkReader) readLine(img gocv.Mat, quad nrd.Quad, line part) ([]Glyphs, error) {
	w, h := size(quad)
	width := max(w, narrowest*h) * (line.right - line.left)
	height := h * (line.bottom - line.top)
	fit := max(8, min(cropWidth, int(math.Round(cropHeight*width/max(height, 1)))))
	crop := r.rectifier.cutGrey(img, quad, line, fit, cropHeight)
	if fit == cropWidth {
		return r.frames(crop)
	}
	grey, err := median(crop)
	if err != nil {
		return nil, err
	}
	gocv.CopyMakeBorder(crop, &r.line, 0, 0, 0, cropWidth-fit, gocv.BorderConstant, grey)
	return r.frames(r.line)
}

// frames sends a grey crop of the network's input size through it, its brightness
// and contrast made the same for every plate.
func (r *networkReader) frames(crop gocv.Mat) ([]Glyphs, error) {
	pixels, err := crop.DataPtrUint8()
	if err != nil {
		return nil, err
	}
	mean, deviation := contrast(pixels)
	logits, err := r.network.Run(crop, mean, 1/(deviation+4), [4]int{1, classes + 1, 1, cropFrames})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	const text = classes * cropFrames
	look, plate := decode(logits[:text]), judged(logits[text:])
	for i := range look {
		look[i].Weight *= plate
	}
	return look, nil
}

// judged is how surely what a crop shows is a plate's lettering and not a sign's, from
// 0 to 1, by the judge's values of its frames. What is no number is no plate.
func judged(values []float32) float64 {
	var sum float64
	for _, v := range values {
		sum += float64(v)
	}
	if math.IsNaN(sum) {
		return 0
	}
	return 1 / (1 + math.Exp(caution-sum/float64(len(values))))
}

// contrast is the mean of the pixels and their deviation from it.
func contrast(pixels []uint8) (mean, deviation float64) {
	var sum, squares int
	for _, p := range pixels {
		sum += int(p)
		squares += int(p) * int(p)
	}
	n := float64(len(pixels))
	mean = float64(sum) / n
	return mean, math.Sqrt(max(0, float64(squares)/n-mean*mean))
}

// median is the grey that half of the crop's pixels are darker than.
func median(crop gocv.Mat) (color.RGBA, error) {
	pixels, err := crop.DataPtrUint8()
	if err != nil {
		return color.RGBA{}, err
	}
	var counts [256]int
	for _, p := range pixels {
		counts[p]++
	}
	half, grey := len(pixels)/2, 0
	for sum := counts[0]; sum <= half && grey < 255; sum += counts[grey] {
		grey++
	}
	g := uint8(grey)
	return color.RGBA{R: g, G: g, B: g, A: 255}, nil
}
