package uplink

import "time"

// What may be on its way without a receipt, and what may wait for a later try.
const (
	hitWindow   = 64
	textWindow  = 256
	imageWindow = 512
	// heldLimit is how many items may wait because central said "retry". They
	// take no place in the windows, so that what central cannot take, such as
	// reads of a day that is damaged there, does not hold up the rest.
	heldLimit = 4096
	// stallAfter is how many "retry" in a row say that central can take
	// nothing: from then on one item at a time is tried.
	stallAfter = 32
)

// Bounds of a window, in bytes.
const (
	firstBytes = 32 << 10
	leastBytes = 4 << 10
	mostBytes  = 4 << 20
	// usualImage is what an image is taken to have before one was seen.
	usualImage = 16 << 10
)

// The queue that a window may build up on the way to the broker: with less it
// grows, with more it shrinks. It is what a new hit waits behind.
const (
	shortQueue = 50 * time.Millisecond
	longQueue  = 200 * time.Millisecond
)

// window is how many bytes may be on their way to the broker without its
// acknowledgement. It finds out how much the link bears by how long
// acknowledgements take: more than the least that was seen is time in a queue.
// So a hit waits behind little, and a thin link is never given more than it
// passes before the receipts are due.
type window struct {
	size, used int
	base       time.Duration // the least time of an acknowledgement
	shrunk     time.Duration // when it shrank last; 0: never
	// image is what an image has, on average.
	image int
}

func newWindow() window { return window{size: firstBytes, base: -1, image: usualImage} }

// sent counts what was published.
func (w *window) sent(bytes int, image bool) {
	w.used += bytes
	if image {
		w.image += (bytes - w.image) / 8
	}
}

// acked counts what the broker has, took so long.
func (w *window) acked(bytes int, took, now time.Duration) {
	full := w.used > w.size/2
	w.used -= bytes
	if w.base < 0 || took < w.base {
		w.base = took
	}
	switch queued := took - w.base; {
	case queued > longQueue && now-w.shrunk > longQueue:
		w.size, w.shrunk = max(w.size/2, leastBytes), now
	case queued < shortQueue && full:
		if w.shrunk > 0 {
			bytes /= 8 // it was too much before: slowly now
		}
		w.size = min(w.size+bytes, mostBytes)
	}
}

// texts and images are how many more may be published. With nothing on its way
// one always may.
func (w *window) texts() int  { return w.room(1 << 10) }
func (w *window) images() int { return w.room(w.image) }

// roomy says that at least a quarter of the window is free, or nothing on its way.
func (w *window) roomy() bool { return w.used == 0 || w.used <= w.size/4*3 }

func (w *window) room(bytes int) int {
	if w.used == 0 {
		return max(1, w.size/max(bytes, 1))
	}
	return max(0, (w.size-w.used)/max(bytes, 1))
}

// room is how many items more of each rank may be on the way, and whether there
// is room for any. Hits have a window of their own, so that a new one goes at
// once whatever else is on the way.
func (s *session) room() (room [ranks]int, some bool) {
	hits, texts, images, held := hitWindow, textWindow, imageWindow, 0
	for _, f := range s.flights {
		switch {
		case f.held:
			held++
		case f.id.rank.image():
			images--
		case f.id.rank.hit():
			hits--
		default:
			texts--
		}
	}
	switch {
	case s.probing() && len(s.unacked()) > 0:
		return room, false
	case s.stalled() && (len(s.flights) > held || s.monotonic() < s.tryAgain):
		return room, false
	}
	if held >= heldLimit {
		texts, images = 0, 0
	}
	room = [ranks]int{hits, min(images, s.window.images()), min(texts, s.window.texts()), min(images, s.window.images())}
	// What is no hit's goes in lots, since each look at the queue costs the same:
	// until a quarter of a window is free, what is on its way makes more room.
	if texts < textWindow/4 || !s.window.roomy() {
		room[readText] = 0
	}
	if images < imageWindow/4 || !s.window.roomy() {
		room[readImage] = 0
	}
	for r, n := range room {
		if n <= 0 || !s.class.takes(rank(r)) {
			room[r] = 0
			continue
		}
		some = true
	}
	return room, some
}
