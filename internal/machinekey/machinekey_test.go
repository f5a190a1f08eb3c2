package machinekey

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"nrd/internal/sealed"
)

// emulator starts a TPM of its own with what it remembers in a folder, and gives
// its socket and a way to switch it off.
func emulator(t *testing.T, state string) (socket string, off func()) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "tpm")
	cmd := exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+state, "--server", "type=unixio,path="+socket,
		"--flags", "not-need-init,startup-clear")
	var says bytes.Buffer
	cmd.Stdout, cmd.Stderr = &says, &says
	if err := cmd.Start(); err != nil {
		t.Fatalf("swtpm (Debian's package of that name) is needed: %v", err)
	}
	stopped := false
	off = func() {
		if stopped {
			return
		}
		stopped = true
		if err := cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		_ = cmd.Wait() // it was interrupted
	}
	t.Cleanup(off)
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			return socket, off
		}
		if time.Now().After(deadline) {
			t.Fatalf("swtpm does not answer: %s", says.String())
		}
	}
}

func loaded(t *testing.T, path string) *sealed.Key {
	t.Helper()
	key, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestAKeySealedByATPMIsTheSameAfterAReboot(t *testing.T) {
	state, path := t.TempDir(), filepath.Join(t.TempDir(), "storage.key")
	socket, off := emulator(t, state)
	if err := Create(path, socket); err != nil {
		t.Fatal(err)
	}
	key := loaded(t, path)
	text, err := os.ReadFile(path)
	if err != nil || bytes.Contains(text, key.Bytes()) || len(text) < 200 {
		t.Fatalf("the file: %q, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	off()
	if _, err := Load(path); !errors.Is(err, ErrTPM) {
		t.Errorf("without the TPM: %v", err)
	}
	again, _ := emulator(t, state)
	if err := os.WriteFile(path, []byte(strings.Replace(string(text), socket, again, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 5 { // nothing may pile up in the TPM's few places
		if got := loaded(t, path); !bytes.Equal(got.Bytes(), key.Bytes()) {
			t.Fatal("the key is another after a reboot")
		}
	}
	if k, err := At(path); err != nil || !strings.Contains(k.Where(), "the TPM "+again) {
		t.Errorf("%v, %v", k, err)
	}
}

func TestAnotherTPMDoesNotOpenAKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "storage.key")
	own, off := emulator(t, t.TempDir())
	if err := Create(path, own); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	off()
	other, _ := emulator(t, t.TempDir())
	stolen := []byte(strings.Replace(string(text), own, other, 1))
	if err := os.WriteFile(path, stolen, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); !errors.Is(err, ErrTPM) {
		t.Errorf("a stolen disk in another machine: %v", err)
	}
}

func TestAPlainKeyIsLoadedAndNeverOverwritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "storage.key")
	if err := Create(path, ""); err != nil {
		t.Fatal(err)
	}
	key := loaded(t, path)
	if err := Create(path, ""); !errors.Is(err, sealed.ErrKeyExists) {
		t.Errorf("created twice: %v", err)
	}
	if err := Create(path, "/nonexistent/tpm"); !errors.Is(err, sealed.ErrKeyExists) {
		t.Errorf("created twice, in a TPM: %v", err)
	}
	if !bytes.Equal(loaded(t, path).Bytes(), key.Bytes()) {
		t.Error("the key has changed")
	}
	if err := Create(filepath.Join(t.TempDir(), "k"), "/nonexistent/tpm"); !errors.Is(err, ErrTPM) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a TPM that is not there: %v", err)
	}
}

func TestTheNextKeyIsTheSameUntilItIsPromoted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "storage.key")
	if err := Create(path, ""); err != nil {
		t.Fatal(err)
	}
	old := loaded(t, path)
	next, err := Next(path, "")
	if err != nil {
		t.Fatal(err)
	}
	again, err := Next(path, "")
	if err != nil || !bytes.Equal(next.Bytes(), again.Bytes()) || bytes.Equal(next.Bytes(), old.Bytes()) {
		t.Fatalf("the next key changes, or is the old one: %v", err)
	}
	if _, err := loaded(t, path).Open(next.Seal(nil, nil), nil); err != nil {
		t.Errorf("what was sealed anew does not open before the next key is promoted: %v", err)
	}
	if err := Promote(path); err != nil || !bytes.Equal(loaded(t, path).Bytes(), next.Bytes()) {
		t.Errorf("promoted: %v", err)
	}
}

func TestWhatIsNoKeyFileIsNamed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "storage.key")
	for name, text := range map[string]string{
		"rubbish":       "rubbish",
		"a newer blob":  "nrd key sealed by a TPM, version 2\nx\n",
		"a cut blob":    blobHeader + "device /dev/tpmrm0\npublic 00\n",
		"an odd number": blobHeader + "device /dev/tpmrm0\npublic 000\nprivate 00\n",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzBlob(f *testing.F) {
	f.Add(blob{"/dev/tpmrm0", []byte{1}, []byte{2}}.text())
	f.Add([]byte(blobHeader))
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := parseBlob(text)
		if err != nil {
			return
		}
		again, err := parseBlob(b.text())
		if err != nil || again.device != b.device || !bytes.Equal(again.public, b.public) || !bytes.Equal(again.private, b.private) {
			t.Errorf("%+v came back as %+v, %v", b, again, err)
		}
	})
}

func TestADestroyedKeyIsGoneWithEveryCopyOfATPMsFile(t *testing.T) {
	socket, _ := emulator(t, t.TempDir())
	for kind, device := range map[string]string{"plain": "", "the TPM's": socket} {
		path := filepath.Join(t.TempDir(), "storage.key")
		if err := Create(path, device); err != nil {
			t.Fatal(err)
		}
		if _, err := Next(path, device); err != nil {
			t.Fatal(err)
		}
		stolen := path + ".stolen"
		data, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(stolen, data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := Destroy(path); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		for _, file := range []string{path, nextPath(path)} {
			if _, err := os.Lstat(file); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s is there: %v", kind, file, err)
			}
		}
		if _, err := Load(stolen); device != "" && !errors.Is(err, ErrTPM) {
			t.Errorf("%s: a copy of its file opens: %v", kind, err)
		}
		if err := Destroy(path); err != nil {
			t.Errorf("%s, again: %v", kind, err)
		}
	}
}
