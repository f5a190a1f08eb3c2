package incab

import (
	"net/http"
	"testing"
	"time"

	"nrd"
)

// bar gives the status bar of a unit, by its parts.
func (c *cab) bar(of Status) map[string]light {
	c.Screen.mu.Lock()
	defer c.Screen.mu.Unlock()
	c.status = of
	by := map[string]light{}
	for _, l := range c.lights() {
		by[l.Part] = l
	}
	return by
}

func TestTheBarSaysWhichPartIsNotWell(t *testing.T) {
	c := newCab(t)
	c.stop() // no pulse asks the unit
	for part, text := range map[string]string{"camera": "No camera", "gps": "No GPS", "link": "No link", "clock": "Clock unproved", "lists": "No lists"} {
		if l := c.bar(Status{})[part]; l.State != "bad" || l.Text != text {
			t.Errorf("nothing is well: %+v", l)
		}
	}
	well := c.bar(c.unit)
	for part, text := range map[string]string{"camera": "Camera", "gps": "GPS", "link": "Link", "clock": "Clock", "lists": "Lists 2 h old", "backlog": "Backlog 3"} {
		if l := well[part]; l.State != "good" || l.Text != text {
			t.Errorf("all is well: %+v", l)
		}
	}
}

func TestABacklogOfMoreThanAHundredIsLate(t *testing.T) {
	c := newCab(t)
	c.stop()
	for waiting, state := range map[int]string{100: "good", 101: "late"} {
		if l := c.bar(Status{Waiting: waiting})["backlog"]; l.State != state {
			t.Errorf("%d wait: %+v", waiting, l)
		}
	}
}

func TestTheBarHasTheOldestListsAgeAndTheWorstListsColour(t *testing.T) {
	c := newCab(t)
	c.stop()
	list := func(age time.Duration, change ...func(*nrd.ListVersion)) nrd.ListVersion {
		l := nrd.ListVersion{List: "l", Issued: began.Add(-age)}
		for _, f := range change {
			f(&l)
		}
		return l
	}
	expired := func(l *nrd.ListVersion) { l.Expires = began.Add(-time.Minute) }
	amber, stale := time.Duration(c.Profile.AmberAfterHours)*time.Hour+time.Minute, time.Duration(c.Profile.StaleAfterHours)*time.Hour+time.Minute
	for what, row := range map[string]struct {
		lists []nrd.ListVersion
		state string
		age   time.Duration
	}{
		"all fresh":            {[]nrd.ListVersion{list(time.Hour), list(2 * time.Hour)}, "good", 2 * time.Hour},
		"one late":             {[]nrd.ListVersion{list(time.Hour), list(amber)}, "late", amber},
		"one stale":            {[]nrd.ListVersion{list(amber), list(stale), list(time.Hour)}, "bad", stale},
		"a young one, expired": {[]nrd.ListVersion{list(2 * time.Hour), list(time.Hour, expired)}, "late", 2 * time.Hour},
		"one from the future":  {[]nrd.ListVersion{list(-48 * time.Hour), list(2 * time.Hour)}, "bad", 2 * time.Hour},
	} {
		if l := c.bar(Status{Lists: row.lists})["lists"]; l.State != row.state || l.Text != "Lists "+age(row.age) {
			t.Errorf("%s: %+v", what, l)
		}
	}
}

// TestTheBarIsNotGreenWhileSomethingIsNotWell changes one thing of a unit that is well.
func TestTheBarIsNotGreenWhileSomethingIsNotWell(t *testing.T) {
	c := newCab(t)
	c.stop()
	stale := nrd.ListVersion{List: "l", Issued: began.Add(-time.Duration(c.Profile.StaleAfterHours)*time.Hour - time.Minute)}
	for what, row := range map[string]struct {
		is          func(*Status)
		part, state string
		text        string
	}{
		"a camera of two is dead":                  {func(s *Status) { s.Cameras = []Camera{{"front", true}, {"rear", false}} }, "camera", "bad", "No camera rear"},
		"both are dead":                            {func(s *Status) { s.Cameras = []Camera{{"front", false}, {"rear", false}} }, "camera", "bad", "No camera"},
		"a list is out of force, another is fresh": {func(s *Status) { s.Missing = []string{"national"} }, "lists", "bad", "Out of force: national"},
		"no list is in force, and one should be":   {func(s *Status) { s.Lists, s.Missing = nil, []string{"local", "national"} }, "lists", "bad", "Out of force: local, national"},
		"newer lists do not come":                  {func(s *Status) { s.Behind = true }, "lists", "late", "Lists 2 h old, updates fail"},
		"nor to a stale one":                       {func(s *Status) { s.Behind, s.Lists = true, []nrd.ListVersion{stale} }, "lists", "bad", "Lists " + age(stale.Age(began)) + ", updates fail"},
		"the buffer is full":                       {func(s *Status) { s.Losing = true }, "backlog", "bad", "Backlog 3, reads are not kept"},
	} {
		unit := c.unit
		row.is(&unit)
		if l := c.bar(unit)[row.part]; l.State != row.state || l.Text != row.text {
			t.Errorf("%s: %+v", what, l)
		}
	}
}

