package wire

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"nrd"
)

// fill sets everything in v, whatever it is, to something random that is not
// zero and that a message may hold. A field that is added to a type of package
// nrd and forgotten here on the wire fails the round trip.
func fill(rng *rand.Rand, v reflect.Value) {
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.Unix(1+rng.Int64N(4e9), rng.Int64N(1e9)).UTC()
		return
	case *time.Duration:
		*x = time.Duration(1+rng.IntN(80000)) * time.Second
		return
	case *nrd.VRM:
		*x = nrd.VRM("AB12CDE"[:1+rng.IntN(7)])
		return
	case *nrd.Priority:
		*x = nrd.Priority(1 + rng.IntN(3))
		return
	case *nrd.Image:
		return // travels apart
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			fill(rng, v.Field(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(4), 4))
		for i := range v.Len() {
			fill(rng, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(rng, key)
		fill(rng, value)
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(rng, v.Elem())
	case reflect.String:
		v.SetString(strings.Repeat("é1", 1+rng.IntN(6)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Float64:
		v.SetFloat(80 * (rng.Float64() + 0.001))
	case reflect.Int:
		v.SetInt(1 + rng.Int64N(100))
	case reflect.Uint16, reflect.Uint64:
		v.SetUint(1 + rng.Uint64N(math.MaxUint16))
	default:
		panic("fill does not know " + v.Type().String())
	}
}

func filled[T any](rng *rand.Rand) *T {
	var t T
	fill(rng, reflect.ValueOf(&t).Elem())
	return &t
}

// picture makes a JPEG of the given size.
func picture(t testing.TB, w, h int) nrd.Image {
	t.Helper()
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil); err != nil {
		t.Fatal(err)
	}
	return nrd.Image{JPEG: b.Bytes(), Width: w, Height: h}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	payload, err := Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

func TestEverythingInARecordComesThrough(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		sent := filled[nrd.Record](rng)
		sent.Key.Device = "car-7"
		payload := marshal(t, FromRecord(sent))
		var m Record
		if err := Unmarshal(payload, &m); err != nil {
			t.Fatal(err)
		}
		got, err := ToRecord(&m)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, sent) {
			t.Fatalf("sent %+v\n got %+v", sent, got)
		}
		if !bytes.Equal(marshal(t, &m), payload) {
			t.Fatal("the same message was encoded to other bytes")
		}
	}
}

func TestEverythingInAStatusComesThrough(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		sent := filled[nrd.Status](rng)
		sent.Device = "car-7"
		var m Status
		if err := Unmarshal(marshal(t, FromStatus(sent)), &m); err != nil {
			t.Fatal(err)
		}
		got, offline, err := ToStatus(&m)
		if err != nil || offline || !reflect.DeepEqual(got, sent) {
			t.Fatalf("sent %+v\n got %+v, offline %v, %v", sent, got, offline, err)
		}
	}
	will, offline, err := ToStatus(LastWill("car-7"))
	if err != nil || !offline || will.Device != "car-7" || !will.At.IsZero() {
		t.Errorf("last will: %+v, offline %v, %v", will, offline, err)
	}
}

func TestARecordWithLittleInItComesThrough(t *testing.T) {
	sent := &nrd.Record{Key: nrd.Key{Device: "a", Sequence: 1}, Read: nrd.Read{VRM: "A1"}}
	got, err := ToRecord(FromRecord(sent))
	if err != nil || !reflect.DeepEqual(got, sent) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestImpossibleTimesReachCentralToBeJudgedThere(t *testing.T) {
	for _, year := range []int{1500, 1970, 2099, 2500} {
		sent := filled[nrd.Record](rand.New(rand.NewPCG(1, 1)))
		sent.Key.Device = "a"
		sent.Captured.UTC = time.Date(year, 1, 1, 0, 0, 1, 0, time.UTC)
		got, err := ToRecord(FromRecord(sent))
		if err != nil {
			t.Fatal(err)
		}
		p, err := nrd.LoadProfile(nrd.DefaultProfile)
		if err != nil {
			t.Fatal(err)
		}
		if p.Plausible(got.Captured.UTC, time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)) == nil {
			t.Errorf("%d became the plausible %s", year, got.Captured.UTC)
		}
	}
}

