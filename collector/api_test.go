package collector

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"nrd"
	"nrd/collector/store"
	"nrd/collector/store/storetest"
	"nrd/internal/clock"
)

// apiDesk is the API over HTTPS, with a manager, an officer and a control room.
type apiDesk struct {
	*rooms
	t      *testing.T
	clock  *clock.Manual
	server *httptest.Server
}

func newAPI(t *testing.T) *apiDesk {
	t.Helper()
	c := newSite(t)
	d := &apiDesk{t: t, clock: clock.NewManual(time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC))}
	c.Clock = d.clock
	var err error
	if d.rooms, err = openRooms(c, quiet); err != nil {
		t.Fatal(err)
	}
	// A hash that costs little: the tests sign in often.
	hash, err := argon2id.CreateHash(password, &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]string{"jane.doe": "anpr-manager", "sam.hill": "officer", "ros.kerr": "control-room"} {
		if err := d.store.PutAccount(t.Context(), store.Account{Name: name, FullName: "A Person", Role: role, Authoriser: "Supt Gray", PasswordHash: hash}); err != nil {
			t.Fatal(err)
		}
	}
	d.server = httptest.NewTLSServer(d.api())
	t.Cleanup(func() {
		d.server.Close()
		if err := d.close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *apiDesk) lastLine() store.Access {
	d.t.Helper()
	lines, err := d.store.AccessLog(d.t.Context(), 1, 10_000)
	if err != nil || len(lines) == 0 {
		d.t.Fatal(lines, err)
	}
	return lines[len(lines)-1]
}

// reply is an answer of the API.
type reply struct {
	status int
	text   string
	header http.Header
}

func (d *apiDesk) do(r *http.Request) reply {
	d.t.Helper()
	answer, err := d.server.Client().Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.Body.Close() != nil {
		d.t.Fatal(err)
	}
	return reply{answer.StatusCode, string(text), answer.Header}
}

func (d *apiDesk) request(method, path, body string) *http.Request {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), method, d.server.URL+path, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	return r
}

func (d *apiDesk) signIn(name, secret string) reply {
	d.t.Helper()
	r := d.request("POST", apiPath+"/session", "")
	r.SetBasicAuth(name, secret)
	return d.do(r)
}

// client is a program that has signed in.
type client struct {
	*apiDesk
	token string
}

func (d *apiDesk) client(name string) *client {
	d.t.Helper()
	var s Session
	if a := d.signIn(name, password); a.status != 200 || json.Unmarshal([]byte(a.text), &s) != nil || s.Account != name || s.Token == "" || s.IdleSeconds == 0 {
		d.t.Fatalf("%s cannot sign in: %+v", name, a)
	}
	return &client{d, s.Token}
}

func (c *client) ask(method, path, body string) reply {
	c.t.Helper()
	r := c.request(method, apiPath+path, body)
	r.Header.Set("Authorization", "Bearer "+c.token)
	return c.do(r)
}

// must is ask for what has to succeed; the answer goes into the value.
func (c *client) must(method, path, body string, into any) {
	c.t.Helper()
	a := c.ask(method, path, body)
	if a.status != 200 {
		c.t.Fatalf("%s %s: %d %s", method, path, a.status, a.text)
	}
	if err := json.Unmarshal([]byte(a.text), into); err != nil {
		c.t.Fatalf("%s %s: %q: %v", method, path, a.text, err)
	}
}

func (c *client) load(list, name, text string, fields ...string) ListImport {
	c.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, err := w.CreateFormFile("file", name)
	if err == nil {
		_, err = io.WriteString(part, text)
	}
	for i := 0; i < len(fields) && err == nil; i += 2 {
		err = w.WriteField(fields[i], fields[i+1])
	}
	if err != nil || w.Close() != nil {
		c.t.Fatal(err)
	}
	r := c.request("POST", apiPath+"/lists/"+list+"/import", body.String())
	r.Header.Set("Authorization", "Bearer "+c.token)
	r.Header.Set("Content-Type", w.FormDataContentType())
	a := c.do(r)
	var i ListImport
	if err := json.Unmarshal([]byte(a.text), &i); a.status != 200 || err != nil {
		c.t.Fatalf("import of %s: %+v, %v", name, a, err)
	}
	return i
}

