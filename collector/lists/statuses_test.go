package lists

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

// uninsured makes a list of statuses.
func (s *site) uninsured() {
	s.t.Helper()
	s.must(s.Create(s.t.Context(), jane, NewList{Name: "uninsured", Source: "NAT_UNINSURED", Status: true, Owner: "Roads Policing", Purpose: store.ForResponse}))
}

// says is a line of a list of statuses.
func says(vrm, what string) string { return vrm + ",,,,,," + what + ",,,,,,,,,\r\n" }

// saysMany are n lines of different marks that all say the same, from a number on.
func saysMany(from, n int, what string) string {
	var b strings.Builder
	for i := from; i < from+n; i++ {
		b.WriteString(says(string(mark(i)), what))
	}
	return b.String()
}

// arrivesAside lays a file of statuses, has it loaded, and gives its import.
func (s *site) arrivesAside(name, text string) store.ListImport {
	s.t.Helper()
	s.clock.Advance(time.Minute)
	s.lay(name, text)
	s.look()
	s.inbox.aside.Wait()
	all, err := s.store.Imports(s.t.Context(), "uninsured", 1)
	if err != nil || len(all) != 1 {
		s.t.Fatal(all, err)
	}
	if left, err := os.ReadDir(s.Inbox); err != nil || len(left) != 0 {
		s.t.Errorf("the inbox still has %v, %v", left, err)
	}
	return all[0]
}

func TestAListOfStatusesComesAndIsPublishedAsOne(t *testing.T) {
	s := newSite(t)
	p := newPrinter()
	s.Publisher = p
	s.uninsured()
	if i := s.arrivesAside("NAT_UNINSURED_R.dat", saysMany(0, 1000, "No insurance")+says("ZZ1", "No tax")); i.State != store.ImportLoaded || i.Entries != 1001 {
		t.Fatalf("the import is %+v", i)
	}
	s.must(s.publish(t.Context()))
	s.Lists.aside.Wait()
	if l := p.lists["uninsured"]; !l.Status || l.Near || len(p.marks["uninsured"]) != 1001 || s.list("uninsured").Published != 1 {
		t.Errorf("published is %+v with %d marks", l, len(p.marks["uninsured"]))
	}
	for _, f := range s.matched("ZZ1", s.clock.Stamp(), nil) {
		if f.Entry.Reason != "No tax" {
			t.Errorf("the hit is %+v", f)
		}
	}
	s.hits("ZZ1", "uninsured ")
	// Whether it is one of statuses stays: units would have to be given another form.
	s.must(s.Change(t.Context(), jane, "uninsured", func(n *NewList) { n.Owner = "Insp Kerr" }))
	if l := s.list("uninsured"); !l.Status || l.Owner != "Insp Kerr" {
		t.Errorf("after a change: %+v", l)
	}
	s.must(s.Withdraw(t.Context(), jane, "uninsured", "the insurers ended it"))
	s.must(s.publish(t.Context()))
	s.Lists.aside.Wait()
	if _, there := p.lists["uninsured"]; there {
		t.Error("the units still have it")
	}
}

func TestAFileThatSaysTooManyDifferentThingsIsRefusedWithItsLine(t *testing.T) {
	s := newSite(t)
	s.uninsured()
	var different strings.Builder
	for n := range 256 {
		different.WriteString(says(string(mark(n)), fmt.Sprintf("Status %d", n)))
	}
	i := s.arrivesAside("NAT_UNINSURED_R.dat", different.String()+says("ZZ1", "Status 3"))
	if i.State != store.ImportLoaded || i.Entries != 257 {
		t.Fatalf("256 different ones: %+v", i)
	}
	for operation, text := range map[string]string{"R": different.String() + says("ZZ2", "Secret thing"), "I": says("ZZ2", "Secret thing")} {
		i = s.arrivesAside("NAT_UNINSURED_"+operation+".dat", text)
		if i.State != store.ImportRefused || !strings.Contains(i.Why, "256 different") || strings.Contains(i.Why, "Secret") {
			t.Errorf("%s: one more: %+v", operation, i)
		}
		if operation == "R" && !strings.Contains(i.Why, "line 257") {
			t.Errorf("which line it is it does not say: %s", i.Why)
		}
		s.hits("ZZ1", "uninsured ")
		s.hits("ZZ2")
	}
	// What is deleted leaves room.
	if i = s.arrivesAside("NAT_UNINSURED_D.dat", says(string(mark(0)), "Whatever it says")); i.State != store.ImportLoaded || i.Entries != 256 {
		t.Fatalf("the delete is %+v", i)
	}
	if i = s.arrivesAside("NAT_UNINSURED_I.dat", says("ZZ2", "Another thing")); i.State != store.ImportLoaded {
		t.Errorf("where there is room: %+v", i)
	}
}

