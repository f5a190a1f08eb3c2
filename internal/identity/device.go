package identity

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"fmt"
)

const maxName = 64

// ValidDevice reports with ErrDeviceName that name cannot name a device: it must
// have 1 to 64 of the characters a-z, 0-9 and hyphen, so that it is safe in
// topics, file names and addresses.
func ValidDevice(name string) error {
	ok := len(name) >= 1 && len(name) <= maxName
	for _, c := range []byte(name) {
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fmt.Errorf("%w: %.80q", ErrDeviceName, name)
	}
	return nil
}

// validName is for the file of a server's certificate.
func validName(name string) error {
	if name == "ca" {
		return fmt.Errorf("the name is the CA's own")
	}
	if ValidDevice(name) != nil {
		return fmt.Errorf("the name has other characters than a-z, 0-9 and hyphen, or more than %d", maxName)
	}
	return nil
}

// Device gives the name of the device at the other end of a connection that was
// accepted with [ServerTLS]. The error is ErrNoCertificate where no certificate
// was verified and ErrDeviceName where it does not name a device.
func Device(state tls.ConnectionState) (string, error) {
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return "", ErrNoCertificate
	}
	name := state.VerifiedChains[0][0].Subject.CommonName
	return name, ValidDevice(name)
}

// Fingerprint is SHA-256 of that device's certificate in hexadecimal, as
// [Issuer.Issue] gives it; "" where none was verified. Unlike a serial number, it
// cannot be given to another certificate by who has the issuer's key.
func Fingerprint(state tls.ConnectionState) string {
	if len(state.VerifiedChains) == 0 || len(state.VerifiedChains[0]) == 0 {
		return ""
	}
	return fingerprint(state.VerifiedChains[0][0].Raw)
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}
