package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"nrd"
	"nrd/collector/store"
)

func TestNobodySeesAnythingWithoutSigningIn(t *testing.T) {
	d := newDesk(t)
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
	d.picture(t, key, nrd.ImagePatch)
	b := d.person(t)
	for _, path := range []string{"/", "/live", "/live/events?view=1&after=0", "/search", "/record/" + key.String(), "/image/" + key.String() + "/patch", "/live/image/" + key.String() + "/patch?view=1", "/devices", "/log", "/no/such"} {
		if _, page := b.get(path); !strings.Contains(page, `action="/sign-in"`) || strings.Contains(page, "AB12CDE") {
			t.Errorf("%s shows %s", path, page)
		}
	}
	if _, page := b.post("/search", "vrm", "AB12CDE", "reason", "incident 1"); strings.Contains(page, "AB12 CDE") {
		t.Error("a search without signing in finds")
	}
}

func TestEachRoleOpensItsPagesAndNoOthers(t *testing.T) {
	d := newDesk(t)
	pages := []string{"/live", "/search", "/devices", "/log"}
	for name, opens := range map[string]string{
		"jane.doe": "/live /search /devices", "sam.hill": "/search", "ros.kerr": "/live /search /devices", "ivy.tan": "/devices", "al.dunn": "/devices /log",
	} {
		b := d.signedIn(t, name)
		_, home := b.get("/")
		for _, path := range pages {
			may := strings.Contains(opens, path)
			status, page := b.get(path)
			if want := map[bool]int{true: http.StatusOK, false: http.StatusForbidden}[may]; status != want {
				t.Errorf("%s at %s: %d, want %d\n%s", name, path, status, want, page)
			}
			if strings.Contains(home, `<a href="`+path+`"`) != may {
				t.Errorf("%s: the menu and the rights differ about %s", name, path)
			}
		}
	}
}

func TestTheCookieIsOnlyForThisHostAndNoScript(t *testing.T) {
	d := newDesk(t)
	d.add(t, "sam.hill")
	client := *d.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := client.PostForm(d.server.URL+"/sign-in", url.Values{"name": {"sam.hill"}, "password": {password}})
	if err != nil {
		t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil {
		t.Fatal(err)
	}
	c := answer.Cookies()[0]
	if c.Name != "__Host-session" || !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" || c.MaxAge != 0 {
		t.Errorf("the cookie is %+v", c)
	}
	for header, want := range map[string]string{
		"Content-Security-Policy": "default-src 'none'", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
	} {
		if got := answer.Header.Get(header); !strings.Contains(got, want) {
			t.Errorf("%s is %q", header, got)
		}
	}
}

func TestAFormOfAnotherSiteDoesNothing(t *testing.T) {
	d := newDesk(t)
	b := d.signedIn(t, "sam.hill")
	for header, value := range map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://elsewhere.example"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.server.URL+"/search", strings.NewReader("reason=incident+1"))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header, value)
		answer, err := b.client.Do(r)
		if status, _ := b.read(answer, err); status != http.StatusForbidden {
			t.Errorf("%s: %d", header, status)
		}
		if line := d.lastLine(t); line.Action != "sign in" {
			t.Errorf("it left %+v", line)
		}
	}
}

func TestASearchWithoutAReasonIsRefusedAndWithOneIsAnswered(t *testing.T) {
	d := newDesk(t)
	d.record(t, sighting{vrm: "AB12CDE", camera: "A1", direction: nrd.DirectionAway})
	d.record(t, sighting{vrm: "XY99ZZZ", camera: "A1"})
	b := d.signedIn(t, "sam.hill")
	status, page := b.post("/search", "vrm", "ab1?", "reason", "  ")
	if status != http.StatusUnprocessableEntity || !strings.Contains(page, "a reason is needed") || strings.Contains(page, "AB12 CDE") {
		t.Errorf("without a reason: %d %s", status, page)
	}
	if line := d.lastLine(t); line.Outcome != "refused: a reason is needed" || line.Account != "sam.hill" {
		t.Errorf("the log has %+v", line)
	}
	status, page = b.post("/search", "vrm", "ab1?*", "from", "2026-11-23T00:00", "to", "2026-11-23T15:00", "reason", "incident 7")
	if status != http.StatusOK || !strings.Contains(page, "AB12 CDE") || strings.Contains(page, "XY99 ZZZ") || !strings.Contains(page, "1 record<") {
		t.Errorf("with a reason: %d %s", status, page)
	}
	line := d.lastLine(t)
	if line.Reason != "incident 7" || line.Subject != "vrm AB1?*, from 2026-11-23T00:00:00Z, to 2026-11-23T15:00:00Z" {
		t.Errorf("the log has %+v", line)
	}
	for field, value := range map[string]string{"vrm": "AB12<script>", "from": "yesterday", "older": "x"} {
		if status, page := b.post("/search", field, value, "reason", "incident 7"); status != http.StatusUnprocessableEntity || strings.Contains(page, "<script>\"") {
			t.Errorf("%s %q: %d", field, value, status)
		}
	}
}