func TestMakeModelAndColourAreCutToFitTheirLine(t *testing.T) {
	for what, row := range map[string]struct{ colour, make, model, want string }{
		"what fits stays whole, to the last letter": {"TURQUOISES", "LAND-ROVER-X", "DISCOVERY SPOR", "TURQUOISES LAND-ROVER-X DISCOVERY SPOR"},
		"one letter more is cut and says so":        {"TURQUOISESX", "LAND-ROVER-XX", "DISCOVERY SPORT", "TURQUOISE… LAND-ROVER-… DISCOVERY SPO…"},
		"letters are counted, not bytes":            {"", "CITROËN BERL", "ŠKODA ŠKODA ŠK", "CITROËN BERL ŠKODA ŠKODA ŠK"},
		"what the list does not say leaves no gap":  {"BLUE", "", " FOCUS ", "BLUE FOCUS"},
	} {
		if got := vehicle(&nrd.Entry{Colour: row.colour, Make: row.make, Model: row.model}); got != row.want {
			t.Errorf("%s: %q, want %q", what, got, row.want)
		}
	}
}

func TestAHitOfAnotherDaySaysOfWhich(t *testing.T) {
	c := newCab(t)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh)))
	if at := c.alerts()[0].At; at != began.Local().Format("15:04:05") {
		t.Errorf("today: %q", at)
	}
	c.hand.Advance(7 * 24 * time.Hour)
	if at := c.alerts()[0].At; at != began.Local().Format("2 Jan 2006, 15:04:05") {
		t.Errorf("a week later: %q", at)
	}
}

func TestARepairedReadSaysHowItWasRead(t *testing.T) {
	c := newCab(t)
	rec := c.record("SL18CLO", hit("SL18CLO", nrd.PriorityHigh))
	rec.Read.Raw, rec.Read.Repaired = "SLIBCLO", true
	c.Recorded(rec)
	if a := c.alerts()[0]; a.ReadAs != "SLIBCLO" {
		t.Errorf("the hit is %+v", a)
	}
	c.stop()
	c.start()
	if a := c.alerts()[0]; a.ReadAs != "SLIBCLO" {
		t.Errorf("after a restart it is %+v", a)
	}
	c.Recorded(c.record("SL18CLO", hit("SL18CLO", nrd.PriorityHigh)), Telling{Times: 2})
	if a := c.alerts()[0]; a.ReadAs != "" {
		t.Errorf("its next read was whole, and the hit is %+v", a)
	}
}

func TestWithoutPicturesHitsAreShownWithoutThem(t *testing.T) {
	c := newCab(t)
	c.stop()
	c.plain = true
	c.start()
	b := c.onDutyAt("observer", "1234")
	lines := c.stream(b)
	rec := c.record("AB12CDE", hit("AB12CDE", nrd.PriorityHigh))
	rec.Patch, rec.Overview = nrd.Image{JPEG: []byte("patch")}, nrd.Image{JPEG: []byte("overview")}
	c.Recorded(rec)
	sees(t, lines, "the hit without pictures", has("AB12 CDE", `"patch":false`, `"overview":false`))
	for _, path := range []string{"/picture/1/patch", "/picture/1/overview"} {
		if status, text := c.get(b, path); status != http.StatusNotFound {
			t.Errorf("%s: %d %q", path, status, text)
		}
	}
}
