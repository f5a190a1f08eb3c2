// Package stolen looks at a disk as a thief does who reads every byte of it:
// freed blocks, journals and logs as well as what is in files.
package stolen

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"golang.org/x/sys/unix"
)

// Disk is a file system in a file, of 64 MiB. Where none can be mounted it is a
// plain folder, of which only the files that are left are looked at.
type Disk struct {
	// Dir is where it is mounted.
	Dir string

	t     testing.TB
	image string // "" for a plain folder
}

// Mount makes an empty disk, for as long as the test lasts.
func Mount(t testing.TB) *Disk {
	t.Helper()
	d := &Disk{Dir: t.TempDir(), t: t, image: filepath.Join(t.TempDir(), "image")}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(d.image, 64<<20); err != nil {
		t.Fatal(err)
	}
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", d.image}, {"mount", "-o", "loop", d.image, d.Dir}} {
		if out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Logf("mounting a file system in a file is not permitted here, so what was removed is not looked at: %v: %s", err, out)
			d.image = ""
			return d
		}
	}
	t.Cleanup(func() {
		if err := unix.Unmount(d.Dir, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			t.Error(err)
		}
	})
	return d
}

// careless is what Search itself leaves on the disk, in a file that it removes:
// what is not found when that is found is not there.
const careless = "CARE1ESS"

// Search unmounts the disk and gives what of the needles is on it. Nothing may
// use it any more.
func (d *Disk) Search(needles []Needle) []string {
	d.t.Helper()
	if d.image == "" {
		return find(d.files(), needles)
	}
	if err := leaveCareless(filepath.Join(d.Dir, "careless")); err != nil {
		d.t.Fatal(err)
	}
	if err := unix.Unmount(d.Dir, 0); err != nil {
		d.t.Fatal(err)
	}
	data := written(d.t, d.image)
	if find(data, []Needle{{careless, []byte(careless)}}) == nil {
		d.t.Fatal("a mark that was left in a file and removed is not found: this search finds nothing")
	}
	d.t.Logf("%d kB were searched for %d needles", len(data)>>10, len(needles))
	return find(data, needles)
}

func leaveCareless(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.WriteString(strings.Repeat(careless, 1000))
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(path))
}

// files gives what is in all files, and their names.
func (d *Disk) files() (data []byte) {
	d.t.Helper()
	err := filepath.WalkDir(d.Dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		data = append(append(append(data, path...), 0), text...)
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return data
}

// written gives the blocks of the image in which there is anything.
func written(t testing.TB, image string) []byte {
	t.Helper()
	all, err := os.ReadFile(image)
	if err != nil {
		t.Fatal(err)
	}
	const block = 4096
	var data []byte
	for part := range slices.Chunk(all, block) {
		if len(bytes.Trim(part, "\x00")) > 0 {
			data = append(data, part...)
		}
	}
	return data
}

// find gives the needles that are in the data. It goes over the data once, by
// the needles' first bytes.
func find(data []byte, needles []Needle) (found []string) {
	const first = 4
	starts := map[[first]byte][]Needle{}
	for _, n := range needles {
		start := [first]byte(n.Bytes)
		starts[start] = append(starts[start], n)
	}
	for at := range len(data) - first {
		for _, n := range starts[[first]byte(data[at:])] {
			if bytes.HasPrefix(data[at:], n.Bytes) {
				found = append(found, n.What)
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Needle is something that must not be found: at least four bytes.
type Needle struct {
	What  string
	Bytes []byte
}

// Text gives the ways in which a text might be written.
func Text(what, text string) []Needle {
	all := append(Secret(what, []byte(text)), Needle{what + " in small letters", []byte(strings.ToLower(text))})
	for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
		var wide []byte
		for _, u := range utf16.Encode([]rune(text)) {
			wide = order.AppendUint16(wide, u)
		}
		all = append(all, Needle{what + " in UTF-16", wide})
	}
	return all
}

// Secret gives the ways in which bytes might be written: as they are and as text,
// in base64 for each of the three places that they may have in a longer text.
func Secret(what string, b []byte) (all []Needle) {
	reversed := bytes.Clone(b)
	slices.Reverse(reversed)
	add := func(how string, bytes []byte) { all = append(all, Needle{what + ", " + how + ",", bytes}) }
	add("as it is", b)
	add("backwards", reversed)
	add("in hexadecimal", []byte(hex.EncodeToString(b)))
	add("in capital hexadecimal", []byte(strings.ToUpper(hex.EncodeToString(b))))
	for shift := range 3 {
		text := base64.StdEncoding.EncodeToString(append(make([]byte, shift), b...))
		// The first and last characters depend on the neighbours too.
		from, to := (8*shift+5)/6, (8*(shift+len(b)))/6
		add(fmt.Sprintf("in base64 behind %d bytes", shift), []byte(text[from:to]))
	}
	return all
}
