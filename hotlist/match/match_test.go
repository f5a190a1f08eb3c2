package match

import (
	"slices"
	"testing"
	"time"

	"nrd"
)

var noon = time.Date(2026, time.November, 23, 12, 0, 0, 0, time.UTC)

func profile(t *testing.T) nrd.Profile {
	t.Helper()
	p, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func proved(at time.Time) nrd.Stamp { return nrd.Stamp{UTC: at, Proved: true} }

func TestANearMarkDiffersInOneLookAlikeOnly(t *testing.T) {
	p := profile(t)
	p.LookAlikes, p.NearDifferences = []string{"0OQ", "8B", "B3"}, 1
	got := NewLookAlikes(p).Near("AB0")
	slices.Sort(got)
	if want := []nrd.VRM{"A30", "A80", "ABO", "ABQ"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := NewLookAlikes(p).Near("XYX"); got != nil {
		t.Errorf("without a look-alike: %v", got)
	}
}

func TestTwoDifferencesAreTheMostThatAnyProfileGets(t *testing.T) {
	p := profile(t)
	p.LookAlikes, p.NearDifferences = []string{"8B"}, 3
	got := NewLookAlikes(p).Near("888")
	if want := []nrd.VRM{"B88", "8B8", "88B", "BB8", "B8B", "8BB"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestEveryNearMarkComesOnceAndIsNotTheRead(t *testing.T) {
	p := profile(t)
	p.NearDifferences = 2
	for _, v := range []nrd.VRM{"AB12CDE", "0O1IL", "5S", "B"} {
		seen := map[nrd.VRM]bool{v: true}
		for _, n := range NewLookAlikes(p).Near(v) {
			if d := differences(v, n); seen[n] || len(n) != len(v) || len(d) < 1 || len(d) > 2 {
				t.Errorf("%s gives %s, which differs in %v (seen before: %v)", v, n, d, seen[n])
			}
			seen[n] = true
		}
	}
}

func TestAProfileWithoutClassesOrDifferencesMatchesNothingNearly(t *testing.T) {
	p := profile(t)
	if NewLookAlikes(p).None() {
		t.Error("the default profile has none")
	}
	p.NearDifferences = 0
	if l := NewLookAlikes(p); !l.None() || l.Near("808") != nil {
		t.Error("no difference is allowed, and there are some")
	}
	p.NearDifferences, p.LookAlikes = 1, nil
	if !NewLookAlikes(p).None() {
		t.Error("there are look-alikes without classes")
	}
}

func TestANearHitSaysSoAndShowsWhichCharactersDiffer(t *testing.T) {
	hits := Hits([]nrd.Entry{{VRM: "AB12CDE"}, {VRM: "A812CDE"}, {VRM: "A8I2CDE"}}, "AB12CDE", Moment{Now: proved(noon), Profile: profile(t)})
	if len(hits) != 3 {
		t.Fatalf("got %d hits", len(hits))
	}
	for i, want := range []struct {
		match   nrd.MatchKind
		differs []int
	}{{nrd.MatchExact, nil}, {nrd.MatchNear, []int{1}}, {nrd.MatchNear, []int{1, 2}}} {
		if h := hits[i]; h.Match != want.match || !slices.Equal(h.Differs, want.differs) {
			t.Errorf("%s: %s in %v, want %s in %v", h.Entry.VRM, h.Match, h.Differs, want.match, want.differs)
		}
	}
}

func TestTheHighestPriorityComesFirstAndThenTheExactOne(t *testing.T) {
	hits := []nrd.Hit{
		{Entry: nrd.Entry{Reference: "low", Priority: nrd.PriorityLow}},
		{Entry: nrd.Entry{Reference: "high, near", Priority: nrd.PriorityHigh}, Differs: []int{0}},
		{Entry: nrd.Entry{Reference: "high", Priority: nrd.PriorityHigh}},
	}
	Sort(hits)
	for i, want := range []string{"high", "high, near", "low"} {
		if hits[i].Entry.Reference != want {
			t.Errorf("place %d: %s, want %s", i, hits[i].Entry.Reference, want)
		}
	}
}

// TestAClockCannotMakeAListFresherThanItIs is a table of what the list of noon is
// worth by clocks of all kinds, and whether an entry that is in force to the 24th
// still matches.
func TestAClockCannotMakeAListFresherThanItIs(t *testing.T) {
	in1970, in2099 := time.Unix(0, 0).UTC(), time.Date(2099, time.January, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		sentence string
		now      nrd.Stamp
		want     nrd.Freshness
		matches  bool
	}{
		{"an hour later, proved", proved(noon.Add(time.Hour)), nrd.Fresh, true},
		{"past the list's expiry", proved(noon.Add(10 * time.Hour)), nrd.Amber, true},
		{"past the profile's limit", proved(noon.Add(25 * time.Hour)), nrd.Stale, true},
		{"past the entry's last day", proved(noon.Add(36 * time.Hour)), nrd.Stale, false},
		{"an hour later, not proved", nrd.Stamp{UTC: noon.Add(time.Hour)}, nrd.Amber, true},
		{"past the limit, not proved", nrd.Stamp{UTC: noon.Add(25 * time.Hour)}, nrd.Stale, true},
		{"in 1970, not proved", nrd.Stamp{UTC: in1970}, nrd.Stale, true},
		{"in 1970, proved", proved(in1970), nrd.Stale, true},
		{"in 2099, not proved", nrd.Stamp{UTC: in2099}, nrd.Stale, true},
		{"in 2099, proved", proved(in2099), nrd.Stale, false},
		{"half a year later, not proved", nrd.Stamp{UTC: noon.AddDate(0, 6, 0)}, nrd.Stale, false},
		{"in 2099, and known to be 72 years ahead", nrd.Stamp{UTC: in2099, Proved: true, ClockError: in2099.Sub(noon) - time.Hour}, nrd.Fresh, true},
		{"in 1970, and known to be behind", nrd.Stamp{UTC: in1970, Proved: true, ClockError: in1970.Sub(noon) - 36*time.Hour}, nrd.Stale, false},
	} {
		e := nrd.Entry{VRM: "A1", Weed: time.Date(2026, time.November, 24, 0, 0, 0, 0, time.UTC)}
		m := Moment{List: nrd.ListVersion{List: "wanted", Issued: noon}, Now: c.now, Profile: profile(t), Good: noon.Add(-time.Hour)}
		if got := m.Profile.ListFreshness(m.List, m.Now); got != c.want {
			t.Errorf("%s: the list is %s, want %s", c.sentence, got, c.want)
		}
		hits := Hits([]nrd.Entry{e}, "A1", m)
		if (len(hits) == 1) != c.matches {
			t.Errorf("%s: %d hits", c.sentence, len(hits))
		}
		for _, h := range hits {
			if h.Freshness != c.want || h.VerifyBeforeStop() != (c.want == nrd.Stale) {
				t.Errorf("%s: the hit says %s, to be verified %v", c.sentence, h.Freshness, h.VerifyBeforeStop())
			}
		}
	}
	e, m := nrd.Entry{VRM: "A1", Weed: noon}, Moment{Now: nrd.Stamp{UTC: in2099}, Profile: profile(t)}
	if hits := Hits([]nrd.Entry{e}, "A1", m); len(hits) != 0 {
		t.Errorf("without a good time to go by: %d hits", len(hits))
	}
	if m.Good = noon.AddDate(0, 0, 2); len(Hits([]nrd.Entry{e}, "A1", m)) != 0 {
		t.Error("an entry that had expired at the last good time matches")
	}
	if h := (&nrd.Hit{}); !h.VerifyBeforeStop() {
		t.Error("a hit that nobody judged calls for action")
	}
}

func FuzzNear(f *testing.F) {
	f.Add("AB12CDE", "0ODQ", 1)
	f.Add("88888888", "8B", 2)
	f.Fuzz(func(t *testing.T, mark, class string, most int) {
		v, err := nrd.ParseVRM(mark)
		if err != nil {
			return
		}
		for _, n := range NewLookAlikes(nrd.Profile{LookAlikes: []string{class}, NearDifferences: most}).Near(v) {
			if d := differences(v, n); len(n) != len(v) || len(d) < 1 || len(d) > 2 {
				t.Fatalf("%s gives %s", v, n)
			}
		}
	})
}
