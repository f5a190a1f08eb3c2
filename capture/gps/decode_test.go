package gps

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/adrianmo/go-nmea"
	"go.uber.org/goleak"

	"nrd"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// sentence adds the $ and the checksum.
func sentence(body string) string { return "$" + body + "*" + nmea.Checksum(body) + "\r\n" }

// Norwich, going north-east at 30 knots, at 10:20:14 on 23 November 2026.
const (
	rmcBody = "GNRMC,102014.00,A,5237.6800,N,00117.5400,E,30.0,45.0,231126,,,A"
	ggaBody = "GNGGA,102014.00,5237.6800,N,00117.5400,E,1,11,0.8,20.0,M,45.0,M,,"
)

// decode gives what the sentences say in the end.
func decode(bodies ...string) (*decoder, nrd.Fix) {
	d := newDecoder()
	for _, body := range bodies {
		d.line(sentence(body), nrd.Stamp{})
	}
	return d, d.latest.fix
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestOneMomentIsCollectedFromItsSentences(t *testing.T) {
	for name, order := range map[string][]string{"RMC first": {rmcBody, ggaBody}, "GGA first": {ggaBody, rmcBody}} {
		t.Run(name, func(t *testing.T) {
			_, f := decode(order...)
			if f.Source != nrd.FixGPS || !near(f.Latitude, 52.628) || !near(f.Longitude, 1.2923333333) {
				t.Errorf("position %+v", f)
			}
			if !f.SpeedKnown || !near(f.Speed, 30*1852.0/3600) || f.Course != 45 {
				t.Errorf("speed %+v", f)
			}
			if f.Satellites != 11 || f.HDOP != 0.8 {
				t.Errorf("quality %+v", f)
			}
			if want := time.Date(2026, 11, 23, 10, 20, 14, 0, time.UTC); !f.Time.Equal(want) {
				t.Errorf("time %v", f.Time)
			}
		})
	}
}

func TestWhatASentenceMeans(t *testing.T) {
	position := func(lat, lon float64) func(nrd.Fix) bool {
		return func(f nrd.Fix) bool { return f.Known() && near(f.Latitude, lat) && near(f.Longitude, lon) }
	}
	cases := map[string]struct {
		bodies []string
		holds  func(nrd.Fix) bool
	}{
		"south and west are negative":        {[]string{strings.NewReplacer(",N", ",S", ",E,", ",W,").Replace(rmcBody)}, position(-52.628, -1.2923333333)},
		"any talker":                         {[]string{"GL" + rmcBody[2:]}, position(52.628, 1.2923333333)},
		"no speed is not standing still":     {[]string{strings.Replace(rmcBody, "30.0", "", 1), strings.Replace(ggaBody, "102014", "102015", 1)}, func(f nrd.Fix) bool { return f.Known() && !f.SpeedKnown && f.Moving() }},
		"a GGA without a quality":            {[]string{rmcBody, "GNGGA,102014.00"}, func(f nrd.Fix) bool { return !f.Known() }},
		"standing still":                     {[]string{strings.Replace(rmcBody, "30.0", "0.00", 1)}, func(f nrd.Fix) bool { return f.SpeedKnown && f.Speed == 0 && !f.Moving() }},
		"no course when standing":            {[]string{strings.Replace(rmcBody, "30.0,45.0", "0.00,", 1)}, func(f nrd.Fix) bool { return f.SpeedKnown && f.Course == 0 }},
		"a receiver without a fix":           {[]string{"GPRMC,102014.00,V,,,,,,,231126,,,N"}, func(f nrd.Fix) bool { return !f.Known() }},
		"a receiver that has just started":   {[]string{"GPRMC,,V,,,,,,,,,,N"}, func(f nrd.Fix) bool { return !f.Known() && f.Time.IsZero() }},
		"the view of the sky is lost":        {[]string{rmcBody, ggaBody, "GPRMC,102015.00,V,,,,,,,231126,,,N"}, func(f nrd.Fix) bool { return !f.Known() && f.Satellites == 0 }},
		"lost by GGA":                        {[]string{rmcBody, ggaBody, "GNGGA,102015.00,,,,,0,00,99.9,,M,,M,,"}, func(f nrd.Fix) bool { return !f.Known() }},
		"a simulator is no receiver":         {[]string{strings.TrimSuffix(rmcBody, "A") + "S"}, func(f nrd.Fix) bool { return !f.Known() }},
		"set by hand":                        {[]string{strings.Replace(ggaBody, "E,1,", "E,7,", 1), "GNVTG,45,T,,M,30,N,55,K,M"}, func(f nrd.Fix) bool { return !f.Known() }},
		"estimated in a tunnel":              {[]string{strings.TrimSuffix(rmcBody, "A") + "E"}, position(52.628, 1.2923333333)},
		"GGA with VTG":                       {[]string{ggaBody, "GNVTG,45.0,T,,M,30.0,N,55.6,K,A"}, func(f nrd.Fix) bool { return f.SpeedKnown && f.Course == 45 && f.Satellites == 11 && f.Time.IsZero() }},
		"GNS instead of GGA":                 {[]string{rmcBody, "GNGNS,102014.00,5237.6800,N,00117.5400,E,AA,15,0.7,20.0,45.0,,"}, func(f nrd.Fix) bool { return f.Satellites == 15 && f.HDOP == 0.7 }},
		"GNS without a fix":                  {[]string{rmcBody, "GNGNS,102014.00,,,,,NN,,,,,,"}, func(f nrd.Fix) bool { return !f.Known() }},
		"GGA alone is shown a moment later":  {[]string{ggaBody, strings.Replace(ggaBody, "102014", "102015", 1)}, func(f nrd.Fix) bool { return f.Known() && !f.SpeedKnown && f.Moving() }},
		"satellites last until the next GGA": {[]string{rmcBody, ggaBody, strings.Replace(rmcBody, "102014", "102015", 1)}, func(f nrd.Fix) bool { return f.Satellites == 11 && f.Time.Second() == 15 }},
		"but no longer":                      {[]string{rmcBody, ggaBody, strings.Replace(rmcBody, "102014", "102015", 1), strings.Replace(rmcBody, "102014", "102016", 1)}, func(f nrd.Fix) bool { return f.Satellites == 0 && f.HDOP == 0 }},
		"other sentences say nothing":        {[]string{rmcBody, "GPGSV,1,1,01,05,40,083,46", "GNTXT,01,01,02,u-blox", "PUBX,00"}, position(52.628, 1.2923333333)},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d, f := decode(c.bodies...)
			if !c.holds(f) {
				t.Errorf("got %+v", f)
			}
			if d.skipped != 0 {
				t.Errorf("%d lines were skipped", d.skipped)
			}
		})
	}
}