func TestAProgramAcknowledgesAHitThatItWasTold(t *testing.T) {
	d := newAPI(t)
	r := storetest.Record("car-7", 1, "AB12CDE", d.clock.Now())
	_, insertErr := d.store.Insert(t.Context(), storetest.Items(r, d.clock.Now())[:1])
	_, raiseErr := d.store.RaiseHits(t.Context(), []store.HitAlarm{{
		Record: r.Key, VRM: "AB12CDE", Captured: d.clock.Now(), Raised: d.clock.Now(), By: store.FoundByUnit,
		Hit: nrd.Hit{Entry: nrd.Entry{List: "burglars", VRM: "AB12CDE", Reference: "1", Priority: nrd.PriorityHigh}, Match: nrd.MatchExact},
	}})
	if err := errors.Join(insertErr, raiseErr); err != nil {
		t.Fatal(err)
	}
	ros, jane := d.client("ros.kerr"), d.client("jane.doe")
	var hits []ListHit
	ros.must("POST", "/hits", `{"reason":"late shift"}`, &hits)
	if len(hits) != 1 || hits[0].Acknowledged != nil {
		t.Fatalf("told are %+v", hits)
	}
	text, err := json.Marshal(SeenHit{Record: hits[0].Record, List: "burglars", Entry: hits[0].Entry, Reference: hits[0].Reference, Note: "patrol sent"})
	if err != nil {
		t.Fatal(err)
	}
	if a := d.client("sam.hill").ask("POST", "/hits/acknowledge", string(text)); a.status != 403 {
		t.Errorf("an officer: %+v", a)
	}
	var seen ListHit
	ros.must("POST", "/hits/acknowledge", string(text), &seen)
	jane.must("POST", "/hits/acknowledge", strings.Replace(string(text), "patrol sent", "mine", 1), &seen)
	if seen.AcknowledgedBy != "ros.kerr" || seen.Note != "patrol sent" || seen.Acknowledged == nil {
		t.Errorf("who was first stays: %+v", seen)
	}
}

