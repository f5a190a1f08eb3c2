package ingest

import (
	"testing"

	"nrd"
	"nrd/collector/store/storetest"
	"nrd/uplink/wire"
)

// FuzzRead feeds whatever a device may publish to what reads it: no input may
// panic, and what passes belongs to the device and can be stored.
func FuzzRead(f *testing.F) {
	p := payloadsOf(f, "unit-1", 1, storetest.Noon)
	for i, payload := range [][]byte{p.text, p.patch, p.overview, nil, []byte("hello"), p.text[:len(p.text)/2], marshal(f, &wire.Event{Key: wire.FromKey(p.record.Key)})} {
		f.Add(uint8(i), payload)
	}
	topics := []string{wire.TopicRecord("unit-1"), wire.TopicImage("unit-1"), wire.TopicImage("unit-1"), wire.TopicEvent("unit-1"), wire.TopicRecord("unit-2"), "else"}
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, topic uint8, payload []byte) {
		m := message{device: "unit-1", topic: topics[int(topic)%len(topics)], payload: payload, received: storetest.Noon}
		item, err := read(m, &profile)
		if err != nil {
			return
		}
		if item.Key.Device != "unit-1" || item.Key.Sequence == 0 {
			t.Errorf("key %v passes", item.Key)
		}
		a := answers{}
		a.add(m.device, &item, wire.Receipt_STORED, "")
		if len(a["unit-1"].whole.GetItems()) != 1 {
			t.Error("what passes cannot be named in a receipt")
		}
	})
}
