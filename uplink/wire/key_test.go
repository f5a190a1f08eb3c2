package wire

import (
	"errors"
	"math/rand/v2"
	"testing"

	"google.golang.org/protobuf/proto"

	"nrd"
)

func TestTheKeyOfEveryKindOfItemIsFound(t *testing.T) {
	key := nrd.Key{Device: "car-7", Epoch: 1 << 63, Sequence: 3}
	r := filled[nrd.Record](rand.New(rand.NewPCG(1, 2)))
	r.Key = key
	for name, m := range map[string]proto.Message{
		"record": FromRecord(r), "image": FromImage(key, nrd.ImagePatch, picture(t, 12, 6)),
		"event": &Event{Key: FromKey(key), AtNs: 1, What: &Event_Drop{Drop: &Drop{Kind: KindRecord, Count: 4}}},
	} {
		if got, err := KeyOf(marshal(t, m)); err != nil || got != key {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	for name, c := range map[string]struct {
		payload []byte
		want    error
	}{
		"nothing": {nil, ErrInvalid}, "no message": {[]byte("no message"), ErrMalformed}, "a key that is none": {[]byte{0x0a, 1, 0xff}, ErrMalformed},
		"too long": {make([]byte, MaxPayloadBytes+1), ErrMalformed},
	} {
		if _, err := KeyOf(c.payload); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzKeyOf(f *testing.F) {
	r := filled[nrd.Record](rand.New(rand.NewPCG(1, 2)))
	r.Key.Device = "car-7"
	f.Add(marshal(f, FromRecord(r)))
	f.Add([]byte{0x0a, 0x00, 0x0a, 0x02, 0x18, 0x01})
	f.Fuzz(func(t *testing.T, payload []byte) {
		got, err := KeyOf(payload)
		var m Record
		if Unmarshal(payload, &m) != nil {
			return
		}
		want, wantErr := ToKey(m.GetKey())
		if (err == nil) != (wantErr == nil) || err == nil && got != want {
			t.Errorf("%v, %v; a record's is %v, %v", got, err, want, wantErr)
		}
	})
}