func TestAnOddEntryOfAListCostsNoRead(t *testing.T) {
	r := filled[nrd.Record](rand.New(rand.NewPCG(5, 6)))
	r.Key.Device = strings.Repeat("d", 64)
	long := strings.Repeat("\xffé", 5000)
	e := nrd.Entry{
		List: long, VRM: "AB12CDE", Make: long, Model: long, Colour: long, Action: long, Reason: long, Intelligence: long,
		Information: long, Force: long, NationalID: long, Marking: long, CAD: long, Instructions: long, Reference: long,
	}
	for range 100 {
		e.Markers = append(e.Markers, long)
		r.Hits = append(r.Hits, nrd.Hit{Entry: e, List: nrd.ListVersion{List: long}})
		r.Read.Alternatives = append(r.Read.Alternatives, nrd.Alternative{VRM: "AB12CDE"})
	}
	r.Read.Raw, r.Camera.Name, r.Controller, r.Deployment = long, long, long, long
	// Marshal fails where the largest record does not fit MaxRecordBytes.
	payload := marshal(t, FromRecord(r))
	var m Record
	if err := Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	got, err := ToRecord(&m)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Hits) != maxHits || got.Hits[0].Entry.VRM != r.Hits[0].Entry.VRM {
		t.Errorf("%d hits came through; want the first %d", len(got.Hits), maxHits)
	}
	if name := got.Camera.Name; !strings.HasPrefix(name, "\uFFFDé\uFFFDé") {
		t.Errorf("camera's name became %q", name)
	}
}

