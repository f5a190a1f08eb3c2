package storetest

import (
	"context"
	"reflect"
	"testing"
	"time"

	"nrd/collector/store"
)

func alarms(t *testing.T, subject Subject) {
	s := open(t, subject)
	ctx := context.Background()
	raise := func(a store.Alarm, want bool) {
		t.Helper()
		if raised, err := s.RaiseAlarm(ctx, a); err != nil || raised != want {
			t.Errorf("RaiseAlarm %+v: %v, %v, want %v", a, raised, err, want)
		}
	}
	silent := store.Alarm{Device: "unit-1", Kind: "silent", Raised: Noon, Text: "not heard for 5 min"}
	disk := store.Alarm{Device: "unit-1", Kind: "disk", Raised: Noon.Add(time.Minute), Text: "little is free"}
	other := store.Alarm{Device: "unit-2", Kind: "silent", Raised: Noon.Add(2 * time.Minute), Text: "not heard for 5 min"}
	raise(silent, true)
	raise(disk, true)
	raise(other, true)
	again := silent
	again.Raised, again.Text = Noon.Add(time.Hour), "not heard for 65 min"
	raise(again, false)
	if got, err := s.StandingAlarms(ctx); err != nil || !reflect.DeepEqual(got, []store.Alarm{other, disk, silent}) {
		t.Errorf("standing: %+v, %v", got, err)
	}
	for _, want := range []bool{true, false} {
		if cleared, err := s.ClearAlarm(ctx, "unit-1", "silent", Noon.Add(2*time.Hour)); err != nil || cleared != want {
			t.Errorf("ClearAlarm: %v, %v, want %v", cleared, err, want)
		}
	}
	silent.Cleared = Noon.Add(2 * time.Hour)
	if got, err := s.ClearedAlarms(ctx, 10); err != nil || !reflect.DeepEqual(got, []store.Alarm{silent}) {
		t.Errorf("cleared: %+v, %v", got, err)
	}
	raise(again, true) // it came back
	if got, err := s.StandingAlarms(ctx); err != nil || len(got) != 3 || got[0] != again {
		t.Errorf("standing: %+v, %v", got, err)
	}
}

func traffic(t *testing.T, subject Subject) {
	s := open(t, subject)
	ctx := context.Background()
	hour := Noon.Truncate(time.Hour)
	first := store.Traffic{Device: "unit-1", Hour: hour, Frames: 900, Reads: 7, Covered: 30 * time.Minute}
	second := store.Traffic{Device: "unit-1", Hour: hour.Add(time.Hour), Frames: 90000, Reads: 700, Covered: time.Hour, Blind: true}
	put := func(forget time.Time, hours ...store.Traffic) {
		t.Helper()
		if err := s.PutTraffic(ctx, forget, hours); err != nil {
			t.Fatal(err)
		}
	}
	put(hour, first, second)
	first.Reads, first.Covered = 14, time.Hour
	put(hour, first)
	if got, err := s.Traffic(ctx); err != nil || !reflect.DeepEqual(got, []store.Traffic{first, second}) {
		t.Errorf("Traffic: %+v, %v", got, err)
	}
	put(hour.Add(time.Hour))
	if got, err := s.Traffic(ctx); err != nil || !reflect.DeepEqual(got, []store.Traffic{second}) {
		t.Errorf("what was to be forgotten: %+v, %v", got, err)
	}
}
