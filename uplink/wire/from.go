package wire

import (
	"crypto/sha256"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"nrd"
)

// Bounds of what a message may hold. Both sides keep them.
const (
	maxText         = 1 << 10 // bytes of one text
	maxName         = 256     // bytes of a name or a word
	maxHits         = 16
	maxMarkers      = 16
	maxMarker       = 32
	maxAlternatives = 32
	maxLists        = 128
	maxProblems     = 64
	maxDropped      = 16
	maxPixels       = 1 << 16
	maxReceipts     = 1000
)

// FromKey makes the message of a key.
func FromKey(k nrd.Key) *Key { return &Key{Device: k.Device, Epoch: k.Epoch, Sequence: k.Sequence} }

// FromRecord makes the message of a record; of the images it announces digest
// and size. Texts that are too long are cut, and so are more hits, markers and
// alternatives than a message may hold, from the end. What ToRecord would
// refuse otherwise (a mark that is none, a position that is not a number) stays
// as it is for ToRecord to name.
func FromRecord(r *nrd.Record) *Record {
	m := &Record{
		Key:         FromKey(r.Key),
		Camera:      fromCamera(r.Camera),
		Captured:    fromStamp(r.Captured),
		Fix:         fromFix(r.Fix),
		Direction:   cut(string(r.Direction), maxName),
		Read:        fromRead(&r.Read),
		Passage:     fromPassage(r.Passage),
		Plate:       fromQuad(r.Plate),
		FrameWidth:  uint32(r.FrameWidth),
		FrameHeight: uint32(r.FrameHeight),
		Profile:     cut(r.Profile, maxName),
		Controller:  cut(r.Controller, maxName),
		Deployment:  cut(r.Deployment, maxName),
		Software:    cut(r.Software, maxName),
		Patch:       fromImageInfo(r.Patch),
		Overview:    fromImageInfo(r.Overview),
		Unread:      r.Unread(),
	}
	if p := r.PTZ; p != nil {
		m.Ptz = &PTZ{Preset: int32(p.Preset), Pan: p.Pan, Tilt: p.Tilt, Zoom: p.Zoom}
	}
	for i := range first(r.Hits, maxHits) {
		m.Hits = append(m.Hits, fromHit(&r.Hits[i]))
	}
	return m
}

// FromImage makes the message of one of a record's images.
func FromImage(k nrd.Key, kind nrd.ImageKind, i nrd.Image) *Image {
	return &Image{Key: FromKey(k), Kind: string(kind), Jpeg: i.JPEG, Width: uint32(i.Width), Height: uint32(i.Height)}
}

// FromStatus makes the message of a status, cutting like FromRecord.
func FromStatus(s *nrd.Status) *Status {
	m := &Status{
		Device:          s.Device,
		AtNs:            nanos(s.At),
		Software:        cut(s.Software, maxName),
		StartedNs:       nanos(s.Started),
		Frames:          s.Frames,
		Passages:        s.Passages,
		Reads:           s.Reads,
		Hits:            s.Hits,
		Waiting:         uint64(max(s.Waiting, 0)),
		OldestWaitingNs: nanos(s.OldestWaiting),
		DeadLetters:     uint64(max(s.DeadLetters, 0)),
		DiskFree:        s.DiskFree,
		BufferBytes:     s.BufferBytes,
		Temperature:     s.Temperature,
		DroppedFrames:   s.DroppedFrames,
		FramesPerMinute: s.FramesPerMinute,
		ReadsPerMinute:  s.ReadsPerMinute,
		Clock:           fromStamp(s.Clock),
		Fix:             fromFix(s.Fix),
		Wiped:           s.Wiped,
	}
	if c := s.Configuration; c != (nrd.ConfigurationState{}) {
		m.Configuration = &Configuration{Order: c.Order, State: cut(c.State, maxName), Reason: cut(c.Reason, maxText)}
	}
	if len(s.Dropped) > 0 {
		m.Dropped = map[string]uint64{}
	}
	for kind, n := range s.Dropped {
		m.Dropped[cut(kind, maxName)] = n
	}
	for _, v := range first(s.Lists, maxLists) {
		m.Lists = append(m.Lists, fromListVersion(v))
	}
	for _, p := range first(s.Problems, maxProblems) {
		m.Problems = append(m.Problems, cut(p, maxText))
	}
	return m
}

// LastWill is the status that a broker retains in a device's name when its
// connection breaks.
func LastWill(device string) *Status { return &Status{Device: device, Offline: true} }

// FromReceipt makes one item of a receipt for a payload of the given digest.
func FromReceipt(k nrd.Key, kind string, digest [32]byte, outcome Receipt_Outcome, reason string) *Receipt_Item {
	return &Receipt_Item{Key: FromKey(k), Kind: kind, Digest: digest[:], Outcome: outcome, Reason: cut(reason, maxText)}
}

// FromCorrection makes what an event says of a correction.
func FromCorrection(c nrd.Correction) *Event_Correction {
	return &Event_Correction{Correction: &Correction{
		BootId: cut(c.BootID, maxName), MonotonicNs: int64(c.Monotonic), UtcNs: nanos(c.UTC),
		ClockErrorNs: int64(c.ClockError), Source: cut(string(c.Source), maxName),
	}}
}