func TestARecordOfAnUnreadPlateComesThroughAndSaysNothingOfAMark(t *testing.T) {
	unread := func() *Record {
		r := filled[nrd.Record](rand.New(rand.NewPCG(9, 10)))
		r.Key.Device, r.Read, r.Hits = "car-7", nrd.Read{Engine: "net 1"}, nil
		return FromRecord(r)
	}
	r, err := ToRecord(unread())
	if err != nil || !r.Unread() || r.Read.Engine != "net 1" || r.Passage.Number == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	for field, spoil := range map[string]func(*Record){
		"read":      func(m *Record) { m.Read.Vrm = "AB12CDE" },
		"read ":     func(m *Record) { m.Read.Raw = "AB1" },
		"read  ":    func(m *Record) { m.Read.Alternatives = []*Alternative{{Vrm: "AB12CDE"}} },
		"hits":      func(m *Record) { m.Hits = []*Hit{{}} },
		"read.vrm":  func(m *Record) { m.Unread = false },
		"read.vrm ": func(m *Record) { m.Unread, m.Read = false, nil },
	} {
		m := unread()
		spoil(m)
		if r, err := ToRecord(m); !errors.Is(err, ErrInvalid) || r != nil || !strings.Contains(err.Error(), ": "+strings.TrimSpace(field)+":") {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestARecordWithABadFieldIsRefusedByTheFieldsName(t *testing.T) {
	good := func() *Record {
		r := filled[nrd.Record](rand.New(rand.NewPCG(7, 8)))
		r.Key.Device = "car-7"
		r.Patch, r.Overview = picture(t, 120, 60), picture(t, 640, 360)
		return FromRecord(r)
	}
	if _, err := ToRecord(good()); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Record){
		"key.device":                      func(m *Record) { m.Key.Device = "car/7" },
		"key.sequence":                    func(m *Record) { m.Key.Sequence = 0 },
		"key.device ":                     func(m *Record) { m.Key = nil },
		"read.vrm":                        func(m *Record) { m.Read.Vrm = "ab12cde" },
		"read.vrm ":                       func(m *Record) { m.Read.Vrm = strings.Repeat("A", nrd.MaxVRM+1) },
		"read.vrm  ":                      func(m *Record) { m.Read = nil },
		"read.confidence":                 func(m *Record) { m.Read.Confidence = 101 },
		"read.characters":                 func(m *Record) { m.Read.Characters = make([]uint32, nrd.MaxVRM+1) },
		"read.characters ":                func(m *Record) { m.Read.Characters = []uint32{101} },
		"read.alternatives":               func(m *Record) { m.Read.Alternatives = make([]*Alternative, 33) },
		"read.alternatives.vrm":           func(m *Record) { m.Read.Alternatives[0].Vrm = "" },
		"read.raw":                        func(m *Record) { m.Read.Raw = strings.Repeat("A", 300) },
		"camera.feed":                     func(m *Record) { m.Camera.Feed = 1 << 16 },
		"captured.boot_id":                func(m *Record) { m.Captured.BootId = strings.Repeat("A", 300) },
		"fix.latitude":                    func(m *Record) { m.Fix.Latitude = math.NaN() },
		"fix.speed":                       func(m *Record) { m.Fix.Speed = math.Inf(1) },
		"fix: 95":                         func(m *Record) { m.Fix.Latitude = 95 },
		"fix: satellites, hdop or speed ": func(m *Record) { m.Fix.Speed = -1 },
		"ptz.pan":                         func(m *Record) { m.Ptz.Pan = math.NaN() },
		"plate":                           func(m *Record) { m.Plate = m.Plate[:7] },
		"plate ":                          func(m *Record) { m.Plate[3] = math.NaN() },
		"frame_width":                     func(m *Record) { m.FrameWidth = 1<<16 + 1 },
		"passage.frames":                  func(m *Record) { m.Passage.Frames = math.MaxUint32 },
		"profile":                         func(m *Record) { m.Profile = "\xff" },
		"hits":                            func(m *Record) { m.Hits = make([]*Hit, 17) },
		"hits[0].entry.priority":          func(m *Record) { m.Hits[0].Entry.Priority = 4 },
		"hits[0].entry.vrm":               func(m *Record) { m.Hits[0].Entry.Vrm = "?" },
		"hits[0].entry.markers":           func(m *Record) { m.Hits[0].Entry.Markers = make([]string, 17) },
		"hits[0].list.entries":            func(m *Record) { m.Hits[0].List.Entries = math.MaxUint32 },
		"hits[0].differs":                 func(m *Record) { m.Hits[0].Differs = []uint32{256} },
		"patch.sha256":                    func(m *Record) { m.Patch.Sha256 = []byte{1} },
		"patch.bytes":                     func(m *Record) { m.Patch.Bytes = MaxImageBytes + 1 },
		"overview.bytes":                  func(m *Record) { m.Overview.Bytes = 0 },
		"overview.width":                  func(m *Record) { m.Overview.Width = 1 << 20 },
	} {
		m := good()
		spoil(m)
		r, err := ToRecord(m)
		if !errors.Is(err, ErrInvalid) || r != nil || !strings.Contains(err.Error(), ": "+strings.TrimSpace(field)) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestAnImageMustBeTheJPEGItSaysItIs(t *testing.T) {
	key := nrd.Key{Device: "car-7", Epoch: 5, Sequence: 9}
	patch := picture(t, 120, 60)
	var m Image
	if err := Unmarshal(marshal(t, FromImage(key, nrd.ImagePatch, patch)), &m); err != nil {
		t.Fatal(err)
	}
	gotKey, kind, got, err := ToImage(&m)
	if err != nil || gotKey != key || kind != nrd.ImagePatch || !reflect.DeepEqual(got, patch) {
		t.Fatalf("%v %v %v %v", gotKey, kind, got, err)
	}
	for field, spoil := range map[string]func(*Image){
		"key.device":    func(m *Image) { m.Key = nil },
		"kind":          func(m *Image) { m.Kind = "selfie" },
		"jpeg":          func(m *Image) { m.Jpeg = nil },
		"jpeg: invalid": func(m *Image) { m.Jpeg = []byte("GIF89a") },
		"jpeg: is 120":  func(m *Image) { m.Width = 121 },
		"jpeg: 262145":  func(m *Image) { m.Jpeg = append(m.Jpeg, make([]byte, MaxImageBytes+1-len(m.Jpeg))...) },
		"width":         func(m *Image) { m.Width = 1 << 20 },
	} {
		m := FromImage(key, nrd.ImagePatch, patch)
		spoil(m)
		if _, _, _, err := ToImage(m); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), ": "+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if _, err := Marshal(FromImage(key, nrd.ImagePatch, nrd.Image{JPEG: make([]byte, MaxPayloadBytes)})); !errors.Is(err, ErrInvalid) {
		t.Errorf("a giant image was encoded: %v", err)
	}
	if err := Unmarshal(make([]byte, MaxPayloadBytes+1), &m); !errors.Is(err, ErrMalformed) {
		t.Errorf("a giant payload was decoded: %v", err)
	}
}

func TestWhatANewerSideAddsIsKept(t *testing.T) {
	r := filled[nrd.Record](rand.New(rand.NewPCG(9, 9)))
	r.Key.Device, r.Direction, r.Captured.Source = "a", "sideways", "galileo"
	payload := marshal(t, FromRecord(r))
	payload = protowire.AppendTag(payload, 1000, protowire.BytesType)
	payload = protowire.AppendString(payload, "from the future")
	var m Record
	if err := Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(marshal(t, &m), []byte("from the future")) {
		t.Error("the unknown field is gone")
	}
	got, err := ToRecord(&m)
	if err != nil || got.Direction != "sideways" || got.Captured.Source != "galileo" {
		t.Errorf("unknown words: %+v, %v", got, err)
	}
}

func TestAReceiptIsCheckedItemByItem(t *testing.T) {
	key := nrd.Key{Device: "car-7", Epoch: 1, Sequence: 2}
	item := func() *Receipt_Item {
		return FromReceipt(key, KindRecord, Digest([]byte("x")), Receipt_STORED, "")
	}
	if err := CheckReceipt(&Receipt{Items: []*Receipt_Item{item(), item()}}); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Receipt_Item){
		"items[1].key.device":   func(i *Receipt_Item) { i.Key.Device = "" },
		"items[1].key.sequence": func(i *Receipt_Item) { i.Key.Sequence = 0 },
		"items[1].kind":         func(i *Receipt_Item) { i.Kind = "status" },
		"items[1].digest":       func(i *Receipt_Item) { i.Digest = i.Digest[:31] },
		"items[1].reason":       func(i *Receipt_Item) { i.Reason = strings.Repeat("x", 1025) },
	} {
		bad := item()
		spoil(bad)
		err := CheckReceipt(&Receipt{Items: []*Receipt_Item{item(), bad}})
		if !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	if err := CheckReceipt(&Receipt{Items: make([]*Receipt_Item, 1001)}); !errors.Is(err, ErrInvalid) {
		t.Errorf("1001 items: %v", err)
	}
}

func TestAnEventIsChecked(t *testing.T) {
	event := &Event{Key: FromKey(nrd.Key{Device: "car-7", Sequence: 2}), What: &Event_Drop{Drop: &Drop{Kind: "image", Count: 3}}}
	if key, err := CheckEvent(event); err != nil || key.Sequence != 2 {
		t.Errorf("%v, %v", key, err)
	}
	event.GetDrop().Reason = strings.Repeat("x", 1025)
	if _, err := CheckEvent(event); !errors.Is(err, ErrInvalid) {
		t.Errorf("a long reason: %v", err)
	}
	if _, err := CheckEvent(&Event{}); !errors.Is(err, ErrInvalid) {
		t.Errorf("no key: %v", err)
	}
}

func TestTopics(t *testing.T) {
	for kind, topic := range map[string]string{
		"record": TopicRecord("car-7"), "image": TopicImage("car-7"), "event": TopicEvent("car-7"),
		"status": TopicStatus("car-7"), "receipt": TopicReceipt("car-7"), "command": TopicCommand("car-7"),
	} {
		if want := "nrd/1/device/car-7/" + kind; topic != want {
			t.Errorf("topic %q, want %q", topic, want)
		}
		device, got, err := ParseTopic(topic)
		if err != nil || device != "car-7" || got != kind {
			t.Errorf("%s: %q %q %v", topic, device, got, err)
		}
	}
	for _, topic := range []string{
		"", "nrd/1/device/", "nrd/1/device/car-7", "nrd/1/device//record", "nrd/1/device/car-7/selfie", "nrd/2/device/car-7/record",
		"nrd/1/device/car-7/record/x", "nrd/1/device/+/record", "nrd/1/device/#", "nrd/1/device/Car/record", "x/nrd/1/device/a/record",
	} {
		if _, _, err := ParseTopic(topic); !errors.Is(err, ErrTopic) {
			t.Errorf("%q: %v, want ErrTopic", topic, err)
		}
	}
}

func FuzzRecord(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 5 {
		r := filled[nrd.Record](rng)
		r.Key.Device = "car-7"
		f.Add(marshal(f, FromRecord(r)))
	}
	f.Add([]byte{})
	f.Add([]byte{0xff, 1, 2})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m Record
		if Unmarshal(payload, &m) != nil {
			return
		}
		r, err := ToRecord(&m)
		if err != nil {
			return
		}
		again, err := ToRecord(FromRecord(r))
		if err != nil || !reflect.DeepEqual(r, again) {
			t.Errorf("%+v\nbecame %+v, %v", r, again, err)
		}
	})
}

func FuzzStatus(f *testing.F) {
	s := filled[nrd.Status](rand.New(rand.NewPCG(1, 2)))
	s.Device = "car-7"
	f.Add(marshal(f, FromStatus(s)))
	f.Add([]byte{0x0a})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m Status
		if Unmarshal(payload, &m) != nil {
			return
		}
		s, _, err := ToStatus(&m)
		if err != nil {
			return
		}
		again, _, err := ToStatus(FromStatus(s))
		if err != nil || !reflect.DeepEqual(s, again) {
			t.Errorf("%+v\nbecame %+v, %v", s, again, err)
		}
	})
}

