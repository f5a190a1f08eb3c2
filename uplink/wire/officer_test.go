package wire

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"nrd"
)

func TestEverythingThatAnOfficerDidComesThrough(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		sent := *filled[nrd.OfficerEvent](rng)
		sent.Record.Device = "car-7"
		m := FromOfficerEvent(sent)
		m.Key = FromKey(nrd.Key{Device: "car-7", Epoch: 1, Sequence: 2})
		var read Event
		if err := Unmarshal(marshal(t, m), &read); err != nil {
			t.Fatal(err)
		}
		if _, err := CheckEvent(&read); err != nil {
			t.Fatal(err)
		}
		got, ok, err := ToOfficerEvent(&read)
		if err != nil || !ok || !reflect.DeepEqual(got, sent) {
			t.Fatalf("sent %+v\n got %+v, %v, %v", sent, got, ok, err)
		}
	}
	if _, ok, err := ToOfficerEvent(&Event{What: FromCorrection(nrd.Correction{BootID: "b"})}); ok || err != nil {
		t.Errorf("a correction was taken for an officer's action: %v", err)
	}
}

func TestAnOfficersActionThatCannotBeIsRefused(t *testing.T) {
	for name, m := range map[string]*OfficerEvent{
		"no action":               {},
		"a mark not normalised":   {Action: "checked", Vrm: "ab 12"},
		"a record without device": {Action: "acted", Record: &Key{Sequence: 1}},
		"text that is not UTF-8":  {Action: "checked", Reason: "\xff"},
		"another device's record": {Action: "acted", Record: &Key{Device: "car-8", Epoch: 1, Sequence: 1}},
		"too many lists":          {Action: "acted", Lists: make([]string, maxHits+1)},
		"too many hits":           {Action: "alerted", Told: slices.Repeat([]*Hit{{Entry: &Entry{Vrm: "A1"}}}, maxHits+1)},
		"a hit without a mark":    {Action: "alerted", Told: []*Hit{{Entry: &Entry{List: "national"}}}},
	} {
		m := &Event{Key: FromKey(nrd.Key{Device: "car-7", Epoch: 1, Sequence: 2}), What: &Event_Officer{Officer: m}}
		if _, err := CheckEvent(m); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
