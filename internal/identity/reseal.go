package identity

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"os"

	"nrd/internal/sealed"
)

// Reseal seals a device's private key under another storage key, in one step. A
// key that is not sealed stays as it is.
func (f Files) Reseal(from, to *sealed.Key) error {
	text, err := os.ReadFile(f.key())
	if err != nil {
		return err
	}
	var resealed bytes.Buffer
	changed := false
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == sealedKey {
			pkcs8, err := from.Derive(keyPurpose).Open(block.Bytes, nil)
			if err != nil {
				return fmt.Errorf("%s: %w: %w", f.key(), ErrSealed, err)
			}
			block.Bytes, changed = to.Derive(keyPurpose).Seal(pkcs8, nil), true
		}
		resealed.Write(encodePEM(block.Type, block.Bytes))
	}
	if !changed {
		return nil
	}
	return sealed.WriteFile(f.key(), resealed.Bytes(), 0o600)
}