func TestAProgramKeepsALocalListOverHTTPS(t *testing.T) {
	d := newAPI(t)
	jane := d.client("jane.doe")
	var done map[string]any
	jane.must("POST", "/lists", `{"name":"burglars","owner":"DI Gray","purpose":"response","review":"2027-01-31"}`, &done)
	var e ListedEntry
	jane.must("POST", "/lists/burglars/entries", `{"vrm":"ab12 cde","priority":"high","action":"HIGH","national_id":"07/1","rationale":"violence used","weed":"2027-01-31","markers":["WE"],"covert":true}`, &e)
	if e.ID == 0 || e.VRM != "AB12CDE" || e.Creator != "jane.doe" || e.State != "in force" || e.Weed.Format(time.DateOnly) != "2027-01-31" {
		t.Errorf("the entry is %+v", e)
	}
	if line := d.lastLine(); line.Account != "jane.doe" || line.Action != "list entry add" || line.Subject != "list burglars: AB12CDE, priority high, covert" || line.Reason != "violence used" {
		t.Errorf("it is logged as %+v", line)
	}
	// What a program is told of an entry it may send back.
	e.Reason = "Stop and search"
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var again ListedEntry
	jane.must("PUT", fmt.Sprintf("/lists/burglars/entries/%d", e.ID), string(text), &again)
	if !reflect.DeepEqual(again, e) || again.NationalID != "07/1" || again.Action != "HIGH" {
		t.Errorf("changed it is %+v, was %+v", again, e)
	}
	i := jane.load("burglars", "B_X_I.dat", "CD34 EFG,FORD,,,Low,,Stolen,,,,2027-01-31,,,,,1\r\nrubbish\r\nCD34 EFG,,,,Low,,Stolen,,,,2027-01-31,,,,,2\r\n", "rationale", "operation Foo")
	if i.State != "loaded" || i.Entries != 3 || !slices.Equal(i.Report, []string{"line 2: refused: 1 columns where 16 are needed"}) {
		t.Errorf("the import is %+v", i)
	}
	if bad := jane.load("burglars", "bomb.zip", "PK\x03\x04 no zip at all"); bad.State != "refused" || !strings.Contains(bad.Why, "ZIP") {
		t.Errorf("a broken file is %+v", bad)
	}
	var imports []ListImport
	jane.must("GET", "/imports?list=burglars", "", &imports)
	if len(imports) != 2 || imports[1].ID != i.ID || imports[1].Report != nil {
		t.Errorf("the imports are %+v", imports)
	}
	var report ListImport
	jane.must("GET", fmt.Sprintf("/imports/%d", i.ID), "", &report)
	if !slices.Equal(report.Report, i.Report) {
		t.Errorf("the report is kept as %+v", report)
	}
	var marks []string
	for path := "/lists/burglars/entries?limit=2"; path != ""; {
		var some Entries
		jane.must("GET", path, "", &some)
		for _, e := range some.Entries {
			marks = append(marks, e.VRM+" "+e.Reference)
		}
		path = strings.TrimPrefix(some.Next, apiPath)
	}
	if !slices.Equal(marks, []string{"AB12CDE ", "CD34EFG 1", "CD34EFG 2"}) {
		t.Errorf("page by page the entries are %q", marks)
	}
	if a := jane.ask("POST", "/lists/burglars/export", `{"reason":"for the prosecution"}`); a.status != 200 || a.header.Get("Content-Type") != "text/csv; charset=utf-8" || !strings.Contains(a.text, "AB12CDE,,,,HIGH,WE,Stop and search") {
		t.Errorf("the export is %+v", a)
	}
	jane.must("POST", "/lists/burglars/share", `{"name":"Kent Police","purpose":"operation Foo","until":"2027-01-31"}`, &done)
	if a := jane.ask("POST", "/lists/burglars/export", `{"reason":"operation Foo","to":"Kent Police"}`); a.status != 200 || !strings.Contains(a.text, "CD34EFG") || strings.Contains(a.text, "AB12CDE") {
		t.Errorf("the export for an agency, without the covert entry, is %+v", a)
	}
	jane.must("POST", "/lists/burglars/unshare", `{"name":"Kent Police","reason":"it is over"}`, &done)
	if a := jane.ask("POST", "/lists/burglars/export", `{"reason":"operation Foo","to":"Kent Police"}`); a.status != 422 {
		t.Errorf("for one that is not named: %+v", a)
	}
	var hits []ListHit
	jane.must("POST", "/hits", `{"list":"burglars","reason":"incident 7"}`, &hits)
	if line := d.lastLine(); len(hits) != 0 || line.Action != "view hit alarms" || line.Reason != "incident 7" {
		t.Errorf("hits %+v, logged as %+v", hits, line)
	}
	if a := jane.ask("POST", "/hits/acknowledge", `{"record":"car-7/6a09e667f3bcc908/12","list":"burglars","entry":"AB12CDE"}`); a.status != 404 {
		t.Errorf("a hit that is none: %+v", a)
	}
	if line := d.lastLine(); line.Action != "acknowledge hit" || line.Account != "jane.doe" {
		t.Errorf("logged as %+v", line)
	}
	jane.must("POST", fmt.Sprintf("/lists/burglars/entries/%d/remove", e.ID), `{"reason":"arrested"}`, &done)
	jane.must("POST", "/lists/burglars/review", `{"reason":"still needed","next":"2027-06-30"}`, &done)
	jane.must("PUT", "/lists/burglars", `{"purpose":"intelligence","near":true}`, &done)
	jane.must("PUT", "/lists/burglars", `{"owner":"DI Black"}`, &done) // and nothing else changes
	var one ListState
	jane.must("GET", "/lists/burglars", "", &one)
	if one.Owner != "DI Black" || one.Purpose != "intelligence" || !one.Near || one.Entries != 2 || one.ReviewedBy != "jane.doe" || one.Review.Format(time.DateOnly) != "2027-06-30" {
		t.Errorf("the list is %+v", one)
	}
	jane.must("POST", "/lists/burglars/withdraw", `{"reason":"no longer needed"}`, &done)
	var all []ListState
	jane.must("GET", "/lists", "", &all)
	if len(all) != 1 || all[0].Withdrawn == nil {
		t.Errorf("the lists are %+v", all)
	}
}

