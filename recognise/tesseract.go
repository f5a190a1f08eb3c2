package recognise

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"sync"

	"github.com/otiai10/gosseract/v2"
	"gocv.io/x/gocv"

	"nrd"
	"nrd/recognise/model"
)

const (
	// tesseractLeast is the probability of a glyph below which the text is
	// taken for no plate's.
	tesseractLeast = 0.05
	// tesseractScale takes Tesseract's confidences to logarithms of
	// probabilities: it gives 100 + 5 x 7 x the logarithm.
	tesseractScale = 35.0
	// tesseractModel is our model's name where Tesseract asks for a language.
	tesseractModel = "plate"
)

// Clients that initialise at the same time leave the process's standard error on
// /dev/null for good, so each one's first text is read under this lock.
var tesseractFirst sync.Mutex

// tesseractReader reads plates with Tesseract's line recogniser and a model of
// our own for it: a second, independent engine.
type tesseractReader struct {
	client    *gosseract.Client
	rectifier *rectifier
	canvas    gocv.Mat
	pgm       bytes.Buffer
	started   bool
	// version names the model by the beginning of its checksum.
	version string
}

// NewTesseractReader opens Tesseract with the plate model that is part of the
// program.
func NewTesseractReader() (_ Reader, err error) {
	// Tesseract takes a model from a file only; it is read at once.
	dir, err := os.MkdirTemp("", "nrd-tesseract-")
	if err != nil {
		return nil, fmt.Errorf("tesseract: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	weights, err := model.Weights(tesseractModel)
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, tesseractModel+".traineddata"), weights, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("tesseract: %w", err)
	}
	r := &tesseractReader{
		client: gosseract.NewClient(), rectifier: newRectifier(), canvas: gocv.NewMat(),
		version: fmt.Sprintf("%x", sha256.Sum256(weights))[:8],
	}
	if err = r.configure(dir); err == nil {
		// The first text loads the model.
		blank := gocv.NewMatWithSizeFromScalar(gocv.NewScalar(255, 0, 0, 0), cropHeight, cropWidth, gocv.MatTypeCV8U)
		_, err = r.line(blank)
		err = errors.Join(err, blank.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("tesseract: %w", errors.Join(err, r.Close()))
	}
	return r, nil
}

// configure asks for the crop as one line without any analysis of a page, the way
// the model was trained, and for silence: remarks on crops that hold no text are
// nobody's business.
func (r *tesseractReader) configure(dir string) error {
	return errors.Join(
		r.client.SetTessdataPrefix(dir),
		r.client.SetLanguage(tesseractModel),
		r.client.SetVariable("debug_file", os.DevNull),
		r.client.SetVariable("tessedit_pageseg_mode", "13"),
		r.client.SetVariable("tessedit_do_invert", "0"),
	)
}

// Engine names Tesseract's version and that of our model.
func (r *tesseractReader) Engine() string {
	return "tesseract " + r.client.Version() + " " + r.version
}

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
		g, err := r.line(r.rectifier.cutGrey(img, quad, whole(0, 0), cropWidth, cropHeight))
		return some(g), err
	}
	above, below := whole(0, 0), whole(0, 0)
	above.bottom, below.top = 0.54, 0.46
	top, err := r.half(img, quad, above)
	if err != nil {
		return nil, err
	}
	bottom, err := r.half(img, quad, below)
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

// half reads one line of a plate with two, in its own proportions.
func (r *tesseractReader) half(img gocv.Mat, quad nrd.Quad, p part) (Glyphs, error) {
	w, h := size(quad)
	width := int(math.Round(cropHeight * w * (p.right - p.left) / max(1, h*(p.bottom-p.top))))
	crop := r.rectifier.cutGrey(img, quad, p, max(8, min(width, cropWidth)), cropHeight)
	grey, err := median(crop)
	if err != nil {
		return Glyphs{}, err
	}
	gocv.CopyMakeBorder(crop, &r.canvas, 0, 0, 0, cropWidth-crop.Cols(), gocv.BorderConstant, grey)
	return r.line(r.canvas)
}

// line reads a grey picture of one line of text.
func (r *tesseractReader) line(crop gocv.Mat) (Glyphs, error) {
	if err := r.encode(crop); err != nil {
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
		p := min(0.99, math.Exp((s.Confidence-100)/tesseractScale))
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