func TestSearchTimesAreTypedInTheSitesZone(t *testing.T) {
	d := newDesk(t)
	b := d.signedIn(t, "sam.hill")
	b.post("/search", "from", "2026-07-01T12:00", "reason", "incident 7")
	if line := d.lastLine(t); !strings.Contains(line.Subject, "from 2026-07-01T11:00:00Z") {
		t.Errorf("summer time was searched as %q", line.Subject)
	}
}

func TestResultsArePagedWithoutLosingARecord(t *testing.T) {
	d := newDesk(t)
	for range resultsOnPage + 3 {
		d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
		d.clock.Advance(time.Second)
	}
	b := d.signedIn(t, "sam.hill")
	_, page := b.post("/search", "reason", "incident 7")
	_, older, found := strings.Cut(page, `name="older" value="`)
	if n := strings.Count(page, `class="plate-link"`); n != resultsOnPage || !found {
		t.Fatalf("the first page has %d records", n)
	}
	older, _, _ = strings.Cut(older, `"`)
	_, page = b.post("/search", "reason", "incident 7", "older", older)
	if n := strings.Count(page, `class="plate-link"`); n != 3 || strings.Contains(page, `name="older"`) {
		t.Errorf("the second page has %d records", n)
	}
}

func TestARecordIsOpenedForTheReasonOfItsSearch(t *testing.T) {
	d := newDesk(t)
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1", hits: []nrd.Hit{hit("national", nrd.PriorityHigh, 26*time.Hour, d.clock.Now())}})
	d.picture(t, key, nrd.ImagePatch)
	b := d.signedIn(t, "sam.hill")
	_, page := b.post("/search", "reason", "incident 7")
	_, link, _ := strings.Cut(page, `href="/record/`)
	link, _, _ = strings.Cut(link, `"`)
	status, page := b.get("/record/" + link)
	if status != http.StatusOK {
		t.Fatal(status, page)
	}
	for _, want := range []string{"Opened for: incident 7", "AB12 CDE", "AB12 CDF", "Stolen in a burglary", "stale list: verify before stop", "26 h 00 min", "proved by ntp", "51.50070, -0.12460", "High", "13 frames", "The overview has not arrived", "WE"} {
		if !strings.Contains(page, want) {
			t.Errorf("the record does not show %q", want)
		}
	}
	if line := d.lastLine(t); line.Action != "view record" || line.Subject != key.String() || line.Reason != "incident 7" {
		t.Errorf("the log has %+v", line)
	}
	_, image, _ := strings.Cut(page, `class="patch" src="`)
	image, _, _ = strings.Cut(image, `"`)
	if status, body := b.get(image); status != http.StatusOK || !strings.HasPrefix(body, "\xff\xd8") {
		t.Errorf("%s: %d", image, status)
	}
	if line := d.lastLine(t); line.Action != "view image" || line.Subject != key.String()+" patch" || line.Reason != "incident 7" {
		t.Errorf("the log has %+v", line)
	}
}

func TestWithoutALineToCiteTheReasonIsAskedForAndAPictureIsRefused(t *testing.T) {
	d := newDesk(t)
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
	d.picture(t, key, nrd.ImagePatch)
	jane := d.signedIn(t, "jane.doe")
	jane.post("/search", "reason", "incident 7")
	janes := d.lastLine(t).Sequence
	b := d.signedIn(t, "sam.hill")
	for _, cites := range []string{"", "?for=x", "?for=0", "?for=99999", fmt.Sprint("?for=", janes)} {
		if _, page := b.get("/record/" + key.String() + cites); !strings.Contains(page, "What do you need this record for?") || strings.Contains(page, "AB12") {
			t.Errorf("%q opens the record", cites)
		}
		if status, body := b.get("/image/" + key.String() + "/patch" + cites); status != http.StatusUnprocessableEntity || strings.Contains(body, "\xff\xd8") {
			t.Errorf("%q opens the picture: %d", cites, status)
		}
		if line := d.lastLine(t); line.Action != "view image" || !strings.HasPrefix(line.Outcome, "refused") {
			t.Errorf("the refusal is not logged: %+v", line)
		}
	}
	if status, _ := b.post("/record/"+key.String(), "reason", " "); status != http.StatusUnprocessableEntity {
		t.Errorf("a blank reason: %d", status)
	}
	if status, page := b.post("/record/"+key.String(), "reason", "court bundle 12"); status != http.StatusOK || !strings.Contains(page, "Opened for: court bundle 12") {
		t.Errorf("with a reason: %d", status)
	}
}

