package ingest

import (
	"errors"
	"fmt"
	"math"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

var errAnother = errors.New("the key is another device's than the certificate's")

// read makes the item of a message that was published to one of a device's
// topics. On an error key and kind are set as far as they could be read.
func read(m message, p *nrd.Profile) (store.Item, error) {
	item := store.Item{Digest: wire.Digest(m.payload), Received: m.received}
	var err error
	switch m.topic {
	case wire.TopicRecord(m.device):
		err = readRecord(m.payload, &item)
	case wire.TopicImage(m.device):
		err = readImage(m.payload, &item, p)
	case wire.TopicEvent(m.device):
		err = readEvent(m.payload, &item, p)
	default:
		err = fmt.Errorf("nothing is stored from topic %.200q", m.topic)
	}
	if err == nil && item.Key.Device != m.device {
		err = errAnother
	}
	return item, err
}

func readRecord(payload []byte, item *store.Item) error {
	var m wire.Record
	err := wire.Unmarshal(payload, &m)
	item.Kind, item.Key = store.KindRecord, keyOf(m.GetKey())
	if err != nil {
		return err
	}
	if item.Record, err = wire.ToRecord(&m); err != nil {
		return err
	}
	item.Payload = payload
	copy(item.PatchDigest[:], m.GetPatch().GetSha256())
	copy(item.OverviewDigest[:], m.GetOverview().GetSha256())
	return nil
}

func readImage(payload []byte, item *store.Item, p *nrd.Profile) error {
	var m wire.Image
	err := wire.Unmarshal(payload, &m)
	item.Kind, item.Key = store.Kind(m.GetKind()), keyOf(m.GetKey())
	if err != nil {
		return err
	}
	var kind nrd.ImageKind
	if _, kind, item.Image, err = wire.ToImage(&m); err != nil {
		return err
	}
	return withinCaps(kind, item.Image, p)
}

// withinCaps holds images to the profile in force. Devices make them smaller
// before they send them; central does not take what the standard does not let it
// keep.
func withinCaps(kind nrd.ImageKind, i nrd.Image, p *nrd.Profile) error {
	bytes, width, height := p.OverviewMaxBytes, p.OverviewWidth, math.MaxInt32
	if kind == nrd.ImagePatch {
		bytes, width, height = p.PatchMaxBytes, p.PatchWidth, p.PatchHeight
	}
	switch {
	case len(i.JPEG) > bytes:
		return fmt.Errorf("the %s has %d bytes, the profile %s allows %d", kind, len(i.JPEG), p.Name, bytes)
	case i.Width > width:
		return fmt.Errorf("the %s is %d pixels wide, the profile %s allows %d", kind, i.Width, p.Name, width)
	case i.Height > height:
		return fmt.Errorf("the %s is %d pixels high, the profile %s allows %d", kind, i.Height, p.Name, height)
	}
	return nil
}

// readEvent files what an officer did by the unit's clock, and by central's where the
// unit's cannot be.
func readEvent(payload []byte, item *store.Item, p *nrd.Profile) error {
	var m wire.Event
	err := wire.Unmarshal(payload, &m)
	item.Kind, item.Key, item.Event = store.KindEvent, keyOf(m.GetKey()), payload
	if err != nil {
		return err
	}
	if _, err = wire.CheckEvent(&m); err != nil {
		return err
	}
	event, ok, err := wire.ToOfficerEvent(&m)
	if err != nil || !ok {
		return err
	}
	item.Officer, item.Filed = &event, event.At
	if p.Plausible(event.At, item.Received) != nil {
		item.Filed = item.Received
	}
	return nil
}

func keyOf(m *wire.Key) nrd.Key {
	return nrd.Key{Device: m.GetDevice(), Epoch: m.GetEpoch(), Sequence: m.GetSequence()}
}
