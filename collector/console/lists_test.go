package console

import (
	"bytes"
	"fmt"
	"html"
	"io"
	"mime/multipart"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"nrd"
	"nrd/collector/access"
	"nrd/collector/alarm"
	"nrd/collector/lists"
	"nrd/collector/store"
	"nrd/hotlist/voi"
	"nrd/internal/browser"
)

// upload sends a file as a form does.
func (b *person) upload(path, name, text string, fields ...string) (status int, page string) {
	b.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for i := 0; i < len(fields); i += 2 {
		if err := w.WriteField(fields[i], fields[i+1]); err != nil {
			b.t.Fatal(err)
		}
	}
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = io.WriteString(part, text)
	}
	if err != nil || w.Close() != nil {
		b.t.Fatal(err)
	}
	answer, err := b.client.Post(b.desk.server.URL+path, w.FormDataContentType(), &body)
	return b.read(answer, err)
}

func wants(t *testing.T, what string, status, want int, page string, texts ...string) {
	t.Helper()
	if status != want {
		t.Errorf("%s: status %d, want %d", what, status, want)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("%s: %q is not on the page\n%s", what, text, page)
		}
	}
}

const listLine = "AB12 CDE,FORD,FOCUS,BLUE,High,WE,Stolen,,,,2027-01-31,,,,,\r\n"

