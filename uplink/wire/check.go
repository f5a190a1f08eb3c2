package wire

import (
	"crypto/sha256"
	"fmt"
	"math"
	"time"
	"unicode/utf8"

	"nrd"
	"nrd/internal/identity"
)

// check turns parts of messages into the types of package nrd and keeps the
// first thing it finds wrong.
type check struct{ err error }

func (c *check) fail(field, format string, args ...any) {
	if c.err == nil {
		c.err = fmt.Errorf("%w: %s: %s", ErrInvalid, field, fmt.Sprintf(format, args...))
	}
}

func (c *check) text(field, s string, limit int) string {
	if len(s) > limit {
		c.fail(field, "%d bytes, at most %d", len(s), limit)
	} else if !utf8.ValidString(s) {
		c.fail(field, "is not UTF-8")
	}
	return s
}

func (c *check) count(field string, n, limit int) {
	if n > limit {
		c.fail(field, "%d of them, at most %d", n, limit)
	}
}

func (c *check) upTo(field string, n, limit uint32) int {
	if n > limit {
		c.fail(field, "is %d, at most %d", n, limit)
	}
	return int(n)
}

// small takes a number that fits every machine's int.
func (c *check) small(field string, n uint64) int {
	if n > math.MaxInt32 {
		c.fail(field, "is %d, at most %d", n, math.MaxInt32)
	}
	return int(n)
}

func (c *check) finite(field string, f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.fail(field, "is not a number")
	}
	return f
}

func (c *check) device(field, name string) string {
	if err := identity.ValidDevice(name); err != nil {
		c.fail(field, "%v", err)
	}
	return name
}

// vrm takes a mark that is normalised already.
func (c *check) vrm(field, s string) nrd.VRM {
	v, err := nrd.ParseVRM(s)
	switch {
	case err != nil:
		c.fail(field, "%v", err)
	case string(v) != s:
		c.fail(field, "is not normalised to capitals and digits")
	}
	return v
}

func (c *check) key(field string, m *Key) nrd.Key {
	k := nrd.Key{Device: c.device(field+".device", m.GetDevice()), Epoch: m.GetEpoch(), Sequence: m.GetSequence()}
	if k.Sequence == 0 {
		c.fail(field+".sequence", "is missing; it counts from 1")
	}
	return k
}

func (c *check) camera(m *Camera) nrd.Camera {
	return nrd.Camera{
		Feed:   uint16(c.upTo("camera.feed", m.GetFeed(), math.MaxUint16)),
		Source: uint16(c.upTo("camera.source", m.GetSource(), math.MaxUint16)),
		Camera: uint16(c.upTo("camera.camera", m.GetCamera(), math.MaxUint16)),
		Name:   c.text("camera.name", m.GetName(), maxName),
	}
}

// stamp takes any time, 1970 included: whether it can be is for central to judge
// by its profile, and to quarantine, not to refuse.
func (c *check) stamp(field string, m *Stamp) nrd.Stamp {
	return nrd.Stamp{
		UTC:        moment(m.GetUtcNs()),
		ClockError: time.Duration(m.GetClockErrorNs()),
		Source:     nrd.ClockSource(c.text(field+".source", m.GetSource(), maxName)),
		Proved:     m.GetProved(),
		BootID:     c.text(field+".boot_id", m.GetBootId(), maxName),
		Monotonic:  time.Duration(m.GetMonotonicNs()),
		ZoneOffset: time.Duration(m.GetZoneOffsetS()) * time.Second,
	}
}

func (c *check) correction(m *Correction) nrd.Correction {
	if m.GetBootId() == "" {
		c.fail("correction.boot_id", "is missing")
	}
	return nrd.Correction{
		BootID:     c.text("correction.boot_id", m.GetBootId(), maxName),
		Monotonic:  time.Duration(m.GetMonotonicNs()),
		UTC:        moment(m.GetUtcNs()),
		ClockError: time.Duration(m.GetClockErrorNs()),
		Source:     nrd.ClockSource(c.text("correction.source", m.GetSource(), maxName)),
	}
}

