package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// plan is all that is going to happen to a world: drawn from a seed, so that the
// same seed gives the same plan.
type plan struct {
	// lives are those of the unit's and of central's processes, in turn; each
	// ends with kill -9.
	unit, central []life
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
}

func (l life) String() string {
	s := l.lasts.String()
	if l.young {
		s += " young"
	}
	if l.point != "" {
		s += fmt.Sprintf(" %q, %d", l.point, l.count)
	}
	return s
}

// livesOf draws lives: a fifth end before they have properly begun, half are to
// end at a crash point.
func livesOf(rng *rand.Rand, side string, n int, mean time.Duration) []life {
	points := names(side)
	lives := make([]life, n)
	for i := range lives {
		l := &lives[i]
		l.lasts = min(time.Duration(rng.ExpFloat64()*float64(mean)), 4*mean).Round(time.Millisecond)
		switch rng.IntN(10) {
		case 0, 1:
			l.young = true
		case 2, 3, 4, 5, 6:
			l.point, l.count = points[rng.IntN(len(points))], 1+rng.IntN(6)
		}
	}
	return lives
}

// mixed draws a plan of everything; size is how many times the unit is killed.
func mixed(seed uint64, size int) plan {
	rng := rand.New(rand.NewPCG(seed, 0))
	return plan{
		unit:    livesOf(rng, "unit", size, 600*time.Millisecond),
		central: livesOf(rng, "central", 3*size, 500*time.Millisecond),
	}
}