func TestABadLineIsCountedAndChangesNothing(t *testing.T) {
	later := strings.Replace(rmcBody, "102014", "102015", 1)
	for name, line := range map[string]string{
		"a wrong checksum":      "$" + later + "*00\r\n",
		"no checksum":           "$" + later + "\r\n",
		"cut off":               sentence(later)[:30],
		"noise":                 "\xb5\x62\x01\x07\x5c\x00",
		"noise after a dollar":  "$\x00\xff\n",
		"a latitude of 95":      sentence(strings.Replace(later, "5237", "9537", 1)),
		"a longitude of 190":    sentence(strings.Replace(later, "00117", "19017", 1)),
		"a position of letters": sentence(strings.Replace(later, "5237.6800", "NaN", 1)),
		"a speed that is none":  sentence(strings.Replace(later, "30.0", "NaN", 1)),
		"an endless speed":      sentence(strings.Replace(later, "30.0", "+Inf", 1)),
		"speed below nothing":   sentence(strings.Replace(later, "30.0", "-30.0", 1)),
		"a course of 999":       sentence(strings.Replace(later, "45.0", "999", 1)),
		"month 13":              sentence(strings.Replace(later, "231126", "231326", 1)),
		"25 o'clock":            sentence(strings.Replace(later, "102015", "252015", 1)),
		"nothing but a type":    sentence("GNGGA"),
		"too few fields":        sentence("GNRMC,102015.00,A"),
	} {
		t.Run(name, func(t *testing.T) {
			d, before := decode(rmcBody, ggaBody)
			d.line(line, nrd.Stamp{})
			if d.skipped != 1 {
				t.Errorf("%d lines were skipped", d.skipped)
			}
			if d.latest.fix != before {
				t.Errorf("got %+v", d.latest.fix)
			}
			if d.line(sentence(later), nrd.Stamp{}); d.latest.fix.Time.Second() != 15 {
				t.Errorf("the good one after it: %+v", d.latest.fix)
			}
		})
	}
}

