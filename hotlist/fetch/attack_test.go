package fetch

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nrd"
	"nrd/collector/publish"
	"nrd/internal/trust"
)

// recorder remembers what the publisher answers each device with, to be played
// again later.
type recorder map[string]*httptest.ResponseRecorder

// record has the answers remembered.
func (s *site) record() recorder {
	r := recorder{}
	s.answers(func(w http.ResponseWriter, q *http.Request) {
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(deadlines{answer}, q)
		r[q.URL.Path] = answer
		send(w, answer)
	})
	return r
}

// deadlines is a recorder for a handler that sets some.
type deadlines struct{ *httptest.ResponseRecorder }

func (deadlines) SetWriteDeadline(time.Time) error { return nil }

func send(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for key, values := range answer.Header() {
		w.Header()[key] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes()) //nolint:errcheck // the unit will say
}

// play answers from memory where it can and says nothing else.
func (s *site) play(r recorder) {
	s.answers(func(w http.ResponseWriter, q *http.Request) {
		if answer := r[q.URL.Path]; answer != nil {
			send(w, answer)
			return
		}
		http.NotFound(w, q)
	})
}

// attacked is a unit that holds version 1 of a list, whose publication was
// recorded.
func attacked(t *testing.T) (*site, *car, recorder) {
	s := newSite(t, "car-1", "car-2")
	s.publish("wanted", 1, crowd(50, entry("AB12CDE", "R1"))...)
	r := s.record()
	c := s.car("car-1")
	c.sync()
	s.answers(nil)
	return s, c, r
}

// refuses syncs and wants an error; what the unit holds must stay.
func (c *car) refuses(want error, what string) {
	c.t.Helper()
	before := c.has("AB12CDE")
	_, err := c.Sync(c.t.Context())
	mustFail(c.t, err, want, what)
	c.want("AB12CDE", before)
}

func TestAnOlderListThatIsPlayedAgainIsRefused(t *testing.T) {
	s, c, old := attacked(t)
	s.publish("wanted", 2, crowd(50, entry("AB12CDE", "R2"))...)
	c.sync()
	c.want("AB12CDE", "R2 of wanted 2")
	s.play(old)
	c.refuses(trust.ErrOlder, "the publication before")
	c.restart(func() {
		must(t, os.RemoveAll(c.file("trust")))
		must(t, os.RemoveAll(c.file("lists")))
	})
	c.refuses(trust.ErrOlder, "the publication before, on a unit whose caches were emptied")
	s.answers(nil)
	c.sync()
	c.want("AB12CDE", "R2 of wanted 2")
}

func TestAFrozenRepositoryShowsItselfAndTheListGrowsOld(t *testing.T) {
	s, c, old := attacked(t)
	s.play(old)
	c.sync() // nothing is wrong yet
	c.clock.Advance(trust.Life + time.Hour)
	c.clock.Prove(nrd.ClockNTP, 0)
	c.refuses(trust.ErrFrozen, "a day later")
	hits, err := c.Cache.Match("AB12CDE")
	if err != nil || len(hits) != 1 || hits[0].Freshness == nrd.Fresh {
		t.Errorf("the list counts as %+v, %v", hits, err)
	}
	s.answers(nil)
	c.refuses(trust.ErrFrozen, "central has not signed since")
	s.clock.Set(c.clock.Now())
	must(t, s.Initialize(t.Context()))
	c.sync()
}

func TestMetadataThatAnotherKeyHasSignedIsRefused(t *testing.T) {
	s, c, _ := attacked(t)
	// Another root of the same site, which the CA did not vouch for at this unit.
	other := newSite(t, "car-1")
	other.publish("wanted", 9, entry("AB12CDE", "forged"))
	handler := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, trust.PathSalt) {
			s.Handler().ServeHTTP(w, q)
			return
		}
		other.Handler().ServeHTTP(w, q)
	})
	s.answers(handler)
	c.refuses(trust.ErrUntrusted, "another site's repository")
	c.restart(func() { must(t, os.RemoveAll(c.file("trust"))) })
	c.refuses(trust.ErrUntrusted, "another site's repository, and its root too")
	// A bit of each kind of metadata that is not what was signed.
	for _, file := range []string{"timestamp.json", ".snapshot.json", ".targets.json", ".lists.json", ".root.json", "root.sig"} {
		c.restart(func() { must(t, os.RemoveAll(c.file("trust"))) })
		s.answers(func(w http.ResponseWriter, q *http.Request) {
			answer := httptest.NewRecorder()
			s.Handler().ServeHTTP(deadlines{answer}, q)
			if strings.HasSuffix(q.URL.Path, file) && answer.Code == http.StatusOK {
				text := bytes.Replace(answer.Body.Bytes(), []byte(`"version":`), []byte(`"version":1`), 1)
				if file == "root.sig" {
					text[len(text)-1] ^= 1
				}
				answer.Body = bytes.NewBuffer(text)
			}
			send(w, answer)
		})
		c.refuses(trust.ErrUntrusted, file)
	}
}

