package voi

import (
	"archive/zip"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd"
)

// zipped gives a ZIP that holds each name with its text.
func zipped(t *testing.T, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, files[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func write(t *testing.T, name string, data []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// readAll opens and parses a file.
func readAll(t *testing.T, path string) (*File, []nrd.Entry, error) {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	var entries []nrd.Entry
	_, err = Parse(f, Options{File: f.Name, Now: now}, func(e nrd.Entry) error {
		entries = append(entries, e)
		return nil
	})
	return f, entries, err
}

func TestAPlainFileAndAZIPGiveTheSameEntries(t *testing.T) {
	text := row(nil) + "\n" + row(map[int]string{0: "XY1"}) + "\n"
	for name, data := range map[string][]byte{
		"wanted.csv": []byte(text),
		"wanted.zip": zipped(t, "nat_wanted_R.dat", text),
		"download":   zipped(t, "nat_wanted_R.dat", text),
	} {
		f, entries, err := readAll(t, write(t, name, data))
		if err != nil || len(entries) != 2 || f.Operation != Replace {
			t.Errorf("%s: %v, %v", name, entries, err)
		}
	}
}

func TestTheNameOfTheTextSaysWhatToDo(t *testing.T) {
	for name, want := range map[string]Operation{
		"nat_wanted_R.dat": Replace, "nat_wanted_I.dat": Insert, "nat_wanted_D.dat": Delete, "a_b_c_D.dat": Delete,
	} {
		for _, path := range []string{write(t, "x.zip", zipped(t, name, row(nil))), write(t, name, []byte(row(nil)))} {
			f, _, err := readAll(t, path)
			if err != nil || f.Operation != want {
				t.Errorf("%s in %s: %c, %v", name, filepath.Base(path), f.Operation, err)
			}
		}
	}
}

func TestTheTimeOfAListIsThatOfTheFileOnDisk(t *testing.T) {
	path := write(t, "wanted.csv", []byte(row(nil)))
	want := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC)
	if err := os.Chtimes(path, want, want); err != nil {
		t.Fatal(err)
	}
	if f, _, err := readAll(t, path); err != nil || !f.Modified.Equal(want) {
		t.Errorf("%v, %v", f.Modified, err)
	}
}

func TestAZIPThatIsNotOneNamedTextIsRefused(t *testing.T) {
	whole := zipped(t, "nat_wanted_R.dat", strings.Repeat(row(nil)+"\n", 50))
	damaged := bytes.Clone(whole)
	damaged[60] ^= 0xff
	encrypted := bytes.Clone(whole)
	central := bytes.Index(encrypted, []byte("PK\x01\x02"))
	encrypted[central+8] |= 1
	for sentence, data := range map[string][]byte{
		"empty":           zipped(t),
		"two files":       zipped(t, "a_b_R.dat", row(nil), "a_c_R.dat", row(nil)),
		"another name":    zipped(t, "wanted.csv", row(nil)),
		"a path upwards":  zipped(t, "../../etc/passwd", row(nil)),
		"another letter":  zipped(t, "nat_wanted_X.dat", row(nil)),
		"truncated":       whole[:len(whole)-10],
		"half":            whole[:len(whole)/2],
		"the first bytes": whole[:4],
		"damaged inside":  damaged,
		"encrypted":       encrypted,
	} {
		if _, _, err := readAll(t, write(t, "wanted.zip", data)); !errors.Is(err, ErrZIP) || !strings.Contains(err.Error(), "wanted.zip") {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestAZIPThatGrowsAsNoTextDoesIsRefused(t *testing.T) {
	bomb := zipped(t, "nat_wanted_R.dat", strings.Repeat(row(nil)+"\n", 20000))
	_, _, err := readAll(t, write(t, "wanted.zip", bomb))
	if !errors.Is(err, ErrTooLarge) {
		t.Errorf("a ZIP of %d bytes: %v", len(bomb), err)
	}
}

func TestAFileThatIsNoneIsNamed(t *testing.T) {
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.dat")); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "none.dat") {
		t.Errorf("got %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte(row(nil)))
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create("nat_wanted_R.dat")
	if err != nil {
		f.Fatal(err)
	}
	if _, err := io.WriteString(w, row(nil)); err != nil {
		f.Fatal(err)
	}
	if err := z.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	path := filepath.Join(f.TempDir(), "fuzz.zip")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, err := Open(path)
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, file)
		if n > maxGrowth*int64(len(data))+1 && file.zipped {
			t.Errorf("%d bytes grew to %d (%v)", len(data), n, err)
		}
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
}
