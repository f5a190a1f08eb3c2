package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/uplink/carry"
	"nrd/uplink/wire"
)

// intake is central's way in for files, over the same store.
func (c *central) intake() *Ingest {
	return &Ingest{Store: c.store, Profile: c.Profile, Clock: c.clock, Log: c.Log, OnStored: c.OnStored, OnImage: c.OnImage}
}

type item struct {
	kind    string
	payload []byte
}

// file makes a file of carried records.
func file(t testing.TB, items ...item) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := carry.NewWriter(&b, nil)
	for _, i := range items {
		err = errors.Join(err, w.Add(i.kind, i.payload))
	}
	must(t, func() error { return errors.Join(err, w.Close()) })
	return b.Bytes()
}

func (p payloads) items() []item {
	return []item{{wire.KindRecord, p.text}, {wire.KindPatch, p.patch}, {wire.KindOverview, p.overview}}
}

func (c *central) imports(t testing.TB, data []byte) string {
	t.Helper()
	n, err := c.intake().Import(context.Background(), bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return said(n)
}

func said(n Imported) string {
	return fmt.Sprintf("%d stored, %d duplicates, %d quarantined, %d refused, %d later", n.Stored, n.Duplicates, n.Quarantined, n.Refused, n.Later)
}

func TestWhatIsCarriedByHandIsStoredOnceWhicheverWayItComes(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	first, second := payloadsOf(t, "unit-1", 1, storetest.Noon), payloadsOf(t, "unit-1", 2, storetest.Noon)
	u := c.connect(t, "unit-1")
	u.send(t, wire.TopicRecord("unit-1"), first.text)
	u.receipt(t, first.text, wire.Receipt_STORED)
	data := file(t, append(first.items(), second.items()...)...)
	if got := c.imports(t, data); got != "5 stored, 1 duplicates, 0 quarantined, 0 refused, 0 later" {
		t.Error(got)
	}
	if got := c.imports(t, data); got != "0 stored, 6 duplicates, 0 quarantined, 0 refused, 0 later" {
		t.Errorf("again: %s", got)
	}
	u.send(t, wire.TopicRecord("unit-1"), second.text) // the link is back
	u.receipt(t, second.text, wire.Receipt_STORED)
	if n := c.totals(t); n.Records != 2 || n.Images != 4 {
		t.Errorf("the store holds %+v", n)
	}
	if d, err := c.store.Device(context.Background(), "unit-2"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a file made a device: %+v, %v", d, err)
	}
}

func TestACarriedFilesCorrectionFilesItsRecords(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	p := stamped(t, 1, unproved(time.Unix(60, 0).UTC(), 0))
	early := file(t, item{wire.KindRecord, p.text})
	if got := c.imports(t, early); got != "0 stored, 0 duplicates, 1 quarantined, 0 refused, 0 later" {
		t.Error(got)
	}
	if got := c.imports(t, file(t, item{wire.KindEvent, anchored(t, 2, 0, storetest.Noon)})); got != "1 stored, 0 duplicates, 0 quarantined, 0 refused, 0 later" {
		t.Error(got)
	}
	if r := c.held(t, p.record.Key); !r.Time().Equal(storetest.Noon) {
		t.Errorf("filed under %s", r.Time())
	}
}

func TestACarriedFileOpensNoOtherDoor(t *testing.T) {
	c := start(t).run(t)
	c.approve(t, "unit-1")
	c.approve(t, "unit-2")
	c.revoke(t, "unit-2")
	good := payloadsOf(t, "unit-1", 1, storetest.Noon)
	large := good
	large.patch = marshal(t, wire.FromImage(good.record.Key, nrd.ImagePatch, picture(t, 900, 60, 1, 3000)))
	n, err := c.intake().Import(context.Background(), bytes.NewReader(file(t,
		item{wire.KindRecord, good.text},
		item{wire.KindRecord, payloadsOf(t, "unit-2", 1, storetest.Noon).text},
		item{wire.KindRecord, payloadsOf(t, "unit-3", 1, storetest.Noon).text},
		item{wire.KindRecord, []byte("no message")},
		item{wire.KindEvent, nil},
		item{wire.KindPatch, large.patch},
		item{wire.KindRecord, good.overview},
	)))
	if err != nil || said(n) != "1 stored, 0 duplicates, 0 quarantined, 4 refused, 2 later" {
		t.Errorf("%s, %v: %v", said(n), err, n.Reasons)
	}
	if n.Reasons["central has revoked this device"] != 1 || n.Reasons["central has not approved this device"] != 1 {
		t.Errorf("the reasons are %v", n.Reasons)
	}
	cut := file(t, good.items()...)
	n, err = c.intake().Import(context.Background(), bytes.NewReader(cut[:len(cut)-20]))
	if !errors.Is(err, carry.ErrFormat) || said(n) != "1 stored, 1 duplicates, 0 quarantined, 0 refused, 0 later" {
		t.Errorf("a file that was cut off: %s, %v", said(n), err)
	}
}

func FuzzImport(f *testing.F) {
	c := start(f)
	f.Cleanup(func() { must(f, c.store.Close) })
	c.approve(f, "unit-1")
	p := payloadsOf(f, "unit-1", 1, storetest.Noon)
	f.Add(file(f, p.items()...))
	f.Add(file(f, item{wire.KindEvent, anchored(f, 2, 0, storetest.Noon)}))
	f.Add([]byte("nrd carried records 1\n\x00\x00\x00\x03r\x0a\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		n, _ := c.intake().Import(context.Background(), bytes.NewReader(data))
		if n.Later > 0 && len(n.Reasons) == 0 {
			t.Errorf("%s, and nothing says why", said(n))
		}
	})
}
