package storetest

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"nrd"
	"nrd/collector/store"
)

func accounts(t *testing.T, subject Subject) {
	s, ctx := open(t, subject), context.Background()
	if _, err := s.Account(ctx, "ann"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown account: %v, want ErrNotFound", err)
	}
	ann := store.Account{Name: "ann", FullName: "Ann Other", Role: "investigator", PasswordHash: "$argon2id$x", Authoriser: "Insp. Lee", Created: Noon, Review: Noon.AddDate(1, 0, 0)}
	bob := store.Account{Name: "bob", Role: "administrator", Created: Noon}
	for _, a := range []store.Account{bob, ann} {
		if err := s.PutAccount(ctx, a); err != nil {
			t.Fatal(err)
		}
	}
	ann.Removed = Noon.Add(time.Hour)
	if err := s.PutAccount(ctx, ann); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Account(ctx, "ann"); err != nil || !reflect.DeepEqual(got, ann) {
		t.Errorf("Account: %+v, %v, want %+v", got, err, ann)
	}
	if got, err := s.Accounts(ctx); err != nil || !reflect.DeepEqual(got, []store.Account{ann, bob}) {
		t.Errorf("Accounts: %+v, %v", got, err)
	}
}

// logLines writes n lines and gives them as they were answered.
func logLines(t *testing.T, s store.Store, n int) []store.Access {
	t.Helper()
	var lines []store.Access
	for i := range n {
		line, err := s.Log(context.Background(), store.Access{
			At: Noon.Add(time.Duration(i) * time.Second), Account: "ann", Action: "search", Subject: "AB12*", Reason: "burglary 17/26", From: "127.0.0.1", Outcome: "ok",
		})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	return lines
}

func accessLog(t *testing.T, subject Subject) {
	s, ctx := open(t, subject), context.Background()
	if err := s.CheckAccessLog(ctx); err != nil {
		t.Errorf("an empty log: %v", err)
	}
	lines := logLines(t, s, 5)
	var chain [32]byte
	for i, line := range lines {
		if chain = line.Chained(chain); line.Sequence != uint64(i+1) || line.Chain != chain {
			t.Errorf("line %d has sequence %d and chain %x, want %x", i+1, line.Sequence, line.Chain, chain)
		}
	}
	if got, err := s.AccessLog(ctx, 2, 3); err != nil || !reflect.DeepEqual(got, lines[1:4]) {
		t.Errorf("AccessLog: %+v, %v, want %+v", got, err, lines[1:4])
	}
	if got, err := s.AccessLog(ctx, 6, 10); err != nil || len(got) != 0 {
		t.Errorf("AccessLog behind the end: %+v, %v", got, err)
	}
	if err := s.CheckAccessLog(ctx); err != nil {
		t.Error(err)
	}
}

func accessLogAltered(t *testing.T, subject Subject) {
	for name, test := range map[string]struct {
		alter func(*testing.T, store.Store, uint64)
		line  uint64
		says  string
	}{
		"the first line changed": {subject.ChangeLine, 1, "line 1 "},
		"a line changed":         {subject.ChangeLine, 3, "line 3 "},
		"the last line changed":  {subject.ChangeLine, 5, "line 5 "},
		"the first line gone":    {subject.RemoveLine, 1, "line 1 "},
		"a line gone":            {subject.RemoveLine, 3, "line 3 "},
		"the last line gone":     {subject.RemoveLine, 5, "line 5 "},
	} {
		s := open(t, subject)
		logLines(t, s, 5)
		test.alter(t, s, test.line)
		if err := s.CheckAccessLog(context.Background()); !errors.Is(err, store.ErrChain) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want ErrChain that names %s", name, err, test.says)
		}
	}
}

func devices(t *testing.T, subject Subject) {
	s, ctx := open(t, subject), context.Background()
	if _, err := s.Device(ctx, "unit-1"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("an unknown device: %v, want ErrNotFound", err)
	}
	status := &nrd.Status{Device: "unit-1", At: Noon, Software: "1.0", Waiting: 3, Dropped: map[string]uint64{"image": 2}, Problems: []string{"no GPS"}}
	if err := s.Seen(ctx, store.Heard{Device: "unit-1", At: Noon, Status: status}); err != nil {
		t.Fatal(err)
	}
	d, err := s.Device(ctx, "unit-1")
	if err != nil || !d.Approved.IsZero() || !reflect.DeepEqual(d.Status, status) {
		t.Fatalf("a device heard for the first time: %+v, %v; it is not approved", d, err)
	}
	d.Approved, d.ApprovedBy, d.Reference, d.Review = Noon, "ann", "DPIA-3", Noon.AddDate(1, 0, 0)
	approve := func(held *store.Device) error {
		held.Approved, held.ApprovedBy, held.Reference, held.Review = d.Approved, d.ApprovedBy, d.Reference, d.Review
		return nil
	}
	if err := s.ChangeDevice(ctx, "unit-1", approve); err != nil {
		t.Fatal(err)
	}
	refusal := errors.New("refused")
	if err := s.ChangeDevice(ctx, "unit-1", func(held *store.Device) error { *held = store.Device{}; return refusal }); !errors.Is(err, refusal) {
		t.Errorf("a change that was refused: %v", err)
	}
	d.LastSeen = Noon.Add(time.Minute)
	if err := s.Seen(ctx, store.Heard{Device: "unit-1", At: d.LastSeen}, store.Heard{Device: "unit-2", At: Noon}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Device(ctx, "unit-1"); err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("Seen without a status made %+v, %v, want %+v", got, err, d)
	}
	if err := s.ChangeDevice(ctx, "unit-0", approve); err != nil {
		t.Fatal(err)
	}
	rival := Noon.Add(time.Hour)
	if err := s.Seen(ctx, store.Heard{Device: "unit-2", At: rival, Rival: true}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Device(ctx, "unit-2"); err != nil || !got.Copied.Equal(rival) {
		t.Errorf("a device with a rival: %+v, %v", got, err)
	}
	if got, err := s.Devices(ctx); err != nil || len(got) != 3 || got[0].Name != "unit-0" || got[0].ApprovedBy != "ann" || !reflect.DeepEqual(got[1], d) || got[2].Name != "unit-2" {
		t.Errorf("Devices: %+v, %v", got, err)
	}
}

// Changes of one device at the same time do not undo each other.
func devicesAtOnce(t *testing.T, subject Subject) {
	s, ctx := open(t, subject), context.Background()
	const each = 20
	var work errgroup.Group
	for range 4 {
		work.Go(func() error {
			for range each {
				if err := s.ChangeDevice(ctx, "unit-1", func(d *store.Device) error { d.Orders++; return nil }); err != nil {
					return err
				}
				if err := s.Seen(ctx, store.Heard{Device: "unit-1", At: Noon}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		t.Fatal(err)
	}
	if d, err := s.Device(ctx, "unit-1"); err != nil || d.Orders != 4*each {
		t.Errorf("after %d changes: %+v, %v", 4*each, d, err)
	}
}
