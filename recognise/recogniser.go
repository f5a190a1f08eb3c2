package recognise

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"log/slog"
	"math"
	"slices"
	"time"

	"gocv.io/x/gocv"

	"nrd"
	"nrd/capture"
)

// FrameSide is how a camera's frames are looked at: what the longer side of their
// region, w by h pixels, is brought to. At 640 nearly every plate is found that is
// 25 to 500 pixels wide then; a frame of 1920 is looked at more closely, for its
// plates of 60.
func FrameSide(w, h int) int {
	const least, most = 640, 1024
	return min(max(max(w, h)*25/60, least), most)
}

const (
	// surePlate is the localiser's probability below which a photograph's read
	// is less sure than its text: the place may be no plate at all.
	surePlate = 0.80
	// sureSighting is the confidence from which a photograph is not looked at
	// again.
	sureSighting = 75
	// maxTracks bounds how many plates are followed at once.
	maxTracks = 64
	// gap and gapFrames: a passage is over when its plate was not seen for so
	// long in time and in frames; gapMost frames end it whatever the clock
	// says.
	gap       = 1500 * time.Millisecond
	gapFrames = 3
	gapMost   = 100
	// longest is when the record of a vehicle that does not leave is made. It
	// is followed on, and no second record comes of it.
	longest = 30 * time.Second
	// A provisional record goes out once a second look agrees and the read is
	// this sure, or at once when it is surer still.
	provisional, provisionalAtOnce = 85, 97
	// surePassage is the confidence that a passage of one look needs.
	surePassage = 60
	// A plate that stood still when it was lost, as behind a lorry in a queue,
	// is waited for so long.
	gapStanding = 10 * time.Second
	// A vehicle whose plate cannot be read is told of where the plate was
	// found in unreadFrames frames, or in unreadFew over unreadFor from a slow
	// camera, so surely on average, was wide enough to be legible, and moved by
	// its own width: what stays in its place is a sign or a grating.
	unreadFrames = 10
	unreadFew    = 4
	unreadFor    = time.Second
	unreadSure   = 0.6
	// DefaultLeastConfidence is the confidence below which a passage or a
	// photograph gives no read.
	DefaultLeastConfidence = 25
)

// photographLooks is how a photograph with such a longer side is looked at, until a
// plate is surely read: what its longer side is brought to. Of a large one the plates
// of 60 pixels are looked for first: there may be several vehicles. A small one is
// looked at enlarged in between, for what is small in it. The last look is
// from far off, where what is blurred or noisy is sharp again, and what fills the
// picture is whole.
func photographLooks(long int) []int {
	const far, coarse, middle, fine = 256, 512, 768, 1024
	switch {
	case long > 1280:
		return []int{fine, coarse, far}
	case long >= 900:
		return []int{coarse, fine, far}
	default:
		return []int{coarse, middle, far}
	}
}

// Recogniser turns the frames of one camera into records. It is not safe for
// concurrent use: one goroutine owns it.
//
//	r, err := recognise.New(recognise.Config{Localiser: l, Reader: e, Profile: p, Clock: c})
//	defer r.Close()
//	for { frame … ; records, err := r.Track(frame); frame.Close() … }
//	records = r.Flush()
//
// It keeps no frame: the caller closes it.
type Recogniser struct {
	config Config
	tracks []*track
	// passages counts the tracks that ever began.
	passages uint64
	// spare are evidence's Mats to be used again.
	spare  []*evidence
	camera nrd.Camera
	motion *motion
	bgr    gocv.Mat
	stats  Stats
}

// Stats counts the frames that a recogniser was given.
type Stats struct {
	// Frames is all of them, Looked those in which plates were looked for:
	// in the others nothing had moved.
	Frames, Looked uint64
}