func TestAProgramDecidesAboutAFileThatWaits(t *testing.T) {
	d := newAPI(t)
	jane := d.client("jane.doe")
	var done map[string]any
	jane.must("POST", "/lists", `{"name":"national","source":"NAT_WANTED","every_s":28800,"owner":"Desk","purpose":"response"}`, &done)
	var whole strings.Builder
	for n := range 6 {
		fmt.Fprintf(&whole, "A%d,,,,High,,Stolen,,,,2027-01-31,,,,,\r\n", n+1)
	}
	jane.load("national", "NAT_WANTED_R.dat", whole.String())
	for _, what := range []string{"reject", "approve"} {
		held := jane.load("national", "NAT_WANTED_R.dat", listLine)
		if held.State != "held" {
			t.Fatalf("it is %+v", held)
		}
		path := fmt.Sprintf("/imports/%d/%s", held.ID, what)
		if a := jane.ask("POST", path, `{"reason":" "}`); a.status != 422 || !strings.Contains(a.text, "a reason is needed") {
			t.Errorf("without a reason: %+v", a)
		}
		jane.must("POST", path, `{"reason":"the sender says so"}`, &done)
		var one ListState
		jane.must("GET", "/lists/national", "", &one)
		if want := map[string]int{"reject": 6, "approve": 1}[what]; one.Entries != want {
			t.Errorf("after %s the list has %d entries", what, one.Entries)
		}
	}
}

func TestTheAPIIsForThoseWhoMayAndEveryRefusalIsLogged(t *testing.T) {
	d := newAPI(t)
	stranger := &client{d, ""}
	if a := stranger.ask("GET", "/lists", ""); a.status != 401 || a.header.Get("WWW-Authenticate") == "" || strings.Contains(a.text, "[") {
		t.Errorf("without a token: %+v", a)
	}
	if line := d.lastLine(); line.Action != "ask without signing in" || line.Subject != "GET /api/1/lists" || !strings.HasPrefix(line.Outcome, "refused: ") || line.From == "" {
		t.Errorf("it is logged as %+v", line)
	}
	before := d.lastLine().Sequence
	for range 50 {
		stranger.token = "guess"
		if a := stranger.ask("POST", "/lists", `{"name":"x"}`); a.status != 401 {
			t.Fatalf("with a token that is none: %+v", a)
		}
	}
	if n := d.lastLine().Sequence - before; n == 0 || n > 10 {
		t.Errorf("50 requests of a stranger made %d lines", n)
	}
	d.clock.Advance(time.Hour / 2)
	stranger.ask("GET", "/lists", "")
	if line := d.lastLine(); !strings.Contains(line.Subject, "before this one have no line") {
		t.Errorf("the line is %+v", line)
	}
	if a := d.signIn("jane.doe", "a wrong phrase here"); a.status != 401 {
		t.Errorf("a wrong password: %+v", a)
	}
	if line := d.lastLine(); line.Action != "sign in" || line.Account != "jane.doe" || !strings.HasPrefix(line.Outcome, "refused: ") {
		t.Errorf("it is logged as %+v", line)
	}

	jane, sam, ros := d.client("jane.doe"), d.client("sam.hill"), d.client("ros.kerr")
	var done map[string]any
	jane.must("POST", "/lists", `{"name":"burglars","owner":"DI Gray","purpose":"response"}`, &done)
	looks := []string{"GET /lists", "GET /lists/burglars", "GET /lists/burglars/entries", "GET /imports"}
	acts := []string{
		"POST /lists", "PUT /lists/burglars", "POST /lists/burglars/review", "POST /lists/burglars/withdraw", "POST /lists/burglars/entries", "PUT /lists/burglars/entries/1",
		"POST /lists/burglars/entries/1/remove", "POST /lists/burglars/import", "POST /lists/burglars/export", "POST /imports/1/approve", "POST /imports/1/reject",
	}
	refused := func(who *client, name string, routes []string) {
		t.Helper()
		for _, route := range routes {
			method, path, _ := strings.Cut(route, " ")
			if a := who.ask(method, path, "this is no JSON"); a.status != 403 || !strings.Contains(a.text, `"kind":"refused"`) {
				t.Errorf("%s: %s is answered %d %s", name, route, a.status, a.text)
			}
			if line := d.lastLine(); line.Account != name || line.Subject != method+" "+apiPath+path || !strings.HasPrefix(line.Outcome, "refused: ") {
				t.Errorf("%s: %s is logged as %+v", name, route, line)
			}
		}
	}
	refused(sam, "sam.hill", slices.Concat(looks, acts))
	refused(ros, "ros.kerr", acts)
	for _, route := range looks {
		method, path, _ := strings.Cut(route, " ")
		if a := ros.ask(method, path, ""); a.status != 200 {
			t.Errorf("the control room's %s is answered %+v", route, a)
		}
	}
	jane.must("DELETE", "/session", "", &done)
	if a := jane.ask("GET", "/lists", ""); a.status != 401 {
		t.Errorf("after signing out: %+v", a)
	}
	d.clock.Advance(time.Hour)
	if a := ros.ask("GET", "/lists", ""); a.status != 401 {
		t.Errorf("after an hour without use: %+v", a)
	}
	for range 10 {
		d.signIn("jane.doe", "a wrong phrase here")
	}
	if a := d.signIn("jane.doe", password); a.status != 429 {
		t.Errorf("after ten wrong passwords: %+v", a)
	}
}

