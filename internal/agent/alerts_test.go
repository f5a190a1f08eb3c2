package agent

import (
	"fmt"
	"testing"
	"time"

	"nrd"
)

func sighting(passage uint64, latitude float64, references ...string) *nrd.Record {
	r := &nrd.Record{
		Camera: nrd.Camera{Name: "front"}, Read: nrd.Read{VRM: "AB12CDE"}, Passage: nrd.Passage{Number: passage},
		Fix: nrd.Fix{Source: nrd.FixGPS, Latitude: latitude, Longitude: -1},
	}
	for _, ref := range references {
		r.Hits = append(r.Hits, nrd.Hit{List: nrd.ListVersion{List: "wanted"}, Entry: nrd.Entry{VRM: "AB12CDE", Reference: ref}})
	}
	return r
}

// TestAVehicleThatStaysIsOneAlertToldAgainByTimeAndPlace is the life of an alert;
// a thousandth of a degree of latitude is 111 m.
func TestAVehicleThatStaysIsOneAlertToldAgainByTimeAndPlace(t *testing.T) {
	a := &alerts{after: 5 * time.Minute, metres: 500, open: map[sighted]*alert{}}
	for _, c := range []struct {
		sentence string
		at       time.Duration
		rec      *nrd.Record
		times    int
		tell     bool
	}{
		{"the first time", 0, sighting(1, 51, "R1"), 1, true},
		{"the final record of that passage", time.Second, sighting(1, 51, "R1"), 1, true},
		{"parked, a minute later", time.Minute, sighting(2, 51, "R1"), 2, false},
		{"the final record of that one", time.Minute + time.Second, sighting(2, 51, "R1"), 2, false},
		{"followed for 400 m", 2 * time.Minute, sighting(3, 51.0036, "R1"), 3, false},
		{"followed for 600 m", 3 * time.Minute, sighting(4, 51.0054, "R1"), 4, true},
		{"another entry came to match", 4 * time.Minute, sighting(5, 51.0054, "R1", "R2"), 5, true},
		{"still there, 4:30 after it was told", 7*time.Minute + 30*time.Second, sighting(6, 51.0054, "R1"), 6, false},
		{"still there, more than 5 minutes after", 8*time.Minute + 30*time.Second, sighting(7, 51.0054, "R1"), 7, true},
		{"away for an hour, and back", 70 * time.Minute, sighting(8, 51.0054, "R1"), 1, true},
	} {
		if as := a.note(c.rec, c.at); as.Times != c.times || as.Now != c.tell {
			t.Errorf("%s: seen %d times, told %v; want %d, %v", c.sentence, as.Times, as.Now, c.times, c.tell)
		}
	}
}

func TestAnotherEntryOfAListWithoutReferencesIsToldAtOnce(t *testing.T) {
	a := &alerts{after: 5 * time.Minute, metres: 500, open: map[sighted]*alert{}}
	near, both := sighting(1, 51, ""), sighting(2, 51, "", "")
	near.Hits[0].Entry.VRM, both.Hits[0].Entry.VRM = "A812CDE", "A812CDE"
	a.note(near, 0)
	if as := a.note(both, time.Minute); !as.Now {
		t.Error("the vehicle matched nearly, and now exactly too: nobody is told")
	}
}

func TestAnAlertWithoutAPositionOrPassageNumberGoesByTimeAlone(t *testing.T) {
	a := &alerts{after: 5 * time.Minute, metres: 500, open: map[sighted]*alert{}}
	r := sighting(0, 0, "R1")
	r.Fix = nrd.Fix{}
	for n := range 4 {
		if as := a.note(r, time.Duration(n)*time.Minute); as.Times != n+1 || as.Now != (n == 0) {
			t.Errorf("minute %d: seen %d times, told %v", n, as.Times, as.Now)
		}
	}
}

func TestAlertsDoNotGrowWithoutEnd(t *testing.T) {
	a := &alerts{after: time.Hour, metres: 500, open: map[sighted]*alert{}}
	for n := range maxAlerts + 100 {
		a.note(sighting(1, 51, fmt.Sprint(n)), time.Duration(n)*time.Millisecond)
	}
	if len(a.open) > maxAlerts {
		t.Errorf("%d are remembered", len(a.open))
	}
	if as := a.note(sighting(2, 51, fmt.Sprint(maxAlerts+99)), time.Minute); as.Now {
		t.Error("the newest was forgotten")
	}
}