func (c *check) fix(field string, m *Fix) nrd.Fix {
	f := nrd.Fix{
		Source:     nrd.FixSource(c.text(field+".source", m.GetSource(), maxName)),
		Latitude:   c.finite(field+".latitude", m.GetLatitude()),
		Longitude:  c.finite(field+".longitude", m.GetLongitude()),
		Satellites: int(m.GetSatellites()),
		HDOP:       c.finite(field+".hdop", m.GetHdop()),
		SpeedKnown: m.GetSpeedKnown(),
		Speed:      c.finite(field+".speed", m.GetSpeed()),
		Course:     c.finite(field+".course", m.GetCourse()),
		Age:        time.Duration(m.GetAgeNs()),
		Time:       moment(m.GetTimeNs()),
	}
	if !f.Valid() {
		c.fail(field, "%g, %g is not a place on the Earth", f.Latitude, f.Longitude)
	}
	if f.Satellites < 0 || f.HDOP < 0 || f.Speed < 0 {
		c.fail(field, "satellites, hdop or speed is negative")
	}
	return f
}

func (c *check) ptz(m *PTZ) *nrd.PTZ {
	if m == nil {
		return nil
	}
	return &nrd.PTZ{
		Preset: int(m.GetPreset()),
		Pan:    c.finite("ptz.pan", m.GetPan()),
		Tilt:   c.finite("ptz.tilt", m.GetTilt()),
		Zoom:   c.finite("ptz.zoom", m.GetZoom()),
	}
}

// readOf gives the read of a record, an empty one where the plate could not be
// read: nothing may stand in it, or match, that a person would take for a mark.
func (c *check) readOf(m *Record) nrd.Read {
	if !m.GetUnread() {
		return c.read(m.GetRead())
	}
	r := m.GetRead()
	if r.GetVrm() != "" || r.GetRaw() != "" || r.GetConfidence() != 0 || len(r.GetCharacters()) > 0 || len(r.GetAlternatives()) > 0 {
		c.fail("read", "says something of a plate that could not be read")
	}
	if len(m.GetHits()) > 0 {
		c.fail("hits", "%d of them of a plate that could not be read", len(m.GetHits()))
	}
	return nrd.Read{Engine: c.text("read.engine", r.GetEngine(), maxName)}
}

func (c *check) read(m *Read) nrd.Read {
	r := nrd.Read{
		VRM:        c.vrm("read.vrm", m.GetVrm()),
		Raw:        c.text("read.raw", m.GetRaw(), maxName),
		Confidence: c.upTo("read.confidence", m.GetConfidence(), 100),
		Syntax:     c.text("read.syntax", m.GetSyntax(), maxName),
		Repaired:   m.GetRepaired(),
		Engine:     c.text("read.engine", m.GetEngine(), maxName),
	}
	c.count("read.characters", len(m.GetCharacters()), nrd.MaxVRM)
	c.count("read.alternatives", len(m.GetAlternatives()), maxAlternatives)
	for _, confidence := range m.GetCharacters() {
		r.Characters = append(r.Characters, c.upTo("read.characters", confidence, 100))
	}
	for _, a := range m.GetAlternatives() {
		r.Alternatives = append(r.Alternatives, nrd.Alternative{
			VRM:        c.vrm("read.alternatives.vrm", a.GetVrm()),
			Confidence: c.upTo("read.alternatives.confidence", a.GetConfidence(), 100),
		})
	}
	return r
}

func (c *check) passage(m *Passage) nrd.Passage {
	return nrd.Passage{
		FirstFrame: m.GetFirstFrame(),
		LastFrame:  m.GetLastFrame(),
		Frame:      m.GetFrame(),
		Frames:     c.upTo("passage.frames", m.GetFrames(), math.MaxInt32),
		FirstSeen:  moment(m.GetFirstSeenNs()),
		LastSeen:   moment(m.GetLastSeenNs()),
		Number:     m.GetNumber(),
	}
}

