package collector

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/clock"
)

func TestTheCommandLineListsAlarmsHealthAndQuarantineAndReleases(t *testing.T) {
	c := staffed(t)
	now := c.Clock.Now()
	r, err := openRooms(c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	record := storetest.Record("car-7", 1, "QU11TES", now)
	record.Captured = nrd.Stamp{UTC: time.Unix(600, 0).UTC(), Source: nrd.ClockUnknown, BootID: "b007", Monotonic: time.Hour}
	item := storetest.Items(record, now)[0]
	item.Quarantine = "the unit's clock was not proved"
	_, insertErr := r.store.Insert(ctx, []store.Item{item})
	_, alarmErr := r.store.RaiseAlarm(ctx, store.Alarm{Device: "car-7", Kind: "clock", Raised: now, Text: "nothing vouches for it"})
	changeErr := r.store.ChangeDevice(ctx, "car-7", func(d *store.Device) error { d.Approved = now; return nil })
	status := &nrd.Status{Software: "1.2", Waiting: 3, At: now, OldestWaiting: now.Add(-time.Minute), Clock: nrd.Stamp{Source: nrd.ClockRTC}, ReadsPerMinute: 7}
	seenErr := r.store.Seen(ctx, store.Heard{Device: "car-7", At: now, Status: status})
	if err := errors.Join(insertErr, alarmErr, changeErr, seenErr, r.close()); err != nil {
		t.Fatal(err)
	}
	jane := openDesk(t, c, "jane.doe")
	health, err := jane.Health(ctx)
	if err != nil || len(health) != 1 || health[0].State != "alarm" || health[0].Waiting != 3 || health[0].OldestWaiting != 60 || health[0].ClockProved ||
		health[0].ClockSource != "rtc" || health[0].ReadsPerMinute != 7 || fmt.Sprint(health[0].Alarms) != "[clock: nothing vouches for it]" {
		t.Errorf("health %+v, %v", health, err)
	}
	alarms, err := jane.Alarms(ctx, 0)
	if err != nil || len(alarms) != 1 || alarms[0].Kind != "clock" || alarms[0].Cleared != nil {
		t.Errorf("alarms %+v, %v", alarms, err)
	}
	if over, err := jane.Alarms(ctx, 10); err != nil || len(over) != 0 {
		t.Errorf("alarms that are over %+v, %v", over, err)
	}
	aside, err := jane.Quarantine(ctx)
	if err != nil || len(aside) != 1 || aside[0].Key != record.Key.String() || aside[0].AfterBoot != time.Hour.Milliseconds() || aside[0].Proved {
		t.Fatalf("quarantine %+v, %v", aside, err)
	}
	at := now.Add(-time.Hour)
	for name, f := range map[string]Freeing{
		"no reason":       {Key: aside[0].Key, At: at},
		"no key":          {Key: "car-7", At: at, Reason: "incident 7"},
		"a time to come":  {Key: aside[0].Key, At: now.Add(time.Hour), Reason: "incident 7"},
		"another's key":   {Key: "car-7/0000000000000001/9", At: at, Reason: "incident 7"},
		"a time long ago": {Key: aside[0].Key, At: at.AddDate(-30, 0, 0), Reason: "incident 7"},
	} {
		if n, err := jane.Release(ctx, f); err == nil || n != 0 {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if n, err := jane.Release(ctx, Freeing{Key: aside[0].Key, At: at, Reason: "incident 7"}); err != nil || n != 1 {
		t.Fatalf("released %d, %v", n, err)
	}
	found, err := jane.Search(ctx, Enquiry{VRM: "QU11TES", Reason: "incident 7", From: at, To: at.Add(time.Second)})
	if err != nil || len(found) != 1 || !found[0].Captured.Equal(at) || found[0].CorrectedBy != "person" || !found[0].UnitTime.Equal(record.Captured.UTC) {
		t.Errorf("found %+v, %v", found, err)
	}
}

func TestCentralAnswersPrometheusWhereItIsTold(t *testing.T) {
	c := newSite(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.Metrics.Listen = l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c.Clock = clock.NewManual(storetest.Noon)
	r, err := openRooms(c, quiet)
	if err != nil {
		t.Fatal(err)
	}
	_, insertErr := r.store.Insert(t.Context(), storetest.Items(storetest.Record("car-7", 1, "QU11TES", storetest.Noon), storetest.Noon))
	changeErr := r.store.ChangeDevice(t.Context(), "car-7", func(d *store.Device) error { d.Approved = storetest.Noon; return nil })
	seenErr := r.store.Seen(t.Context(), store.Heard{Device: "car-7", At: storetest.Noon, Status: &nrd.Status{Waiting: 3, DiskFree: 5}})
	if err := errors.Join(insertErr, changeErr, seenErr, r.close()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ready, ended := make(chan bool, 1), make(chan error, 1)
	server := &Central{Config: c, Log: slog.New(slog.DiscardHandler), OnReady: func(net.Addr, net.Addr) { ready <- true }}
	go func() { ended <- server.Run(ctx) }()
	select {
	case <-ready:
	case err := <-ended:
		t.Fatal(err)
	}
	var text string
	for end := time.Now().Add(20 * time.Second); !strings.Contains(text, `nrd_central_alarms{kind="disk"} 1`); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no alarm about the disk in\n%s", text)
		}
		answer, err := http.Get("http://" + c.Metrics.Listen + "/metrics")
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		if err = errors.Join(err, answer.Body.Close()); err != nil {
			t.Fatal(err)
		}
		text = string(body)
	}
	http.DefaultClient.CloseIdleConnections()
	for _, d := range definitions {
		if !strings.Contains(text, "\n"+d.Name) {
			t.Errorf("Prometheus is not told %s", d.Name)
		}
	}
	if !strings.Contains(text, "nrd_central_records 1\n") || !strings.Contains(text, `nrd_central_device_waiting{device="car-7"} 3`) || strings.Contains(text, "QU11") {
		t.Errorf("Prometheus is told\n%s", text)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
