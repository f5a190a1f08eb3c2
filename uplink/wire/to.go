package wire

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image/jpeg"
	"time"

	"nrd"
)

// ToKey checks a key. The error is ErrInvalid.
func ToKey(m *Key) (nrd.Key, error) {
	var c check
	k := c.key("key", m)
	return k, c.err
}

// ToRecord checks a record's message and makes the record of it, with empty
// images: they come as messages of their own, and m.Patch and m.Overview say
// what they will be. The error is ErrInvalid. Words that it does not know, as a
// newer device may send for a source or a direction, are kept as they are.
func ToRecord(m *Record) (*nrd.Record, error) {
	var c check
	r := &nrd.Record{
		Key:         c.key("key", m.GetKey()),
		Camera:      c.camera(m.GetCamera()),
		Captured:    c.stamp("captured", m.GetCaptured()),
		Fix:         c.fix("fix", m.GetFix()),
		Direction:   nrd.Direction(c.text("direction", m.GetDirection(), maxName)),
		PTZ:         c.ptz(m.GetPtz()),
		Read:        c.readOf(m),
		Passage:     c.passage(m.GetPassage()),
		Plate:       c.quad("plate", m.GetPlate()),
		FrameWidth:  c.upTo("frame_width", m.GetFrameWidth(), maxPixels),
		FrameHeight: c.upTo("frame_height", m.GetFrameHeight(), maxPixels),
		Profile:     c.text("profile", m.GetProfile(), maxName),
		Controller:  c.text("controller", m.GetController(), maxName),
		Deployment:  c.text("deployment", m.GetDeployment(), maxName),
		Software:    c.text("software", m.GetSoftware(), maxName),
	}
	c.count("hits", len(m.GetHits()), maxHits)
	for i, h := range m.GetHits() {
		r.Hits = append(r.Hits, c.hit(fmt.Sprintf("hits[%d]", i), h))
	}
	c.imageInfo("patch", m.GetPatch())
	c.imageInfo("overview", m.GetOverview())
	if c.err != nil {
		return nil, c.err
	}
	return r, nil
}

// ToImage checks an image's message: it must be a JPEG of the size that it says.
// The error is ErrInvalid.
func ToImage(m *Image) (nrd.Key, nrd.ImageKind, nrd.Image, error) {
	var c check
	key := c.key("key", m.GetKey())
	kind := nrd.ImageKind(m.GetKind())
	if kind != nrd.ImagePatch && kind != nrd.ImageOverview {
		c.fail("kind", "%.40q is neither patch nor overview", kind)
	}
	image := nrd.Image{
		JPEG:   m.GetJpeg(),
		Width:  c.upTo("width", m.GetWidth(), maxPixels),
		Height: c.upTo("height", m.GetHeight(), maxPixels),
	}
	if n := len(image.JPEG); n > MaxImageBytes {
		c.fail("jpeg", "%d bytes, at most %d", n, MaxImageBytes)
	} else if seen, err := jpeg.DecodeConfig(bytes.NewReader(image.JPEG)); err != nil {
		c.fail("jpeg", "%v", err)
	} else if seen.Width != image.Width || seen.Height != image.Height {
		c.fail("jpeg", "is %d x %d, but the message says %d x %d", seen.Width, seen.Height, image.Width, image.Height)
	}
	if c.err != nil {
		return nrd.Key{}, "", nrd.Image{}, c.err
	}
	return key, kind, image, nil
}

