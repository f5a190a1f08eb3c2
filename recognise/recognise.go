// Package recognise reads number plates: a frame goes in, a record of each
// vehicle that went by comes out.
//
// A [Localiser] finds plates and gives their four corners; a [Reader] turns one
// straightened plate into characters with probabilities; the syntaxes of package
// nrd choose among them; a tracker follows each plate from frame to frame, and
// when the vehicle is gone its frames are fused into one record with the frame
// that was read best as evidence. What leaves this package is plain data.
package recognise

import (
	"fmt"

	"gocv.io/x/gocv"

	"nrd"
)

// Plate is a place in a frame where a plate was found.
type Plate struct {
	// Quad is the plate's outline in pixels of the frame.
	Quad nrd.Quad
	// Confidence that this is a plate, from 0 to 1.
	Confidence float64
}

// Localiser finds plates in 8-bit BGR images. An implementation is not safe for
// concurrent use; make one a goroutine.
type Localiser interface {
	// Localise gives the plates in img, surest first. It looks at img with
	// its longer side brought to side pixels: the greater it is, the smaller
	// are the plates that are found, and the longer it takes.
	Localise(img gocv.Mat, side int) ([]Plate, error)
	Close() error
}

// Reader turns one plate of an image into text with probabilities. An
// implementation is not safe for concurrent use; make one a goroutine.
type Reader interface {
	// Read reads the plate outlined by quad in an 8-bit BGR image. It gives
	// what the plate may say, one Glyphs for each likely length, surest first;
	// none without an error means that it does not look like a plate.
	Read(img gocv.Mat, quad nrd.Quad) ([]Glyphs, error)
	// Engine names the reader and the version of its weights.
	Engine() string
	Close() error
}

// The readers that a configuration can name.
const (
	EngineNetworks  = "networks"
	EngineTesseract = "tesseract"
)

// NewReader opens the reader that a configuration names.
func NewReader(engine string) (Reader, error) {
	switch engine {
	case EngineNetworks:
		return NewNetworkReader()
	case EngineTesseract:
		return NewTesseractReader()
	default:
		return nil, fmt.Errorf("%w: %q; there are %s and %s", ErrEngine, engine, EngineNetworks, EngineTesseract)
	}
}

// Alphabet is the order of the glyph classes in [Glyphs]: index 0 is '0'.
const Alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// Glyphs is what a reader saw: for every position of the text the probability
// of each glyph of [Alphabet].
type Glyphs struct {
	// Text is the likeliest glyph at each position.
	Text string
	// Probabilities holds one row a character, in the order of Alphabet; a
	// row adds up to at most 1, the rest being "no character here".
	Probabilities [][]float32
	// Weight is the probability that the text has this many characters. The
	// weights of a plate add up to at most 1, the rest being "no text".
	Weight float64
	// Lines is how many lines the plate has, 1 or 2.
	Lines int
}

// likeliest spells Text anew from Probabilities.
func (g *Glyphs) likeliest() {
	text := make([]byte, len(g.Probabilities))
	for i, row := range g.Probabilities {
		best := 0
		for k, p := range row {
			if p > row[best] {
				best = k
			}
		}
		text[i] = Alphabet[best]
	}
	g.Text = string(text)
}