func TestAListIsMadeFilledExportedAndWithdrawnOnThePage(t *testing.T) {
	d := newDesk(t)
	jane := d.signedIn(t, "jane.doe")
	status, page := jane.post("/lists", "name", "burglars", "owner", "DI Gray", "purpose", "response", "recipients", "national")
	wants(t, "a national recipient", status, 422, page, "never goes to a national recipient")
	status, page = jane.post("/lists", "name", "burglars", "owner", "DI Gray", "purpose", "response")
	wants(t, "made", status, 200, page, "The list is made", "DI Gray")
	status, page = jane.post("/lists/burglars/entries", "vrm", "AB12 CDE", "priority", "high", "rationale", "", "weed", "2027-01-31")
	wants(t, "without a rationale", status, 422, page, "why the entry has its priority is missing")
	status, page = jane.post("/lists/burglars/entries", "vrm", "AB12 CDE", "priority", "high", "rationale", "<b>burglaries</b>", "weed", "2027-01-31", "covert", "on", "markers", "we vi")
	wants(t, "an entry", status, 200, page, "The entry is in force", "&lt;b&gt;burglaries", "covert", "jane.doe", "2027-01-31", ">VI<")
	if d.lastLine(t).Action != "view list" {
		t.Errorf("the look is logged as %+v", d.lastLine(t))
	}
	status, page = jane.get("/lists/burglars?vrm=ab12cde&edit=1")
	wants(t, "looked up", status, 200, page, "Change the entry AB12CDE")
	if line := d.lastLine(t); line.Subject != "list burglars, mark AB12CDE" {
		t.Errorf("the look is logged as %+v", line)
	}
	status, page = jane.post("/lists/burglars/entries", "id", "1", "vrm", "AB12 CDF", "priority", "low", "rationale", "another", "weed", "2027-01-31")
	wants(t, "a covert entry made open", status, 422, page, "is covert and stays so")
	status, page = jane.post("/lists/burglars/entries", "id", "1", "vrm", "AB12 CDF", "priority", "low", "rationale", "another", "weed", "2027-01-31", "covert", "on")
	wants(t, "changed", status, 200, page, "AB12 CDF", "Low")
	status, page = jane.upload("/lists/burglars/import", "B_X_I.dat", listLine+"rubbish\r\n", "rationale", "operation Foo")
	wants(t, "a file", status, 200, page, "B_X_I.dat", "loaded", "columns where 16 are needed", "<td>2</td>")
	status, page = jane.upload("/lists/burglars/import", "bomb.zip", "PK\x03\x04 no zip at all", "rationale", "x")
	wants(t, "a broken file", status, 200, page, "bomb.zip", "refused", "ZIP", "2 before, 2 with it")
	if status, page = jane.get("/lists/burglars"); !strings.Contains(page, "bomb.zip") {
		t.Errorf("the broken file is not among those that came: %d\n%s", status, page)
	}
	status, page = jane.upload("/lists/burglars/import", "big.csv", strings.Repeat("x", maxUpload+1), "rationale", "x")
	wants(t, "a file that is too large", status, 422, page, "64 MB")
	status, page = jane.post("/lists/burglars/export", "reason", "")
	wants(t, "an export without a reason", status, 422, page, "a reason is needed")
	status, page = jane.post("/lists/burglars/export", "reason", "for the prosecution")
	wants(t, "an export", status, 200, page, "VRM,make,model", "AB12CDF", "AB12CDE,FORD")
	status, page = jane.post("/lists/burglars/share", "to", "National ANPR Service", "purpose", "operation Foo", "until", "2027-01-31")
	wants(t, "a national agency", status, 422, page, "never goes to a national recipient")
	status, page = jane.post("/lists/burglars/share", "to", "Kent Police", "purpose", "operation Foo", "until", "2027-01-31")
	wants(t, "another agency", status, 200, page, "Exports may go to the agency", "Kent Police", "operation Foo", "2027-01-31", "<option>Kent Police</option>")
	status, page = jane.post("/lists/burglars/export", "reason", "operation Foo", "to", "Kent Police")
	wants(t, "an export for it", status, 200, page, "VRM,make,model", "AB12CDE,FORD")
	if line := d.lastLine(t); line.Subject != "burglars, to Kent Police" {
		t.Errorf("it is logged as %+v", line)
	}
	status, page = jane.post("/lists/burglars/unshare", "to", "Kent Police", "reason", "the operation is over")
	wants(t, "the end of it", status, 200, page, "Nothing goes to the agency any more", "Its exports go to no other agency")
	status, page = jane.post("/lists/burglars/review", "reason", "still needed")
	wants(t, "a review", status, 200, page, "The review is noted", "by jane.doe")
	status, page = jane.post("/lists/burglars/entries/1/remove", "reason", "arrested")
	wants(t, "removed", status, 200, page, "The entry is removed")
	status, page = jane.post("/lists/burglars/withdraw", "reason", "no longer needed")
	wants(t, "withdrawn by accident", status, 422, page, "tick the box")
	status, page = jane.post("/lists/burglars/withdraw", "reason", "no longer needed", "sure", "on")
	wants(t, "withdrawn", status, 200, page, "nothing of it matches")
	status, _ = jane.get("/lists/nowhere")
	wants(t, "a list that is not", status, 404, "")
}

