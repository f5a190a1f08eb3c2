package fetch

import (
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"nrd"
	"nrd/collector/publish"
)

// cutting is an answer whose connection breaks after so many bytes of its body.
type cutting struct {
	http.ResponseWriter
	left int
	sent *int
}

func (c *cutting) Write(p []byte) (int, error) {
	n := min(len(p), c.left)
	if _, err := c.ResponseWriter.Write(p[:n]); err != nil {
		return 0, err
	}
	c.left -= n
	*c.sent += n
	if n < len(p) {
		if f, ok := c.ResponseWriter.(http.Flusher); ok {
			f.Flush()
		}
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// cutAt cuts the answers whose address ends like this after so many bytes, and
// counts what was sent of them.
func (s *site) cutAt(suffix string, bytes int) (sent *int) {
	sent = new(int)
	s.answers(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, suffix) {
			w = &cutting{w, bytes, sent}
		}
		s.Handler().ServeHTTP(w, q)
	})
	return sent
}

// forget removes what was downloaded.
func (c *car) forget() {
	c.t.Helper()
	parts, err := filepath.Glob(c.file("trust/*.part"))
	must(c.t, err)
	for _, p := range parts {
		must(c.t, os.Remove(p))
	}
}

func TestASyncCutAtAnyByteLeavesTheOldListInForce(t *testing.T) {
	for _, c := range []struct {
		what, suffix string
		status       bool
		entries      []nrd.Entry
	}{
		{"a delta", ".delta", false, crowd(20, entry("AB12CDE", "new"))},
		{"a snapshot", ".snapshot", false, crowd(20, entry("AB12CDE", "new"))},
		{"a snapshot of statuses", ".snapshot", true, statuses("AB12CDE")},
	} {
		s := newSite(t, "car-1")
		unit := s.car("car-1")
		s.publish("wanted", 1, crowd(20, entry("AB12CDE", "old"))...)
		unit.sync()
		if c.suffix == ".snapshot" {
			must(t, s.Withdraw(t.Context(), "wanted")) // there is no delta to a list that begins anew
		}
		must(t, s.Publish(t.Context(), publish.List{Name: "wanted", Version: 2, Made: noon, Status: c.status}, all(c.entries)))
		cuts := 0
		for ; ; cuts++ {
			s.cutAt(c.suffix, cuts)
			unit.forget()
			if _, err := unit.Sync(t.Context()); err == nil {
				break
			}
			unit.want("AB12CDE", "old of wanted 1")
		}
		if cuts < 50 {
			t.Errorf("%s was cut at %d bytes only", c.what, cuts)
		}
		if got := unit.has("AB12CDE"); !strings.HasSuffix(got, "of wanted 2") {
			t.Errorf("%s: in the end %q", c.what, got)
		}
	}
}

func TestMetadataCutAtAnyPlaceChangesNothing(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("wanted", 1, crowd(20, entry("AB12CDE", "old"))...)
	c.sync()
	s.publish("wanted", 2, crowd(20, entry("AB12CDE", "new"))...)
	for _, suffix := range []string{"/salt", "timestamp.json", "snapshot.json", "targets.json", "lists.json"} {
		for at := 0; at < 300; at += 13 {
			if s.cutAt(suffix, at); suffix == "/salt" && at > 64 {
				break
			}
			if _, err := c.Sync(t.Context()); err == nil {
				t.Fatalf("%s cut at %d passes", suffix, at)
			}
			c.want("AB12CDE", "old of wanted 1")
		}
	}
	s.answers(nil)
	c.sync()
	c.want("AB12CDE", "new of wanted 2")
}

func TestADownloadGoesOnWhereItWasCutAlsoAfterANewStart(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("wanted", 1, crowd(3000, entry("AB12CDE", "R1"))...)
	total, syncs := 0, 0
	for done := false; !done; syncs++ {
		sent := s.cutAt(".snapshot", 3000)
		_, err := c.Sync(t.Context())
		done = err == nil
		total += *sent
		if syncs%3 == 0 {
			c.restart(func() {})
		}
	}
	snapshots, err := filepath.Glob(s.file("lists/*.sealed"))
	if err != nil || len(snapshots) != 1 {
		t.Fatal(snapshots, err)
	}
	info, err := os.Stat(snapshots[0])
	must(t, err)
	if syncs < 4 || total != int(info.Size()) {
		t.Errorf("%d syncs sent %d bytes of a file of %d", syncs, total, info.Size())
	}
	c.want("AB12CDE", "R1 of wanted 1")
}