// Config says how to recognise.
type Config struct {
	// Localiser and Reader do the work; the recogniser closes them.
	Localiser Localiser
	Reader    Reader
	// Profile gives the caps of the images and the longest mark.
	Profile nrd.Profile
	// Clock tells which age fields have begun.
	Clock nrd.Clock
	// LeastConfidence is the confidence below which a read is not given; 0
	// means DefaultLeastConfidence.
	LeastConfidence int
	// Region is the part of the frames that is looked at; its zero value is
	// all of it.
	Region Region
	// Unread asks for the records of vehicles whose plate cannot be read.
	Unread bool
	// OnProvisional, if set, is told of a passage that goes on but whose read
	// is sure already. The final record of the passage always follows, with
	// the same Camera and Passage.Number, and confirms it or puts it right. It is called by Track and must not keep it waiting.
	OnProvisional func(*nrd.Record)
	// Log is told of pictures that could not be kept; nil: nobody.
	Log *slog.Logger
}

// Sighting is one plate of a photograph that was read.
type Sighting struct {
	Plate Plate
	Read  nrd.Read
}

// New makes a recogniser.
func New(config Config) (*Recogniser, error) {
	if config.Localiser == nil || config.Reader == nil || config.Clock == nil {
		return nil, errors.New("a recogniser needs a localiser, a reader and a clock")
	}
	if config.LeastConfidence == 0 {
		config.LeastConfidence = DefaultLeastConfidence
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if err := config.Region.Check(); err != nil {
		return nil, err
	}
	return &Recogniser{config: config, motion: newMotion(), bgr: gocv.NewMat()}, nil
}

// Close drops the passages under way and closes the localiser and the reader.
// Call Flush first for their records.
func (r *Recogniser) Close() error {
	for _, t := range r.tracks {
		t.evidence.close()
	}
	for _, e := range r.spare {
		e.close()
	}
	r.tracks, r.spare = nil, nil
	r.motion.close()
	return errors.Join(r.config.Localiser.Close(), r.config.Reader.Close(), r.bgr.Close())
}

// Photograph reads every plate of a single picture, surest read first. It leaves
// the passages alone.
func (r *Recogniser) Photograph(f *capture.Frame) ([]Sighting, error) {
	img, err := r.colour(f.Image)
	if err != nil {
		return nil, err
	}
	view := r.config.Region.of(img)
	var seen []Sighting
	for _, side := range photographLooks(max(view.Dx(), view.Dy())) {
		if best(seen) >= sureSighting {
			break
		}
		more, err := r.sightings(img, view, side)
		if err != nil {
			return nil, err
		}
		seen = surest(append(seen, more...))
	}
	return seen, nil
}

// best is the confidence of the surest sighting.
func best(seen []Sighting) int {
	if len(seen) == 0 {
		return 0
	}
	return seen[0].Read.Confidence
}

// surest orders sightings by confidence and keeps one of each place.
func surest(seen []Sighting) []Sighting {
	slices.SortStableFunc(seen, func(a, b Sighting) int { return cmp.Compare(b.Read.Confidence, a.Read.Confidence) })
	var kept []Sighting
	for _, s := range seen[:min(len(seen), MaxPlates)] {
		box := s.Plate.Quad.Bounds()
		if !slices.ContainsFunc(kept, func(k Sighting) bool { return covers(k.Plate.Quad.Bounds(), box) > 0.5 }) {
			kept = append(kept, s)
		}
	}
	return kept
}

// sightings reads what is found in a part of a photograph with its longer side
// brought to side pixels.
func (r *Recogniser) sightings(img gocv.Mat, view image.Rectangle, side int) ([]Sighting, error) {
	plates, err := r.localise(img, view, side)
	if err != nil {
		return nil, err
	}
	var seen []Sighting
	for _, p := range plates {
		if cutOff(p.Quad, view) {
			continue
		}
		look, err := r.config.Reader.Read(img, p.Quad)
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		read, ok := choose(look, r.now())
		read.Confidence = int(math.Round(float64(read.Confidence) * min(1, p.Confidence/surePlate)))
		if ok && r.keep(&read) {
			read.Engine = r.config.Reader.Engine()
			seen = append(seen, Sighting{Plate: p, Read: read})
		}
	}
	return seen, nil
}

// cutOff reports whether a plate goes over the left or right edge of what is looked
// at: what is left of its mark reads like another mark.
func cutOff(q nrd.Quad, view image.Rectangle) bool {
	box := q.Bounds()
	return box.X <= view.Min.X || box.X+box.W >= view.Max.X
}

// Track takes the next frame of the camera and gives the records of the passages
// that are over. Where nothing moved since the last frame it looks for no plates:
// those that it follows stay where they are.
func (r *Recogniser) Track(f *capture.Frame) ([]*nrd.Record, error) {
	img, err := r.colour(f.Image)
	if err != nil {
		return nil, err
	}
	r.camera = f.Camera
	r.stats.Frames++
	now := moment{sequence: f.Sequence, taken: f.Taken, fix: f.Fix, w: img.Cols(), h: img.Rows(), view: r.config.Region.of(img)}
	moved, err := r.moved(img, now)
	if err != nil {
		return nil, err
	}
	if !moved && !slices.ContainsFunc(r.tracks, (*track).restless) {
		r.wait(now)
		return r.due(now), nil
	}
	plates, err := r.localise(img, now.view, FrameSide(now.view.Dx(), now.view.Dy()))
	if err != nil {
		return nil, err
	}
	r.stats.Looked++
	r.motion.look(now)
	for _, t := range r.tracks {
		t.unseen++
	}
	if err := r.follow(img, plates, now); err != nil {
		return nil, err
	}
	return r.due(now), nil
}

// Stats counts the frames given to Track so far.
func (r *Recogniser) Stats() Stats { return r.stats }

// moved asks for movement in the part that is looked at.
func (r *Recogniser) moved(img gocv.Mat, now moment) (moved bool, err error) {
	part := img.Region(now.view)
	moved = r.motion.moved(part, now)
	return moved, part.Close()
}

// localise finds the plates in a part of a frame, without copying it, and gives
// their place in the frame.
func (r *Recogniser) localise(img gocv.Mat, view image.Rectangle, side int) ([]Plate, error) {
	part := img.Region(view)
	plates, err := r.config.Localiser.Localise(part, side)
	if err = errors.Join(err, part.Close()); err != nil {
		return nil, fmt.Errorf("localise: %w", err)
	}
	for i := range plates {
		for k := range plates[i].Quad {
			plates[i].Quad[k].X += float64(view.Min.X)
			plates[i].Quad[k].Y += float64(view.Min.Y)
		}
	}
	return plates, nil
}

// Flush ends every passage: the footage is over. The recogniser can be used on.
func (r *Recogniser) Flush() []*nrd.Record {
	r.reunite(func(*track) bool { return true })
	var out []*nrd.Record
	for _, t := range r.tracks {
		if record := r.finish(t); record != nil {
			out = append(out, record)
		}
		r.spare = append(r.spare, t.evidence)
	}
	r.tracks = r.tracks[:0]
	r.motion.valid = false
	return out
}

// colour gives the image with three channels, the way the networks take it.
func (r *Recogniser) colour(img gocv.Mat) (gocv.Mat, error) {
	if img.Ptr() == nil || img.Empty() || img.Rows() < 1 || img.Cols() < 1 {
		return gocv.Mat{}, fmt.Errorf("%w: it is empty", ErrImage)
	}
	switch img.Type() {
	case gocv.MatTypeCV8UC3:
		return img, nil
	case gocv.MatTypeCV8UC1:
		gocv.CvtColor(img, &r.bgr, gocv.ColorGrayToBGR)
	case gocv.MatTypeCV8UC4:
		gocv.CvtColor(img, &r.bgr, gocv.ColorBGRAToBGR)
	default:
		return gocv.Mat{}, fmt.Errorf("%w: its type is %v", ErrImage, img.Type())
	}
	return r.bgr, nil
}

// keep reports whether a read is sure enough, and short enough, to be told.
func (r *Recogniser) keep(read *nrd.Read) bool {
	most := r.config.Profile.VRMMaxLength
	return read.Confidence >= r.config.LeastConfidence && len(read.VRM) >= 2 && (most == 0 || len(read.VRM) <= most)
}

// now is the day by which age fields are judged. A clock that stands before the
// profile's earliest capture is not set: then no age field counts as future.
func (r *Recogniser) now() time.Time {
	if now := r.config.Clock.Now(); !now.Before(r.config.Profile.EarliestCapture) {
		return now
	}
	return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)
}
