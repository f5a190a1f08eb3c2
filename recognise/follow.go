package recognise

import (
	"cmp"
	"fmt"
	"slices"

	"gocv.io/x/gocv"

	"nrd"
)

// pair is a plate that may be a track's.
type pair struct {
	plate int
	track *track
	away  float64
}

// follow gives each plate of a frame to the track it belongs to, or begins a new
// one. First come the plates that are where a track expects its own; of the
// others a sure text can say that a track's plate jumped, as in a patrol car that
// brakes, or was hidden for a while.
func (r *Recogniser) follow(img gocv.Mat, plates []Plate, now moment) error {
	var pairs []pair
	for i, p := range plates {
		for _, t := range r.tracks {
			if away := t.away(p.Quad, now); away < near {
				pairs = append(pairs, pair{i, t, away})
			}
		}
	}
	slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.away, b.away) })
	taken := make([]bool, len(plates))
	for _, p := range pairs {
		if taken[p.plate] || p.track.unseen == 0 {
			continue
		}
		ok, err := r.advance(img, p.track, plates[p.plate], now)
		if err != nil {
			return err
		}
		taken[p.plate] = ok
	}
	for i, p := range plates {
		if taken[i] || now.cuts(p.Quad) {
			continue
		}
		if err := r.welcome(img, p, now); err != nil {
			return err
		}
	}
	return nil
}

// advance moves a track to a plate and reads it where that helps. It reports
// false when the text says that this is another vehicle's plate.
func (r *Recogniser) advance(img gocv.Mat, t *track, p Plate, now moment) (bool, error) {
	if now.cuts(p.Quad) || !t.wants(p.Quad, now) {
		t.move(p, now)
		return true, nil
	}
	look, err := r.config.Reader.Read(img, p.Quad)
	if err != nil {
		return false, fmt.Errorf("read: %w", err)
	}
	if t.compare(look) == other {
		return false, nil
	}
	t.move(p, now)
	r.hear(img, t, look, now)
	return true, nil
}

// welcome takes a plate that is not where any track expects one.
func (r *Recogniser) welcome(img gocv.Mat, p Plate, now moment) error {
	look, err := r.config.Reader.Read(img, p.Quad)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	for _, t := range r.tracks {
		if t.unseen > 0 && t.compare(look) == same && t.away(p.Quad, now) < far {
			t.move(p, now)
			r.hear(img, t, look, now)
			return nil
		}
	}
	if len(look) == 0 && !r.config.Unread || len(r.tracks) >= maxTracks {
		return nil
	}
	r.passages++
	t := &track{number: r.passages, quad: p.Quad, start: centre(p.Quad), first: now, last: now, evidence: r.newEvidence()}
	t.move(p, now)
	r.tracks = append(r.tracks, t)
	r.hear(img, t, look, now)
	return nil
}

// hear gives a look to its track and keeps the frame if it is the best so far.
func (r *Recogniser) hear(img gocv.Mat, t *track, look []Glyphs, now moment) {
	t.hear(look, now, r.now())
	if len(look) > 0 {
		t.course.see(paintOf(img, t.quad))
	}
	if t.done {
		return
	}
	if quality := t.quality(look, t.quad); quality > t.score*1.05 && (len(look) > 0 || t.seen >= unreadFew) {
		quality *= t.evidence.sharpness(img, t.quad)
		if quality <= t.score*1.05 {
			return
		}
		t.score, t.best, t.bestQuad = quality, now, t.quad
		t.bestWidth = t.width
		t.evidence.take(img, t.quad, &r.config.Profile)
	}
}

func (r *Recogniser) newEvidence() *evidence {
	if n := len(r.spare); n > 0 {
		e := r.spare[n-1]
		r.spare = r.spare[:n-1]
		return e
	}
	return newEvidence()
}

// due makes the records that are due after a frame and drops the tracks whose
// plate is gone.
func (r *Recogniser) due(now moment) []*nrd.Record {
	r.reunite(func(t *track) bool { return t.over(now) })
	var out []*nrd.Record
	r.tracks = slices.DeleteFunc(r.tracks, func(t *track) bool {
		over := t.over(now)
		switch {
		case over && t.looks == 1 && t.read.Confidence < surePassage:
			// Seen once and hardly read: half hidden, or no plate at all.
		case !over && !t.ok:
			// Nothing was read yet: it may still be.
		case over || now.since(t.first) >= longest:
			if record := r.finish(t); record != nil {
				out = append(out, record)
			}
		case r.config.OnProvisional != nil && t.ripe() && r.keep(&t.read):
			t.told = true
			r.config.OnProvisional(r.record(t))
		}
		if over {
			r.spare = append(r.spare, t.evidence)
		}
		return over
	})
	return out
}

