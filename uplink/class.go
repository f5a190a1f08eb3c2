package uplink

import (
	"errors"
	"fmt"
	"net"
	"path"

	"nrd/internal/link"
)

// LinkClass says how a kind of link is used, known by the network interface that
// the connection leaves by.
type LinkClass struct {
	// Interface is the interface's name as path.Match takes it, such as
	// "wwan*"; "*" is any.
	Interface string
	// BytesPerSecond is how much may be sent, TLS and all; 0 is no limit.
	BytesPerSecond int
	// Images says which images go over this link. Nothing means all.
	Images Images
}

// Images says which images are sent. The others stay in the buffer until a link
// comes that takes them.
type Images string

// All images, only those of hits, or none: text only.
const (
	ImagesAll  Images = "all"
	ImagesHits Images = "hits"
	ImagesNone Images = "none"
)

// Validate says what is wrong with a class.
func (c LinkClass) Validate() error {
	var errs []error
	if _, err := path.Match(c.Interface, ""); err != nil || c.Interface == "" {
		errs = append(errs, fmt.Errorf("interface %q is no pattern such as wwan*", c.Interface))
	}
	if c.BytesPerSecond != 0 && c.BytesPerSecond < link.LeastRate {
		errs = append(errs, fmt.Errorf("%d bytes a second are too few: the least is %d, and 0 is no limit", c.BytesPerSecond, link.LeastRate))
	}
	switch c.Images {
	case "", ImagesAll, ImagesHits, ImagesNone:
	default:
		errs = append(errs, fmt.Errorf("images %q: must be all, hits or none", c.Images))
	}
	return errors.Join(errs...)
}

// takes reports whether items of a rank go over such a link.
func (c LinkClass) takes(r rank) bool {
	switch c.Images {
	case ImagesNone:
		return !r.image()
	case ImagesHits:
		return r != readImage
	default:
		return true
	}
}

// classOf gives the first class that fits the interface with the address; where
// none fits, everything is sent.
func classOf(classes []LinkClass, local net.Addr) LinkClass {
	if len(classes) == 0 {
		return LinkClass{}
	}
	name := interfaceOf(local)
	for _, c := range classes {
		if fits, err := path.Match(c.Interface, name); err == nil && fits {
			return c
		}
	}
	return LinkClass{}
}

// interfaceOf names the interface that has an address, "" where none has.
func interfaceOf(local net.Addr) string {
	tcp, ok := local.(*net.TCPAddr)
	if !ok {
		return ""
	}
	interfaces, err := net.Interfaces()
	if err != nil {
		return ""
	}
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.Equal(tcp.IP) {
				return i.Name
			}
		}
	}
	return ""
}
