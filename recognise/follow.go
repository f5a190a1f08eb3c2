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
		ok, err := r.advance(img, p.track, plates[p.plate].Quad, now)
		if err != nil {
			return err
		}
		taken[p.plate] = ok
	}
	for i, p := range plates {
		if taken[i] || now.cuts(p.Quad) {
			continue
		}
		if err := r.welcome(img, p.Quad, now); err != nil {
			return err
		}
	}
	return nil
}

// advance moves a track to a plate and reads it where that helps. It reports
// false when the text says that this is another vehicle's plate.
func (r *Recogniser) advance(img gocv.Mat, t *track, q nrd.Quad, now moment) (bool, error) {
	if now.cuts(q) || !t.wants(q) {
		t.move(q, now)
		return true, nil
	}
	look, err := r.config.Reader.Read(img, q)
	if err != nil {
		return false, fmt.Errorf("read: %w", err)
	}
	if t.compare(look) == other {
		return false, nil
	}
	t.move(q, now)
	r.hear(img, t, look, now)
	return true, nil
}

// welcome takes a plate that is not where any track expects one.
func (r *Recogniser) welcome(img gocv.Mat, q nrd.Quad, now moment) error {
	look, err := r.config.Reader.Read(img, q)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	for _, t := range r.tracks {
		if t.unseen > 0 && t.compare(look) == same && t.away(q, now) < far {
			t.move(q, now)
			r.hear(img, t, look, now)
			return nil
		}
	}
	if len(look) == 0 || len(r.tracks) >= maxTracks {
		return nil
	}
	t := &track{quad: q, first: now, last: now, evidence: r.newEvidence()}
	t.width, _ = size(q)
	t.firstWidth = t.width
	r.tracks = append(r.tracks, t)
	r.hear(img, t, look, now)
	return nil
}

// hear gives a look to its track and keeps the frame if it is the best so far.
func (r *Recogniser) hear(img gocv.Mat, t *track, look []Glyphs, now moment) {
	t.hear(look, r.now())
	if t.done {
		return
	}
	if quality := t.quality(look, t.quad); quality > t.score*1.05 {
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
	return t.unseen >= gapFrames && now.since(t.last) >= gap || t.unseen >= gapMost
}

// ripe reports whether the read is sure enough to be told before the end.
func (t *track) ripe() bool {
	if t.told || t.done || t.score <= 0 {
		return false
	}
	return t.read.Confidence >= provisionalAtOnce || t.looks >= 2 && t.read.Confidence >= provisional
}

// finish makes the final record of a passage, once. It gives nil where there is
// nothing to tell: it was told already, or nothing was read surely enough.
func (r *Recogniser) finish(t *track) *nrd.Record {
	if t.done || t.score <= 0 || !t.told && !r.keep(&t.read) {
		return nil
	}
	t.done = true
	return r.record(t)
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
			FirstFrame: t.first.sequence, LastFrame: t.last.sequence, Frame: t.best.sequence, Frames: t.looks,
			FirstSeen: t.first.taken.UTC, LastSeen: t.last.taken.UTC,
		},
		Plate:      t.bestQuad,
		FrameWidth: t.best.w, FrameHeight: t.best.h,
		Profile: r.config.Profile.Name,
		Patch:   patch, Overview: overview,
	}
}
