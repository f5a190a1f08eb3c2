package sealed

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestABoxOpensOnlyUnderItsKeyAndInItsPlace(t *testing.T) {
	key := NewKey()
	box := key.Seal([]byte("AB12CDE"), []byte("record 1"))
	if len(box) != len("AB12CDE")+Overhead {
		t.Errorf("box has %d bytes, want Overhead more than its content", len(box))
	}
	if bytes.Contains(box, []byte("AB12CDE")) {
		t.Error("the box shows what is in it")
	}
	got, err := key.Open(box, []byte("record 1"))
	if err != nil || string(got) != "AB12CDE" {
		t.Fatalf("Open = %q, %v", got, err)
	}
	changed := bytes.Clone(box)
	changed[len(changed)/2] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"moved":       func() ([]byte, error) { return key.Open(box, []byte("record 2")) },
		"another key": func() ([]byte, error) { return NewKey().Open(box, []byte("record 1")) },
		"derived key": func() ([]byte, error) { return key.Derive("x").Open(box, []byte("record 1")) },
		"changed":     func() ([]byte, error) { return key.Open(changed, []byte("record 1")) },
		"cut":         func() ([]byte, error) { return key.Open(box[:len(box)-1], []byte("record 1")) },
		"nothing":     func() ([]byte, error) { return key.Open(nil, []byte("record 1")) },
	} {
		if got, err := open(); !errors.Is(err, ErrDamaged) || got != nil {
			t.Errorf("%s: Open = %q, %v, want ErrDamaged", name, got, err)
		}
	}
	if bytes.Equal(box, key.Seal([]byte("AB12CDE"), []byte("record 1"))) {
		t.Error("two boxes of the same content are equal: the nonce is not random")
	}
}

func TestADerivedKeyIsTheSameTomorrowAndUnlikeItsSiblings(t *testing.T) {
	key := NewKey()
	again, err := ParseKey(key.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	box := key.Derive("images").Seal([]byte("x"), nil)
	if _, err := again.Derive("images").Open(box, nil); err != nil {
		t.Errorf("the same key and purpose must open it: %v", err)
	}
	if _, err := again.Derive("records").Open(box, nil); err == nil {
		t.Error("another purpose opened it")
	}
}

func TestDeriveIsHKDF(t *testing.T) {
	// Computed apart with the two HMACs of RFC 5869: extract with an empty
	// salt, expand one block.
	key, err := ParseKey(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	got := hex.EncodeToString(key.Derive("purpose").Bytes())
	if want := "09858fef5f5935adaa938c12a6fcabd66cf5ccf67afad05a5c034209fd632fb9"; got != want {
		t.Errorf("Derive = %s, want %s", got, want)
	}
}

func TestAKeyFileIsTheOwnersAndIsNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "machine.key")
	made, err := CreateKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, %v, want 0600", info.Mode(), err)
	}
	if _, err := CreateKey(path); !errors.Is(err, ErrKeyExists) {
		t.Errorf("second CreateKey: %v, want ErrKeyExists", err)
	}
	read, err := LoadKey(path)
	if err != nil || !bytes.Equal(read.Bytes(), made.Bytes()) {
		t.Errorf("LoadKey gave another key or %v", err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadKey(path); !errors.Is(err, ErrKeyExposed) {
		t.Errorf("a key for all to read: %v, want ErrKeyExposed", err)
	}
	names, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(names) != 1 {
		t.Errorf("left in the folder: %v, %v", names, err)
	}
}

func TestWhatIsNoKeyIsRefusedByName(t *testing.T) {
	dir := t.TempDir()
	for _, content := range []string{"", "zz", strings.Repeat("ab", 31), strings.Repeat("ab", 33), strings.Repeat("xy", 32)} {
		path := filepath.Join(dir, "a.key")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := LoadKey(path)
		if !errors.Is(err, ErrKeyFormat) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v, want ErrKeyFormat that names the file", content, err)
		}
		if len(content) > 2 && strings.Contains(err.Error(), content) {
			t.Errorf("the error shows the file's content: %v", err)
		}
	}
	if _, err := ParseKey(make([]byte, 16)); !errors.Is(err, ErrKeyFormat) {
		t.Errorf("16 bytes: %v, want ErrKeyFormat", err)
	}
}

func TestAKeyNeverShowsItself(t *testing.T) {
	key := NewKey()
	raw := key.Bytes()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("key", "pointer", key, "value", *key)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "pointer", key, "value", *key)
	asJSON, err := json.Marshal(struct{ K *Key }{key})
	if err != nil {
		t.Fatal(err)
	}
	shown := log.String() + string(asJSON)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%o"} {
		shown += fmt.Sprintf(verb, key) + fmt.Sprintf(verb, *key) + fmt.Sprintf(verb, struct{ K *Key }{key})
	}
	for _, secret := range []string{hex.EncodeToString(raw), strings.ToUpper(hex.EncodeToString(raw)), string(raw), fmt.Sprint(raw)[1:20], fmt.Sprintf("%#v", raw[0])} {
		if strings.Contains(shown, secret) {
			t.Fatalf("the key is shown in %s", shown)
		}
	}
}

func TestAFileIsReplacedInOneStep(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "state")
	for _, content := range []string{"first", "the second, longer"} {
		if err := WriteFile(path, []byte(content), 0o640); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Fatalf("read %q, %v", got, err)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v, want 0640", info.Mode(), err)
	}
	// A folder in the way makes the last step fail: nothing may be left over.
	if err := os.MkdirAll(filepath.Join(dir, "taken", "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "taken"), []byte("x"), 0o600); err == nil {
		t.Error("a folder was overwritten")
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 2 {
		t.Errorf("left in the folder: %v, %v", names, err)
	}
	if err := WriteFile(filepath.Join(dir, "missing", "f"), nil, 0o600); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

func FuzzOpen(f *testing.F) {
	key, err := ParseKey(make([]byte, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, []byte{})
	f.Add(bytes.Repeat([]byte{1}, Overhead), []byte("aad"))
	f.Fuzz(func(t *testing.T, box, aad []byte) {
		if _, err := key.Open(box, aad); !errors.Is(err, ErrDamaged) {
			t.Errorf("opened a box that was never sealed: %v", err)
		}
	})
}

func TestAKeyThatGoesOverOpensWhatEitherSealed(t *testing.T) {
	from, to := NewKey(), NewKey()
	both := from.Also(to)
	for name, k := range map[string]*Key{"old": from, "new": to} {
		box := k.Derive("p").Seal([]byte("text"), nil)
		if got, err := both.Derive("p").Open(box, nil); err != nil || string(got) != "text" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	box := both.Derive("p").Seal([]byte("text"), nil)
	if _, err := from.Derive("p").Open(box, nil); err != nil {
		t.Errorf("it does not seal like the old one: %v", err)
	}
	if _, err := from.Derive("p").Open(to.Derive("p").Seal(nil, nil), nil); err == nil {
		t.Error("the old key itself has changed")
	}
}
