package recognise

import (
	"image"
	"image/color"
	"testing"
	"time"

	"go.uber.org/goleak"
	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// day is the clock of the tests.
type day struct{ time.Time }

func (d day) Now() time.Time   { return d.Time }
func (d day) Stamp() nrd.Stamp { return nrd.Stamp{UTC: d.Time} }

var today = day{time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}

// scene is a scripted camera: it stands in for the networks where a test is
// about what becomes of their answers. Each frame is a list of plates, each with
// the text that a reader would see there.
type scene struct {
	plates []shown
	// reads and looks count what was asked of reader and localiser.
	reads, looks int
	// sides is how closely the localiser was asked to look; it finds nothing
	// in less than least.
	sides []int
	least int
	// certain is how sure the localiser is, 0.9 if not set.
	certain float64
}

// shown is one plate of a frame: its left top corner, its width, and its text as
// one or several readings with their weights. "" is unreadable.
type shown struct {
	x, y, width float64
	text        string
	sure        float64
	// blur is how much the picture of it is blurred, in pixels.
	blur float64
	// paint is its ground, white if not set.
	paint color.RGBA
}

func (s shown) quad() nrd.Quad {
	h := s.width / 4.7
	return nrd.Quad{{X: s.x, Y: s.y}, {X: s.x + s.width, Y: s.y}, {X: s.x + s.width, Y: s.y + h}, {X: s.x, Y: s.y + h}}
}

func (s *scene) Localise(_ gocv.Mat, side int) ([]Plate, error) {
	s.looks++
	s.sides = append(s.sides, side)
	if side < s.least {
		return nil, nil
	}
	certain := s.certain
	if certain == 0 {
		certain = 0.9
	}
	var plates []Plate
	for _, p := range s.plates {
		plates = append(plates, Plate{Quad: p.quad(), Confidence: certain})
	}
	return plates, nil
}

func (s *scene) Read(_ gocv.Mat, quad nrd.Quad) ([]Glyphs, error) {
	s.reads++
	for _, p := range s.plates {
		if p.quad() == quad && p.text != "" {
			return []Glyphs{seen(p.text, max(p.sure, 0.05))}, nil
		}
	}
	return nil, nil
}

func (s *scene) Engine() string { return "scripted 1" }
func (s *scene) Close() error   { return nil }

// seen is a look that is so sure of each glyph of text.
func seen(text string, sure float64) Glyphs {
	g := Glyphs{Text: text, Lines: 1, Weight: 1}
	for i := range len(text) {
		row := make([]float32, glyphs)
		for k := range row {
			row[k] = float32((1 - sure) / float64(glyphs-1))
		}
		row[index(text[i])] = float32(sure)
		g.Probabilities = append(g.Probabilities, row)
	}
	return g
}

// road plays scripted frames, ten a second, to a recogniser.
type road struct {
	t     *testing.T
	scene *scene
	rec   *Recogniser
	img   gocv.Mat
	// picture is img with the plates of the frame.
	picture gocv.Mat
	frame   uint64
	// fix is where the unit is; its longitude counts the frames.
	fix nrd.Fix
	// wall is added to the wall clock, not to the monotonic one.
	wall        time.Duration
	told        []*nrd.Record
	provisional []*nrd.Record
}

func newRoad(t *testing.T) *road {
	t.Helper()
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	r := &road{t: t, fix: nrd.Fix{Source: nrd.FixStatic, Latitude: 52}, scene: &scene{}, picture: gocv.NewMat(), img: gocv.NewMatWithSizeFromScalar(gocv.NewScalar(90, 110, 100, 0), 720, 1280, gocv.MatTypeCV8UC3)}
	r.rec, err = New(Config{Localiser: r.scene, Reader: r.scene, Profile: profile, Clock: today,
		OnProvisional: func(rec *nrd.Record) { r.provisional = append(r.provisional, rec) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.rec.Close(); err != nil {
			t.Error(err)
		}
		r.img.Close()
		r.picture.Close()
	})
	return r
}

// show plays one frame.
func (r *road) show(plates ...shown) {
	r.t.Helper()
	r.frame++
	r.scene.plates = plates
	// The picture shows them too: what moves is seen to move.
	r.img.CopyTo(&r.picture)
	for _, p := range plates {
		b := p.quad().Bounds()
		box := image.Rect(b.X, b.Y, b.X+b.W, b.Y+b.H)
		if p.paint == (color.RGBA{}) {
			p.paint = color.RGBA{R: 240, G: 240, B: 236}
		}
		gocv.Rectangle(&r.picture, box, p.paint, -1)
		gocv.PutText(&r.picture, p.text, image.Pt(box.Min.X+4, box.Max.Y-box.Dy()/4), gocv.FontHersheyDuplex, p.width/170, color.RGBA{R: 20, G: 20, B: 20}, max(1, int(p.width)/50))
		if p.blur > 0 {
			part := r.picture.Region(box.Intersect(image.Rect(0, 0, r.picture.Cols(), r.picture.Rows())))
			gocv.GaussianBlur(part, &part, image.Pt(0, 0), p.blur, p.blur, gocv.BorderDefault)
			part.Close()
		}
	}
	r.fix.Longitude = float64(r.frame)
	at := time.Duration(r.frame) * 100 * time.Millisecond
	records, err := r.rec.Track(&capture.Frame{
		Image: r.picture, Camera: nrd.Camera{Name: "north", Feed: 7}, Sequence: r.frame,
		Taken: nrd.Stamp{UTC: today.Add(at + r.wall), Monotonic: at, BootID: "b"},
		Fix:   r.fix,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.told = append(r.told, records...)
}

func (r *road) empty(frames int) {
	r.t.Helper()
	for range frames {
		r.show()
	}
}

func (r *road) end() []*nrd.Record {
	r.told = append(r.told, r.rec.Flush()...)
	return r.told
}

// plates gives the marks of the records.
func plates(records []*nrd.Record) []nrd.VRM {
	var vrms []nrd.VRM
	for _, r := range records {
		vrms = append(vrms, r.Read.VRM)
	}
	return vrms
}

// grade takes the colour out of a picture and leaves its light.
func grade(img *gocv.Mat) {
	grey := gocv.NewMat()
	defer grey.Close()
	gocv.CvtColor(*img, &grey, gocv.ColorBGRToGray)
	gocv.CvtColor(grey, img, gocv.ColorGrayToBGR)
}