func TestTheListsPageShowsWhatNoUnitHasYetAndWhatIsWrongWithTheKeys(t *testing.T) {
	d := newDesk(t)
	jane := d.signedIn(t, "jane.doe")
	jane.post("/lists", "name", "burglars", "owner", "DI Gray", "purpose", "response")
	if _, err := d.Store.RaiseAlarm(t.Context(), store.Alarm{Device: lists.AboutSigning, Kind: alarm.Keys, Raised: d.clock.Now(), Text: "the root ends soon"}); err != nil {
		t.Fatal(err)
	}
	status, page := jane.get("/lists")
	wants(t, "never published", status, 200, page, "no unit has it yet", "The root ends soon.")
	publish := func(version uint64) {
		t.Helper()
		if err := d.Store.ChangeList(t.Context(), "burglars", func(l *store.List) error { l.Published = version; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	publish(1)
	if _, page = jane.get("/lists"); strings.Contains(page, "no unit has it") || strings.Contains(page, "on its way") {
		t.Error("a published list is said not to be")
	}
	publish(7)
	status, page = jane.get("/lists")
	wants(t, "another version", status, 200, page, "on its way")
}

func TestAnyEntryIsChangedByTheLinkBesideIt(t *testing.T) {
	d := newDesk(t)
	jane := d.signedIn(t, "jane.doe")
	jane.post("/lists", "name", "burglars", "owner", "DI Gray", "purpose", "response")
	var file strings.Builder
	for n := range entriesOnPage + 20 {
		fmt.Fprintf(&file, "AB12 CDE,FORD,,,High,,Stolen,,,,2027-01-31,07/%d,,,,R%03d\r\n", n, n)
	}
	jane.upload("/lists/burglars/import", "x.csv", file.String(), "rationale", "operation Foo")
	last := func(page, link string) string {
		t.Helper()
		found := regexp.MustCompile(`href="([^"]*)">`+link).FindAllStringSubmatch(page, -1)
		if found == nil {
			t.Fatalf("no link %q is on the page\n%s", link, page)
		}
		return html.UnescapeString(found[len(found)-1][1])
	}
	for _, first := range []string{"/lists/burglars", "/lists/burglars?vrm=ab12cde"} {
		_, page := jane.get(first)
		_, page = jane.get(last(page, "The next entries"))
		status, page := jane.get(last(page, "edit"))
		wants(t, first, status, 200, page, "Change the entry AB12CDE", `name="reference" value="R119"`)
		if strings.Contains(page, "<small>R050<") {
			t.Errorf("%s: the link leads to the first entries", first)
		}
	}
	jane.post("/lists/burglars/entries", "id", "120", "vrm", "AB12 CDE", "reference", "R119", "priority", "high", "rationale", "another", "weed", "2027-02-28")
	entries, err := d.Store.Entries(t.Context(), store.EntryQuery{List: "burglars", After: store.EntryKey{VRM: "AB12CDE", Reference: "R118"}})
	if err != nil || len(entries) != 1 || entries[0].NationalID != "07/119" || entries[0].Action != "High" || entries[0].Rationale != "another" {
		t.Errorf("it is %+v, %v", entries, err)
	}
}

func TestListsAreForThoseWhoMaySeeThem(t *testing.T) {
	d := newDesk(t)
	d.signedIn(t, "jane.doe").post("/lists", "name", "burglars", "owner", "DI Gray", "purpose", "response")
	ros := d.signedIn(t, "ros.kerr")
	status, page := ros.get("/lists/burglars")
	wants(t, "the control room looks", status, 200, page, "DI Gray")
	if strings.Contains(page, "<form method=\"post\" action=\"/lists") {
		t.Error("the control room is offered to change it")
	}
	sam := d.signedIn(t, "sam.hill")
	for _, path := range []string{"/lists", "/lists/burglars", "/imports/1"} {
		status, page = sam.get(path)
		wants(t, "an officer at "+path, status, 403, page)
	}
	for _, who := range []*person{ros, sam} {
		for _, path := range []string{"/lists", "/lists/burglars/entries", "/lists/burglars/change", "/lists/burglars/withdraw", "/lists/burglars/entries/1/remove", "/lists/burglars/export", "/lists/burglars/share", "/lists/burglars/unshare", "/imports/1/approve"} {
			status, _ = who.post(path, "name", "x", "owner", "y", "purpose", "response", "vrm", "AB1", "priority", "none", "weed", "2027-01-31", "reason", "because", "sure", "on")
			wants(t, "a post to "+path, status, 403, "")
		}
		status, _ = who.upload("/lists/burglars/import", "x.csv", listLine, "rationale", "x")
		wants(t, "a file", status, 403, "")
		for path, fields := range map[string][]string{"/lists": {"every", "soon"}, "/lists/burglars/entries": {"priority", "urgent"}, "/lists/burglars/review": {"next", "soon"}} {
			status, _ = who.post(path, fields...)
			wants(t, "a post to "+path+" with a form that is wrong", status, 403, "")
			if line := d.lastLine(t); line.Account != who.name || !strings.HasPrefix(line.Outcome, "refused: ") || line.Subject != path {
				t.Errorf("it is logged as %+v", line)
			}
		}
		status, _ = who.upload("/lists/burglars/import", "bomb.zip", "PK\x03\x04 no zip at all")
		wants(t, "a broken file", status, 403, "")
		if line := d.lastLine(t); line.Account != who.name || !strings.HasPrefix(line.Outcome, "refused: ") {
			t.Errorf("it is logged as %+v", line)
		}
	}
}

// extract makes the national list with a whole file and one that waits.
func (d *desk) extract(t *testing.T) {
	t.Helper()
	jane := access.By{Account: "jane.doe"}
	for _, n := range []lists.NewList{
		{Name: "national", Source: "NAT_WANTED", Every: 8 * time.Hour, Owner: "National desk", Purpose: store.ForResponse},
		{Name: "burglars", Owner: "DI Gray", Purpose: store.ForResponse, Near: true},
		{Name: "couriers", Owner: "DS Hill", Purpose: store.ForIntelligence},
	} {
		if err := d.Lists.Create(t.Context(), jane, n); err != nil {
			t.Fatal(err)
		}
	}
	dir := t.TempDir()
	for _, text := range []string{strings.Repeat(listLine, 1) + lines(40) + "rubbish\r\n" + listLine, lines(3)} {
		path := filepath.Join(dir, "NAT_WANTED_R.dat")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := voi.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Lists.Import(t.Context(), jane, "national", f, lists.Upload{}); err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		d.clock.Advance(time.Minute)
	}
	today := d.clock.Now().Truncate(24 * time.Hour)
	for n, e := range []store.ListEntry{
		{Entry: nrd.Entry{VRM: "AB12CDE", Priority: nrd.PriorityHigh, Markers: []string{"WE", "VI"}, Make: "FORD", Model: "FOCUS", Colour: "BLUE", Reason: "Seen at three burglaries", Weed: today.AddDate(0, 2, 0)}, Rationale: "violence used twice, incident 311"},
		{Entry: nrd.Entry{VRM: "KP63RMY", Priority: nrd.PriorityMedium, Make: "VAUXHALL", Model: "CORSA", Colour: "RED", Reason: "Stop and search", Weed: today.AddDate(0, 1, 0)}, Rationale: "named by a victim", Covert: true},
		{Entry: nrd.Entry{VRM: "M456XYZ", Priority: nrd.PriorityLow, Reason: "Report sightings", Weed: today}, Rationale: "associate"},
		{Entry: nrd.Entry{VRM: "YG17WTD", Priority: nrd.PriorityNone, Reason: "Report sightings", Weed: today.AddDate(0, 3, 0)}, Review: today},
	} {
		if err := d.Lists.PutEntry(t.Context(), jane, "burglars", e); err != nil {
			t.Fatal(n, err)
		}
	}
}

func lines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "AB%02dXYZ,FORD,,,High,,Stolen,,,,2027-01-31,,,,,\r\n", i+10)
	}
	return b.String()
}

