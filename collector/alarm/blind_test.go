package alarm

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"nrd"
)

// road is a camera's traffic: mean reads in each hour of a week.
type road func(local time.Time) float64

// street is a road that is busy by day, quiet at night and quieter on Sundays,
// with so many reads an hour at its peak.
func street(peak float64) road {
	return func(at time.Time) float64 {
		day := 0.5 - 0.5*math.Cos(2*math.Pi*(float64(at.Hour())-2)/24)
		if at.Weekday() == time.Sunday {
			day *= 0.6
		}
		return peak * (0.02 + 0.98*day*day)
	}
}

// simulation drives one camera minute by minute through the very code that
// judges, without a store.
type simulation struct {
	watch  *Watch
	known  *watched
	random *rand.Rand
	now    time.Time
	status nrd.Status
}

func newSimulation(t *testing.T, seed uint64) *simulation {
	t.Helper()
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	// The clocks go back on 25 October.
	return &simulation{
		watch: &Watch{Zone: zone}, known: &watched{standing: map[string]bool{}, traffic: newTraffic()},
		random: rand.New(rand.NewPCG(seed, 1)), now: time.Date(2026, 9, 28, 0, 0, 0, 0, time.UTC),
	}
}

func (s *simulation) poisson(mean float64) uint64 {
	n, p := uint64(0), math.Exp(-mean)
	for sum, u := p, s.random.Float64(); u > sum && n < 1000; {
		n++
		p *= mean / float64(n)
		sum += p
	}
	return n
}

// run lets time pass; share of the road's reads are made. It gives how long the
// alarm stood, and after how long it was raised first (-1: never).
func (s *simulation) run(d time.Duration, r road, share float64) (stood, first time.Duration) {
	first = -1
	for passed := time.Duration(0); passed < d; passed += time.Minute {
		s.now = s.now.Add(time.Minute)
		s.status.At = s.now
		s.status.Frames += 600
		s.status.Reads += s.poisson(share * r(s.now.In(s.watch.Zone)) / 60)
		now := s.status
		if h, ok := s.known.traffic.add(&now, s.now); ok {
			h.Blind = h.Blind || s.known.standing[Blind]
			s.known.traffic.hours[hourOf(h.Hour)] = h
		}
		if f := s.watch.blind(s.known, s.now); !f.unknown {
			s.known.standing[Blind] = f.text != ""
		}
		if s.known.standing[Blind] {
			stood += time.Minute
			if first < 0 {
				first = passed
			}
		}
	}
	return stood, first
}

const week = 7 * 24 * time.Hour

func TestOrdinaryTrafficIsNeverTakenForBlindness(t *testing.T) {
	for peak, name := range map[float64]string{2: "a lane", 40: "a village", 900: "a main road"} {
		t.Run(name, func(t *testing.T) {
			s := newSimulation(t, uint64(peak))
			if stood, _ := s.run(8*week, street(peak), 1); stood != 0 {
				t.Errorf("in eight ordinary weeks it stood for %s", stood)
			}
			if stood, _ := s.run(24*time.Hour, street(peak), 0.4); stood != 0 {
				t.Errorf("on a bank holiday it stood for %s", stood)
			}
			if stood, _ := s.run(week, street(peak), 1); stood != 0 {
				t.Errorf("in the week after it stood for %s", stood)
			}
		})
	}
}

func TestBlindnessIsSeenAsSoonAsTheRoadAllows(t *testing.T) {
	for name, c := range map[string]struct {
		peak  float64
		hour  int // at which the camera goes blind
		share float64
		most  time.Duration
	}{
		"a main road by day":                   {900, 11, 0, time.Hour + 10*time.Minute},
		"a main road, dirt lets a few through": {900, 11, 0.02, time.Hour + 10*time.Minute},
		"a main road at night":                 {900, 1, 0, 3 * time.Hour},
		"a village by day":                     {40, 11, 0, 3 * time.Hour},
		"a lane":                               {2, 8, 0, 24 * time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSimulation(t, 7)
			s.run(6*week+time.Duration(c.hour)*time.Hour, street(c.peak), 1)
			_, first := s.run(24*time.Hour, street(c.peak), c.share)
			if first < 0 || first > c.most {
				t.Errorf("it was seen after %s, want within %s", first, c.most)
			}
			// Cleared by itself, and the blind hours are no measure for next week.
			s.run(12*time.Hour, street(c.peak), 1)
			if s.known.standing[Blind] {
				t.Error("it still stands half a day after it sees again")
			}
			s.run(week-36*time.Hour, street(c.peak), 1)
			if _, first = s.run(24*time.Hour, street(c.peak), 0); first < 0 || first > c.most {
				t.Errorf("a week later it was seen after %s, want within %s", first, c.most)
			}
		})
	}
}

func TestFewWeeksOrManyDifferencesProveLess(t *testing.T) {
	many := []float64{30, 30, 30, 30, 30, 30, 30, 30}
	few := []float64{30, 30, 30, math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()}
	uneven := []float64{5, 55, 5, 55, 5, 55, 5, 55}
	if a, b, c := unlikely(0, many), unlikely(0, few), unlikely(0, uneven); !(a < b && a < c && a < chance && c > chance) {
		t.Errorf("eight weeks %g, three %g, uneven ones %g", a, b, c)
	}
	// A Poisson count of mean 30 is 20 or less in 3.5 % of cases; with the rate
	// known from eight weeks only, a little more often.
	if p := unlikely(20, many); p < 0.035 || p > 0.06 {
		t.Errorf("20 where 30 are usual: %g", p)
	}
	if p := unlikely(30, many); p < 0.4 || p > 0.7 {
		t.Errorf("30 where 30 are usual: %g", p)
	}
}

func TestAGapInTheStatusesIsNoHour(t *testing.T) {
	s := newSimulation(t, 1)
	s.run(time.Hour, street(600), 1)
	before := s.known.traffic.hours[hourOf(s.now.Add(-time.Minute))]
	s.now = s.now.Add(5 * time.Hour)
	s.status.Reads += 3000 // it went on, unheard
	s.run(time.Minute, street(600), 1)
	if h := s.known.traffic.hours[hourOf(s.now)]; h.Covered != 0 || h.Reads != 0 || before.Covered < 50*time.Minute {
		t.Errorf("the hour after the gap is %+v, the one before %+v", h, before)
	}
	s.status.Frames, s.status.Reads = 0, 0 // a new start of the agent
	s.run(time.Minute, street(0), 1)
	if h := s.known.traffic.hours[hourOf(s.now)]; h.Covered != time.Minute || h.Frames != 600 {
		t.Errorf("after a new start %+v", h)
	}
}