func TestVersionsThatDoNotBelongTogetherAreRefused(t *testing.T) {
	s, c, old := attacked(t)
	s.clock.Advance(time.Minute)
	s.publish("wanted", 2, crowd(50, entry("AB12CDE", "R2"))...)
	// What central says now, under the names of what it says now, but some of it
	// what it said then.
	for _, part := range []string{".snapshot.json", ".lists.json", "own role"} {
		s.answers(func(w http.ResponseWriter, q *http.Request) {
			name := filepath.Base(q.URL.Path)
			kind := name[strings.IndexByte(name, '.')+1:]
			common, _ := trust.Common(name)
			if strings.HasSuffix(name, part) || (part == "own role" && strings.HasSuffix(name, ".json") && !common) {
				for path, answer := range old {
					if strings.HasSuffix(path, "."+kind) {
						send(w, answer)
						return
					}
				}
			}
			s.Handler().ServeHTTP(w, q)
		})
		c.refuses(trust.ErrUntrusted, part)
	}
	s.answers(nil)
	c.sync()
	c.want("AB12CDE", "R2 of wanted 2")
}

// endless gives bytes for as long as somebody takes them.
type endless struct{ given atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	e.given.Add(int64(len(p)))
	return len(p), nil
}

func TestAnAnswerWithoutEndIsLeftSoon(t *testing.T) {
	s, c, _ := attacked(t)
	s.publish("wanted", 2, crowd(50, entry("AB12CDE", "R2"))...)
	for _, part := range []string{trust.PathSalt, "timestamp.json", ".snapshot.json", ".targets.json", ".lists.json", "2.root.json", ".delta", ".snapshot"} {
		e := &endless{}
		s.answers(func(w http.ResponseWriter, q *http.Request) {
			if !strings.HasSuffix(q.URL.Path, part) {
				s.Handler().ServeHTTP(w, q)
				return
			}
			io.Copy(w, e) //nolint:errcheck // the unit hangs up
		})
		if part == ".snapshot" {
			must(t, c.Cache.Remove("wanted"))
		}
		_, err := c.Sync(t.Context())
		if !errors.Is(err, trust.ErrTooLong) || e.given.Load() > 64<<20 {
			t.Errorf("%s: %v after %d bytes", part, err, e.given.Load())
		}
		if parts, err := filepath.Glob(c.file("trust/*.part")); err != nil || len(parts) > 0 {
			t.Errorf("%s: %v stay", part, parts)
		}
	}
	s.answers(nil)
	c.sync()
	c.want("AB12CDE", "R2 of wanted 2")
}

func TestAnotherDevicesTargetsAreNeitherGivenNorTaken(t *testing.T) {
	s, c, _ := attacked(t)
	must(t, s.Publish(t.Context(), publish.List{Name: "secret", Version: 1, Made: noon, Recipients: []string{"car-2"}}, all(crowd(9, entry("AB12CDE", "secret")))))
	two := s.record()
	other := s.car("car-2")
	other.sync()
	other.want("AB12CDE", "R1 of wanted 1, secret of secret 1")
	s.answers(nil)
	// What car-2 was given, asked for by car-1: as if it did not exist.
	asked := 0
	for path := range two {
		common, _ := trust.Common(filepath.Base(path))
		if common || strings.HasSuffix(path, trust.PathSalt) {
			continue
		}
		asked++
		if code := c.get(path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if asked < 3 {
		t.Errorf("only %d addresses were car-2's own", asked)
	}
	// All that car-2 was given, given to car-1.
	s.play(two)
	c.refuses(trust.ErrUntrusted, "another device's role")
	for name, text := range s.everything(two) {
		for _, secret := range []string{"secret", "wanted", "car-1", "car-2"} {
			if common, _ := trust.Common(name); common && strings.Contains(text, secret) {
				t.Errorf("%s names %q", name, secret)
			}
		}
	}
}

// everything gives what was recorded, by the last part of its address.
func (*site) everything(r recorder) map[string]string {
	all := map[string]string{}
	for path, answer := range r {
		all[filepath.Base(path)] = answer.Body.String()
	}
	return all
}

// get asks the publisher with the unit's certificate.
func (c *car) get(path string) int {
	c.t.Helper()
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: c.credential.TLS(), DisableKeepAlives: true}}
	q, err := http.NewRequestWithContext(context.Background(), http.MethodGet, strings.TrimSuffix(c.site.address, publish.Path)+path, nil)
	must(c.t, err)
	answer, err := client.Do(q)
	must(c.t, err)
	must(c.t, answer.Body.Close())
	return answer.StatusCode
}

