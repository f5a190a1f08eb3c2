// Package publication is the form in which a list travels from central to the
// units: what is signed of it, and the two kinds of file.
//
// A snapshot is the whole list, one entry a line in the sixteen columns of
// package voi, in the order of their VRMs. A delta is what changed since the
// version before: lines that begin with - are taken away, exactly as they stood,
// and lines that begin with + are put in; of one VRM those with - come first. Both
// are compressed (Zstandard) and then sealed under a key of their own, so that
// they may lie on a disk or be stored half, see [Writer] and [Reader].
//
// A [Publication] says which list a file makes, and in which version. It is part
// of the signed metadata, with the file's key, and goes to the units that may have
// the list and to nobody else. Its [Content] is a digest of the whole list, by
// which a unit knows that a delta has made of its list what central has.
package publication

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"nrd"
	"nrd/internal/sealed"
)

// ErrMalformed says that the metadata of a list or one of its files is not what
// central writes.
var ErrMalformed = errors.New("the publication of a list is malformed")

// Publication is one file of a list, as its metadata says. In the metadata it is
// a JSON object with these members; docs/protocol.md describes them.
type Publication struct {
	// List and Version are what the file makes; From is the version that a delta
	// changes, 0 for a snapshot.
	List    string `json:"list"`
	Version uint64 `json:"version"`
	From    uint64 `json:"from,omitempty"`
	// Made is when the list's owner made it; after Expires it is out of date. The
	// zero time is no expiry.
	Made    time.Time `json:"made"`
	Expires time.Time `json:"expires,omitzero"`
	// Entries is how many the list has then, Content their digest.
	Entries int     `json:"entries"`
	Content Content `json:"content"`
	// Near matches look-alikes too; Status is a list of tens of millions of
	// entries of few kinds.
	Near   bool `json:"near,omitempty"`
	Status bool `json:"status,omitempty"`
	// Key opens the file. Text is how many bytes its lines have, ends included:
	// nobody reads more.
	Key  []byte `json:"key"`
	Text int64  `json:"text"`
}

// maxList is the longest name of a list in bytes.
const maxList = 256

// Parse reads a publication's JSON. The error is ErrMalformed.
func Parse(text []byte) (Publication, error) {
	var p Publication
	if err := json.Unmarshal(text, &p); err != nil {
		return p, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return p, p.check()
}

func (p Publication) check() error {
	switch {
	case p.List == "" || len(p.List) > maxList:
		return fmt.Errorf("%w: a list's name has 1 to %d bytes", ErrMalformed, maxList)
	case p.Version == 0 || p.From >= p.Version:
		return fmt.Errorf("%w: %s: version %d from %d", ErrMalformed, p.List, p.Version, p.From)
	case p.Made.IsZero():
		return fmt.Errorf("%w: %s: it does not say when it was made", ErrMalformed, p.List)
	case p.Entries < 0 || p.Text < 0:
		return fmt.Errorf("%w: %s: a size below 0", ErrMalformed, p.List)
	}
	if _, err := p.key(); err != nil {
		return err
	}
	return nil
}

func (p Publication) key() (*sealed.Key, error) {
	key, err := sealed.ParseKey(p.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrMalformed, p.List, err)
	}
	return key, nil
}

// ListVersion is the list as a unit holds it from then on.
func (p Publication) ListVersion(loaded time.Time) nrd.ListVersion {
	return nrd.ListVersion{List: p.List, Version: p.Version, Issued: p.Made, Expires: p.Expires, Loaded: loaded, Entries: p.Entries}
}
