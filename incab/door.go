package incab

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"math/big"
	"net/http"
	"slices"
	"time"

	"nrd"
)

// role is the seat that a tablet was paired for.
type role string

const (
	driver   role = "driver"
	observer role = "observer"
)

// tablet is a paired one. Session is the SHA-256 of its cookie, in hexadecimal.
type tablet struct {
	Session string
	Role    role
	Paired  time.Time
	Officer *nrd.Officer // nil while nobody is signed on
	// SignedOn counts all sign-ons at the unit, so that no clock that jumps changes
	// their order; this is the newest here.
	SignedOn uint64
	// Confirmed is when the officer last said to be on duty, by the monotonic clock
	// of the start of the unit that Boot names.
	Confirmed time.Duration
	Boot      string
}

// door lets a tablet in that has the code.
type door struct {
	code  string // "" for none
	role  role
	until time.Duration // by the monotonic clock
	wrong int
}

const (
	cookie     = "__Host-nrd-incab"
	codeGood   = 2 * time.Minute
	mostWrong  = 5
	mostPaired = 8
)

// Invitation is what the person at the unit needs to pair one tablet.
type Invitation struct {
	Code        string        `json:"code"` // six digits, good once
	Good        time.Duration `json:"good_ns"`
	Address     string        `json:"address"`
	Fingerprint string        `json:"fingerprint"` // SHA-256 of the certificate, in hexadecimal
	// Issuer is that of the issuer that a tablet may be told to trust, "" where the
	// certificate was given.
	Issuer string `json:"issuer,omitempty"`
}

// Pair draws a code by which the next tablet is let in for a seat, driver or
// observer; an earlier code is good no more. The errors are ErrRole and
// ErrTablets.
func (s *Screen) Pair(seat string) (Invitation, error) {
	if r := role(seat); r != driver && r != observer {
		return Invitation{}, fmt.Errorf("%w, not %q", ErrRole, seat)
	}
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000))
	if err != nil {
		return Invitation{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.state.Tablets) >= mostPaired {
		return Invitation{}, ErrTablets
	}
	s.door = door{code: fmt.Sprintf("%06d", n), role: role(seat), until: s.Clock.Stamp().Monotonic + codeGood}
	i := Invitation{Code: s.door.code, Good: codeGood, Address: s.address(), Fingerprint: fingerprint(s.own.Certificate[0])}
	if s.Certificate == nil {
		i.Issuer = fingerprint(s.state.Issuer)
	}
	return i, nil
}

func fingerprint(der []byte) string {
	digest := sha256.Sum256(der)
	return hex.EncodeToString(digest[:])
}

// Forget ends every pairing and gives how many there were. Officers that were
// signed on are signed off.
func (s *Screen) Forget() (int, error) {
	n := 0
	err := s.change(func() error {
		n = len(s.state.Tablets)
		for _, t := range s.state.Tablets {
			if t.Officer != nil {
				s.later(t, nrd.OfficerEvent{Action: nrd.OfficerSignedOff}, nil)
				t.Officer = nil
			}
		}
		s.state.Tablets, s.door = nil, door{}
		return nil
	})
	s.deliver()
	return n, err
}

var errCode = refusal{403, "This code is not good. A code is good once, for two minutes: ask for a new one at the unit."}

// enter gives a session for the code. The refusal is the same for every wrong, late
// or used one; what cannot be kept uses no code up.
func (s *Screen) enter(code string) (session string, err error) {
	s.mu.Lock()
	if s.door.code != "" && s.Clock.Stamp().Monotonic > s.door.until {
		s.door = door{}
	}
	if s.door.code == "" || subtle.ConstantTimeCompare([]byte(code), []byte(s.door.code)) != 1 {
		if s.door.wrong++; s.door.wrong >= mostWrong {
			s.door = door{}
		}
		s.mu.Unlock()
		return "", errCode
	}
	used := s.door
	session = rand.Text()
	t := &tablet{Session: hashed(session), Role: used.role, Paired: s.Clock.Now()}
	s.state.Tablets = append(s.state.Tablets, t)
	s.door = door{}
	s.mu.Unlock()
	if err := s.save(); err == nil {
		return session, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Tablets = slices.DeleteFunc(s.state.Tablets, func(other *tablet) bool { return other == t })
	if s.door.code == "" {
		s.door = used
	}
	return "", errNotKept
}

func hashed(session string) string {
	digest := sha256.Sum256([]byte(session))
	return hex.EncodeToString(digest[:])
}

// tablet gives the paired tablet that a request comes from, nil for any other.
func (s *Screen) tablet(r *http.Request) *tablet {
	c, err := r.Cookie(cookie)
	if err != nil {
		return nil
	}
	session := hashed(c.Value)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.state.Tablets, func(t *tablet) bool {
		return subtle.ConstantTimeCompare([]byte(t.Session), []byte(session)) == 1
	})
	if i < 0 {
		return nil
	}
	return s.state.Tablets[i]
}

// paired reports whether a tablet has not been forgotten. The lock is held.
func (s *Screen) paired(t *tablet) bool { return slices.Contains(s.state.Tablets, t) }