func (c *check) quad(field string, xy []float64) nrd.Quad {
	var q nrd.Quad
	if len(xy) != 0 && len(xy) != 2*len(q) {
		c.fail(field, "%d numbers, must be %d or none", len(xy), 2*len(q))
		return q
	}
	for i := range len(xy) / 2 {
		q[i] = nrd.Point{X: c.finite(field, xy[2*i]), Y: c.finite(field, xy[2*i+1])}
	}
	return q
}

func (c *check) imageInfo(field string, m *ImageInfo) {
	if m == nil {
		return
	}
	if len(m.GetSha256()) != sha256.Size {
		c.fail(field+".sha256", "%d bytes, must be %d", len(m.GetSha256()), sha256.Size)
	}
	if m.GetBytes() == 0 {
		c.fail(field+".bytes", "is missing")
	}
	c.upTo(field+".bytes", m.GetBytes(), MaxImageBytes)
	c.upTo(field+".width", m.GetWidth(), maxPixels)
	c.upTo(field+".height", m.GetHeight(), maxPixels)
}

func (c *check) hit(field string, m *Hit) nrd.Hit {
	return nrd.Hit{
		Entry:       c.entry(field+".entry", m.GetEntry()),
		List:        c.listVersion(field+".list", m.GetList()),
		ListAge:     time.Duration(m.GetListAgeNs()),
		Match:       nrd.MatchKind(c.text(field+".match", m.GetMatch(), maxName)),
		Provisional: m.GetProvisional(),
		Freshness:   nrd.Freshness(c.text(field+".freshness", m.GetFreshness(), maxName)),
		Differs:     c.differs(field+".differs", m.GetDiffers()),
		Live:        m.GetLive(),
	}
}

func (c *check) differs(field string, places []uint32) []int {
	if len(places) > nrd.MaxVRM {
		c.fail(field, "%d places, at most %d", len(places), nrd.MaxVRM)
		return nil
	}
	var all []int
	for _, p := range places {
		all = append(all, c.upTo(field, p, math.MaxUint8))
	}
	return all
}

func (c *check) entry(field string, m *Entry) nrd.Entry {
	e := nrd.Entry{
		List:         c.text(field+".list", m.GetList(), maxName),
		VRM:          c.vrm(field+".vrm", m.GetVrm()),
		Make:         c.text(field+".make", m.GetMake(), maxText),
		Model:        c.text(field+".model", m.GetModel(), maxText),
		Colour:       c.text(field+".colour", m.GetColour(), maxText),
		Priority:     nrd.Priority(c.upTo(field+".priority", m.GetPriority(), uint32(nrd.PriorityHigh))),
		Action:       c.text(field+".action", m.GetAction(), maxText),
		Reason:       c.text(field+".reason", m.GetReason(), maxText),
		Intelligence: c.text(field+".intelligence", m.GetIntelligence(), maxText),
		Information:  c.text(field+".information", m.GetInformation(), maxText),
		Force:        c.text(field+".force", m.GetForce(), maxText),
		Weed:         moment(m.GetWeedNs()),
		NationalID:   c.text(field+".national_id", m.GetNationalId(), maxText),
		Marking:      c.text(field+".marking", m.GetMarking(), maxText),
		CAD:          c.text(field+".cad", m.GetCad(), maxText),
		Instructions: c.text(field+".instructions", m.GetInstructions(), maxText),
		Reference:    c.text(field+".reference", m.GetReference(), maxText),
		Line:         c.upTo(field+".line", m.GetLine(), math.MaxInt32),
	}
	c.count(field+".markers", len(m.GetMarkers()), maxMarkers)
	for _, marker := range m.GetMarkers() {
		e.Markers = append(e.Markers, c.text(field+".markers", marker, maxMarker))
	}
	return e
}

func (c *check) listVersion(field string, m *ListVersion) nrd.ListVersion {
	return nrd.ListVersion{
		List:    c.text(field+".list", m.GetList(), maxName),
		Version: m.GetVersion(),
		Issued:  moment(m.GetIssuedNs()), Expires: moment(m.GetExpiresNs()),
		Loaded:  moment(m.GetLoadedNs()),
		Entries: c.upTo(field+".entries", m.GetEntries(), math.MaxInt32),
	}
}
