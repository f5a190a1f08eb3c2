package uplink

// tally counts what the buffer holds. It is a value: a batch works on a copy,
// which becomes the buffer's when the batch is on disk.
type tally struct {
	items map[part]int
	// text is what records and events take up, see cost.
	text    int64
	dead    int
	dropped drops
	// live says by how much a batch changes the numbers of wanted items of
	// image files.
	live map[uint32]int
	// freed is how many bytes of image files a batch makes unwanted.
	freed int64
}

// drops counts what was let go: since ever, and what central was not told yet.
type drops struct {
	Records, Images                     uint64
	UnreportedRecords, UnreportedImages uint64
	// Damaged are items that were damaged on disk so that not even their key is
	// left: at least so many.
	Damaged, UnreportedDamaged uint64
	// Refused are records that were not kept because there was no room.
	Refused, UnreportedRefused uint64
	// Told are the sequences of the last events that said so, by kind.
	Told [4]uint64
	// InJournal says how many of these are in the journal since the checkpoint
	// with the generation Base: while none can be made, it is read again.
	InJournal, Base uint64
}

func (t tally) clone() tally {
	c := t
	c.items = map[part]int{}
	for p, n := range t.items {
		c.items[p] = n
	}
	c.live, c.freed = map[uint32]int{}, 0
	return c
}

// add counts an item that came (n = 1) or went (n = -1).
func (t *tally) add(id itemID, value []byte, n int) error {
	t.items[id.part] += n
	return t.take(id, value, n)
}

// addDead counts a dead letter that came or went.
func (t *tally) addDead(id itemID, value []byte, n int) error {
	t.dead += n
	return t.take(id, value, n)
}

// take counts the room of an item.
func (t *tally) take(id itemID, value []byte, n int) error {
	if !id.rank.image() {
		t.text += int64(n) * cost(value)
		return nil
	}
	s, err := parseStored(id, value)
	if err != nil {
		return err
	}
	t.live[s.ref.segment] += n
	return nil
}

func (t *tally) drop(id itemID) {
	if id.rank.image() {
		t.dropped.Images++
		t.dropped.UnreportedImages++
	} else {
		t.dropped.Records++
		t.dropped.UnreportedRecords++
	}
}

func (d *drops) refuse(n uint64) {
	d.Refused += n
	d.UnreportedRefused += n
}

// droppedByKind is nil when nothing was dropped.
func (t tally) droppedByKind() map[string]uint64 {
	m := map[string]uint64{}
	if t.dropped.Records > 0 {
		m["record"] = t.dropped.Records
	}
	if t.dropped.Images > 0 {
		m["image"] = t.dropped.Images
	}
	if t.dropped.Damaged > 0 {
		m["damaged"] = t.dropped.Damaged
	}
	if t.dropped.Refused > 0 {
		m["refused"] = t.dropped.Refused
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// empty reports whether nothing waits and nothing was set aside.
func (t tally) empty() bool {
	for _, n := range t.items {
		if n != 0 {
			return false
		}
	}
	return t.dead == 0
}
