package ingest

import (
	"errors"
	"fmt"

	"nrd"
	"nrd/collector/store"
	"nrd/uplink/wire"
)

var errAnother = errors.New("the key is another device's than the certificate's")

// read makes the item of a message that was published to one of a device's
// topics. On an error key and kind are set as far as they could be read.
func read(m message) (store.Item, error) {
	item := store.Item{Digest: wire.Digest(m.payload), Received: m.received}
	var err error
	switch m.topic {
	case wire.TopicRecord(m.device):
		err = readRecord(m.payload, &item)
	case wire.TopicImage(m.device):
		err = readImage(m.payload, &item)
	case wire.TopicEvent(m.device):
		err = readEvent(m.payload, &item)
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

func readImage(payload []byte, item *store.Item) error {
	var m wire.Image
	err := wire.Unmarshal(payload, &m)
	item.Kind, item.Key = store.Kind(m.GetKind()), keyOf(m.GetKey())
	if err != nil {
		return err
	}
	_, _, item.Image, err = wire.ToImage(&m)
	return err
}

func readEvent(payload []byte, item *store.Item) error {
	var m wire.Event
	err := wire.Unmarshal(payload, &m)
	item.Kind, item.Key, item.Event = store.KindEvent, keyOf(m.GetKey()), payload
	if err != nil {
		return err
	}
	_, err = wire.CheckEvent(&m)
	return err
}

func keyOf(m *wire.Key) nrd.Key {
	return nrd.Key{Device: m.GetDevice(), Epoch: m.GetEpoch(), Sequence: m.GetSequence()}
}
