package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
)

// rooted is what stands before a root where it is signed.
const rooted = "NRD root 1\n"

func rootDigest(root []byte) []byte {
	sum := sha256.Sum256(append([]byte(rooted), root...))
	return sum[:]
}

// SignRoot vouches for the first root of the site's signed repository (package
// trust), so that a device which knows the CA knows that root too.
func (s *Site) SignRoot(root []byte) (signature []byte, err error) {
	return s.key.Sign(rand.Reader, rootDigest(root), crypto.SHA256)
}

// VerifyRoot checks what SignRoot gave. The error is ErrSignature.
func VerifyRoot(ca *x509.Certificate, root, signature []byte) error {
	key, ok := ca.PublicKey.(*ecdsa.PublicKey)
	if !ok || !ecdsa.VerifyASN1(key, rootDigest(root), signature) {
		return ErrSignature
	}
	return nil
}
