package agent

import (
	"context"
	"crypto/ecdsa"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"nrd"
	"nrd/collector"
	"nrd/internal/stolen"
)

// TestAStolenUnitGivesUpNothing lets a unit live on a disk of its own: it enrols,
// gets a list and a configuration from central, tells the officer of a hit and
// sends what it read. Only its storage key is elsewhere, as a TPM's is; the file of
// its own list is there as whoever set the unit up has left it.
func TestAStolenUnitGivesUpNothing(t *testing.T) {
	const wanted, unwanted, operation = "ZZ12ABC", "QK71WXY", "2026/11/23-0417-OAKTREE"
	disk, keyFile := stolen.Mount(t), filepath.Join(t.TempDir(), "storage.key")
	s := newSite(t)
	u := s.enrolIn("car-7", disk.Dir, keyFile)
	u.follows()
	text, err := os.ReadFile(u.file)
	must(t, err)
	must(t, os.WriteFile(u.file, append(text, "[incab]\nlisten = \"127.0.0.1:0\"\n"...), 0o600))
	s.desk(func(ctx context.Context, d *collector.Desk) {
		must(t, d.CreateList(ctx, collector.ListSettings{Name: "burglars", Owner: "DI Grey", Purpose: "response", Review: time.Now().AddDate(0, 1, 0)}))
	})
	s.wanted(wanted)

	_, ended := u.run(0)
	u.until("the unit is there", seen)
	u.configure("deployment = \"" + operation + "\"")
	u.ends(ended, ErrRestart)
	a, ended := u.run(0)
	u.until("it is in force", func(d collector.DeviceState) bool { return d.Configuration == "1: in force" })
	u.matches(a, wanted, 1)
	for _, mark := range []nrd.VRM{wanted, unwanted} {
		a.record(&nrd.Record{Captured: a.Clock.Stamp(), Read: nrd.Read{VRM: mark, Raw: string(mark)}})
	}
	u.until("central has both", func(collector.DeviceState) bool { return len(s.found()) == 2 })
	pair, err := a.credential.TLS().GetClientCertificate(nil)
	must(t, err)
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		t.Fatal("the unit's key is of another kind")
	}
	private, err := key.Bytes()
	must(t, err)
	needles := slices.Concat(
		stolen.Text("a listed mark", wanted), stolen.Text("a mark that was read", unwanted), stolen.Text("what central has set", operation),
		stolen.Text("the name of a list", "burglars"), stolen.Text("why a mark is listed", "seen at three scenes"),
		stolen.Secret("the storage key", a.mustKey(t).Bytes()), stolen.Secret("the private key", private),
	)
	a.stop(ErrRestart)
	u.ends(ended, ErrRestart)
	for _, file := range []string{"data/configuration", "data/incab", "data/trust", "data/lists", "data/buffer", "identity/device.pem"} {
		if _, err := os.Stat(filepath.Join(disk.Dir, file)); err != nil {
			t.Errorf("the unit never wrote what is looked at: %v", err)
		}
	}
	for _, found := range disk.Search(needles) {
		t.Errorf("%s is on the disk in clear", found)
	}
}
