package uplink

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("UPLINK_TEST_APPEND_FOREVER"); dir != "" {
		appendForever(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// clock is a clock that tests set. It is proved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

var started = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func newClock() *clock { return &clock{now: started} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) Stamp() nrd.Stamp {
	now := c.Now()
	return nrd.Stamp{UTC: now, Source: nrd.ClockNTP, Proved: true, BootID: "boot", Monotonic: now.Sub(started)}
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// manual gives the clock of a test's buffer.
func manual(c BufferConfig) *clock { return c.Clock.(*clock) } //nolint:errcheck // config made it

// jpegOf makes a JPEG of about so many bytes that does not compress.
func jpegOf(t testing.TB, w, h, quality int) nrd.Image {
	t.Helper()
	rng := rand.New(rand.NewPCG(uint64(w), uint64(h)))
	gray := image.NewGray(image.Rect(0, 0, w, h))
	for i := range gray.Pix {
		gray.Pix[i] = byte(rng.Uint32())
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, gray, &jpeg.Options{Quality: quality}); err != nil {
		t.Fatal(err)
	}
	return nrd.Image{JPEG: b.Bytes(), Width: w, Height: h}
}

// patch and overview have 3 and 25 KB, as a camera's.
var patch, overview = sync.OnceValue(func() nrd.Image { return jpegOf(&testing.T{}, 120, 60, 34) }),
	sync.OnceValue(func() nrd.Image { return jpegOf(&testing.T{}, 336, 192, 40) })

// read makes a record with both images; hit makes one that matched a list.
func read(c nrd.Clock, vrm nrd.VRM) *nrd.Record {
	return &nrd.Record{
		Camera:    nrd.Camera{Feed: 1, Source: 2, Camera: 3, Name: "front"},
		Captured:  c.Stamp(),
		Direction: nrd.DirectionTowards,
		Fix:       nrd.Fix{Source: nrd.FixStatic, Latitude: 51.5, Longitude: -0.1},
		Read:      nrd.Read{VRM: vrm, Raw: string(vrm), Confidence: 90},
		Patch:     patch(),
		Overview:  overview(),
	}
}

func hit(c nrd.Clock, vrm nrd.VRM) *nrd.Record {
	r := read(c, vrm)
	r.Hits = []nrd.Hit{{Entry: nrd.Entry{List: "wanted", VRM: vrm, Priority: nrd.PriorityHigh}, Match: nrd.MatchExact}}
	return r
}

// config is a buffer's in a folder of the test's own.
func config(t testing.TB) BufferConfig {
	return BufferConfig{
		Dir: filepath.Join(t.TempDir(), "buffer"), Device: "car-7", Key: sealed.NewKey(), MaxBytes: 1 << 30,
		Clock: newClock(), Log: discard(),
	}
}

func open(t testing.TB, c BufferConfig) *Buffer {
	t.Helper()
	b, err := OpenBuffer(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func add(t testing.TB, b *Buffer, r *nrd.Record) nrd.Key {
	t.Helper()
	key, err := b.Append(r)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func stats(t testing.TB, b *Buffer) Stats {
	t.Helper()
	s, err := b.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// queue is everything that waits, in order.
func queue(t testing.TB, b *Buffer) []item {
	t.Helper()
	items, damaged, err := b.next([ranks]int{math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt}, func(itemID) bool { return false })
	if err != nil || len(damaged) > 0 {
		t.Fatal(err, damaged)
	}
	return items
}

// marks names the records of a queue by VRM and its images by their record's
// sequence.
func marks(t testing.TB, items []item) []string {
	t.Helper()
	var names []string
	for _, i := range items {
		if i.id.part != partRecord {
			names = append(names, fmt.Sprintf("%s %d", kinds[i.id.part], i.id.sequence))
			continue
		}
		names = append(names, string(recordOf(t, i).Read.VRM))
	}
	return names
}

func recordOf(t testing.TB, i item) *nrd.Record {
	t.Helper()
	var m wire.Record
	if err := wire.Unmarshal(i.payload, &m); err != nil {
		t.Fatal(err)
	}
	r, err := wire.ToRecord(&m)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func imageOf(t testing.TB, i item) nrd.Image {
	t.Helper()
	var m wire.Image
	if err := wire.Unmarshal(i.payload, &m); err != nil {
		t.Fatal(err)
	}
	_, _, image, err := wire.ToImage(&m)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestARecordIsKeptWithItsImagesUntilItIsRemoved(t *testing.T) {
	c := config(t)
	b := open(t, c)
	r := read(c.Clock, "AB12CDE")
	key := add(t, b, r)
	if key.Device != "car-7" || key.Sequence != 1 || key.Epoch == 0 || r.Key != key {
		t.Errorf("key %v, in the record %v", key, r.Key)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, c)
	items := queue(t, b)
	if got := marks(t, items); !reflect.DeepEqual(got, []string{"AB12CDE", "patch 1", "overview 1"}) {
		t.Fatalf("waiting: %v", got)
	}
	if got := recordOf(t, items[0]); got.Key != key || got.Fix != r.Fix || !got.Captured.UTC.Equal(r.Captured.UTC) {
		t.Errorf("the record came back as %+v", got)
	}
	if got := imageOf(t, items[2]); !reflect.DeepEqual(got, r.Overview) {
		t.Error("the overview came back changed")
	}
	if s := stats(t, b); s.Records != 1 || s.Images != 2 || !s.OldestWaiting.Equal(r.Captured.UTC) || s.DiskFree == 0 {
		t.Errorf("stats: %+v", s)
	}
	for _, i := range items {
		if err := b.ask(&request{removes: []itemID{i.id}}); err != nil {
			t.Fatal(err)
		}
	}
	if s := stats(t, b); s.Records != 0 || s.Images != 0 || s.Dropped != nil || !s.OldestWaiting.IsZero() {
		t.Errorf("stats when all is sent: %+v", s)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if names, err := os.ReadDir(filepath.Join(c.Dir, "images")); err != nil || len(names) != 0 {
		t.Errorf("image files left: %v, %v", names, err)
	}
	if key := add(t, open(t, c), read(c.Clock, "A1")); key.Sequence != 2 {
		t.Errorf("after reopening the key is %v: a number was given out twice", key)
	}
}

func TestHitsTravelFirstAndTextBeforeImages(t *testing.T) {
	c := config(t)
	b := open(t, c)
	add(t, b, read(c.Clock, "READ1"))
	add(t, b, hit(c.Clock, "HIT2"))
	add(t, b, read(c.Clock, "READ3"))
	add(t, b, hit(c.Clock, "HIT4"))
	want := []string{
		"HIT2", "HIT4", "patch 2", "overview 2", "patch 4", "overview 4",
		"READ1", "READ3", "patch 1", "overview 1", "patch 3", "overview 3",
	}
	if got := marks(t, queue(t, b)); !reflect.DeepEqual(got, want) {
		t.Errorf("queue: %v\nwant   %v", got, want)
	}
}

func TestANewBufferHasAnEpochOfItsOwn(t *testing.T) {
	a, b := config(t), config(t)
	if x, y := add(t, open(t, a), read(a.Clock, "A1")), add(t, open(t, b), read(b.Clock, "A1")); x == y {
		t.Errorf("two buffers gave out the key %v", x)
	}
}

func TestTheDiskShowsNothingThatWasRead(t *testing.T) {
	c := config(t)
	b := open(t, c)
	r := hit(c.Clock, "SECRET1")
	r.Hits[0].Entry.Reason = "SECRET2"
	add(t, b, r)
	add(t, b, read(c.Clock, "SECRET3"))
	items := queue(t, b)
	if err := b.ask(&request{buries: []burial{{items[0].id, "refused"}}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(c.Dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		files++
		data, err := os.ReadFile(path)
		for _, secret := range []string{"SECRET", "wanted", "front", "\xff\xd8\xff", string(c.Key.Bytes())} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s shows %q", path, secret)
			}
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("looked at %d files, %v; want the database and two image files", files, err)
	}
}

func TestABufferIsOpenedByItsOwnerOnly(t *testing.T) {
	c := config(t)
	b := open(t, c)
	if _, err := OpenBuffer(c); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v, want ErrInUse", err)
	}
	add(t, b, read(c.Clock, "A1"))
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Append(read(c.Clock, "A1")); !errors.Is(err, ErrClosed) {
		t.Errorf("append to a closed buffer: %v, want ErrClosed", err)
	}
	other := c
	other.Key = sealed.NewKey()
	if _, err := OpenBuffer(other); !errors.Is(err, ErrKey) {
		t.Errorf("another key: %v, want ErrKey", err)
	}
	other = c
	other.Device = "car-8"
	if _, err := OpenBuffer(other); !errors.Is(err, ErrDevice) {
		t.Errorf("another device: %v, want ErrDevice", err)
	}
	b = open(t, c)
	for _, i := range queue(t, b) {
		if err := b.ask(&request{removes: []itemID{i.id}}); err != nil {
			t.Fatal(err)
		}
	}
	before := b.epoch
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if b := open(t, other); b.epoch == before {
		t.Error("an empty buffer went on under the epoch of the device's old name")
	}
}

func TestABadConfigurationIsNamed(t *testing.T) {
	for field, spoil := range map[string]func(*BufferConfig){
		"Dir":      func(c *BufferConfig) { c.Dir = "" },
		"MaxBytes": func(c *BufferConfig) { c.MaxBytes = 1000 },
		"MaxAge":   func(c *BufferConfig) { c.MaxAge = -1 },
		"name":     func(c *BufferConfig) { c.Device = "Car 7" },
	} {
		c := config(t)
		spoil(&c)
		if _, err := OpenBuffer(c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestARecordThatCentralWouldRefuseIsNotTaken(t *testing.T) {
	c := config(t)
	b := open(t, c)
	noMark, noPlace, noJPEG := read(c.Clock, ""), read(c.Clock, "A1"), read(c.Clock, "A1")
	noPlace.Fix.Latitude = math.NaN()
	noJPEG.Patch.JPEG = []byte("not a picture")
	for name, r := range map[string]*nrd.Record{"read": noMark, "fix.latitude": noPlace, "patch": noJPEG} {
		if _, err := b.Append(r); !errors.Is(err, wire.ErrInvalid) || !strings.Contains(err.Error(), name) || r.Key != (nrd.Key{}) {
			t.Errorf("%s: %v, key %v", name, err, r.Key)
		}
	}
	if s := stats(t, b); s.Records+s.Images != 0 {
		t.Errorf("kept all the same: %+v", s)
	}
}

func TestManyAppendersGetKeysOfTheirOwn(t *testing.T) {
	c := config(t)
	b := open(t, c)
	const appenders, each = 16, 20
	var mu sync.Mutex
	keys := map[nrd.Key]nrd.VRM{}
	var all sync.WaitGroup
	for a := range appenders {
		all.Go(func() {
			for n := range each {
				vrm := nrd.VRM(fmt.Sprintf("A%dN%d", a, n))
				key, err := b.Append(read(c.Clock, vrm))
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				keys[key] = vrm
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if len(keys) != appenders*each {
		t.Fatalf("%d keys for %d records", len(keys), appenders*each)
	}
	for _, i := range queue(t, b) {
		if i.id.part == partRecord {
			if r := recordOf(t, i); keys[r.Key] != r.Read.VRM {
				t.Errorf("%v holds %s, but was given for %s", r.Key, r.Read.VRM, keys[r.Key])
			}
		}
	}
}

func TestDeadLettersAreKeptAndListed(t *testing.T) {
	c := config(t)
	b := open(t, c)
	key := add(t, b, hit(c.Clock, "HIT1"))
	add(t, b, read(c.Clock, "READ2"))
	if err := b.ask(&request{buries: []burial{{queue(t, b)[0].id, "central says no"}}}); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b = open(t, c)
	letters, err := b.DeadLetters()
	if want := []DeadLetter{{key, "record", "central says no"}}; err != nil || !reflect.DeepEqual(letters, want) {
		t.Errorf("dead letters %+v, %v", letters, err)
	}
	if s := stats(t, b); s.DeadLetters != 1 || s.Records != 1 {
		t.Errorf("stats: %+v", s)
	}
	if got := marks(t, queue(t, b)); slices.Contains(got, "HIT1") || !slices.Contains(got, "READ2") {
		t.Errorf("queue: %v", got)
	}
}

func TestNoImageTravelsWhileTextBeforeItIsLeftOver(t *testing.T) {
	c := config(t)
	b := open(t, c)
	for range 3 {
		add(t, b, hit(c.Clock, "HIT"))
		add(t, b, read(c.Clock, "READ"))
	}
	for _, room := range []struct {
		room [ranks]int
		want []string
	}{
		{[ranks]int{2, 8, 8, 8}, []string{"HIT", "HIT"}},
		{[ranks]int{3, 2, 1, 8}, []string{"HIT", "HIT", "HIT", "patch 1", "overview 1", "READ"}},
		{[ranks]int{3, 1, 3, 0}, []string{"HIT", "HIT", "HIT", "patch 1", "READ", "READ", "READ"}},
	} {
		items, _, err := b.next(room.room, func(itemID) bool { return false })
		if got := marks(t, items); err != nil || !reflect.DeepEqual(got, room.want) {
			t.Errorf("room for %v: %v, %v; want %v", room.room, got, err, room.want)
		}
	}
}
