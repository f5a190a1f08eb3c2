package identity

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
)

// ErrOtherSite says that a certificate was not issued by this site's CA.
var ErrOtherSite = errors.New("the certificate is not of this site: it was issued by another CA")

// ErrExpired says that a certificate is not valid now. Where it should be, the
// clock is wrong.
var ErrExpired = errors.New("the certificate has expired or is not valid yet; renew it, or set the clock")

// ErrNoCertificate says that a device came without a certificate.
var ErrNoCertificate = errors.New("no client certificate was given")

// ErrWrongHost says that a server's certificate was issued for other hosts than
// the one that was called.
var ErrWrongHost = errors.New("the server's certificate was not issued for this host")

// ErrWrongUse says that a server's certificate was used by a device or a
// device's by a server.
var ErrWrongUse = errors.New("the certificate was issued for another use: a device's is no server's")

// ErrDeviceName says that a text cannot name a device.
var ErrDeviceName = errors.New("a device's name has 1 to 64 of the characters a-z, 0-9 and hyphen")

// ErrSiteExists says that NewSite found a site in the folder. A site's CA is
// never overwritten, because every device trusts it.
var ErrSiteExists = errors.New("a site's CA is there already and is not overwritten")

// ErrRequest says that a device's request for a certificate cannot be granted.
var ErrRequest = errors.New("the certificate request cannot be granted")

// ErrToken says that a text is not an enrolment token.
var ErrToken = errors.New("this is not a token as central prints it; copy all of it")

// ErrRefused says that central did not give a certificate; its reason follows.
var ErrRefused = errors.New("central does not issue a certificate")

// ErrSignature says that an order was not signed by the site's issuer.
var ErrSignature = errors.New("the order is not signed by this site")

// ErrRevokedList says that a list of revoked issuers cannot be used.
var ErrRevokedList = errors.New("this is no list of revoked issuers of this site")

// ErrSealed says that a device's key is sealed and the storage key does not open
// it.
var ErrSealed = errors.New("the device's key is sealed under another storage key; enrol the unit again")

// ErrWiped says that the unit destroyed its keys because central ordered it.
var ErrWiped = errors.New("this unit was wiped on central's order; enrol it again before use")

// alerts are those by which the other side says what it has against our
// certificate (RFC 8446 section 6).
var alerts = map[tls.AlertError]error{
	45:  ErrExpired,
	48:  ErrOtherSite,
	116: ErrNoCertificate,
}

// Explain adds to the error of a TLS handshake, or of the first read or write
// after it, the error of this package that says what is wrong with which side's
// certificate. Any other error is returned as it is.
func Explain(err error) error {
	var (
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		host      x509.HostnameError
		remote    *net.OpError
	)
	switch {
	case errors.As(err, &authority):
		return fmt.Errorf("%w: %w", ErrOtherSite, err)
	case errors.As(err, &host):
		return fmt.Errorf("%w: %w", ErrWrongHost, err)
	case errors.As(err, &invalid):
		return explainInvalid(invalid, err)
	case errors.As(err, &remote) && remote.Op == "remote error":
		return explainAlert(remote, err)
	default:
		return err
	}
}

func explainInvalid(invalid x509.CertificateInvalidError, err error) error {
	switch invalid.Reason {
	case x509.Expired:
		return fmt.Errorf("%w: %w", ErrExpired, err)
	case x509.IncompatibleUsage:
		return fmt.Errorf("%w: %w", ErrWrongUse, err)
	default:
		return err
	}
}

// explainAlert knows an alert by its text, because crypto/tls gives it a type of
// its own that cannot be named here.
func explainAlert(remote *net.OpError, err error) error {
	for alert, reason := range alerts {
		if remote.Err.Error() == alert.Error() {
			return fmt.Errorf("the other side refused our certificate: %w: %w", reason, err)
		}
	}
	return err
}