func TestALiveViewIsLoggedOnceAndShowsOnlyWhatIsLive(t *testing.T) {
	d := newDesk(t)
	old := d.record(t, sighting{vrm: "OL11DDD", camera: "A1"})
	d.picture(t, old, nrd.ImagePatch)
	for range feedRecords {
		d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
	}
	key := nrd.Key{Device: "roadside-0001", Epoch: 0x5eed, Sequence: d.serial}
	d.picture(t, key, nrd.ImagePatch)
	const signIn = 1 // the first line of all
	b := d.signedIn(t, "ros.kerr")
	_, page := b.get("/live")
	line := d.lastLine(t)
	if line.Action != openLive || line.Account != "ros.kerr" || strings.Contains(page, "OL11") || !strings.Contains(page, "AB12 CDE") {
		t.Fatalf("the log has %+v", line)
	}
	for name, c := range map[string]struct {
		path string
		want int
	}{
		"a live picture":         {fmt.Sprintf("/live/image/%s/patch?view=%d", key, line.Sequence), http.StatusOK},
		"one that is not here":   {fmt.Sprintf("/live/image/%s/overview?view=%d", key, line.Sequence), http.StatusNotFound},
		"one that was live once": {fmt.Sprintf("/live/image/%s/patch?view=%d", old, line.Sequence), http.StatusNotFound},
		"without a view":         {fmt.Sprintf("/live/image/%s/patch", key), http.StatusForbidden},
		"with another line":      {fmt.Sprintf("/live/image/%s/patch?view=%d", key, signIn), http.StatusForbidden},
	} {
		if status, body := b.get(c.path); status != c.want {
			t.Errorf("%s: %d, want %d: %s", name, status, c.want, body)
		}
	}
	if now := d.lastLine(t); now.Sequence != line.Sequence {
		t.Errorf("the live view left another line: %+v", now)
	}
	if _, page := b.get(fmt.Sprintf("/record/%s?for=%d", key, line.Sequence)); !strings.Contains(page, "Opened for: live monitoring") {
		t.Error("a live record does not open for live monitoring")
	}
	if _, page := b.get(fmt.Sprintf("/record/%s?for=%d", old, line.Sequence)); !strings.Contains(page, "What do you need this record for?") {
		t.Error("a record that is not live opens for live monitoring")
	}
}

func TestTheAccessLogIsShownToAuditorsAndItsChainChecked(t *testing.T) {
	d := newDesk(t)
	sam := d.signedIn(t, "sam.hill")
	sam.post("/search", "vrm", "AB*", "reason", "incident <7>")
	al := d.signedIn(t, "al.dunn")
	_, page := al.get("/log?check=1")
	for _, want := range []string{"vrm AB*", "incident &lt;7&gt;", "sam.hill", "every line fits the one before"} {
		if !strings.Contains(page, want) {
			t.Errorf("the log's page does not show %q", want)
		}
	}
	for range linesOnPage {
		al.get("/devices")
	}
	_, page = al.get("/log")
	if strings.Count(page, "<tr>") != linesOnPage+1 || strings.Contains(page, "vrm AB*") {
		t.Errorf("the newest page has %d lines", strings.Count(page, "<tr>"))
	}
	_, older, _ := strings.Cut(page, `href="/log?from=`)
	older, _, _ = strings.Cut(older, `"`)
	if _, page = al.get("/log?from=" + older); !strings.Contains(page, "vrm AB*") {
		t.Errorf("the older lines from %s do not hold the search", older)
	}
}

