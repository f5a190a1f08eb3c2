package lists

import (
	"fmt"

	"nrd"
	"nrd/hotlist/publication"
)

// kinds are the different things that the entries of a list of statuses say: a unit
// keeps each once, however many vehicles it is said of.
type kinds struct{ known map[string]bool }

// add counts what an entry says. The error is ErrInvalid where it is one thing too
// many. It quotes none of it: reports are shown to whoever may see lists, and what a
// line says may be a reference by which a vehicle is known.
func (k *kinds) add(e *nrd.Entry) error {
	kind := publication.Kind(e)
	if k.known[kind] {
		return nil
	}
	if len(k.known) == publication.MaxKinds {
		return fmt.Errorf("%w: line %d says one thing more than the %d different ones that a list of statuses has room for, "+
			"all columns but the VRM counted, the weed date and the reference too; a list of other entries is made without statuses",
			ErrInvalid, e.Line, publication.MaxKinds)
	}
	if k.known == nil {
		k.known = map[string]bool{}
	}
	k.known[kind] = true
	return nil
}

// few passes rows on as long as they are of few kinds. An insert may be of few itself
// and bring one too many to the list.
type few struct {
	from  stream
	kinds kinds
}

func (f *few) next() (row, bool, error) {
	r, ok, err := f.from.next()
	if err != nil || !ok {
		return r, ok, err
	}
	it, err := r.item("")
	if err != nil {
		return r, false, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return r, true, f.kinds.add(&it.Entry)
}