func fromCamera(c nrd.Camera) *Camera {
	return &Camera{Feed: uint32(c.Feed), Source: uint32(c.Source), Camera: uint32(c.Camera), Name: cut(c.Name, maxName)}
}

func fromStamp(s nrd.Stamp) *Stamp {
	return &Stamp{
		UtcNs:        nanos(s.UTC),
		ClockErrorNs: int64(s.ClockError),
		Source:       cut(string(s.Source), maxName),
		Proved:       s.Proved,
		BootId:       cut(s.BootID, maxName),
		MonotonicNs:  int64(s.Monotonic),
		ZoneOffsetS:  int32(s.ZoneOffset / time.Second),
	}
}

func fromFix(f nrd.Fix) *Fix {
	return &Fix{
		Source:     cut(string(f.Source), maxName),
		Latitude:   f.Latitude,
		Longitude:  f.Longitude,
		Satellites: int32(f.Satellites),
		Hdop:       f.HDOP,
		SpeedKnown: f.SpeedKnown,
		Speed:      f.Speed,
		Course:     f.Course,
		AgeNs:      int64(f.Age),
		TimeNs:     nanos(f.Time),
	}
}

func fromRead(r *nrd.Read) *Read {
	m := &Read{
		Vrm:        string(r.VRM),
		Raw:        cut(r.Raw, maxName),
		Confidence: uint32(r.Confidence),
		Syntax:     cut(r.Syntax, maxName),
		Repaired:   r.Repaired,
		Engine:     cut(r.Engine, maxName),
	}
	for _, c := range r.Characters {
		m.Characters = append(m.Characters, uint32(c))
	}
	for _, a := range first(r.Alternatives, maxAlternatives) {
		m.Alternatives = append(m.Alternatives, &Alternative{Vrm: string(a.VRM), Confidence: uint32(a.Confidence)})
	}
	return m
}

func fromPassage(p nrd.Passage) *Passage {
	return &Passage{
		FirstFrame:  p.FirstFrame,
		LastFrame:   p.LastFrame,
		Frame:       p.Frame,
		Frames:      uint32(p.Frames),
		FirstSeenNs: nanos(p.FirstSeen),
		LastSeenNs:  nanos(p.LastSeen),
		Number:      p.Number,
	}
}

func fromQuad(q nrd.Quad) []float64 {
	if q == (nrd.Quad{}) {
		return nil
	}
	var xy []float64
	for _, p := range q {
		xy = append(xy, p.X, p.Y)
	}
	return xy
}

func fromImageInfo(i nrd.Image) *ImageInfo {
	if len(i.JPEG) == 0 {
		return nil
	}
	sum := sha256.Sum256(i.JPEG)
	return &ImageInfo{Sha256: sum[:], Bytes: uint32(len(i.JPEG)), Width: uint32(i.Width), Height: uint32(i.Height)}
}

func fromHit(h *nrd.Hit) *Hit {
	return &Hit{
		Entry:       fromEntry(&h.Entry),
		List:        fromListVersion(h.List),
		ListAgeNs:   int64(h.ListAge),
		Match:       cut(string(h.Match), maxName),
		Provisional: h.Provisional,
		Freshness:   cut(string(h.Freshness), maxName),
		Differs:     fromDiffers(h.Differs),
		Live:        h.Live,
	}
}

func fromDiffers(places []int) []uint32 {
	var all []uint32
	for _, p := range places {
		all = append(all, uint32(p)) //nolint:gosec // a place in a VRM
	}
	return all
}

func fromEntry(e *nrd.Entry) *Entry {
	m := &Entry{
		List:         cut(e.List, maxName),
		Vrm:          string(e.VRM),
		Make:         cut(e.Make, maxText),
		Model:        cut(e.Model, maxText),
		Colour:       cut(e.Colour, maxText),
		Priority:     uint32(e.Priority),
		Action:       cut(e.Action, maxText),
		Reason:       cut(e.Reason, maxText),
		Intelligence: cut(e.Intelligence, maxText),
		Information:  cut(e.Information, maxText),
		Force:        cut(e.Force, maxText),
		WeedNs:       nanos(e.Weed),
		NationalId:   cut(e.NationalID, maxText),
		Marking:      cut(e.Marking, maxText),
		Cad:          cut(e.CAD, maxText),
		Instructions: cut(e.Instructions, maxText),
		Reference:    cut(e.Reference, maxText),
		Line:         uint32(e.Line),
	}
	for _, marker := range first(e.Markers, maxMarkers) {
		m.Markers = append(m.Markers, cut(marker, maxMarker))
	}
	return m
}

func fromListVersion(v nrd.ListVersion) *ListVersion {
	return &ListVersion{
		List:     cut(v.List, maxName),
		Version:  v.Version,
		IssuedNs: nanos(v.Issued), ExpiresNs: nanos(v.Expires),
		LoadedNs: nanos(v.Loaded),
		Entries:  uint32(v.Entries),
	}
}

// cut makes s valid UTF-8 of at most limit bytes.
func cut(s string, limit int) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= limit {
		return s
	}
	s = s[:limit]
	for !utf8.ValidString(s) {
		s = s[:len(s)-1]
	}
	return s
}

// first gives at most n of s.
func first[T any](s []T, n int) []T { return s[:min(len(s), n)] }

// nanos counts from 1970; the zero time is 0, and a time too far away for 64
// bits is the nearest that fits.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	default:
		return t.UnixNano()
	}
}
