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
	bugs []bug
}

// bug is planted by edit; the harness must complain with words that match
// complaint.
type bug struct {
	name, complaint string
	edit            edit
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

// atNext are lives of which each comes to the crash point once more often than the one
// before: what is being committed then is another thing each time.
func atNext(n int, l life) []life {
	all := lives(n, l)
	for i := range all {
		all[i].count += i
	}
	return all
}

// cutOff is a link that is bad all the time.
func cutOff(kind string, lasts time.Duration) [][]trouble {
	return [][]trouble{{{0, kind, lasts}}}
}

// atEach are lives that end at each crash point of a program in turn, or after so
// long where they do not come there.
func atEach(side string, lasts time.Duration) (lives []life) {
	for _, point := range names(side) {
		lives = append(lives, life{lasts: lasts, point: point, count: 1})
	}
	return lives
}

const nowhere = "were kept and are nowhere"

// scenarios are all of them, in the order in which they run.
func scenarios(seed uint64) []scenario {
	rng := rand.New(rand.NewPCG(seed, 2))
	return []scenario{
		{
			name: "both are killed at random instants",
			plan: plan{rate: 100, unit: draw(rng, "", 8, 600*time.Millisecond), central: draw(rng, "", 16, 400*time.Millisecond)},
			bugs: []bug{{"Append does not wait", nowhere + "|was given out twice",
				when("Append does not wait", "uplink/buffer.go", "if err := b.ask(&request{puts: puts}); err != nil {",
					"plant.Later(func() { _ = b.ask(&request{puts: puts}) }); rec.Key = r.Key; return r.Key, nil")}},
		},
		{
			// The latency keeps records waiting in the buffer.
			name: "the unit dies at each of its places",
			plan: plan{rate: 200, quota: "64MB", unit: atEach("unit", 2*second), troubles: cutOff("latency", 20*second)},
			bugs: []bug{{"the journal is emptied before the checkpoint", nowhere,
				when("the journal is emptied before the checkpoint", "uplink/database.go", "next := b.journal.generation + 1\n",
					"_ = b.journal.file.Truncate(0); _ = b.journal.file.Truncate(b.journal.size)")}},
		},
		{
			name: "central dies at each of its places",
			plan: plan{rate: 100, central: atEach("central", 2*second)},
		},
		{
			name: "central dies between acknowledgement and commit",
			plan: plan{rate: 100, central: lives(6, life{lasts: 2 * second, point: "central: commit, before the first day", count: 3})},
			bugs: []bug{{"an acknowledgement counts as a receipt", nowhere,
				when("an acknowledgement counts as a receipt", "uplink/session.go", "f.acked = true\n\tdelete(s.blame",
					"_ = s.Buffer.ask(&request{removes: []itemID{f.id}}); s.forget(f.id); return")}},
		},
		{
			// Late enough that receipts which went out too early are there.
			name: "central dies before its commit",
			plan: plan{rate: 100, central: atNext(8, life{lasts: 2 * second, point: "central: commit, the images are on stable storage", count: 2})},
			bugs: []bug{{"receipts go out before the commit", nowhere,
				when("receipts go out before the commit", "collector/ingest/commit.go", "results, err := c.in.Store.Insert(ctx, items)",
					"for i := range items { c.answer(&items[i], store.Result{Outcome: store.Duplicate}, a) }; c.send(a); clear(a); plant.Slow()")}},
		},
		{
			name: "central dies before its receipts",
			plan: plan{rate: 100, central: lives(4, life{lasts: 2 * second, point: "central: committed, nothing is answered", count: 3})},
			bugs: []bug{{"what is stored is stored again", "times",
				when("what is stored is stored again", "collector/store/sqlite/insert.go", "if result, answered := held.answer(item); answered {",
					"if item.Kind == store.KindRecord && held.digest != nil { held.digest = nil; item.Correction = &store.Correction{UTC: item.Record.Captured.UTC.Add(24 * time.Hour)} }")}},
		},
		{
			name: "the unit's power is cut, off line",
			plan: plan{rate: 100, unitDisk: cutDisk, unit: lives(3, life{lasts: 2 * second, survival: powercut.Nothing}), troubles: cutOff("black hole", 8*second)},
			bugs: []bug{{"the journal is not fsynced", nowhere,
				without("the journal is not fsynced", "uplink/journal.go", "err = unix.Fdatasync(int(j.file.Fd()))")}},
		},
		{
			name: "the unit's power is cut under images",
			plan: plan{rate: 100, unitDisk: cutDisk, unit: lives(3, life{lasts: 2 * second, survival: powercut.Nothing}), troubles: cutOff("black hole", 8*second)},
			bugs: []bug{{"images are not fsynced", "set aside as damaged, and nobody has damaged it",
				edit{"uplink/segments.go", "return unix.Fdatasync(int(g.file.Fd()))",
					`if plant.Bug("images are not fsynced") { return nil }; return unix.Fdatasync(int(g.file.Fd()))`}}},
		},
		{
			name: "central's power is cut",
			plan: plan{rate: 60, centralDisk: cutDisk, central: lives(4, life{lasts: 2 * second, survival: powercut.Nothing})},
			bugs: []bug{{"commits are not fsynced", nowhere + "|cannot be opened|ended by itself",
				edit{"collector/store/sqlite/database.go", "PRAGMA trusted_schema=OFF`)",
					"PRAGMA trusted_schema=OFF` + map[bool]string{true: `;PRAGMA synchronous=OFF`}[plant.Bug(\"commits are not fsynced\")])"}}},
		},
		{
			name: "the unit has a small quota and no link",
			plan: plan{rate: 300, quota: "2MB", centralLate: 8 * second, dropsFirst: true},
			bugs: []bug{
				{"a drop is not counted", nowhere,
					edit{"uplink/tally.go", "func (t *tally) drop(id itemID) {", `func (t *tally) drop(id itemID) { if plant.Bug("a drop is not counted") { return };`}},
				{"a drop is counted twice", "the buffer counts",
					when("a drop is counted twice", "uplink/quota.go", "w.tally.drop(id)\n", "w.tally.drop(id)")},
				{"hits go first", "hits are never let go",
					when("hits go first", "uplink/quota.go", "if w.used()+need <= w.maxBytes || w.dropDamaged()",
						"if fits, err := w.dropOldest(bucketItems, hitText, func() bool { return w.used()+need <= w.maxBytes }); fits || err != nil { return fits, err }")},
				{"what is newest goes first", "the oldest go first",
					when("what is newest goes first", "uplink/quota.go", "if k == nil || k[0] != byte(r) {",
						"c := w.tx.Bucket(bucket).Cursor(); if n, _ := c.Seek([]byte{byte(r) + 1}); n == nil { k, _ = c.Last() } else { k, _ = c.Prev() }")},
				{"reads go before their images", "images go first",
					when("reads go before their images", "uplink/quota.go", "for !enough() {", "r ^= 1")},
			},
		},
		{
			// It ends by itself each time, as it cannot open its store.
			name: "central is started while its disk is full",
			plan: plan{rate: 60, centralDisk: smallDisk, centralLate: second, troubles: [][]trouble{{{0, fullDiskOf("central"), 4 * second}}}},
		},
		{
			name: "central's disk is full",
			plan: plan{rate: 60, centralDisk: smallDisk, troubles: [][]trouble{{{second, fullDiskOf("central"), 3 * second}, {second, fullDiskOf("central"), 3 * second}}}},
			bugs: []bug{{"a full disk is answered with a receipt", nowhere,
				when("a full disk is answered with a receipt", "collector/ingest/commit.go", "reason := \"central's store does not work at the moment\"\n\t\tif errors.Is", "for i := range items { c.answer(&items[i], store.Result{Outcome: store.Stored}, a) }; return")}},
		},
		{
			name: "the unit's disk is full",
			// So soon and so long that there is not enough to let go of.
			plan: plan{rate: 200, unitDisk: smallDisk, unit: lives(2, life{lasts: 7 * second}), troubles: [][]trouble{
				{{0, "black hole", 14 * second}}, {{second / 5, fullDiskOf("unit"), 8 * second}, {second, fullDiskOf("unit"), 2 * second}},
			}},
			bugs: []bug{{"Append hides that the disk is full", nowhere,
				when("Append hides that the disk is full", "uplink/writer.go", "b.noteFull(r, refused[i])", "refused[i] = nil")}},
		},
		{
			name: "the unit is re-imaged",
			plan: plan{rate: 60, unit: lives(2, life{lasts: 2 * second, reimaged: true})},
			bugs: []bug{{"every buffer has the same epoch", "was given out twice",
				edit{"uplink/database.go", "func newEpoch() uint64 {", `func newEpoch() uint64 { if plant.Bug("every buffer has the same epoch") { return 7 };`}}},
		},
		{
			name: "the unit's buffer is corrupted",
			plan: plan{rate: 100, unit: lives(3, life{lasts: 2 * second, flips: 6}), troubles: cutOff("black hole", 8*second)},
			bugs: []bug{{"what is damaged is let go", nowhere,
				when("what is damaged is let go", "uplink/session.go", "if len(damaged) > 0 {",
					"q := request{}; for _, d := range damaged { q.removes = append(q.removes, d.id) }; return s.Buffer.ask(&q)")}},
		},
		{
			name: "receipts come late after the unit was re-imaged",
			plan: plan{rate: 100, receipts: 60, unit: []life{{lasts: 4 * second, reimaged: true}}, troubles: [][]trouble{{{3 * second, "8 kB/s", 12 * second}}}},
			bugs: []bug{{"a receipt counts for any epoch and any bytes", nowhere,
				edit{"uplink/receipt.go", "if key.Epoch != s.Buffer.epoch {",
					`if plant.Bug("a receipt counts for any epoch and any bytes") { if f := s.sent(part64{key.Sequence, partOf(m.GetKind())}); f != nil { r.removes = append(r.removes, f.id) }; return }; if key.Epoch != s.Buffer.epoch {`}}},
		},
		{
			name: "receipts are lost",
			plan: plan{rate: 60, receipts: 50, troubles: [][]trouble{{{4 * second, "slicer", second}}}},
			bugs: []bug{{"what has no receipt is not sent again", "still has something that central has not stored",
				when("what has no receipt is not sent again", "uplink/session.go", "now, late := s.monotonic(), 0\n", "return")}},
		},
		{
			name: "72 hours without central",
			plan: plan{rate: 200, hitsFirst: true, centralLate: 6 * second, troubles: [][]trouble{{{0, backlog, 5 * second}}}},
			bugs: []bug{{"hits wait for their turn", "hits go first",
				edit{"uplink/queue.go", "for r := range rank(ranks) {",
					`for r := range rank(ranks) { if plant.Bug("hits wait for their turn") { r = (r + 2) % ranks };`}}},
		},
		{
			name: "the unit's clock is set by hand",
			plan: plan{rate: 60, troubles: [][]trouble{{{0, "black hole", 9 * second}}, {{2 * second, clockOf("unit", "ten years ahead, by hand"), 6 * second}}}},
			bugs: []bug{{"records grow old by a clock that is not proved", "and there was room, and none was old",
				edit{"uplink/writer.go", "func (b *Buffer) today() day {",
					`func (b *Buffer) today() day { if plant.Bug("records grow old by a clock that is not proved") { s := b.clock.Stamp(); s.Proved = true; return dayOf(s) };`}}},
		},
		{
			name: "the clocks are ten years off, with proof",
			plan: plan{rate: 60, troubles: [][]trouble{
				{{second, clockOf("unit", "ten years behind"), 2 * second}, {second, clockOf("unit", "ten years ahead"), 2 * second}},
				{{2 * second, clockOf("central", "ten years ahead"), 2 * second}, {2 * second, clockOf("central", "ten years behind"), 2 * second}},
			}},
			bugs: []bug{{"what has a time that cannot be is let go", nowhere,
				when("what has a time that cannot be is let go", "collector/ingest/commit.go", "results, err := c.in.Store.Insert(ctx, items)",
					`rest := items[:0]; for i := range items { if item := items[i]; item.Quarantine == "" { rest = append(rest, item) } else { c.answer(&item, store.Result{Outcome: store.Quarantined}, a) } }; items = rest`)}},
		},
		{
			name: "the link is cut between text and images",
			plan: plan{rate: 60, troubles: [][]trouble{{{second, "8 kB/s", 2 * second}, {0, "reset", second}, {0, "latency", 2 * second}, {second, "slicer", 2 * second}, {0, "half-open to unit", 3 * second}, {second, "half-open to central", 3 * second}}}},
			bugs: []bug{{"images go with their record", nowhere,
				when("images go with their record", "uplink/receipt.go", "r.removes = append(r.removes, f.id)\n\tcase wire.Receipt_QUARANTINED:",
					"for _, k := range []rank{hitImage, readImage} { for _, p := range []part{partPatch, partOverview} { r.removes = append(r.removes, itemID{k, f.id.sequence, p}) } }")}},
		},
		{
			name: "the broker is restarted",
			plan: plan{rate: 60, broker: true, brokers: lives(3, life{lasts: 3 * second}), central: lives(2, life{lasts: 3 * second})},
			bugs: []bug{{"what is on its way counts as stored", nowhere,
				when("what is on its way counts as stored", "uplink/session.go", "s.readAcks()\n\t\t\treturn err",
					"q := request{}; for _, f := range s.flights { q.removes = append(q.removes, f.id) }; _ = s.Buffer.ask(&q)")}},
		},
	}
}

// short is what a minute is enough for: the disk of one side loses what is not
// fsynced, the other's is full for a while.
func short(seed uint64) plan {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := plan{
		rate: 60, unitDisk: cutDisk, centralDisk: smallDisk, receipts: 20,
		unit: draw(rng, "unit", 5, 500*time.Millisecond), central: draw(rng, "central", 12, 400*time.Millisecond),
		troubles: [][]trouble{{{second, "latency", second}, {second, "reset", second}, {second, clockOf("central", "ten years ahead"), second}}},
	}
	full := "central"
	if seed%2 == 0 {
		p.unitDisk, p.centralDisk, full = smallDisk, cutDisk, "unit"
	}
	p.troubles = append(p.troubles, []trouble{{2 * second, fullDiskOf(full), 2 * second}})
	return p
}

// shortBug is the bug that the short form plants, one that shows wherever it is.
const shortBug = "the journal is not fsynced"
