package main

import (
	"math/rand/v2"
	"time"

	"nrd/internal/powercut"
)

// scenario is one kind of fault alone, written so that a bug of its kind shows:
// without the bug nothing may be wrong, with it the harness must say what is.
type scenario struct {
	name string
	plan plan
	// bug is planted by edit; the harness must complain with words that have
	// complaint in them.
	bug       string
	edit      edit
	complaint string
}

const second = time.Second

// lives are n of the same.
func lives(n int, l life) []life {
	all := make([]life, n)
	for i := range all {
		all[i] = l
	}
	return all
}

// cutOff is a link that is bad all the time.
func cutOff(kind string, lasts time.Duration) [][]trouble {
	return [][]trouble{{{0, kind, lasts}}}
}

// scenarios are all of them, in the order in which they run.
func scenarios() []scenario {
	const nowhere = "were kept and are nowhere"
	return []scenario{
		{
			name: "central dies between acknowledgement and commit",
			plan: plan{rate: 100, central: lives(6, life{lasts: 2 * second, point: "central: commit, before the first day", count: 3})},
			bug:  "an acknowledgement counts as a receipt", complaint: nowhere,
			edit: when("an acknowledgement counts as a receipt", "uplink/session.go", "f.acked = true\n\tdelete(s.blame",
				"_ = s.Buffer.ask(&request{removes: []itemID{f.id}}); s.forget(f.id); return"),
		},
		{
			// Late enough that receipts which went out too early are there.
			name: "central dies before its commit",
			plan: plan{rate: 100, central: lives(6, life{lasts: 2 * second, point: "central: commit, the images are on stable storage", count: 3})},
			bug:  "receipts go out before the commit", complaint: nowhere,
			edit: when("receipts go out before the commit", "collector/ingest/commit.go", "results, err := c.in.Store.Insert(ctx, items)",
				"for i := range items { c.answer(&items[i], store.Result{Outcome: store.Duplicate}, a) }; c.send(a); clear(a)"),
		},
		{
			name: "central dies before its receipts",
			plan: plan{rate: 100, central: lives(4, life{lasts: 2 * second, point: "central: committed, nothing is answered", count: 3})},
			bug:  "what is stored is stored again", complaint: "times",
			edit: when("what is stored is stored again", "collector/store/sqlite/insert.go", "if result, answered := held.answer(item); answered {",
				"if item.Kind == store.KindRecord && held.digest != nil { held.digest = nil; item.Correction = &store.Correction{UTC: item.Record.Captured.UTC.Add(24 * time.Hour)} }"),
		},
		{
			name: "the unit's power is cut, off line",
			plan: plan{rate: 100, unitDisk: cutDisk, unit: lives(3, life{lasts: 2 * second, survival: powercut.Nothing}), troubles: cutOff("black hole", 8*second)},
			bug:  "the journal is not fsynced", complaint: nowhere,
			edit: without("the journal is not fsynced", "uplink/journal.go", "err = unix.Fdatasync(int(j.file.Fd()))"),
		},
		{
			name: "the unit's power is cut under images",
			plan: plan{rate: 100, unitDisk: cutDisk, unit: lives(3, life{lasts: 2 * second, survival: powercut.Nothing}), troubles: cutOff("black hole", 8*second)},
			bug:  "images are not fsynced", complaint: "set aside as damaged, and nobody has damaged it",
			edit: edit{"uplink/segments.go", "return unix.Fdatasync(int(g.file.Fd()))",
				`if plant.Bug("images are not fsynced") { return nil }; return unix.Fdatasync(int(g.file.Fd()))`},
		},
		{
			name: "central's power is cut",
			plan: plan{rate: 60, centralDisk: cutDisk, central: lives(4, life{lasts: 2 * second, survival: powercut.Nothing})},
			bug:  "commits are not fsynced", complaint: nowhere + "|cannot be opened|ended by itself",
			edit: edit{"collector/store/sqlite/database.go", "PRAGMA trusted_schema=OFF`)",
				"PRAGMA trusted_schema=OFF` + map[bool]string{true: `;PRAGMA synchronous=OFF`}[plant.Bug(\"commits are not fsynced\")])"},
		},
		{
			name: "the unit has a small quota and no link",
			plan: plan{rate: 300, quota: "2MB", troubles: cutOff("black hole", 12*second)},
			bug:  "a drop is not counted", complaint: nowhere,
			edit: edit{"uplink/tally.go", "func (t *tally) drop(id itemID) {", `func (t *tally) drop(id itemID) { if plant.Bug("a drop is not counted") { return };`},
		},
		{
			name: "central's disk is full",
			plan: plan{rate: 60, centralDisk: smallDisk, troubles: [][]trouble{{{second, fullDiskOf("central"), 3 * second}, {second, fullDiskOf("central"), 3 * second}}}},
			bug:  "a full disk is answered with a receipt", complaint: nowhere,
			edit: when("a full disk is answered with a receipt", "collector/ingest/commit.go", `reason := "central's store does not work at the moment"
		if errors.Is`, "for i := range items { c.answer(&items[i], store.Result{Outcome: store.Stored}, a) }; return"),
		},
		{
			name: "the unit's disk is full",
			// So soon and so long that there is not enough to let go of.
			plan: plan{rate: 200, unitDisk: smallDisk, unit: lives(2, life{lasts: 4 * second}), troubles: [][]trouble{
				{{0, "black hole", 9 * second}}, {{second / 5, fullDiskOf("unit"), 4 * second}, {second, fullDiskOf("unit"), 2 * second}},
			}},
			bug: "Append hides that the disk is full", complaint: nowhere,
			edit: when("Append hides that the disk is full", "uplink/writer.go", "b.noteFull(r, refused[i])", "refused[i] = nil"),
		},
		{
			name: "the unit is re-imaged",
			plan: plan{rate: 60, unit: lives(2, life{lasts: 2 * second, reimaged: true})},
			bug:  "every buffer has the same epoch", complaint: "was given out twice",
			edit: edit{"uplink/database.go", "func newEpoch() uint64 {", `func newEpoch() uint64 { if plant.Bug("every buffer has the same epoch") { return 7 };`},
		},
		{
			name: "the unit's buffer is corrupted",
			plan: plan{rate: 100, unit: lives(3, life{lasts: 2 * second, flips: 6}), troubles: cutOff("black hole", 8*second)},
			bug:  "what is damaged is let go", complaint: nowhere,
			edit: when("what is damaged is let go", "uplink/session.go", "if len(damaged) > 0 {",
				"q := request{}; for _, d := range damaged { q.removes = append(q.removes, d.id) }; return s.Buffer.ask(&q)"),
		},
		{
			name: "receipts come late after the unit was re-imaged",
			plan: plan{rate: 100, receipts: 60, unit: []life{{lasts: 4 * second, reimaged: true}}, troubles: [][]trouble{{{3 * second, "8 kB/s", 12 * second}}}},
			bug:  "a receipt counts for any epoch and any bytes", complaint: nowhere,
			edit: edit{"uplink/receipt.go", "if key.Epoch != s.Buffer.epoch {",
				`if plant.Bug("a receipt counts for any epoch and any bytes") { if f := s.sent(part64{key.Sequence, partOf(m.GetKind())}); f != nil { r.removes = append(r.removes, f.id) }; return }; if key.Epoch != s.Buffer.epoch {`},
		},
		{
			name: "receipts are lost",
			plan: plan{rate: 60, receipts: 50, troubles: [][]trouble{{{4 * second, "slicer", second}}}},
			bug:  "what has no receipt is not sent again", complaint: "still has something that central has not stored",
			edit: when("what has no receipt is not sent again", "uplink/session.go", "now, late := s.monotonic(), 0\n", "return"),
		},
		{
			name: "72 hours without central",
			plan: plan{rate: 200, hitsFirst: true, centralLate: 6 * second, troubles: [][]trouble{{{0, backlog, 5 * second}}}},
			bug:  "hits wait for their turn", complaint: "hits go first",
			edit: edit{"uplink/queue.go", "for r := range rank(ranks) {",
				`for r := range rank(ranks) { if plant.Bug("hits wait for their turn") { r = (r + 2) % ranks };`},
		},
		{
			name: "the unit's clock is set by hand",
			plan: plan{rate: 60, troubles: [][]trouble{{{0, "black hole", 9 * second}}, {{2 * second, clockOf("unit", "ten years ahead, by hand"), 6 * second}}}},
			bug:  "records grow old by a clock that is not proved", complaint: "and there was room, and none was old",
			edit: edit{"uplink/writer.go", "func (b *Buffer) today() day {",
				`func (b *Buffer) today() day { if plant.Bug("records grow old by a clock that is not proved") { s := b.clock.Stamp(); s.Proved = true; return dayOf(s) };`},
		},
		{
			name: "the link is cut between text and images",
			plan: plan{rate: 60, troubles: [][]trouble{{{second, "8 kB/s", 2 * second}, {0, "reset", second}, {second, "slicer", 2 * second}, {0, "half-open to unit", 3 * second}, {second, "half-open to central", 3 * second}}}},
			bug:  "images go with their record", complaint: nowhere,
			edit: when("images go with their record", "uplink/receipt.go", "r.removes = append(r.removes, f.id)\n\tcase wire.Receipt_QUARANTINED:",
				"for _, k := range []rank{hitImage, readImage} { for _, p := range []part{partPatch, partOverview} { r.removes = append(r.removes, itemID{k, f.id.sequence, p}) } }"),
		},
		{
			name: "the broker is restarted",
			plan: plan{rate: 60, broker: true, brokers: lives(3, life{lasts: 3 * second}), central: lives(2, life{lasts: 3 * second})},
		},
	}
}

// short is what a minute is enough for.
func short(seed uint64) plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	return plan{
		rate: 60, unitDisk: cutDisk, receipts: 20,
		unit: draw(rng, "unit", 5, 500*time.Millisecond), central: draw(rng, "central", 12, 400*time.Millisecond),
		troubles: [][]trouble{{{second, "latency", second}, {second, "reset", second}, {second, clockOf("central", "ten years ahead"), second}}},
	}
}