func TestAFixGrowsOldAndIsThenNone(t *testing.T) {
	_, f := decode(rmcBody, ggaBody)
	for _, c := range []struct {
		age          time.Duration
		known, speed bool
	}{{0, true, true}, {time.Second, true, true}, {4 * time.Second, true, false}, {11 * time.Second, false, false}} {
		got := aged(f, c.age)
		if got.Known() != c.known || got.SpeedKnown != c.speed || c.known && got.Age != c.age {
			t.Errorf("after %v: %+v", c.age, got)
		}
	}
	if got := aged(f, 11*time.Second); got != (nrd.Fix{Source: nrd.FixNone}) {
		t.Errorf("too old, but something is left: %+v", got)
	}
}

func TestAStaticUnitIsWhereItWasSurveyed(t *testing.T) {
	f := Static{Latitude: 52.6, Longitude: 1.3}.Fix(nrd.Stamp{})
	if f.Source != nrd.FixStatic || f.Latitude != 52.6 || f.Longitude != 1.3 || f.Moving() {
		t.Errorf("got %+v", f)
	}
}

func TestAReceiverThatLostTheWeekProvesNoClock(t *testing.T) {
	_, f := decode(rmcBody)
	if !proves(f) {
		t.Errorf("%v", f.Time)
	}
	f.Time = f.Time.AddDate(0, 0, -1024*7)
	if proves(f) {
		t.Errorf("%v", f.Time)
	}
}

func FuzzNMEA(f *testing.F) {
	for _, body := range []string{rmcBody, ggaBody, "GNGNS,102014.00,5237.6800,N,00117.5400,E,AA,15,0.7,20.0,45.0,,", "GNVTG,45.0,T,,M,30.0,N,55.6,K,A", "GPRMC,,V,,,,,,,,,,N"} {
		f.Add(sentence(body)+sentence(rmcBody), true)
		f.Add(body, false)
	}
	f.Add(`\s:r,c:1*20\`+sentence(rmcBody), true)
	f.Add(`{"class":"VERSION"}`, true)
	f.Fuzz(func(t *testing.T, text string, whole bool) {
		d := newDecoder()
		err := eachLine(strings.NewReader(text), func(line string) {
			if !whole {
				// Past the checksum, where the fields are read.
				line = sentence(strings.Map(func(r rune) rune {
					if r == '*' || r == '$' {
						return ','
					}
					return r
				}, strings.TrimSpace(line)))
			}
			d.line(line, nrd.Stamp{})
			fix := d.latest.fix
			if !fix.Known() {
				if fix.Latitude != 0 || fix.Longitude != 0 || fix.SpeedKnown {
					t.Errorf("no fix, but %+v", fix)
				}
				return
			}
			if !fix.Valid() || !reasonable(fix.Speed, 0, 1000) || !reasonable(fix.Course, 0, 360) || !reasonable(fix.HDOP, 0, 1000) || fix.Satellites < 0 {
				t.Errorf("%q gives %+v", line, fix)
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkSentence(b *testing.B) {
	d, text := newDecoder(), sentence(rmcBody)
	for b.Loop() {
		d.line(text, nrd.Stamp{})
	}
}