func TestABadRequestIsToldWhichFieldIsWrong(t *testing.T) {
	d := newAPI(t)
	jane := d.client("jane.doe")
	var done map[string]any
	jane.must("POST", "/lists", `{"name":"burglars","owner":"DI Gray","purpose":"response"}`, &done)
	for _, c := range []struct {
		route, body, field, says string
		status                   int
	}{
		{"POST /lists", `{"name":"x","purpose":"response"}`, "owner", "is missing", 422},
		{"POST /lists", `{"name":"x","owner":"y","purpose":"response","ownr":"z"}`, "ownr", "is not known here", 422},
		{"POST /lists", `{"name":"x","owner":"y","purpose":"response","near":"yes"}`, "near", "needs a bool, not a string", 422},
		{"POST /lists", `{"name":"x","owner":"y","purpose":"response","review":"soon"}`, "review", "needs a day such as 2027-01-31", 422},
		{"POST /lists", `{"name":"x","owner":"y","purpose":"fun"}`, "", "the purpose is response or intelligence", 422},
		{"POST /lists", `{"name":"x","owner":"y","purpose":"response","recipients":["nas"]}`, "", "never goes to a national recipient", 422},
		{"POST /lists", `name=x`, "", "not one JSON object", 422},
		{"POST /lists", `null`, "", "not one JSON object", 422},
		{"POST /lists", `{} {}`, "", "not one JSON object", 422},
		{"POST /lists", `{"name":"` + strings.Repeat("x", maxCommand) + `"}`, "", "too large", 413},
		{"POST /lists/burglars/entries", `{"vrm":"AB12CDE"}`, "weed", "is missing", 422},
		{"POST /lists/burglars/entries", `{"vrm":"AB12CDE","weed":"2027-13-31"}`, "weed", "needs a day such as 2027-01-31", 422},
		{"POST /lists/burglars/entries", `{"vrm":"AB12CDE","weed":"2027-01-31","priority":"urgent"}`, "", "the priority is high, medium, low or none", 422},
		{"POST /lists/burglars/entries", `{"vrm":"AB12CDE","weed":"2027-01-31","markers":"WE"}`, "markers", "needs a []string, not a string", 422},
		{"POST /lists/burglars/entries", `{"vrm":"!","weed":"2027-01-31"}`, "", "VRM", 422},
		{"POST /lists/burglars/entries/x/remove", `{"reason":"x"}`, "", "no number", 422},
		{"POST /lists/burglars/entries/7/remove", `{"reason":"gone"}`, "", "no such thing", 404},
		{"POST /lists/burglars/export", `{}`, "reason", "is missing", 422},
		{"POST /lists/burglars/import", `{}`, "", "multipart", 422},
		{"GET /lists/burglars/entries?limit=many", "", "limit", "is no number", 422},
		{"GET /lists/burglars/entries?limit=20000", "", "", "the limit is 20000", 422},
		{"GET /lists/burglars/entries?page=2", "", "page", "is not known here", 422},
		{"GET /lists/nowhere", "", "", "no such thing", 404},
		{"GET /nowhere", "", "", "no such address", 404},
		{"DELETE /lists", "", "", "no such address or method", 404},
	} {
		method, path, _ := strings.Cut(c.route, " ")
		a := jane.ask(method, path, c.body)
		var said complaint
		if err := json.Unmarshal([]byte(a.text), &said); err != nil || a.status != c.status || said.Field != c.field || !strings.Contains(said.Error, c.field) || !strings.Contains(said.Error, c.says) {
			t.Errorf("%s %.60s is answered %d %+v, want %d about %q: %q", c.route, c.body, a.status, said, c.status, c.field, c.says)
		}
	}
}
