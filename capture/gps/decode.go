package gps

import (
	"errors"
	"math"
	"strings"
	"time"

	"github.com/adrianmo/go-nmea"

	"nrd"
)

// knot is one nautical mile an hour, in metres a second.
const knot = 1852.0 / 3600

// Why a sentence is skipped.
var (
	errTaken   = errors.New("the sentence was taken by the decoder")
	errNoSense = errors.New("a field of the sentence makes no sense")
)

// heard is a fix and when its first sentence was heard.
type heard struct {
	fix nrd.Fix
	at  nrd.Stamp
}

// decoder makes fixes from sentences. A receiver spreads what it knows of one
// moment over several of them, all with the same time of day. The decoder
// collects them in building and shows the result in latest, as soon as the speed
// is known and at the latest when the next moment begins.
type decoder struct {
	parser nmea.SentenceParser
	base   nmea.BaseSentence

	building, latest heard
	// timeOfDay is that of building.
	timeOfDay nmea.Time
	// quality says that satellites and HDOP are of building's own moment and
	// not of the one before.
	quality bool
	// skipped counts the lines that were no good sentence.
	skipped uint64
}

func newDecoder() *decoder {
	d := &decoder{building: heard{fix: none}, latest: heard{fix: none}}
	// The library splits the sentence and proves its checksum. Its own types
	// do not tell an empty field from a zero, so the fields are read here.
	d.parser.OnBaseSentence = func(s *nmea.BaseSentence) error {
		d.base = *s
		return errTaken
	}
	return d
}

// line takes one line as it was heard at that moment and reports whether latest
// is new. What stands before the sentence, such as a logger's own time, is left
// out.
func (d *decoder) line(text string, at nrd.Stamp) bool {
	start := strings.IndexByte(text, '$')
	if start < 0 {
		// Empty lines, the sentences of ships (!) and gpsd's own messages
		// are no mistake.
		if text = strings.TrimSpace(text); text != "" && text[0] != '!' && text[0] != '{' {
			d.skipped++
		}
		return false
	}
	if _, err := d.parser.Parse(text[start:]); !errors.Is(err, errTaken) {
		d.skipped++
		return false
	}
	fresh, err := d.sentence(at)
	if err != nil {
		d.skipped++
	}
	return fresh
}

func (d *decoder) sentence(at nrd.Stamp) (fresh bool, err error) {
	p := nmea.NewParser(d.base)
	switch d.base.Type {
	case nmea.TypeRMC:
		return d.rmc(p, at)
	case nmea.TypeGGA:
		return d.gga(p, at)
	case nmea.TypeGNS:
		return d.gns(p, at)
	case nmea.TypeVTG:
		return d.vtg(p)
	}
	return false, nil
}

// rmc: time, A or V, latitude and N or S, longitude and E or W, knots, course,
// date, variation and its sign, mode.
func (d *decoder) rmc(p *nmea.Parser, at nrd.Stamp) (bool, error) {
	fresh, err := d.moment(p, at)
	if err != nil {
		return false, err
	}
	date := p.Date(8, "date")
	if err := p.Err(); err != nil {
		return fresh, err
	}
	if date.Valid && (date.DD < 1 || date.DD > 31 || date.MM < 1 || date.MM > 12 || date.YY < 0) {
		return fresh, errNoSense
	}
	// Years have two digits. No unit of this product ran before 2000.
	d.building.fix.Time = nmea.DateTime(2000, date, d.timeOfDay)
	if d.field(1) != nmea.ValidRMC || strings.ContainsAny(d.field(11), "NMS") {
		// Not valid; or set by hand or simulated.
		return d.lose(), nil
	}
	return d.place(p, 2, fresh, func(f *nrd.Fix) {
		if d.field(6) != "" {
			f.SpeedKnown, f.Speed = true, p.Float64(6, "speed")*knot
		}
		f.Course = p.Float64(7, "course")
	})
}

// gga: time, latitude and N or S, longitude and E or W, quality, satellites, HDOP.
func (d *decoder) gga(p *nmea.Parser, at nrd.Stamp) (bool, error) {
	fresh, err := d.moment(p, at)
	if err != nil {
		return false, err
	}
	switch d.field(5) {
	case "0", "7", "8", "": // none, set by hand, simulated
		return d.lose(), nil
	}
	return d.place(p, 1, fresh, func(f *nrd.Fix) { d.setQuality(p, f) })
}

