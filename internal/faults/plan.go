package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"nrd/internal/powercut"
)

// plan is all that is going to happen to a world: drawn from a seed, or written
// down for one kind of fault.
type plan struct {
	// unitDisk and centralDisk are the kinds of disk, quota the unit's, where it
	// is not the usual; rate how many records it makes a second.
	unitDisk, centralDisk, quota string
	rate                         int
	// broker says that mosquitto stands between the two.
	broker bool
	// receipts is in how many of 100 cases one comes twice, late, in another
	// order or not at all.
	receipts int
	// unit, central and brokers are the lives of the processes, in turn; each ends with
	// kill -9. Central's begin so long after the unit works.
	unit, central, brokers []life
	centralLate            time.Duration
	// troubles are what happens beside, each track in turn, when the unit works.
	troubles [][]trouble
	// hitsFirst says that all went in the order of the queue, and is checked.
	hitsFirst bool
	// dropsFirst says that the unit let go of reads before central had any, and
	// in which order is checked.
	dropsFirst bool
}

// life is how a process ends.
type life struct {
	// young says that it is killed so long after its start, and not after it
	// began to work.
	young bool
	lasts time.Duration
	// point is where it kills itself, if it comes there for the count-th time
	// before; "" for nowhere.
	point string
	count int
	// survival is what a disk with power cuts keeps of what was not fsynced.
	survival powercut.Survival
	// flips is how many bytes of the unit's buffer are corrupted afterwards,
	// reimaged that the buffer is taken away.
	flips    int
	reimaged bool
}

// trouble is a fault that lasts, after a while without.
type trouble struct {
	after time.Duration
	kind  string
	lasts time.Duration
}

func (l life) String() string {
	s := l.lasts.String()
	if l.young {
		s += " from its start"
	}
	if l.point != "" {
		s += fmt.Sprintf(", dies at %q, %d", l.point, l.count)
	}
	if l.survival != "" {
		s += ", " + string(l.survival) + " survives"
	}
	if l.flips > 0 {
		s += fmt.Sprintf(", %d bytes flipped", l.flips)
	}
	if l.reimaged {
		s += ", re-imaged"
	}
	return s
}

func (t trouble) String() string { return fmt.Sprintf("after %s %s for %s", t.after, t.kind, t.lasts) }

// mayDrop says that the plan gives the unit a reason to let go of records: no
// room, or a clock that says, with proof, that they are old.
func (p plan) mayDrop() bool {
	for _, track := range p.troubles {
		for _, t := range track {
			if t.kind == clockOf("unit", "ten years ahead") {
				return true
			}
		}
	}
	return p.quota != "" || p.unitDisk == smallDisk
}

// String tells the whole plan, a line for each life and trouble.
func (p plan) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "disks: unit %q, central %q; quota %q; %d records a second; broker %t; %d %% of receipts disturbed\n",
		p.unitDisk, p.centralDisk, p.quota, p.rate, p.broker, p.receipts)
	for _, side := range []struct {
		name  string
		lives []life
	}{{"unit", p.unit}, {"central", p.central}, {"broker", p.brokers}} {
		for i, l := range side.lives {
			fmt.Fprintf(&b, "%s, life %d: %s\n", side.name, i+1, l)
		}
	}
	for i, track := range p.troubles {
		for _, t := range track {
			fmt.Fprintf(&b, "track %d: %s\n", i+1, t)
		}
	}
	return b.String()
}

// draw draws lives: a fifth end before they have properly begun, half are to end
// at a crash point.
func draw(rng *rand.Rand, side string, n int, mean time.Duration) []life {
	points := names(side)
	lives := make([]life, n)
	for i := range lives {
		l := &lives[i]
		l.lasts = exponential(rng, mean)
		l.survival = powercut.Survivals[rng.IntN(len(powercut.Survivals))]
		switch chance := rng.IntN(10); {
		case chance < 2:
			l.young = true
		case chance < 7 && len(points) > 0:
			l.point, l.count = points[rng.IntN(len(points))], 1+rng.IntN(4)
			l.lasts = max(l.lasts, 2*mean) // or it seldom comes there
		}
	}
	return lives
}

func exponential(rng *rand.Rand, mean time.Duration) time.Duration {
	return min(time.Duration(rng.ExpFloat64()*float64(mean)), 4*mean).Round(time.Millisecond)
}

// troublesOf draws a track.
func troublesOf(rng *rand.Rand, kinds []string, n int, mean time.Duration) []trouble {
	track := make([]trouble, n)
	for i := range track {
		track[i] = trouble{exponential(rng, mean), kinds[rng.IntN(len(kinds))], exponential(rng, mean)}
	}
	return track
}

// mixed draws a plan of everything; size is how many times the unit is killed.
func mixed(seed uint64, size int) plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	disks := []string{plainDisk, cutDisk, smallDisk}
	p := plan{
		unitDisk: disks[rng.IntN(3)], centralDisk: disks[rng.IntN(3)], rate: 20 + rng.IntN(100),
		receipts: []int{0, 0, 20, 50}[rng.IntN(4)], broker: rng.IntN(4) == 0,
		unit: draw(rng, "unit", size, 600*time.Millisecond), central: draw(rng, "central", 3*size, 400*time.Millisecond),
	}
	if p.broker {
		p.brokers = draw(rng, "broker", size/3, time.Second)
	}
	if rng.IntN(4) == 0 {
		p.quota = "2MB"
	}
	p.troubles = append(p.troubles, troublesOf(rng, slices.Sorted(maps.Keys(evils)), size/3, 1500*time.Millisecond))
	others := []string{backlog}
	for way := range steppedBy {
		others = append(others, clockOf("unit", way), clockOf("central", way))
	}
	for side, kind := range map[string]string{"unit": p.unitDisk, "central": p.centralDisk} {
		if kind == smallDisk {
			others = append(others, fullDiskOf(side), fullDiskOf(side))
		}
	}
	slices.Sort(others)
	p.troubles = append(p.troubles, troublesOf(rng, others, size/5, 1500*time.Millisecond))
	for i := range p.unit {
		if rng.IntN(25) == 0 {
			p.unit[i].reimaged = true
		}
	}
	if p.unitDisk != cutDisk && rng.IntN(3) == 0 {
		p.unit[rng.IntN(len(p.unit))].flips = 1 + rng.IntN(3)
	}
	return p
}
