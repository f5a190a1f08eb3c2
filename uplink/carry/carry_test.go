package carry

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"nrd/internal/sealed"
	"nrd/uplink/wire"
)

func file(t testing.TB, key *sealed.Key) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := NewWriter(&b, key)
	if err != nil {
		t.Fatal(err)
	}
	for kind, payload := range map[string]string{wire.KindRecord: "SECRET", wire.KindEvent: ""} {
		if err := w.Add(kind, []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func contents(data []byte, key *sealed.Key) (map[string]string, error) {
	got := map[string]string{}
	err := Read(bytes.NewReader(data), key, func(kind string, payload []byte) error {
		got[kind] = string(payload)
		return nil
	})
	return got, err
}

func TestCarriedRecordsComeBackAsTheyWere(t *testing.T) {
	key := sealed.NewKey()
	for name, k := range map[string]*sealed.Key{"clear": nil, "sealed": key} {
		data := file(t, k)
		got, err := contents(data, k)
		if err != nil || fmt.Sprint(got) != "map[event: record:SECRET]" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if bytes.Contains(data, []byte("SECRET")) != (k == nil) {
			t.Errorf("%s: the file shows %q", name, data)
		}
		for cut := range data {
			if _, err := contents(data[:cut], k); !errors.Is(err, ErrFormat) {
				t.Errorf("%s, cut off at %d: %v", name, cut, err)
			}
		}
	}
	if _, err := contents(file(t, key), nil); !errors.Is(err, ErrKey) {
		t.Errorf("without the key: %v", err)
	}
	if _, err := contents(file(t, key), sealed.NewKey()); !errors.Is(err, ErrKey) {
		t.Errorf("with another key: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(f, nil))
	f.Add([]byte(clearLine + "\x00\x00\x00\x02rx\x00\x00\x00\x09.\x00\x00\x00\x00\x00\x00\x00\x01"))
	key := sealed.NewKey()
	f.Add(file(f, key))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, key := range []*sealed.Key{nil, key} {
			total := 0
			err := Read(bytes.NewReader(data), key, func(_ string, payload []byte) error {
				if total += len(payload); total > len(data) {
					t.Error("more came out than went in")
				}
				return nil
			})
			if err != nil && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrKey) {
				t.Errorf("got %v", err)
			}
		}
	})
}