func TestInARealBrowserAManagerDecidesAboutAFileAndKeepsALocalList(t *testing.T) {
	d := newDesk(t)
	d.extract(t)
	d.clock.Advance(24 * time.Hour)
	c := d.chromium(t)
	c.signIn("jane.doe")
	c.open("/lists")
	c.See("the file that waits", `document.body.innerText.includes("shrink from 41 to 3 entries")`)
	look := func(name string) {
		c.Accessible(name)
		c.Picture(name)
	}
	look("lists")
	c.Do(chromedp.Click(chromedp.CSS("section[aria-label^='import'] h2 a")))
	c.See("its report", `document.body.innerText.includes("Nothing is to be said of its lines")`)
	c.open("/imports/1")
	c.See("line numbers", `document.querySelector(".log tbody tr td").innerText === "42"`)
	look("import")
	c.open("/imports/2")
	c.Do(
		chromedp.SendKeys(chromedp.CSS("input[name=reason]"), "the sender confirms it"),
		chromedp.Click(chromedp.CSS("button.primary")),
	)
	c.See("that it is in force", `document.body.innerText.includes("The file is in force") && document.body.innerText.includes("the sender confirms it")`)
	c.open("/lists/burglars")
	c.See("how entries stand", `["overdue", "expired", "covert", "in force"].every((w) => document.querySelector("tbody").innerText.includes(w))`)
	look("list")
	c.Do(chromedp.Click(chromedp.CSS("#entry summary")))
	c.Do(
		chromedp.SendKeys(chromedp.CSS("#entry input[name=vrm]"), "eo72 kfv"),
		chromedp.SendKeys(chromedp.CSS("#entry input[name=rationale]"), "seen by a patrol"),
		chromedp.SendKeys(chromedp.CSS("#entry input[name=markers]"), "es"),
		browser.Script(`document.querySelector("#entry input[name=weed]").value = "2027-01-31"`),
	)
	c.Picture("list-entry")
	c.Do(chromedp.Click(chromedp.CSS("#entry button.primary")))
	c.See("the new entry", `document.querySelector("tbody").innerText.includes("EO72 KFV") && document.body.innerText.includes("The entry is in force")`)
	c.Do(browser.Script(`(() => { const form = document.querySelector("form[action$='/share']"); form.closest("details").open = true;
		form.querySelector("[name=to]").value = "Kent Police"; form.querySelector("[name=purpose]").value = "operation Foo";
		form.querySelector("[name=until]").value = "2027-01-31"; form.querySelector("button").click() })()`))
	c.See("the agency", `document.querySelector("form[action$='/unshare']")?.closest("tr").textContent.includes("Kent Police")`)
	c.Do(browser.Script(`document.querySelectorAll("details").forEach((d) => { d.open = true })`))
	look("list-agency")
	c.NoComplaints()
}