func FuzzImage(f *testing.F) {
	key := nrd.Key{Device: "car-7", Sequence: 1}
	f.Add(marshal(f, FromImage(key, nrd.ImagePatch, picture(f, 12, 6))))
	f.Add([]byte{0x12, 0x05, 'p', 'a', 't', 'c', 'h'})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m Image
		if Unmarshal(payload, &m) != nil {
			return
		}
		key, kind, i, err := ToImage(&m)
		if err == nil && (key.Sequence == 0 || kind == "" || len(i.JPEG) == 0 || i.Width == 0 || i.Height == 0) {
			t.Errorf("let through %v %q %d x %d", key, kind, i.Width, i.Height)
		}
	})
}

func FuzzReceipt(f *testing.F) {
	key := nrd.Key{Device: "car-7", Sequence: 1}
	f.Add(marshal(f, &Receipt{Items: []*Receipt_Item{FromReceipt(key, KindEvent, [32]byte{}, Receipt_RETRY, "full")}}))
	f.Add([]byte{0x0a, 0x00})
	f.Fuzz(func(t *testing.T, payload []byte) {
		var m Receipt
		if Unmarshal(payload, &m) != nil || CheckReceipt(&m) != nil {
			return
		}
		for _, item := range m.GetItems() {
			if _, err := ToKey(item.GetKey()); err != nil || len(item.GetDigest()) != 32 {
				t.Errorf("let through %v", item)
			}
		}
	})
}

func FuzzTopic(f *testing.F) {
	f.Add(TopicRecord("car-7"))
	f.Add("nrd/1/device/+/#")
	f.Fuzz(func(t *testing.T, topic string) {
		device, kind, err := ParseTopic(topic)
		if err == nil && devices+device+"/"+kind != topic {
			t.Errorf("%q was read as %q, %q", topic, device, kind)
		}
	})
}