func TestDevicesShowWhatIsWrongWithThem(t *testing.T) {
	d := newDesk(t)
	now := d.clock.Now()
	status := &nrd.Status{
		Device: "roadside-0001", At: now, Software: "1.0", Started: now.Add(-time.Hour), Waiting: 12, OldestWaiting: now.Add(-time.Minute), Dropped: map[string]uint64{"image": 3},
		Lists: []nrd.ListVersion{{List: "national", Version: 4, Issued: now.Add(-30 * time.Hour), Entries: 5}}, Problems: []string{"The camera gives no frames."},
	}
	for name, seen := range map[string]time.Time{"roadside-0001": now, "roadside-0002": now.Add(-time.Hour)} {
		device := store.Device{Name: name, Approved: now, ApprovedBy: "ACC Stone", Reference: "DPIA 7", Review: now.Add(-time.Hour), LastSeen: seen, Status: status}
		if err := d.Store.ChangeDevice(t.Context(), name, func(held *store.Device) error { *held = device; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Store.Seen(t.Context(), store.Heard{Device: "car-7", At: now}); err != nil {
		t.Fatal(err)
	}
	_, page := d.signedIn(t, "ivy.tan").get("/devices")
	for _, want := range []string{"problems", "silent", "not approved: its reads are refused", "The camera gives no frames.", "image 3", "national v4, 5 entries, 30 h 00 min old", "stale list", "overdue", "ACC Stone", "last seen 60 min ago"} {
		if !strings.Contains(page, want) {
			t.Errorf("the devices' page does not show %q", want)
		}
	}
}

func TestADeviceIsRevokedAndWipedForAReasonByWhoMay(t *testing.T) {
	d := newDesk(t)
	now := d.clock.Now()
	for _, name := range []string{"car-7", "car-8"} {
		if err := d.Store.ChangeDevice(t.Context(), name, func(held *store.Device) error { held.Approved, held.LastSeen = now, now; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if status, page := d.signedIn(t, "ivy.tan").get("/devices"); status != http.StatusOK || strings.Contains(page, "Revoke") {
		t.Errorf("who may not revoke is offered it: %d\n%s", status, page)
	}
	if status, _ := d.signedIn(t, "ivy.tan").post("/devices/car-7/wipe", "reason", "lost", "sure", "on"); status != http.StatusForbidden {
		t.Errorf("who may not wipe gets %d", status)
	}
	ros := d.signedIn(t, "ros.kerr")
	if status, page := ros.post("/devices/car-7/revoke", "reason", " "); status != http.StatusUnprocessableEntity || !strings.Contains(page, "a reason is needed") {
		t.Errorf("without a reason: %d\n%s", status, page)
	}
	if status, page := ros.post("/devices/car-7/wipe", "reason", "lost"); status != http.StatusUnprocessableEntity || !strings.Contains(page, "tick the box") {
		t.Errorf("without being sure: %d\n%s", status, page)
	}
	if held, err := d.Store.Device(t.Context(), "car-7"); err != nil || !held.Revoked.IsZero() {
		t.Fatalf("refused, and done: %+v, %v", held, err)
	}
	if status, page := ros.post("/devices/car-7/revoke", "reason", "stolen, incident 9"); status != http.StatusOK || !strings.Contains(page, "stolen, incident 9") {
		t.Errorf("revoked: %d\n%s", status, page)
	}
	if status, page := ros.post("/devices/car-8/wipe", "reason", "stolen, incident 9", "sure", "on"); status != http.StatusOK || !strings.Contains(page, "to be wiped") || !strings.Contains(page, "waits for its next contact") {
		t.Errorf("wiped: %d\n%s", status, page)
	}
	if status, page := ros.post("/devices/car-8/wipe", "reason", "again", "sure", "on"); status != http.StatusUnprocessableEntity || !strings.Contains(page, "already") {
		t.Errorf("wiped twice: %d\n%s", status, page)
	}
	if status, _ := ros.post("/devices/no-such/revoke", "reason", "lost"); status != http.StatusNotFound {
		t.Errorf("a device nobody knows: %d", status)
	}
}

func TestWhereTheLogCannotBeWrittenThePageSaysSoAndShowsNothing(t *testing.T) {
	d := newDesk(t)
	d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
	b := d.signedIn(t, "jane.doe")
	d.Access.Store = brokenLog{d.Store}
	for _, path := range []string{"/live", "/devices"} {
		if status, page := b.get(path); status != http.StatusServiceUnavailable || strings.Contains(page, "AB12 CDE") {
			t.Errorf("%s: %d", path, status)
		}
	}
	if status, page := b.post("/search", "reason", "incident 7"); status != http.StatusServiceUnavailable || strings.Contains(page, "AB12 CDE") {
		t.Errorf("search: %d", status)
	}
}

type brokenLog struct{ store.Store }

func (brokenLog) Log(context.Context, store.Access) (store.Access, error) {
	return store.Access{}, store.ErrFull
}
