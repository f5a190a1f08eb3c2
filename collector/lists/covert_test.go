package lists

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"nrd"
	"nrd/collector/publish"
	"nrd/hotlist/publication"
	"nrd/internal/identity"
	"nrd/internal/trust"
)

// press is the real publisher.
type press struct{ *publish.Publisher }

func (p press) Publish(ctx context.Context, l Publication, entries iter.Seq2[nrd.Entry, error]) error {
	return p.Publisher.Publish(ctx, publish.List{Name: l.Name, Version: l.Version, Made: l.Made, Expires: l.Expires}, entries)
}

func (s *site) press() press {
	s.t.Helper()
	ca, err := identity.NewSite(s.dir, s.clock)
	s.must(err)
	s.must(trust.Init(filepath.Join(s.dir, "trust"), 1, 1, ca.SignRoot, s.clock.Now()))
	signer, err := trust.OpenOnline(filepath.Join(s.dir, "trust"))
	s.must(err)
	p := press{&publish.Publisher{
		Dir: filepath.Join(s.dir, "published"), Key: s.Key, Signer: signer, Clock: s.clock, Log: slog.New(slog.DiscardHandler),
		Devices: func(context.Context) ([]string, error) { return []string{"car-7"}, nil },
		Admit:   func(context.Context, string, string) error { return nil },
		Notice:  func(int64) {},
	}}
	s.must(p.Initialize(s.t.Context()))
	return p
}

// lines gives every line of every file that units may have of a list, snapshots and
// deltas, read from the disk as a unit reads them.
func (p press) lines(s *site, list string) []string {
	s.t.Helper()
	box, err := os.ReadFile(filepath.Join(p.Dir, "published"))
	s.must(err)
	text, err := s.Key.Derive("publication of lists").Open(box, []byte("published"))
	s.must(err)
	type file struct {
		publication.Publication
		SHA256 [32]byte
	}
	var state struct {
		Lists map[string]struct{ Snapshots, Deltas []file }
	}
	s.must(json.Unmarshal(text, &state))
	var lines []string
	for _, f := range slices.Concat(state.Lists[list].Snapshots, state.Lists[list].Deltas) {
		sealed, err := os.ReadFile(filepath.Join(p.Dir, fmt.Sprintf("%x.sealed", f.SHA256)))
		s.must(err)
		r, err := f.Open(bytes.NewReader(sealed))
		s.must(err)
		for {
			sign, line, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			s.must(err)
			lines = append(lines, strings.Trim(string(rune(sign)), "\x00")+string(line))
		}
		r.Close()
	}
	return lines
}

func TestWhatIsCovertIsInNoPublishedFileWhateverIsExportedEditedAndImported(t *testing.T) {
	s := newSite(t)
	printed := s.press()
	s.Publisher = printed
	s.localList("burglars")
	secret := entry("CD34EFG", "secret")
	secret.Covert = true
	s.put("burglars", secret)
	s.put("burglars", entry("AB12CDE", "open"))
	export := func() string {
		t.Helper()
		var b bytes.Buffer
		s.must(s.Export(t.Context(), jane, "burglars", "", "to be edited", &b))
		return b.String()
	}
	published := func(after string) {
		t.Helper()
		s.must(s.publish(t.Context()))
		lines := printed.lines(s, "burglars")
		if len(lines) == 0 || !strings.Contains(strings.Join(lines, "\n"), "AB12CDE") {
			t.Errorf("after %s units have only %q", after, lines)
		}
		if strings.Contains(strings.Join(lines, "\n"), "CD34EFG") {
			t.Errorf("after %s units have the covert entry: %q", after, lines)
		}
		if got := s.references("CD34EFG"); len(got) != 1 {
			t.Errorf("after %s central matches %q", after, got)
		}
	}
	load := func(name, text string) {
		t.Helper()
		i, err := s.Import(t.Context(), jane, "burglars", s.file(name, text), Upload{Rationale: "operation Foo", Sure: true})
		s.must(err)
		if !strings.Contains(i.Report.String(), "stays covert") {
			t.Errorf("the report does not say so:\n%s", i.Report.String())
		}
	}
	published("its addition")
	load("x.csv", strings.ReplaceAll(export(), "Stop", "Stop and search"))
	published("an export that was edited and loaded")
	load("A_B_I.dat", line("CD34EFG", "secret"))
	published("an insert of the same entry")
	load("x.csv", strings.ReplaceAll(export(), "secret", "other"))
	published("an import with another reference")

	held := s.entries("burglars")[1]
	held.Covert, held.Reason = false, "edited"
	if err := s.PutEntry(t.Context(), jane, "burglars", held); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), "stays so") {
		t.Errorf("a change that forgets that it is covert: %v", err)
	}
	published("a change that was refused")
	held.Covert = true
	s.put("burglars", held)
	published("a change")

	s.must(s.RemoveEntry(t.Context(), jane, "burglars", held.ID, "no longer covert"))
	s.put("burglars", entry("CD34EFG", "open now"))
	s.must(s.publish(t.Context()))
	if lines := printed.lines(s, "burglars"); !strings.Contains(strings.Join(lines, "\n"), "open now") {
		t.Errorf("removed and added anew units do not have it: %q", lines)
	}
	if log := strings.Join(s.lines(), "\n"); !strings.HasSuffix(log, "jane.doe: list entry remove: ok\njane.doe: list entry add: ok") {
		t.Errorf("the log does not end with the two acts:\n%s", log)
	}
}
