package access

import (
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// How many wrong passwords in a row are free, for an account and for an
// address. After that each costs twice the wait of the one before. An address
// may be a whole station behind one router.
const (
	freeForAccount = 5
	freeForAddress = 20
	longestWait    = 15 * time.Minute
	// forgetAfter without a try, an account or address starts anew.
	forgetAfter = time.Hour
	// mostTries bounds the memory that guessing can take.
	mostTries = 10_000
)

// throttle slows guessing of passwords, for each account and for each address.
type throttle struct {
	mu    sync.Mutex
	tries map[string]*tries
}

type tries struct {
	failed, turnedAway int
	last, until        time.Time
}

// begin charges a try to the account and the address, before the password is
// looked at, so that many tries at once do not slip through. It answers how
// long to wait instead, or how many were turned away since the last one.
func (t *throttle) begin(now time.Time, account, from string) (wait time.Duration, turnedAway int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	a, b := t.of(now, "account "+account), t.of(now, "address "+network(from))
	if wait = max(a.until.Sub(now), b.until.Sub(now)); wait > 0 {
		a.turnedAway++
		return wait.Round(time.Second) + time.Second, 0
	}
	turnedAway, a.turnedAway = a.turnedAway, 0
	a.charge(now, freeForAccount)
	b.charge(now, freeForAddress)
	return 0, turnedAway
}

func (x *tries) charge(now time.Time, free int) {
	x.failed++
	x.last = now
	if over := x.failed - free; over >= 0 {
		x.until = now.Add(min(longestWait, time.Second<<min(over, 20)))
	}
}

// succeeded gives back what begin charged: all of it to the account, one try to
// the address.
func (t *throttle) succeeded(account, from string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.tries, "account "+account)
	if b := t.tries["address "+network(from)]; b != nil {
		b.failed, b.until = b.failed-1, time.Time{}
	}
}

// of gives the tries of a key. When the table is full, the oldest go.
func (t *throttle) of(now time.Time, key string) *tries {
	if x := t.tries[key]; x != nil && now.Sub(x.last) < forgetAfter {
		return x
	}
	if len(t.tries) >= mostTries {
		t.forget()
	}
	x := &tries{last: now}
	t.tries[key] = x
	return x
}

// forget drops the quarter that was tried least recently, so that a full table
// is not searched at every try.
func (t *throttle) forget() {
	oldest := slices.SortedFunc(maps.Keys(t.tries), func(a, b string) int { return t.tries[a].last.Compare(t.tries[b].last) })
	for _, key := range oldest[:len(oldest)/4] {
		delete(t.tries, key)
	}
}

// network gives the part of an address that one guesser has: the address in
// IPv4, its /64 in IPv6.
func network(from string) string {
	host, _, err := net.SplitHostPort(from)
	if err != nil {
		host = from
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	bits := 32
	if ip = ip.Unmap(); ip.Is6() {
		bits = 64
	}
	prefix, err := ip.WithZone("").Prefix(bits)
	if err != nil {
		return host
	}
	return prefix.String()
}
