package ingest

import (
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"nrd/uplink/wire"
)

func TestOlderAndNewerDevicesAreStoredAsTheyCame(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	u := c.connect(t, "unit-1")
	old := func(name string) []byte {
		payload, err := os.ReadFile(filepath.Join("..", "..", "uplink", "wire", "testdata", "first", name+".bin"))
		if err != nil {
			t.Fatal(err)
		}
		return payload
	}
	for _, m := range []struct{ topic, name string }{
		{wire.TopicRecord("unit-1"), "record"}, {wire.TopicImage("unit-1"), "image"}, {wire.TopicEvent("unit-1"), "event"},
	} {
		u.send(t, m.topic, old(m.name))
		u.receipt(t, old(m.name), wire.Receipt_STORED)
	}
	u.send(t, wire.TopicStatus("unit-1"), old("status"))

	// A later release's record: the same read, another sequence, a new field.
	var m wire.Record
	if err := wire.Unmarshal(old("record"), &m); err != nil {
		t.Fatal(err)
	}
	m.Key.Sequence = 99
	m.Patch = nil
	newer := protowire.AppendBytes(protowire.AppendTag(marshal(t, &m), 9001, protowire.BytesType), []byte("something new"))
	u.send(t, wire.TopicRecord("unit-1"), newer)
	u.receipt(t, newer, wire.Receipt_STORED)
	// The same again is a duplicate only if central kept the very bytes.
	u.send(t, wire.TopicRecord("unit-1"), newer)
	u.receipt(t, newer, wire.Receipt_STORED)
	u.send(t, wire.TopicRecord("unit-1"), marshal(t, &m))
	u.receipt(t, marshal(t, &m), wire.Receipt_QUARANTINED)
	if got := c.totals(t); got.Records != 2 || got.Images != 1 {
		t.Errorf("the store holds %+v", got)
	}
}
