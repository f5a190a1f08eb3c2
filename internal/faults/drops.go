package main

import (
	"fmt"
	"slices"

	"nrd"
	"nrd/internal/faults/generate"
)

// missing is an item that was kept and is nowhere.
type missing struct {
	id   itemKey
	n    uint64
	made *nrd.Record
}

// hit reports whether the item is a hit's, which is never let go.
func (m missing) hit() bool { return generate.IsWanted(m.made.Read.VRM) }

func (m missing) String() string { return fmt.Sprintf("the %s of %d, %s", m.id.kind, m.n, m.id.key) }

// drops checks that each item that is nowhere was let go for lack of room, or for
// its age, and none of a hit, that the buffer has counted neither fewer nor more
// than it let go, and that central knows.
func (j *judge) drops() {
	for kind, gone := range map[string][]missing{"record": j.gone, "image": j.goneImages} {
		dropped, said := j.stats.Dropped[kind], j.said(kind)
		lost := slices.DeleteFunc(slices.Clone(gone), func(m missing) bool { return j.books.dropped[m.id] })
		if kind == "record" {
			j.count.Lost = max(0, len(lost)-j.count.Strangers)
		}
		if len(lost) > j.count.Strangers {
			j.complain("%d %ss were kept and are nowhere, and the buffer has not let go of them; %d items were damaged with their keys: %s", len(lost), kind, j.count.Strangers, first(lost))
		}
		// Where bytes were flipped, the counts and a hit's key may have been among them.
		if hits := slices.DeleteFunc(slices.Clone(gone), func(m missing) bool { return !m.hit() }); len(hits) > 0 && j.flipped == 0 {
			j.complain("%d %ss of hits were kept and are nowhere, and hits are never let go: %s", len(hits), kind, first(hits))
		}
		if let := len(gone) - len(lost); (dropped < uint64(let) || dropped > uint64(said)) && j.flipped == 0 {
			j.complain("%d %ss were kept and are nowhere, and the buffer counts %d drops; it may have let go of %d", let, kind, dropped, said)
		}
		if dropped > 0 && !j.plan.mayDrop() {
			j.complain("%d %ss were dropped, and there was room, and none was old", dropped, kind)
		}
		if j.reported[kind] != dropped {
			j.complain("the unit has dropped %d %ss, and central was told of %d", dropped, kind, j.reported[kind])
		}
	}
	j.count.Dropped, j.count.DroppedImages = int(j.stats.Dropped["record"]), int(j.stats.Dropped["image"])
}

// said is how many records or images the buffer was about to let go.
func (j *judge) said(kind string) (n int) {
	for id := range j.books.dropped {
		if (id.kind == "record") == (kind == "record") {
			n++
		}
	}
	return n
}

// dropOrder checks that of reads that are no hits the oldest went, and only when
// there were no images of such any more. Central must have come after the last
// drop. Cameras append at the same time, so each may be late with one.
func (j *judge) dropOrder() {
	var youngest uint64
	reads, images := 0, 0
	for _, m := range j.gone {
		youngest = max(youngest, m.n)
		for kind, image := range map[nrd.ImageKind]nrd.Image{nrd.ImagePatch: m.made.Patch, nrd.ImageOverview: m.made.Overview} {
			if len(image.JPEG) > 0 && !j.books.dropped[itemKey{m.id.key, string(kind)}] {
				images++
			}
		}
	}
	for key, all := range j.stored {
		n, ours := j.books.keys[key.String()]
		if !ours || all[0].IsHit() {
			continue
		}
		if n < youngest {
			reads++
		}
		for _, kind := range []nrd.ImageKind{nrd.ImagePatch, nrd.ImageOverview} {
			if _, there := j.images[imageKey{key, kind}]; there && n <= j.books.keptAtDrop {
				images++
			}
		}
	}
	if youngest == 0 {
		j.complain("no read was let go: the plan does not do what it is for")
	}
	if reads > cameras {
		j.complain("%d reads are stored that are older than one that was let go: the oldest go first", reads)
	}
	if images > 2*cameras {
		j.complain("%d images of reads were in the buffer when it let go of a read: images go first", images)
	}
}

// first gives some of many.
func first(all []missing) string {
	text := fmt.Sprint(all[:min(len(all), 5)])
	if len(all) > 5 {
		text += " and more"
	}
	return text
}