// ToStatus checks a status and makes the type of it; offline says that it is a
// last will. The error is ErrInvalid.
func ToStatus(m *Status) (status *nrd.Status, offline bool, err error) {
	var c check
	s := &nrd.Status{
		Device:          c.device("device", m.GetDevice()),
		At:              moment(m.GetAtNs()),
		Software:        c.text("software", m.GetSoftware(), maxName),
		Started:         moment(m.GetStartedNs()),
		Frames:          m.GetFrames(),
		Passages:        m.GetPassages(),
		Reads:           m.GetReads(),
		Hits:            m.GetHits(),
		Waiting:         c.small("waiting", m.GetWaiting()),
		OldestWaiting:   moment(m.GetOldestWaitingNs()),
		DeadLetters:     c.small("dead_letters", m.GetDeadLetters()),
		DiskFree:        m.GetDiskFree(),
		BufferBytes:     m.GetBufferBytes(),
		DroppedFrames:   m.GetDroppedFrames(),
		FramesPerMinute: c.finite("frames_per_minute", m.GetFramesPerMinute()),
		ReadsPerMinute:  c.finite("reads_per_minute", m.GetReadsPerMinute()),
		Clock:           c.stamp("clock", m.GetClock()),
		Fix:             c.fix("fix", m.GetFix()),
		Wiped:           m.GetWiped(),
		Configuration: nrd.ConfigurationState{
			Order:  m.GetConfiguration().GetOrder(),
			State:  c.text("configuration.state", m.GetConfiguration().GetState(), maxName),
			Reason: c.text("configuration.reason", m.GetConfiguration().GetReason(), maxText),
		},
	}
	if m.Temperature != nil {
		t := c.finite("temperature", m.GetTemperature())
		s.Temperature = &t
	}
	c.count("dropped", len(m.GetDropped()), maxDropped)
	c.count("lists", len(m.GetLists()), maxLists)
	c.count("problems", len(m.GetProblems()), maxProblems)
	for kind, n := range m.GetDropped() {
		if s.Dropped == nil {
			s.Dropped = map[string]uint64{}
		}
		s.Dropped[c.text("dropped", kind, maxName)] = n
	}
	for _, v := range m.GetLists() {
		s.Lists = append(s.Lists, c.listVersion("lists", v))
	}
	for _, p := range m.GetProblems() {
		s.Problems = append(s.Problems, c.text("problems", p, maxText))
	}
	if c.err != nil {
		return nil, false, c.err
	}
	return s, m.GetOffline(), nil
}

// CheckReceipt checks every item of a receipt. An outcome that is not known
// passes: who reads it takes it for no receipt. The error is ErrInvalid.
func CheckReceipt(m *Receipt) error {
	var c check
	c.count("items", len(m.GetItems()), maxReceipts)
	for i, item := range m.GetItems() {
		field := fmt.Sprintf("items[%d]", i)
		c.key(field+".key", item.GetKey())
		c.text(field+".reason", item.GetReason(), maxText)
		if len(item.GetDigest()) != sha256.Size {
			c.fail(field+".digest", "%d bytes, must be %d", len(item.GetDigest()), sha256.Size)
		}
		switch item.GetKind() {
		case KindRecord, KindPatch, KindOverview, KindEvent:
		default:
			c.fail(field+".kind", "%.40q is not known", item.GetKind())
		}
	}
	return c.err
}

// CheckEvent checks an event and gives its key. What happened may be something
// that only a newer side knows. The error is ErrInvalid.
func CheckEvent(m *Event) (nrd.Key, error) {
	var c check
	key := c.key("key", m.GetKey())
	if d := m.GetDrop(); d != nil {
		c.text("drop.kind", d.GetKind(), maxName)
		c.text("drop.reason", d.GetReason(), maxText)
	}
	if m.GetCorrection() != nil {
		c.correction(m.GetCorrection())
	}
	if m.GetOfficer() != nil {
		c.officer(m)
	}
	return key, c.err
}

// ToCorrection gives what an event says of the device's clock; ok is false for
// an event that is about something else. The error is ErrInvalid.
func ToCorrection(m *Event) (correction nrd.Correction, ok bool, err error) {
	if m.GetCorrection() == nil {
		return nrd.Correction{}, false, nil
	}
	var c check
	correction = c.correction(m.GetCorrection())
	return correction, c.err == nil, c.err
}

// moment is the way back from nanos where 0 stands for no time.
func moment(ns int64) time.Time {
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}
