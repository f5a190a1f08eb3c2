package machinekey

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"
	"github.com/google/go-tpm/tpm2/transport/linuxtpm"
	"github.com/google/go-tpm/tpm2/transport/linuxudstpm"

	"nrd/internal/sealed"
)

// ErrTPM says that the TPM could not be asked, or does not open what another one
// or an earlier owner has sealed.
var ErrTPM = errors.New("the TPM does not give the key")

// blob is a key as a TPM sealed it: only that TPM opens it. Its file has a line
// for each field.
type blob struct {
	device          string
	public, private []byte
}

const blobHeader = "nrd key sealed by a TPM, version 1\n"

func isBlob(data []byte) bool { return bytes.HasPrefix(data, []byte("nrd key sealed by a TPM")) }

func (b blob) text() []byte {
	return fmt.Appendf(nil, "%sdevice %s\npublic %x\nprivate %x\n", blobHeader, b.device, b.public, b.private)
}

// parseBlob reads a file. The error is ErrFormat.
func parseBlob(data []byte) (b blob, err error) {
	body, found := strings.CutPrefix(string(data), blobHeader)
	if !found {
		return b, fmt.Errorf("%w: it was written by a newer version of this program", ErrFormat)
	}
	lines := strings.Split(body, "\n")
	values := make([]string, 3)
	if len(lines) != 4 || lines[3] != "" {
		return b, fmt.Errorf("%w: it must have three fields", ErrFormat)
	}
	for n, name := range []string{"device ", "public ", "private "} {
		if values[n], found = strings.CutPrefix(lines[n], name); !found || values[n] == "" {
			return b, fmt.Errorf("%w: the field %sis missing", ErrFormat, name)
		}
	}
	b.device = values[0]
	var publicErr, privateErr error
	b.public, publicErr = hex.DecodeString(values[1])
	b.private, privateErr = hex.DecodeString(values[2])
	if err := errors.Join(publicErr, privateErr); err != nil {
		return blob{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return b, nil
}

// inTPM is a key file that a TPM opens.
type inTPM struct {
	path string
	blob blob
}

func (t inTPM) Where() string { return "the TPM " + t.blob.device + ", sealed in " + t.path }

// Destroy clears the TPM: it draws a new seed, and opens nothing any more that it
// sealed before, for whomever. An overwritten file could be read from flash all
// the same, and the TPM is in the hands of who has the machine.
func (t inTPM) Destroy() error {
	err := clearTPM(t.blob.device)
	if err != nil {
		err = fmt.Errorf("%s: %w: %w", t.path, ErrTPM, err)
	}
	return errors.Join(err, sealed.Destroy(t.path))
}

func clearTPM(device string) (err error) {
	tpm, err := openTPM(device)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tpm.Close()) }()
	_, err = tpm2.Clear{AuthHandle: tpm2.AuthHandle{Handle: tpm2.TPMRHLockout, Auth: tpm2.PasswordAuth(nil)}}.Execute(tpm)
	return err
}

func (t inTPM) Key() (key *sealed.Key, err error) {
	err = withRoot(t.blob.device, func(tpm transport.TPM, r root) error {
		key, err = t.blob.open(tpm, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", t.path, ErrTPM, err)
	}
	return key, nil
}

// seal lets a TPM seal a key.
func seal(device string, key *sealed.Key) (b blob, err error) {
	err = withRoot(device, func(tpm transport.TPM, r root) error {
		created, err := tpm2.Create{
			ParentHandle: r.authorised(),
			InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
				Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: key.Bytes()}),
			}},
			InPublic: tpm2.New2B(tpm2.TPMTPublic{
				Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
				ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true},
			}),
		}.Execute(tpm)
		if err != nil {
			return err
		}
		b = blob{device, created.OutPublic.Bytes(), created.OutPrivate.Buffer}
		return nil
	})
	if err != nil {
		return blob{}, fmt.Errorf("%w: %w", ErrTPM, err)
	}
	return b, nil
}

// open lets the TPM open what it sealed.
func (b blob) open(tpm transport.TPM, r root) (_ *sealed.Key, err error) {
	loaded, err := tpm2.Load{
		ParentHandle: r.authorised(),
		InPublic:     tpm2.BytesAs2B[tpm2.TPMTPublic](b.public),
		InPrivate:    tpm2.TPM2BPrivate{Buffer: b.private},
	}.Execute(tpm)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, flush(tpm, loaded.ObjectHandle)) }()
	opened, err := tpm2.Unseal{
		ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: r.session(tpm2.AESEncryption(128, tpm2.EncryptOut))},
	}.Execute(tpm)
	if err != nil {
		return nil, err
	}
	return sealed.ParseKey(opened.OutData.Buffer)
}

// root is a TPM's storage root key, which is the same each time it is made.
type root struct {
	handle tpm2.TPMHandle
	name   tpm2.TPM2BName
	public tpm2.TPMTPublic
}

// session authorises one command. Its parameters are encrypted under a secret
// that only the TPM can open, so that nobody who listens on the way to it sees
// the key.
func (r root) session(encryption tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, encryption, tpm2.Salted(r.handle, r.public))
}

func (r root) authorised() tpm2.AuthHandle {
	return tpm2.AuthHandle{Handle: r.handle, Name: r.name, Auth: r.session(tpm2.AESEncryption(128, tpm2.EncryptInOut))}
}

// withRoot opens the TPM and makes its storage root key for as long as f runs.
func withRoot(device string, f func(transport.TPM, root) error) (err error) {
	tpm, err := openTPM(device)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tpm.Close()) }()
	made, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(tpm)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, flush(tpm, made.ObjectHandle)) }()
	public, err := made.OutPublic.Contents()
	if err != nil {
		return err
	}
	return f(tpm, root{made.ObjectHandle, made.Name, *public})
}

// openTPM opens a device of the kernel or a socket of an emulator.
func openTPM(device string) (transport.TPMCloser, error) {
	info, err := os.Stat(device)
	if err != nil {
		return nil, err
	}
	if info.Mode()&os.ModeSocket != 0 {
		return linuxudstpm.Open(device)
	}
	return linuxtpm.Open(device)
}

func flush(tpm transport.TPM, handle tpm2.TPMHandle) error {
	_, err := tpm2.FlushContext{FlushHandle: handle}.Execute(tpm)
	return err
}