func TestAListOfStatusesIsNeitherLocalNorMatchedNearly(t *testing.T) {
	s := newSite(t)
	for what, n := range map[string]NewList{
		"local": {Name: "a", Status: true, Owner: "DI Gray", Purpose: store.ForResponse},
		"near":  {Name: "b", Source: "A_B", Status: true, Near: true, Owner: "DI Gray", Purpose: store.ForResponse},
	} {
		if err := s.Create(t.Context(), jane, n); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// slowStore lets nothing of one list be put in force before it is told to.
type slowStore struct {
	store.Store
	list          string
	reached, goOn chan struct{}
}

func (s *slowStore) PutInForce(ctx context.Context, i store.ListImport, r store.Retrospect, change func(*store.List) error) error {
	if i.List == s.list {
		close(s.reached)
		<-s.goOn
	}
	return s.Store.PutInForce(ctx, i, r, change)
}

// slow makes what is loaded into a list last until goOn is closed; reached is closed
// when it is there.
func (s *site) slow(list string) (reached, goOn chan struct{}) {
	slow := &slowStore{Store: s.store, list: list, reached: make(chan struct{}), goOn: make(chan struct{})}
	s.Store = slow
	return slow.reached, slow.goOn
}

// inTime does something that must not wait.
func inTime(t *testing.T, what string, do func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
	case <-time.After(20 * time.Second):
		t.Fatal(what + " waits for an import of another list")
	}
}

func TestALongImportOfStatusesKeepsNobodyFromOtherLists(t *testing.T) {
	s := newSite(t)
	s.national()
	s.localList("burglars")
	s.uninsured()
	reached, goOn := s.slow("uninsured")
	s.clock.Advance(time.Minute)
	s.lay("NAT_UNINSURED_R.dat", saysMany(0, 10, "No insurance"))
	inTime(t, "the inbox", s.look)
	<-reached
	inTime(t, "an edit", func() {
		s.must(s.PutEntry(t.Context(), jane, "burglars", store.ListEntry{Entry: nrd.Entry{VRM: "ZZ2", Weed: noon.AddDate(0, 1, 0)}}))
	})
	inTime(t, "the national extract", func() {
		s.lay("NAT_WANTED_R.dat", many(0, 10)+line("ZZ1", "7"))
		s.look()
	})
	s.hits("ZZ1", "national 7")
	s.hits("ZZ2", "burglars ")
	close(goOn)
	s.inbox.aside.Wait()
	s.hits(mark(3), "uninsured ")
	if left, err := os.ReadDir(s.Inbox); err != nil || len(left) != 0 {
		t.Errorf("the inbox still has %v, %v", left, err)
	}
}

// slowPrinter takes its time over a list.
type slowPrinter struct {
	*printer
	list string
	goOn chan struct{}
}

func (p *slowPrinter) Publish(ctx context.Context, l Publication, entries iter.Seq2[nrd.Entry, error]) error {
	if l.Name == p.list {
		<-p.goOn
	}
	return p.printer.Publish(ctx, l, entries)
}

func TestALongPublicationOfStatusesKeepsNoOtherListFromTheUnits(t *testing.T) {
	s := newSite(t)
	p := &slowPrinter{newPrinter(), "a-uninsured", make(chan struct{})}
	s.Publisher = p
	s.must(s.Create(t.Context(), jane, NewList{Name: "a-uninsured", Source: "NAT_UNINSURED", Status: true, Owner: "Roads Policing", Purpose: store.ForResponse}))
	s.clock.Advance(time.Minute)
	s.lay("NAT_UNINSURED_R.dat", saysMany(0, 10, "No insurance"))
	s.look()
	s.inbox.aside.Wait()
	s.localList("burglars")
	s.must(s.PutEntry(t.Context(), jane, "burglars", store.ListEntry{Entry: nrd.Entry{VRM: "ZZ2", Weed: noon.AddDate(0, 1, 0)}}))
	inTime(t, "a local list", func() { s.must(s.publish(t.Context())) })
	if !slices.Equal(p.marks["burglars"], []nrd.VRM{"ZZ2"}) {
		t.Errorf("the units have %v", p.marks)
	}
	s.must(s.publish(t.Context())) // the next look finds it at work
	close(p.goOn)
	s.Lists.aside.Wait()
	if len(p.marks["a-uninsured"]) != 10 || s.list("a-uninsured").Published == 0 {
		t.Errorf("the units have %v", p.marks)
	}
}

func TestALargeListThatIsWithdrawnWhileItIsPublishedGoesToNoUnit(t *testing.T) {
	s := newSite(t)
	s.uninsured()
	s.arrivesAside("NAT_UNINSURED_R.dat", saysMany(0, askEvery+10, "No insurance"))
	list := s.list("uninsured")
	f, err := openFile(s.path(list.File), s.keyOf(list.File))
	s.must(err)
	defer f.close() //nolint:errcheck // it was only read
	n := 0
	for _, err = range s.forUnits(t.Context(), f, "uninsured") {
		if n++; n == 1 {
			s.must(s.Withdraw(t.Context(), jane, "uninsured", "made by mistake"))
		}
	}
	if !errors.Is(err, ErrInvalid) || n > askEvery {
		t.Errorf("after %d entries: %v", n, err)
	}
}

func TestADamagedListOfStatusesIsFoundAfterTheStartAndKeepsItFromNothing(t *testing.T) {
	s := newSite(t)
	s.uninsured()
	s.arrivesAside("NAT_UNINSURED_R.dat", saysMany(0, 5000, "No insurance"))
	path := s.path(s.list("uninsured").File)
	data, err := os.ReadFile(path)
	s.must(err)
	data[len(data)/2] ^= 1
	s.must(os.WriteFile(path, data, 0o600))
	s.again()
	if !s.isOpen("uninsured") {
		t.Error("the start went through all of it")
	}
	s.verifyStatuses(t.Context())
	if s.isOpen("uninsured") || !slices.Contains(s.alarms(), "list uninsured: extract") {
		t.Errorf("it is matched; alarms: %v", s.alarms())
	}
}
