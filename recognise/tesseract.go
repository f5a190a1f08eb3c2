package recognise

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"os"
	"sync"

	"github.com/otiai10/gosseract/v2"
	"gocv.io/x/gocv"

	"nrd"
)

const (
	// tesseractHeight is the height in pixels that Tesseract gets a line of a
	// plate in, tesseractMost bounds the width.
	tesseractHeight = 64
	tesseractMost   = 512
	// tesseractLeast is the probability of a glyph below which the text is
	// taken for no plate's.
	tesseractLeast = 0.05
)

// Clients that initialise at the same time leave the process's standard error on
// /dev/null for good, so each one's first text is read under this lock.
var tesseractFirst sync.Mutex

// tesseractReader reads plates with Tesseract's English network: a second,
// independent engine, slower and made for print.
type tesseractReader struct {
	client    *gosseract.Client
	rectifier *rectifier
	canvas    gocv.Mat
	pgm       bytes.Buffer
	started   bool
}

// NewTesseractReader opens Tesseract, which needs its English data installed.
func NewTesseractReader() (Reader, error) {
	r := &tesseractReader{client: gosseract.NewClient(), rectifier: newRectifier(), canvas: gocv.NewMat()}
	// The first text loads the data: an installation without it is found now,
	// not at the first plate.
	blank := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(255, 0, 0, 0), tesseractHeight, tesseractHeight, gocv.MatTypeCV8U)
	defer blank.Close()
	err := r.configure()
	if err == nil {
		_, err = r.line(blank)
	}
	if err != nil {
		return nil, fmt.Errorf("tesseract: %w; is tesseract-ocr-eng installed?", errors.Join(err, r.Close()))
	}
	return r, nil
}

// configure asks for one line of a plate's glyphs, and for silence: remarks on
// crops that hold no text are nobody's business.
func (r *tesseractReader) configure() error {
	return errors.Join(
		r.client.SetVariable("debug_file", os.DevNull),
		r.client.SetVariable("tessedit_pageseg_mode", "7"),
		r.client.SetWhitelist(Alphabet),
	)
}

// Engine names Tesseract's version.
func (r *tesseractReader) Engine() string { return "tesseract " + r.client.Version() }

// Close gives the engine back.
func (r *tesseractReader) Close() error {
	r.rectifier.close()
	_ = r.canvas.Close() // never fails
	return r.client.Close()
}

// Read reads a plate line by line.
func (r *tesseractReader) Read(img gocv.Mat, quad nrd.Quad) ([]Glyphs, error) {
	w, h := size(quad)
	if w/max(h, 1) > (oneLine+twoLines)/2 {
		g, err := r.part(img, quad, part{0, 0, 1, 1})
		return some(g), err
	}
	top, err := r.part(img, quad, part{0, 0, 1, 0.52})
	if err != nil {
		return nil, err
	}
	bottom, err := r.part(img, quad, part{0, 0.48, 1, 1})
	if err != nil {
		return nil, err
	}
	return under(some(top), some(bottom)), nil
}

// some drops what is no text.
func some(g Glyphs) []Glyphs {
	if g.Text == "" {
		return nil
	}
	return []Glyphs{g}
}

// part reads one line.
func (r *tesseractReader) part(img gocv.Mat, quad nrd.Quad, p part) (Glyphs, error) {
	w, h := size(quad)
	width := int(tesseractHeight * w * (p.right - p.left) / max(1, h*(p.bottom-p.top)))
	crop := r.rectifier.cut(img, quad, p, max(tesseractHeight/2, min(width, tesseractMost)), tesseractHeight)
	return r.line(crop)
}

// line reads a grey picture of one line of text.
func (r *tesseractReader) line(crop gocv.Mat) (Glyphs, error) {
	// Tesseract wants light paper around dark letters.
	grey, err := median(crop)
	if err != nil {
		return Glyphs{}, err
	}
	if grey.R < 96 {
		gocv.BitwiseNot(crop, &r.canvas)
		crop, grey.R, grey.G, grey.B = r.canvas, 255-grey.R, 255-grey.G, 255-grey.B
	}
	const border = 10
	gocv.CopyMakeBorder(crop, &r.canvas, border, border, border, border, gocv.BorderConstant, grey)
	if err := r.encode(r.canvas); err != nil {
		return Glyphs{}, err
	}
	if !r.started {
		tesseractFirst.Lock()
		defer tesseractFirst.Unlock()
	}
	if err := r.client.SetImageFromBytes(r.pgm.Bytes()); err != nil {
		return Glyphs{}, err
	}
	symbols, err := r.client.GetBoundingBoxes(gosseract.RIL_SYMBOL)
	if err != nil {
		return Glyphs{}, err
	}
	r.started = true
	return symbolsToGlyphs(symbols), nil
}

// encode writes the picture as PGM, which costs Tesseract the least to read.
func (r *tesseractReader) encode(img gocv.Mat) error {
	pixels, err := img.DataPtrUint8()
	if err != nil {
		return err
	}
	r.pgm.Reset()
	fmt.Fprintf(&r.pgm, "P5\n%d %d\n255\n", img.Cols(), img.Rows())
	r.pgm.Write(pixels)
	return nil
}

// symbolsToGlyphs turns Tesseract's confidences, which name no second choice,
// into probabilities: what is missing is shared by all other glyphs.
func symbolsToGlyphs(symbols []gosseract.BoundingBox) Glyphs {
	g := Glyphs{Lines: 1, Weight: 1}
	for _, s := range symbols {
		if len(s.Word) != 1 || !(s.Word[0] >= '0' && s.Word[0] <= '9' || s.Word[0] >= 'A' && s.Word[0] <= 'Z') || s.Box == (image.Rectangle{}) {
			continue
		}
		if len(g.Text) == maxText {
			break
		}
		p := max(0, min(0.99, s.Confidence/100))
		row := make([]float32, glyphs)
		for k := range row {
			row[k] = float32((1 - p) / float64(glyphs-1))
		}
		row[index(s.Word[0])] = float32(p)
		g.Text += s.Word
		g.Probabilities = append(g.Probabilities, row)
		g.Weight = min(g.Weight, p)
	}
	if g.Weight < tesseractLeast {
		return Glyphs{}
	}
	return g
}