// gns: time, latitude and N or S, longitude and E or W, a mode for each system,
// satellites, HDOP.
func (d *decoder) gns(p *nmea.Parser, at nrd.Stamp) (bool, error) {
	fresh, err := d.moment(p, at)
	if err != nil {
		return false, err
	}
	if strings.Trim(d.field(5), "NMS") == "" {
		return d.lose(), nil
	}
	return d.place(p, 1, fresh, func(f *nrd.Fix) { d.setQuality(p, f) })
}

// vtg: course and T, magnetic course and M, knots and N, km/h and K. It has no
// time: it belongs to the moment of the sentence before.
func (d *decoder) vtg(p *nmea.Parser) (bool, error) {
	if d.field(4) == "" || !d.building.fix.Known() {
		return false, nil
	}
	f := d.building.fix
	f.SpeedKnown, f.Speed, f.Course = true, p.Float64(4, "speed")*knot, p.Float64(0, "course")
	return d.accept(f, p.Err())
}

// moment begins a new moment if the time of day is another one, and reports
// whether that made latest new.
func (d *decoder) moment(p *nmea.Parser, at nrd.Stamp) (fresh bool, err error) {
	t := p.Time(0, "time")
	if err := p.Err(); err != nil {
		return false, err
	}
	if t.Hour > 23 || t.Minute > 59 || t.Second > 60 {
		return false, errNoSense
	}
	if t == d.timeOfDay && t.Valid {
		return false, nil
	}
	// A receiver that never tells its speed is shown when its moment is over.
	if d.building.fix.Known() && !d.building.fix.SpeedKnown {
		d.latest, fresh = d.building, true
	}
	next := heard{fix: none, at: at}
	if d.quality {
		next.fix.Satellites, next.fix.HDOP = d.building.fix.Satellites, d.building.fix.HDOP
	}
	d.building, d.timeOfDay, d.quality = next, t, false
	return fresh, nil
}

// place reads the position at field n and what else adds, unless something in
// the sentence is wrong.
func (d *decoder) place(p *nmea.Parser, n int, fresh bool, add func(*nrd.Fix)) (bool, error) {
	f := d.building.fix
	f.Source = nrd.FixGPS
	f.Latitude = p.LatLong(n, n+1, "latitude")
	f.Longitude = p.LatLong(n+2, n+3, "longitude")
	add(&f)
	if !f.Valid() {
		return fresh, errNoSense
	}
	shown, err := d.accept(f, p.Err())
	return shown || fresh, err
}

func (d *decoder) setQuality(p *nmea.Parser, f *nrd.Fix) {
	f.Satellites, f.HDOP = int(p.Int64(6, "satellites")), p.Float64(7, "HDOP")
	d.quality = true
}

// accept keeps a fix whose numbers are numbers, and shows it if it is complete.
func (d *decoder) accept(f nrd.Fix, err error) (fresh bool, _ error) {
	if err != nil {
		return false, err
	}
	if !reasonable(f.Speed, 0, 1000) || !reasonable(f.Course, 0, 360) || !reasonable(f.HDOP, 0, 1000) || f.Satellites < 0 || f.Satellites > 1000 {
		return false, errNoSense
	}
	d.building.fix = f
	if f.SpeedKnown {
		d.latest = d.building
	}
	return f.SpeedKnown, nil
}

// reasonable is false for what is not a number, too.
func reasonable(x, low, high float64) bool {
	return !math.IsNaN(x) && low <= x && x <= high
}

// lose says that the receiver has no position now.
func (d *decoder) lose() (fresh bool) {
	d.building.fix = nrd.Fix{Source: nrd.FixNone, Time: d.building.fix.Time}
	d.quality = false
	d.latest = d.building
	return true
}

// field is a field of the sentence, "" where it has so few.
func (d *decoder) field(n int) string {
	if n >= len(d.base.Fields) {
		return ""
	}
	return d.base.Fields[n]
}

// proves reports whether a fix's time may vouch for a clock. A receiver that has
// lost count of the GPS weeks is 1024 of them behind.
func proves(f nrd.Fix) bool {
	return f.Known() && !f.Time.Before(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC))
}
