package identity

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
)

// ServerTLS configures central's side of a connection with devices: TLS 1.3, and
// only a device with a certificate of the site's CA gets in. ca, cert and key
// are PEM files.
func ServerTLS(ca, cert, key string) (*tls.Config, error) {
	pool, pair, err := load(ca, cert, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		ClientCAs:    pool,
		ClientAuth:   tls.RequireAndVerifyClientCert,
		// A resumed session would outlive the certificate it began with.
		SessionTicketsDisabled: true,
	}, nil
}

// ServiceTLS configures central's side of HTTPS for devices: like [ServerTLS], but a
// device that has no certificate yet gets in, and sees the CA itself, by whose
// fingerprint it knows central.
func ServiceTLS(ca, cert, key string) (*tls.Config, error) {
	config, err := ServerTLS(ca, cert, key)
	if err != nil {
		return nil, err
	}
	authority, err := readCertificate(ca)
	if err != nil {
		return nil, err
	}
	config.Certificates[0].Certificate = append(config.Certificates[0].Certificate, authority.Raw)
	config.ClientAuth = tls.VerifyClientCertIfGiven
	config.NextProtos = []string{"http/1.1"}
	return config, nil
}

// ClientTLS configures a device's side: TLS 1.3, the device's certificate, and
// no server but one with a certificate of the site's CA for the host called.
func ClientTLS(ca, cert, key string) (*tls.Config, error) {
	pool, pair, err := load(ca, cert, key)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{pair},
		RootCAs:      pool,
	}, nil
}

// PageTLS configures the web page: TLS 1.3 without a certificate of the browser.
// The certificate may be the site's or any other.
func PageTLS(cert, key string) (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w", cert, key, err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}}, nil
}

// load reads a CA and a certificate with its key, and checks that they belong
// together: better said now, by file name, than in every handshake.
func load(ca, cert, key string) (*x509.CertPool, tls.Certificate, error) {
	authority, err := readCertificate(ca)
	if err != nil {
		return nil, tls.Certificate{}, err
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, tls.Certificate{}, fmt.Errorf("%s, %s: %w", cert, key, err)
	}
	if err := pair.Leaf.CheckSignatureFrom(authority); err != nil {
		return nil, tls.Certificate{}, fmt.Errorf("%s with %s: %w: %w", cert, ca, ErrOtherSite, err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return pool, pair, nil
}
