package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"
	"go.uber.org/goleak"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/clock"
	"nrd/internal/sealed"
)

// realCost is what a password costs outside these tests, which check many.
var realCost = hashParams

func TestMain(m *testing.M) {
	hashParams = &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}
	goleak.VerifyTestMain(m)
}

const password = "a long enough phrase"

var cli = By{Account: "jane.doe", From: "command line"}

// site is a real store with one ANPR manager, jane.doe, and an officer.
type site struct {
	*Service
	clock *clock.Manual
}

func newSite(t *testing.T) site {
	t.Helper()
	c := clock.NewManual(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))
	st, err := sqlite.Open(sqlite.Config{Dir: t.TempDir(), Key: sealed.NewKey(), Clock: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	s := site{&Service{Store: st, Clock: c, Log: slog.New(slog.DiscardHandler), Idle: 30 * time.Minute, Absolute: 12 * time.Hour}, c}
	if err := s.Initialize(); err != nil {
		t.Fatal(err)
	}
	s.add(t, "jane.doe", "anpr-manager")
	s.add(t, "sam.hill", "officer")
	return s
}

func (s site) add(t *testing.T, name, role string) {
	t.Helper()
	err := s.AddAccount(t.Context(), cli, store.Account{Name: name, FullName: "A Person", Role: role, Authoriser: "Supt Gray"}, password)
	if err != nil {
		t.Fatal(err)
	}
}

// lines gives the access log as "account: action: outcome".
func (s site) lines(t *testing.T) []string {
	t.Helper()
	log, err := s.Store.AccessLog(t.Context(), 1, 1000)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, l := range log {
		lines = append(lines, fmt.Sprintf("%s: %s: %s", l.Account, l.Action, l.Outcome))
	}
	return lines
}

func last(lines []string) string { return lines[len(lines)-1] }

func TestEverythingIsDeniedUnlessTheRoleGivesIt(t *testing.T) {
	all := []Right{ViewLive, Search, ViewImages, ViewDevices, ManageDevices, RevokeDevices, ConfigureDevices, ViewLists, ManageLists, ExportLists, DecideImports, Acknowledge, ManageAccounts, Audit, Backup}
	want := map[string]string{
		"officer":      "search records, view images",
		"control-room": "view records live, search records, view images, view devices, revoke and wipe devices, view lists, acknowledge hits",
		"anpr-manager": "view records live, search records, view images, view devices, enrol and approve devices, revoke and wipe devices, configure devices, view lists, make and change lists, export lists, approve and reject list files, acknowledge hits, manage accounts, back up and restore",
		"it":           "view devices, configure devices, back up and restore",
		"auditor":      "view devices, audit",
		"nobody":       "",
	}
	if len(want) != len(Roles)+1 {
		t.Errorf("there are %d roles, and this test knows %d", len(Roles), len(want)-1)
	}
	for role, rights := range want {
		var got []string
		for _, right := range all {
			if May(role, right) {
				got = append(got, string(right))
			}
		}
		if strings.Join(got, ", ") != rights {
			t.Errorf("%s may %q, want %q", role, strings.Join(got, ", "), rights)
		}
	}
}

func TestEveryActIsLoggedBeforeItIsAnswered(t *testing.T) {
	s := newSite(t)
	ask := func(account string, right Right, reason string) error {
		_, err := s.Authorise(t.Context(), Request{Account: account, Right: right, Action: "try", Reason: reason})
		return err
	}
	for name, c := range map[string]struct {
		account string
		right   Right
		reason  string
		want    error
		outcome string
	}{
		"a right of the role":           {"jane.doe", ViewDevices, "", nil, "ok"},
		"a right that others have":      {"sam.hill", ManageAccounts, "", ErrDenied, "refused: not allowed: the role officer has no right to manage accounts"},
		"an account that is not":        {"nobody", Search, "incident 1", ErrDenied, `refused: not allowed: there is no account "nobody"`},
		"a search with its reason":      {"sam.hill", Search, "incident 1", nil, "ok"},
		"a search without a reason":     {"sam.hill", Search, "", ErrReason, "refused: a reason is needed"},
		"a search with dots for reason": {"sam.hill", Search, " ... ", ErrReason, "refused: a reason is needed"},
		"a picture without a reason":    {"sam.hill", ViewImages, "\t", ErrReason, "refused: a reason is needed"},
		"a reason beyond measure":       {"sam.hill", Search, strings.Repeat("x", MaxReason+1), ErrReason, "refused: a reason is needed of at most 500 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := ask(c.account, c.right, c.reason); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if got, want := last(s.lines(t)), c.account+": try: "+c.outcome; got != want {
				t.Errorf("the log says %q, want %q", got, want)
			}
		})
	}
	if err := s.Store.CheckAccessLog(t.Context()); err != nil {
		t.Error(err)
	}
}

// brokenLog is a store whose access log cannot be written.
type brokenLog struct{ store.Store }

