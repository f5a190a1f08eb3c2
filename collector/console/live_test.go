package console

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/store"
)

// events reads the live view's stream from its beginning until a text is in it.
func (b *person) events(view uint64, until string) string {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 30*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/live/events?view=%d&after=0", b.desk.server.URL, view), http.NoBody)
	if err != nil {
		b.t.Fatal(err)
	}
	answer, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close() //nolint:errcheck // it has no end
	var all strings.Builder
	lines := bufio.NewScanner(answer.Body)
	for !strings.Contains(all.String(), until) && lines.Scan() {
		all.WriteString(lines.Text() + "\n")
	}
	if answer.StatusCode != http.StatusOK || !strings.Contains(all.String(), until) {
		b.t.Fatalf("the stream is answered %d and ends with\n%s", answer.StatusCode, all.String())
	}
	return all.String()
}

func TestALiveViewTellsOfACovertHitOnlyWhoMayLookAtLists(t *testing.T) {
	roles := access.Roles
	t.Cleanup(func() { access.Roles = roles })
	access.Roles = append(slices.Clone(roles), access.Role{Name: "wall", Title: "A wall", Rights: []access.Right{access.ViewLive}})
	people["wall.1"] = [2]string{"The wall", "wall"}
	t.Cleanup(func() { delete(people, "wall.1") })

	d := newDesk(t)
	found := func(vrm nrd.VRM, hits ...store.FoundHit) {
		record, err := d.Store.Record(t.Context(), d.record(t, sighting{vrm: vrm, camera: "A1"}))
		if err != nil {
			t.Fatal(err)
		}
		record.Found = hits
		d.Found(*record)
	}
	of := func(reason string, covert bool) store.FoundHit {
		h := hit("burglars", nrd.PriorityHigh, time.Hour, d.clock.Now())
		h.Entry.Reason = reason
		return store.FoundHit{Hit: h, Covert: covert}
	}
	found("AA11AAA", of("Report only", true))
	found("BB22BBB", of("Follow at a distance", true), of("Stop", false))
	d.record(t, sighting{vrm: "ZZ99ZZZ", camera: "A1"})
	for name, c := range map[string]struct{ cards, found int }{"ros.kerr": {2, 2}, "wall.1": {1, 1}} {
		b := d.signedIn(t, name)
		_, page := b.get("/live")
		stream := b.events(d.lastLine(t).Sequence, "ZZ99 ZZZ")
		_, hits, _ := strings.Cut(page, "data-hits role")
		if n := strings.Count(hits, "<article"); n != c.cards {
			t.Errorf("%s sees %d cards among the hits, want %d", name, n, c.cards)
		}
		if n := strings.Count(stream, "event: found"); n != c.found {
			t.Errorf("%s is told of %d hits, want %d", name, n, c.found)
		}
		for _, reason := range []string{"Report only", "Follow at a distance"} {
			if told := strings.Contains(page, reason) || strings.Contains(stream, reason); told != (name == "ros.kerr") {
				t.Errorf("%s is told of the covert entry %q: %t", name, reason, told)
			}
		}
		if !strings.Contains(page, "Stop") || !strings.Contains(stream, "Stop") {
			t.Errorf("%s is not told of the open entry", name)
		}
	}
}
