package identity

import "crypto/x509"

// Central is central's name at a broker that is not its own. No device can have
// it: a device's name has no underscore.
const Central = "nrd_central"

// IssueCentral writes central's own certificate for a broker that is not its
// own, valid for a year, to nrd_central.pem and nrd_central.key in dir.
func (s *Site) IssueCentral(dir string) error {
	return s.issue(dir, Central, &x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
}