func TestInARealBrowserAHitThatOnlyCentralSawIsShownLive(t *testing.T) {
	d := newDesk(t)
	c := d.chromium(t)
	c.signIn("ros.kerr")
	c.See("the live link", `document.querySelector("[data-link]").textContent === "live"`)
	key := d.record(t, sighting{vrm: "AB12CDE", camera: "A1"})
	c.See("the record", `document.querySelectorAll("[data-records] .card").length === 1 && !document.querySelector("[data-records] [data-hit]")`)
	record, err := d.Store.Record(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	record.Found = []store.FoundHit{{Hit: hit("burglars", nrd.PriorityHigh, time.Hour, d.clock.Now())}}
	d.Found(*record)
	c.See("its hit", `document.querySelectorAll("[data-records] .card").length === 1 && document.querySelector("[data-records] [data-hit]").innerText.includes("burglars")`)
	c.See("its hit among the hits", `document.querySelectorAll("[data-hits] .card").length === 1 && document.querySelector("[data-hits]").innerText.includes("HIGH")`)
	d.Found(*record)
	d.record(t, sighting{vrm: "ZZ1", camera: "A1"})
	c.See("it once", `document.querySelectorAll("[data-records] .card").length === 2 && document.querySelectorAll("[data-hits] .card").length === 1`)
	c.NoComplaints()
}

func TestTheReportOfAFileSaysThatStoredRecordsWereNotSearched(t *testing.T) {
	d := newDesk(t)
	i, err := d.Store.PutImport(t.Context(), store.ListImport{List: "national", By: "inbox", File: "NAT_WANTED_R.dat", State: store.ImportLoaded, Unsearched: "more than 10,000 marks are new"})
	if err != nil {
		t.Fatal(err)
	}
	status, page := d.signedIn(t, "ros.kerr").get(fmt.Sprintf("/imports/%d", i.ID))
	wants(t, "the report", status, 200, page, "Stored records were not searched for what it adds: more than 10,000 marks are new.")
}