func TestAClockIn1970Or2099NeitherStopsASyncNorMakesOldMetadataGood(t *testing.T) {
	for _, year := range []int{1970, 2099} {
		s, c, old := attacked(t)
		must(t, c.credential.KeepTime())
		s.publish("wanted", 2, crowd(50, entry("AB12CDE", "R2"))...)
		c.restart(func() {
			c.clock.Set(time.Date(year, 1, 2, 3, 4, 5, 0, time.UTC))
			c.clock.Doubt()
		})
		c.sync()
		c.want("AB12CDE", "R2 of wanted 2")
		// A clock that is wrong and vouched for: nothing is taken, nothing is lost.
		if year == 2099 {
			c.clock.Prove(nrd.ClockGPS, 0)
			_, err := c.Sync(t.Context())
			if err == nil {
				t.Error("with a GPS that says 2099 a publication of today is taken")
			}
			c.want("AB12CDE", "R2 of wanted 2")
		}
		// Three days later, by a time that was proved once.
		c.clock.Set(noon.Add(3 * 24 * time.Hour))
		c.clock.Prove(nrd.ClockNTP, 0)
		must(t, c.credential.KeepTime())
		c.restart(func() {
			c.clock.Set(time.Date(year, 1, 2, 3, 4, 5, 0, time.UTC))
			c.clock.Doubt()
			must(t, os.Remove(c.file("floors")))
		})
		s.play(old)
		c.refuses(trust.ErrFrozen, "old metadata")
	}
}

func TestWhatIsKeptOfTheRepositoryMayBeCutOrGarbled(t *testing.T) {
	s, c, _ := attacked(t)
	for _, name := range []string{"trust/root", "floors"} {
		whole, err := os.ReadFile(c.file(name))
		must(t, err)
		for what, text := range map[string][]byte{
			"empty": nil, "cut in half": whole[:len(whole)/2], "one byte short": whole[:len(whole)-1], "zeros": make([]byte, len(whole)), "a byte": {'{'},
		} {
			c.restart(func() { must(t, os.WriteFile(c.file(name), text, 0o600)) })
			if _, err := c.Sync(t.Context()); err != nil {
				t.Errorf("%s %s: %v", name, what, err)
			}
			c.want("AB12CDE", "R1 of wanted 1")
		}
	}
	s.publish("wanted", 2, crowd(50, entry("AB12CDE", "R2"))...)
	c.sync()
	c.want("AB12CDE", "R2 of wanted 2")
}

func TestAStolenOnlineKeyCountsForNothingOnceTheRootNamesAnother(t *testing.T) {
	s, c, old := attacked(t)
	s.clock.Advance(time.Minute)
	must(t, trust.Renew(s.file("trust"), true, s.clock.Now()))
	s.open()
	s.publish("wanted", 2, crowd(50, entry("AB12CDE", "R2"))...)
	c.sync()
	c.want("AB12CDE", "R2 of wanted 2")
	s.play(old)
	c.refuses(trust.ErrUntrusted, "what the key of before has signed")
}

func TestTheRootNeedsAsManyKeysAsItWasMadeWith(t *testing.T) {
	s := newSite(t, "car-1")
	must(t, os.Rename(s.file("trust/root-1.key"), s.file("one")))
	must(t, trust.Renew(s.file("trust"), false, noon))
	must(t, os.Rename(s.file("trust/root-2.key"), s.file("two")))
	mustFail(t, trust.Renew(s.file("trust"), false, noon), trust.ErrKeys, "one of three keys")
	mustFail(t, trust.Init(s.file("trust"), 3, 2, s.ca.SignRoot, noon), trust.ErrExists, "a second time")
	s.open()
	s.publish("wanted", 1, entry("AB12CDE", "R1"))
	c := s.car("car-1")
	c.sync()
	c.want("AB12CDE", "R1 of wanted 1")
}

func TestAListThatIsNotWhatItsMetadataSaysIsNotTaken(t *testing.T) {
	s, c, _ := attacked(t)
	s.publish("wanted", 2, crowd(50, entry("AB12CDE", "R2"))...)
	s.answers(func(w http.ResponseWriter, q *http.Request) {
		answer := httptest.NewRecorder()
		s.Handler().ServeHTTP(deadlines{answer}, q)
		if strings.HasSuffix(q.URL.Path, ".delta") || strings.HasSuffix(q.URL.Path, ".snapshot") {
			answer.Body.Bytes()[answer.Body.Len()/2] ^= 1
		}
		send(w, answer)
	})
	c.refuses(trust.ErrUntrusted, "a bit changed on the way")
}
