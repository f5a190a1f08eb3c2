package lists

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"nrd"
	"nrd/internal/sealed"
)

// full is an entry that says everything that one can.
func full() item {
	return item{covert: true, Entry: nrd.Entry{
		List: "l", VRM: "AB12CDE", Make: "FORD", Model: "FOCUS", Colour: "BLUE", Priority: nrd.PriorityMedium, Action: "Medium", Markers: []string{"WE", "VI"},
		Reason: "reason, with a comma", Intelligence: "B21", Information: "information", Force: "force", Weed: time.Date(2027, 1, 31, 0, 0, 0, 0, time.UTC),
		NationalID: "id", Marking: "OFFICIAL", CAD: "cad", Instructions: "„ünï“", Reference: "reference", Line: 4711,
	}}
}

func TestAnEntryComesBackFromAFileAsItWas(t *testing.T) {
	early := full()
	early.Weed = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, want := range []item{full(), early, {Entry: nrd.Entry{List: "l", VRM: "A1"}}} {
		r := rowOf(&want)
		got, err := r.item("l")
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%+v came back as %+v, %v", want, got, err)
		}
		k, err := keyed(r.data)
		if err != nil || !k.same(&r) || k.line != want.Line {
			t.Errorf("its key is %+v, %v", k, err)
		}
	}
}

// writtenFile is a file with n entries and its key.
func writtenFile(t testing.TB, n int) (string, *sealed.Key) {
	t.Helper()
	path, key := filepath.Join(t.TempDir(), "f"), sealed.NewKey()
	w, err := newWriter(path, key)
	if err != nil {
		t.Fatal(err)
	}
	s := newSorter(t.TempDir())
	for i := range n {
		it := full()
		it.VRM = mark(i)
		if err := s.add(rowOf(&it)); err != nil {
			t.Fatal(err)
		}
	}
	rows, err := s.sorted()
	for err == nil {
		var r row
		var ok bool
		if r, ok, err = rows.next(); err == nil && !ok {
			break
		} else if err == nil {
			err = w.add(r)
		}
	}
	if err = errors.Join(err, w.finish(), s.close()); err != nil {
		t.Fatal(err)
	}
	return path, key
}

func TestEveryEntryOfAFileIsFoundAndNoOther(t *testing.T) {
	const n = 3000
	path, key := writtenFile(t, n)
	f, err := openFile(path, key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close() //nolint:errcheck // it was only read
	if err := f.verify(context.Background()); err != nil {
		t.Error(err)
	}
	for i := range n {
		if found, err := f.lookup(mark(i), "l"); err != nil || len(found) != 1 || found[0].VRM != mark(i) {
			t.Fatalf("%s: %v, %v", mark(i), found, err)
		}
		if found, err := f.lookup(mark(n+i)+"X", "l"); err != nil || len(found) != 0 {
			t.Fatalf("%sX: %v, %v", mark(n+i), found, err)
		}
	}
	for _, v := range []nrd.VRM{"0", "ZZZZZZZZZZZZZZZ", ""} {
		if found, err := f.lookup(v, "l"); err != nil || len(found) != 0 {
			t.Errorf("%q: %v, %v", v, found, err)
		}
	}
}

func TestManyEntriesForOneMarkAreAllFoundAlsoOverTheEndOfABlock(t *testing.T) {
	path, key := filepath.Join(t.TempDir(), "f"), sealed.NewKey()
	w, err := newWriter(path, key)
	for _, v := range []nrd.VRM{"A1", "B2", "C3"} {
		for i := range 200 {
			it := full()
			it.VRM, it.Reference = v, string(rune('A'+i/26))+string(rune('a'+i%26))
			err = errors.Join(err, w.add(rowOf(&it)))
		}
	}
	if err = errors.Join(err, w.finish()); err != nil {
		t.Fatal(err)
	}
	f, err := openFile(path, key)
	if err != nil {
		t.Fatal(err)
	}
	defer f.close() //nolint:errcheck // it was only read
	for _, v := range []nrd.VRM{"A1", "B2", "C3"} {
		if found, err := f.lookup(v, "l"); err != nil || len(found) != 200 {
			t.Errorf("%s: %d, %v", v, len(found), err)
		}
	}
}

func TestAChangedCutOrForeignFileIsDamaged(t *testing.T) {
	path, key := writtenFile(t, 500)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	reads := func(data []byte, key *sealed.Key) error {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := openFile(path, key)
		if err != nil {
			return err
		}
		return errors.Join(f.verify(context.Background()), f.close())
	}
	if err := reads(data, key); err != nil {
		t.Fatal(err)
	}
	if err := reads(data, sealed.NewKey()); !errors.Is(err, ErrDamaged) {
		t.Errorf("under another key: %v", err)
	}
	for at := 0; at < len(data); at += 997 {
		changed := append([]byte(nil), data...)
		changed[at] ^= 1
		if err := reads(changed, key); !errors.Is(err, ErrDamaged) {
			t.Errorf("changed at %d: %v", at, err)
		}
		if err := reads(data[:at], key); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut at %d: %v", at, err)
		}
	}
}

func FuzzItem(f *testing.F) {
	it := full()
	f.Add(rowOf(&it).data)
	f.Add([]byte{})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		k, err := keyed(data)
		if err != nil {
			return
		}
		it, err := k.item("l")
		if err == nil && (it.VRM != k.vrm || it.Reference != k.reference) {
			t.Errorf("%+v has the key %+v", it, k)
		}
	})
}

func FuzzOpenFile(f *testing.F) {
	path, key := writtenFile(f, 100)
	data, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-1])
	f.Add([]byte("\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		opened, err := openFile(path, key)
		if err != nil {
			return
		}
		defer opened.close() //nolint:errcheck // it was only read
		if err := opened.verify(context.Background()); err != nil && !errors.Is(err, ErrDamaged) {
			t.Error(err)
		}
	})
}