func TestADownloadBegunGoesOnThoughANewerVersionIsThere(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("wanted", 1, crowd(3000, entry("AB12CDE", "R1"))...)
	s.cutAt(".snapshot", 20_000)
	_, err := c.Sync(t.Context())
	if err == nil {
		t.Fatal("it was not cut")
	}
	s.publish("wanted", 2, crowd(3000, entry("AB12CDE", "R2"))...)
	var again, fresh atomic.Int64
	s.answers(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, ".snapshot") {
			if q.Header.Get("Range") != "" {
				again.Add(1)
			} else {
				fresh.Add(1)
			}
		}
		s.Handler().ServeHTTP(w, q)
	})
	c.sync()
	c.want("AB12CDE", "R2 of wanted 2")
	if again.Load() != 1 || fresh.Load() != 0 {
		t.Errorf("%d downloads went on, %d began anew", again.Load(), fresh.Load())
	}
}

func TestACacheThatIsDamagedIsSetAsideAndRebuiltByTheNextSync(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("wanted", 1, crowd(500, entry("AB12CDE", "R1"))...)
	c.sync()
	c.restart(func() {
		files, err := filepath.Glob(c.file("lists/*.list"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		text, err := os.ReadFile(files[0])
		must(t, err)
		for range 2000 {
			text[8192+rand.N(len(text)/4)] ^= 0xff
		}
		must(t, os.WriteFile(files[0], text, 0o600))
	})
	c.want("AB12CDE", "")
	aside, err := filepath.Glob(c.file("lists/*corrupt*"))
	if err != nil || len(aside) != 1 {
		t.Fatalf("set aside: %v, %v", aside, err)
	}
	c.sync()
	c.want("AB12CDE", "R1 of wanted 1")
}

func TestAListThatDiffersFromCentralsIsTakenWhole(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("wanted", 1, crowd(500, entry("AB12CDE", "R1"))...)
	c.sync()
	// The same version number, of another central: its disk was lost, say.
	must(t, os.RemoveAll(s.file("lists")))
	s.clock.Advance(time.Minute)
	s.open()
	s.publish("wanted", 1, crowd(400, entry("AB12CDE", "other"))...)
	c.sync()
	c.want("AB12CDE", "other of wanted 1")
	must(t, os.RemoveAll(s.file("lists")))
	s.clock.Advance(time.Minute)
	s.open()
	s.publish("wanted", 1, crowd(400)...)
	s.publish("wanted", 2, crowd(400, entry("XY12CDE", "R2"))...)
	c.sync()
	c.want("AB12CDE", "")
	c.want("XY12CDE", "R2 of wanted 2")
}

func TestAFullDiskLeavesTheOldListAndNothingElse(t *testing.T) {
	disk := smallDisk(t, 6<<20)
	s := newSite(t, "car-1")
	c := s.car("car-1")
	c.restart(func() { c.dir = copyDir(t, c.dir, disk) })
	s.publish("wanted", 1, crowd(200, entry("AB12CDE", "old"))...)
	c.sync()
	var many []nrd.Entry
	for _, e := range crowd(60_000, entry("AB12CDE", "new")) {
		e.Instructions = noise()
		many = append(many, e)
	}
	s.publish("wanted", 2, many...)
	if _, err := c.Sync(t.Context()); err == nil {
		t.Fatal("the list has more bytes than the disk")
	}
	c.want("AB12CDE", "old of wanted 1")
	for _, pattern := range []string{"trust/*.part", "lists/*.new"} {
		if left, err := filepath.Glob(c.file(pattern)); err != nil || len(left) > 0 {
			t.Errorf("%v stay on the disk", left)
		}
	}
	c.restart(func() {})
	c.want("AB12CDE", "old of wanted 1")
	s.publish("wanted", 3, crowd(200, entry("AB12CDE", "newest"))...)
	c.sync()
	c.want("AB12CDE", "newest of wanted 3")
}

// noise does not compress.
func noise() string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdef"
	var b [160]byte
	for i := range b {
		b[i] = letters[rand.N(len(letters))]
	}
	return string(b[:])
}

func TestAListInForceIsNotHeldUpByAnotherThatCannotBeTaken(t *testing.T) {
	s := newSite(t, "car-1")
	c := s.car("car-1")
	s.publish("a", 1, entry("AB12CDE", "R1"))
	s.publish("z", 1, entry("AB12CDE", "R1"))
	first := true
	s.answers(func(w http.ResponseWriter, q *http.Request) {
		if strings.HasSuffix(q.URL.Path, ".snapshot") && first {
			first = false
			http.Error(w, "no", http.StatusServiceUnavailable)
			return
		}
		s.Handler().ServeHTTP(w, q)
	})
	if _, err := c.Sync(t.Context()); err == nil || !strings.Contains(err.Error(), "list a") {
		t.Errorf("%v", err)
	}
	c.want("AB12CDE", "R1 of z 1")
	c.sync()
	c.want("AB12CDE", "R1 of a 1, R1 of z 1")
}