func (brokenLog) Log(context.Context, store.Access) (store.Access, error) {
	return store.Access{}, store.ErrFull
}

func TestNothingIsShownThatTheLogDoesNotKnow(t *testing.T) {
	s := newSite(t)
	s.Store = brokenLog{s.Store}
	by := By{Account: "sam.hill", From: "10.0.0.1:1"}
	_, records, err := s.Search(t.Context(), by, "incident 1", store.Query{})
	if !errors.Is(err, ErrNotLogged) || records != nil {
		t.Errorf("search: %v, %v", records, err)
	}
	if _, _, err := s.Record(t.Context(), by, "incident 1", nrd.Key{}); !errors.Is(err, ErrNotLogged) {
		t.Errorf("record: %v", err)
	}
	if _, err := s.Image(t.Context(), by, "incident 1", nrd.Key{}, nrd.ImagePatch); !errors.Is(err, ErrNotLogged) {
		t.Errorf("image: %v", err)
	}
	if token, _, err := s.SignIn(t.Context(), "sam.hill", password, "10.0.0.1:1"); !errors.Is(err, ErrNotLogged) || token != "" {
		t.Errorf("sign in: %q, %v", token, err)
	}
	if err := s.AddAccount(t.Context(), cli, store.Account{Name: "li.wu", FullName: "Li", Role: "it", Authoriser: "X"}, password); !errors.Is(err, ErrNotLogged) {
		t.Errorf("add: %v", err)
	}
	if _, err := s.Store.Account(t.Context(), "li.wu"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the account was made all the same: %v", err)
	}
}

func TestASearchFindsRecordsAndLeavesItsWords(t *testing.T) {
	s := newSite(t)
	key := nrd.Key{Device: "unit-1", Epoch: 7, Sequence: 1}
	at := s.clock.Now().Add(-time.Minute)
	results, err := s.Store.Insert(t.Context(), []store.Item{{Key: key, Kind: store.KindRecord, Digest: [32]byte{1}, Received: at, Record: &nrd.Record{
		Key: key, Camera: nrd.Camera{Name: "A1"}, Captured: nrd.Stamp{UTC: at, Source: nrd.ClockNTP, Proved: true}, Read: nrd.Read{VRM: "AB12CDE", Raw: "AB12CDE", Confidence: 90},
	}}})
	if err != nil || results[0].Outcome != store.Stored {
		t.Fatal(results, err)
	}
	by := By{Account: "sam.hill", From: "10.0.0.1:1"}
	line, records, err := s.Search(t.Context(), by, " stolen vehicle, incident 4 ", store.Query{Pattern: "ab12*", From: at.Add(-time.Hour), Camera: "A1"})
	if err != nil || len(records) != 1 || records[0].Key != key {
		t.Fatalf("found %v, %v", records, err)
	}
	if want := `vrm AB12*, from 2026-11-23T07:59:00Z, camera "A1"`; line.Subject != want || line.Reason != "stolen vehicle, incident 4" || line.From != by.From {
		t.Errorf("the log has %q, %q, %q", line.Subject, line.Reason, line.From)
	}
	before := len(s.lines(t))
	if _, _, err := s.Search(t.Context(), by, "incident 4", store.Query{Pattern: "AB12'; DROP"}); !errors.Is(err, store.ErrQuery) {
		t.Errorf("a pattern that cannot be: %v", err)
	}
	if len(s.lines(t)) != before {
		t.Error("a search that cannot be made was logged as one")
	}
}

func TestACitedLineIsOnesOwnRecentAndGranted(t *testing.T) {
	s := newSite(t)
	mine, _, err := s.Search(t.Context(), By{Account: "sam.hill"}, "incident 4", store.Query{})
	if err != nil {
		t.Fatal(err)
	}
	if line, err := s.Cited(t.Context(), "sam.hill", mine.Sequence); err != nil || line.Reason != "incident 4" {
		t.Errorf("one's own line: %v, %v", line, err)
	}
	if _, err := s.Cited(t.Context(), "jane.doe", mine.Sequence); !errors.Is(err, ErrReason) {
		t.Errorf("somebody else's line: %v", err)
	}
	for _, sequence := range []uint64{0, mine.Sequence + 1, 1 << 63} {
		if _, err := s.Cited(t.Context(), "sam.hill", sequence); !errors.Is(err, ErrReason) {
			t.Errorf("line %d: %v", sequence, err)
		}
	}
	if _, _, err := s.Search(t.Context(), By{Account: "sam.hill"}, "", store.Query{}); !errors.Is(err, ErrReason) {
		t.Fatal(err)
	}
	if _, err := s.Cited(t.Context(), "sam.hill", mine.Sequence+1); !errors.Is(err, ErrReason) {
		t.Errorf("a refused line: %v", err)
	}
	s.clock.Advance(13 * time.Hour)
	if _, err := s.Cited(t.Context(), "sam.hill", mine.Sequence); !errors.Is(err, ErrReason) {
		t.Errorf("yesterday's line: %v", err)
	}
}
