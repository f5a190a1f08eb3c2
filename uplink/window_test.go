package uplink

import (
	"net"
	"slices"
	"testing"
	"time"

	"nrd"
	"nrd/uplink/wire"
)

// through sends items of a size over a pretended link and gives the longest that
// a hit would have waited behind others once the window has settled.
func through(perSecond int, delay time.Duration) (w window, behind time.Duration) {
	w = newWindow()
	const size = 25_000
	var now time.Duration
	type sent struct{ at, done time.Duration }
	var way []sent
	var free time.Duration // when the link is free again
	for range 2000 {
		for w.images() > 0 {
			free = max(free, now) + time.Duration(size)*time.Second/time.Duration(perSecond)
			way = append(way, sent{now, free + delay})
			w.sent(size, true)
		}
		if now > 20*time.Second {
			behind = max(behind, free-now)
		}
		now = max(now, way[0].done)
		w.acked(size, now-way[0].at, now)
		way = way[1:]
	}
	return w, behind
}

func TestAWindowFitsTheLink(t *testing.T) {
	for name, link := range map[string]struct {
		perSecond int
		delay     time.Duration
		most      time.Duration
	}{
		"8 kB a second":         {8_000, 50 * time.Millisecond, 7 * time.Second}, // one image is 3.1 s
		"4G":                    {1_000_000, 40 * time.Millisecond, 400 * time.Millisecond},
		"satellite":             {200_000, 600 * time.Millisecond, 1500 * time.Millisecond},
		"a network of 1 Gbit/s": {125_000_000, time.Millisecond, 300 * time.Millisecond},
		"a network, far away":   {125_000_000, 80 * time.Millisecond, 300 * time.Millisecond},
	} {
		w, behind := through(link.perSecond, link.delay)
		if behind > link.most {
			t.Errorf("%s: a hit would wait %s, at most %s", name, behind, link.most)
		}
		if need := int(float64(link.perSecond) * link.delay.Seconds()); w.size < min(need, mostBytes)/2 {
			t.Errorf("%s: the window is %d bytes, and %d are on the way at full speed", name, w.size, need)
		}
	}
}

func TestReadsGoInLotsAndAHitAtOnce(t *testing.T) {
	s := newSession(&Client{})
	s.window.size = mostBytes
	fly := func(r rank, p part, n int) {
		for range n {
			sequence := uint64(len(s.flights))
			s.flights[part64{sequence, p}] = &flight{id: itemID{r, sequence, p}}
		}
	}
	rooms := func(want [ranks]int) {
		t.Helper()
		if room, some := s.room(); room != want || !some {
			t.Errorf("with %d on their way there is room for %v, %t; want %v", len(s.flights), room, some, want)
		}
	}
	rooms([ranks]int{hitWindow, 256, textWindow, 256})
	fly(readText, partRecord, 192)
	rooms([ranks]int{hitWindow, 256, 64, 256})
	fly(readText, partRecord, 1)
	rooms([ranks]int{hitWindow, 256, 0, 256})
	fly(readImage, partPatch, 400)
	rooms([ranks]int{hitWindow, 112, 0, 0})
}

func TestImagesThatALinkDoesNotTakeStayInTheBuffer(t *testing.T) {
	for images, want := range map[Images][]string{
		ImagesNone: {"record", "record"},
		ImagesHits: {"record", "record", "patch", "overview"},
		ImagesAll:  {"record", "record", "patch", "overview", "patch", "overview"},
	} {
		t.Run(string(images), func(t *testing.T) {
			conf := config(t)
			b, c := open(t, conf), newCentral(t)
			client := c.client(b)
			client.Links = []LinkClass{{Interface: "no such*", Images: ImagesAll}, {Interface: "lo", Images: images}}
			add(t, b, hit(conf.Clock, "HIT"))
			add(t, b, read(conf.Clock, "READ"))
			stop := start(t, client)
			c.until("what may go has come", func(all []arrived) bool { return len(all) >= len(want) })
			eventually(t, "it has its receipts", func() bool { return waiting(t, b) == 6-len(want) })
			c.statuses(t, b, 5)
			var got []string
			for _, a := range c.arrivals() {
				got = append(got, a.kind)
			}
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Fatalf("central got %v, want %v", got, want)
			}
			stop()
			client = c.client(b) // a better link
			start(t, client)
			eventually(t, "the rest goes over a better link", func() bool { return waiting(t, b) == 0 })
		})
	}
}

func TestAClassIsKnownByTheInterfaceOfItsAddress(t *testing.T) {
	loopback := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}
	classes := []LinkClass{{Interface: "wwan*", Images: ImagesNone}, {Interface: "l*", Images: ImagesHits}, {Interface: "*"}}
	if c := classOf(classes, loopback); c.Images != ImagesHits {
		t.Errorf("the class of the loopback is %+v", c)
	}
	if c := classOf(classes, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1)}); c.Interface != "*" {
		t.Errorf("the class of an address that no interface has is %+v", c)
	}
	if c := classOf(nil, loopback); c != (LinkClass{}) {
		t.Errorf("without classes: %+v", c)
	}
}

func TestACentralThatCanTakeNothingIsAskedLittle(t *testing.T) {
	conf := config(t)
	b, c := open(t, conf), newCentral(t)
	c.reply(func(arrived) wire.Receipt_Outcome { return wire.Receipt_RETRY })
	client := c.client(b)
	client.pace.retry, client.pace.most = time.Second, time.Minute
	for range 20 {
		addMany(t, b, 20, func() *nrd.Record { return text(read(conf.Clock, "AB12CDE")) })
	}
	start(t, client)
	c.until("it has said no often enough", func(all []arrived) bool { return len(all) >= stallAfter })
	c.statuses(t, b, 10)
	// What was on its way before the first answers came is not counted.
	if n := len(c.arrivals()); n > stallAfter+textWindow {
		t.Errorf("%d of 400 records were sent to a central that takes nothing", n)
	}
	c.reply(always)
	eventually(t, "all is stored once it can", func() bool {
		manual(conf).advance(time.Second)
		return waiting(t, b) == 0
	})
}