// reunite joins each lost track with the one that began after it and shows the
// same mark, if there is one: the vehicle was hidden, or turned up where it was
// not expected.
func (r *Recogniser) reunite(lost func(*track) bool) {
	if !slices.ContainsFunc(r.tracks, lost) {
		return
	}
	var left []*track
	for i, t := range r.tracks {
		later := -1
		if lost(t) {
			// Tracks lie in the order in which they began.
			later = slices.IndexFunc(r.tracks[i+1:], t.returns)
		}
		if later < 0 {
			left = append(left, t)
			continue
		}
		r.tracks[i+1+later].inherit(t, r.now())
		r.spare = append(r.spare, t.evidence)
	}
	r.tracks = left
}

// over reports whether the vehicle is gone.
func (t *track) over(now moment) bool {
	wait := gap
	if t.ok && t.looks >= settledReads && t.standing() {
		wait = gapStanding
	}
	return t.unseen >= gapFrames && now.since(t.last) >= wait || t.unseen >= gapMost
}

// restless reports whether a track needs another look though nothing moves: its
// plate is in sight and not yet read as well as it can be.
func (t *track) restless() bool { return t.unseen == 0 && !t.settled() }

// wait takes a frame in which nothing has moved.
func (r *Recogniser) wait(now moment) {
	for _, t := range r.tracks {
		if t.unseen == 0 {
			t.stay(now)
		} else {
			t.unseen++
		}
	}
}

// ripe reports whether the read is sure enough to be told before the end.
func (t *track) ripe() bool {
	if t.told || t.done || !t.ok {
		return false
	}
	return t.read.Confidence >= provisionalAtOnce || t.looks >= 2 && t.read.Confidence >= provisional
}

// finish makes the final record of a passage, once. It gives nil where there is
// nothing to tell: it was told already, or nothing was read surely enough and it
// need not have been a vehicle.
func (r *Recogniser) finish(t *track) *nrd.Record {
	switch {
	case t.done:
		return nil
	case t.ok && (t.told || r.keep(&t.read)):
	case r.config.Unread && t.unreadable():
		t.read = nrd.Read{}
	default:
		return nil
	}
	t.done = true
	return r.record(t)
}

// unreadable reports whether this was surely a vehicle's plate that could have
// been read and was not.
func (t *track) unreadable() bool {
	often := t.seen >= unreadFrames || t.seen >= unreadFew && t.last.since(t.first) >= unreadFor
	return often && t.certain >= unreadSure*float64(t.seen) &&
		t.width >= legible && t.strayed >= t.width && t.best.sequence != 0
}

// record makes a record of what the track knows. A picture that does not fit the
// profile is left out: the read counts for more.
func (r *Recogniser) record(t *track) *nrd.Record {
	patch, overview, err := t.evidence.images(&r.config.Profile)
	if err != nil {
		r.config.Log.Warn("a record goes without a picture", "camera", r.camera.Name, "frame", t.best.sequence, "error", err)
	}
	read := t.read
	read.Engine = r.config.Reader.Engine()
	return &nrd.Record{
		Camera:    r.camera,
		Captured:  t.best.taken,
		Fix:       t.best.fix,
		Direction: t.direction(),
		Read:      read,
		Passage: nrd.Passage{
			Number: t.number, FirstFrame: t.first.sequence, LastFrame: t.last.sequence, Frame: t.best.sequence, Frames: t.looks,
			FirstSeen: t.first.taken.UTC, LastSeen: t.last.taken.UTC,
		},
		Plate:      t.bestQuad,
		FrameWidth: t.best.w, FrameHeight: t.best.h,
		Profile: r.config.Profile.Name,
		Patch:   patch, Overview: overview,
	}
}

// direction is the vehicle's way as far as the passage shows it.
func (t *track) direction() nrd.Direction {
	if t.looks < 2 {
		return nrd.DirectionUnknown
	}
	fix := t.best.fix
	return t.course.direction(t.last.since(t.first), fix.Source != nrd.FixStatic && fix.Moving(), t.read.Syntax != "")
}
