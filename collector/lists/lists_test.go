package lists

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/collector/store/sqlite"
	"nrd/internal/clock"
	"nrd/internal/sealed"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

var jane = access.By{Account: "jane.doe", From: "10.0.0.1:1"}

// site is lists over a real store, with an ANPR manager, jane.doe, and an officer,
// sam.hill.
type site struct {
	*Lists
	t     testing.TB
	dir   string
	clock *clock.Manual
	store *sqlite.Store
}

func newSite(t testing.TB) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), clock: clock.NewManual(noon)}
	s.Lists = s.begin(sealed.NewKey())
	for name, role := range map[string]string{"jane.doe": "anpr-manager", "sam.hill": "officer", "ros.kerr": "control-room"} {
		if err := s.store.PutAccount(t.Context(), store.Account{Name: name, FullName: "A Person", Role: role, Authoriser: "Supt Gray"}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(s.end)
	return s
}

// begin opens everything, as a start of central does.
func (s *site) begin(key *sealed.Key) *Lists {
	s.t.Helper()
	l, st, err := open(s.t.Context(), s.dir, key, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	s.store = st
	return l
}

// open opens the store and the lists in a folder.
func open(ctx context.Context, dir string, key *sealed.Key, c nrd.Clock) (*Lists, *sqlite.Store, error) {
	log := slog.New(slog.DiscardHandler)
	profile, err := nrd.LoadProfile(nrd.DefaultProfile)
	if err != nil {
		return nil, nil, err
	}
	st, err := sqlite.Open(sqlite.Config{Dir: filepath.Join(dir, "store"), Key: key, Clock: c, Log: log})
	if err != nil {
		return nil, nil, err
	}
	door := &access.Service{Store: st, Profile: profile, Clock: c, Log: log, Idle: time.Hour, Absolute: time.Hour}
	l := &Lists{
		Store: st, Access: door, Dir: filepath.Join(dir, "lists"), Inbox: filepath.Join(dir, "inbox"), Key: key, Profile: profile,
		Limits: Limits{Shrink: 0.2, Late: time.Hour, Retrospect: 30 * 24 * time.Hour, Expired: 28 * 24 * time.Hour}, Clock: c, Log: log,
	}
	if err := errors.Join(door.Initialize(), l.Initialize(ctx)); err != nil {
		return nil, nil, errors.Join(err, st.Close())
	}
	return l, st, nil
}

func (s *site) end() {
	s.Close()
	if err := s.store.Close(); err != nil {
		s.t.Error(err)
	}
}

// again ends central and starts it anew.
func (s *site) again() {
	s.t.Helper()
	publisher := s.Publisher
	s.end()
	s.Lists = s.begin(s.Key)
	s.Publisher = publisher
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// national makes the list of the national extract, which is due every eight hours.
func (s *site) national() {
	s.t.Helper()
	s.must(s.Create(s.t.Context(), jane, NewList{Name: "national", Source: "NAT_WANTED", Every: 8 * time.Hour, Owner: "National Desk", Purpose: store.ForResponse}))
}

func (s *site) localList(name string) {
	s.t.Helper()
	s.must(s.Create(s.t.Context(), jane, NewList{Name: name, Owner: "DI Gray", Purpose: store.ForResponse}))
}

// line is one entry of a file.
func line(vrm, reference string) string {
	return vrm + ",FORD,FOCUS,BLUE,High,WE VI,Stolen in a burglary,,Stop,Example,2027-01-31,,OFFICIAL,,," + reference + "\r\n"
}

// many are n entries of different marks, from a number on.
func many(from, n int) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		b.WriteString(line(fmt.Sprintf("AB%02d%c%c%c", i%90+10, 'A'+i/90%20, 'A'+i/1800%20, 'A'+i/36000%20), fmt.Sprint(i)))
	}
	return b.String()
}

func zipped(member, text string) string {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(member)
	if err == nil {
		_, err = w.Write([]byte(text))
	}
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return b.String()
}

// lay puts a file in the inbox, changed now by the test's clock.
func (s *site) lay(name, text string) {
	s.t.Helper()
	path := filepath.Join(s.Inbox, name)
	s.must(os.WriteFile(path, []byte(text), 0o600))
	s.must(os.Chtimes(path, s.clock.Now(), s.clock.Now()))
}

// look looks into the inbox twice, so that what lies still is taken.
func (s *site) look() {
	s.t.Helper()
	for range 2 {
		s.must(s.lookIntoInbox(s.t.Context()))
	}
}

// arrives lays a file, has it loaded, and gives its import.
func (s *site) arrives(name, text string) store.ListImport {
	s.t.Helper()
	s.clock.Advance(time.Minute)
	s.lay(name, text)
	s.look()
	all, err := s.store.Imports(s.t.Context(), "", 1)
	if err != nil || len(all) != 1 {
		s.t.Fatal(all, err)
	}
	if left, err := os.ReadDir(s.Inbox); err != nil || len(left) != 0 {
		s.t.Errorf("the inbox still has %v, %v", left, err)
	}
	return all[0]
}

func (s *site) list(name string) store.List {
	s.t.Helper()
	list, err := s.store.List(s.t.Context(), name)
	s.must(err)
	return list
}

// references gives the references of the entries that a mark hits.
func (s *site) references(v nrd.VRM) []string {
	var all []string
	for _, f := range s.matched(v, s.clock.Stamp(), nil) {
		all = append(all, f.Entry.List+" "+f.Entry.Reference)
	}
	slices.Sort(all)
	return all
}

func (s *site) hits(v nrd.VRM, want ...string) {
	s.t.Helper()
	if got := s.references(v); !slices.Equal(got, want) {
		s.t.Errorf("%s hits %q, want %q", v, got, want)
	}
}

// alarms gives the standing alarms as "about: kind".
func (s *site) alarms() []string {
	s.t.Helper()
	s.must(s.watch(s.t.Context()))
	standing, err := s.store.StandingAlarms(s.t.Context())
	s.must(err)
	var all []string
	for _, a := range standing {
		all = append(all, a.Device+": "+a.Kind)
	}
	slices.Sort(all)
	return all
}

// printer is a publisher that remembers what it was given.
type printer struct {
	mu     sync.Mutex
	lists  map[string]Publication
	marks  map[string][]nrd.VRM
	broken error
}

func newPrinter() *printer {
	return &printer{lists: map[string]Publication{}, marks: map[string][]nrd.VRM{}}
}

func (p *printer) Publish(_ context.Context, list Publication, entries iter.Seq2[nrd.Entry, error]) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.broken != nil {
		return p.broken
	}
	if list.Version < p.lists[list.Name].Version {
		return ErrPublished
	}
	var marks []nrd.VRM
	for e, err := range entries {
		if err != nil {
			return err
		}
		marks = append(marks, e.VRM)
	}
	p.lists[list.Name], p.marks[list.Name] = list, marks
	return nil
}

func (p *printer) Withdraw(_ context.Context, name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.lists, name)
	delete(p.marks, name)
	return nil
}

// lines gives the access log as "account: action: outcome".
func (s *site) lines() []string {
	s.t.Helper()
	log, err := s.store.AccessLog(s.t.Context(), 1, 1000)
	s.must(err)
	var lines []string
	for _, a := range log {
		lines = append(lines, fmt.Sprintf("%s: %s: %s", a.Account, a.Action, a.Outcome))
	}
	return lines
}

// walk gives every file below a folder.
func walk(dir string, do func(path string, data []byte)) error {
	return filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		data, err := os.ReadFile(path)
		do(path, data)
		return err
	})
}
