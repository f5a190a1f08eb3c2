package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"nrd/collector"
	"nrd/internal/commandline"
)

// eventually runs a command until it says something.
func (s *site) eventually(what, says string, args ...string) {
	s.t.Helper()
	var text string
	for limit := time.Now().Add(time.Minute); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		if text = s.must(args...); strings.Contains(text, says) {
			return
		}
	}
	s.t.Fatalf("%s: it never says %q, but\n%s", what, says, text)
}

func TestAFileInTheInboxBecomesAHitOfAPassingVehicle(t *testing.T) {
	s := newSite(t)
	password := s.staff()
	s.must("device", "approve", "roadside-0001", "--by", "ACC Stone", "--reference", "DPIA 7")
	s.must("list", "create", "national", "--source", "NAT_WANTED", "--every", "8h", "--owner", "National desk")
	page, devices, _ := s.serve()
	settings, err := collector.LoadConfig(s.config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(settings.Lists.Inbox, "NAT_WANTED_R.dat")
	text := "AB12 CDE,FORD,FOCUS,BLUE,High,WE,Wanted for burglary,,,,2099-01-31,,,,,N1\r\nrubbish\r\n"
	for _, vrm := range []string{"A1", "A2", "A3", "A4", "A5"} {
		text += vrm + ",,,,Low,,No tax,,,,2099-01-31,,,,,\r\n"
	}
	if err := os.WriteFile(file+".part", []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".part", file); err != nil {
		t.Fatal(err)
	}
	s.eventually("the inbox", "NAT_WANTED_R.dat", "list", "imports")
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("the file is still there: %v", err)
	}
	if text := s.must("list", "report", "1"); !strings.Contains(text, "line 2: refused: 1 columns where 16 are needed") || !strings.Contains(text, "6 lines accepted, 1 refused") {
		t.Errorf("the report is\n%s", text)
	}
	s.eventually("publishing", `"published":1`, "list", "show", "--json")

	u := s.connect(devices)
	key, err := u.buffer.Append(sighting()) // the unit has no list of its own
	if err != nil {
		t.Fatal(err)
	}
	u.await(t, "record stored")
	s.eventually("the matching", key.String(), "list", "hits", "national", "--reason", "incident 7", "--json")
	var hit struct {
		VRM, List, Reason string
		FoundBy           string `json:"found_by"`
	}
	said := s.must("list", "hits", "--reason", "incident 7", "--json")
	if err := json.Unmarshal([]byte(said), &hit); err != nil || hit.VRM != "AB12CDE" || hit.List != "national" || hit.FoundBy != "central" || hit.Reason != "Wanted for burglary" {
		t.Errorf("the hit is %s, %v", said, err)
	}
	s.must("list", "acknowledge", key.String(), "national", "AB12 CDE", "--reference", "N1", "--note", "patrol sent")
	if text := s.must("list", "hits", "national", "--reason", "incident 7"); !strings.Contains(text, "jane.doe") || !strings.Contains(text, "patrol sent") {
		t.Errorf("after the acknowledgement it shows\n%s", text)
	}
	if o := s.do("list", "acknowledge", key.String(), "national", "AB12CDE", "--reference", "N2"); o.code != exitNotFound {
		t.Errorf("an entry that was not hit: %+v", o)
	}
	if text := s.must("search", "--vrm", "AB12CDE", "--hits", "--reason", "incident 7"); !strings.Contains(text, "Wanted for burglary") {
		t.Errorf("a search for hits finds\n%s", text)
	}
	jane := s.person(page)
	jane.post("/sign-in", url.Values{"name": {"jane.doe"}, "password": {password}})
	for path, want := range map[string]string{"/live": "Wanted for burglary", "/lists": "NAT_WANTED", "/imports/1": "columns where 16 are needed"} {
		if text := jane.get(path); !strings.Contains(text, want) {
			t.Errorf("%s does not show %q", path, want)
		}
	}
}

func TestAProgramSpeaksWithCentralOnThePagesAddress(t *testing.T) {
	s := newSite(t)
	password := s.staff()
	page, _, _ := s.serve()
	p := s.person(page)
	ask := func(method, path, body, token string) string {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, p.base+"/api/1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if r.SetBasicAuth("jane.doe", password); token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		return p.read(p.client.Do(r))
	}
	var session struct{ Token string }
	if text := ask("POST", "/session", "", ""); json.Unmarshal([]byte(text), &session) != nil || session.Token == "" {
		t.Fatalf("signing in is answered %s", text)
	}
	ask("POST", "/lists", `{"name":"burglars","owner":"DI Gray","purpose":"response"}`, session.Token)
	ask("POST", "/lists/burglars/entries", `{"vrm":"AB12 CDE","priority":"high","rationale":"violent","weed":"2099-01-31"}`, session.Token)
	if text := s.must("list", "entries", "burglars"); !strings.Contains(text, "AB12CDE") {
		t.Errorf("the command shows\n%s", text)
	}
	if text := ask("GET", "/lists", "", "none"); strings.Contains(text, "burglars") || !strings.Contains(text, "not signed in") {
		t.Errorf("without a session it is answered %s", text)
	}
}

func TestALocalListIsKeptFromTheCommandLine(t *testing.T) {
	s := newSite(t)
	s.staff()
	if o := s.do("list", "create", "burglars", "--owner", "DI Gray", "--device", "national"); o.code != commandline.WrongUsage || !strings.Contains(o.err, "never goes to a national recipient") {
		t.Errorf("a national recipient: %+v", o)
	}
	s.must("list", "create", "burglars", "--owner", "DI Gray", "--purpose", "intelligence")
	s.must("list", "add", "burglars", "AB12 CDE", "--priority", "high", "--rationale", "violent", "--reason", "Report", "--weed", "2099-01-31", "--marker", "WE")
	if text := s.must("list", "entries", "burglars"); !strings.Contains(text, "AB12CDE") || !strings.Contains(text, "in force") || !strings.Contains(text, "violent") {
		t.Errorf("the entries are\n%s", text)
	}
	file := filepath.Join(t.TempDir(), "x.csv")
	if err := os.WriteFile(file, []byte("\xff\xfeA\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	if o := s.do("list", "import", "burglars", file); o.code != commandline.Failed || !strings.Contains(o.out+o.err, "UTF-16") {
		t.Errorf("a file in UTF-16: %+v", o)
	}
	var many strings.Builder
	for i := range 10_001 {
		fmt.Fprintf(&many, "ZZ%05d,,,,,,Seen,,,,2099-01-31,,,,,\r\n", i)
	}
	if err := os.WriteFile(file, []byte(many.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	s.must("list", "create", "many", "--owner", "DI Gray")
	if text := s.must("list", "import", "many", file); !strings.Contains(text, "stored records were not searched for what it adds: more than 10,000 marks are new") {
		t.Errorf("of a large file it is said\n%s", text)
	}
	if text := s.must("list", "export", "burglars", "--reason", "for the prosecution"); !strings.Contains(text, "AB12CDE,,,,high,WE,Report") {
		t.Errorf("the export is\n%s", text)
	}
	s.must("list", "share", "burglars", "--to", "Kent Police", "--purpose", "operation Foo", "--until", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	if text := s.must("list", "show", "--json"); !strings.Contains(text, `"purpose":"operation Foo"`) {
		t.Errorf("the agency is not shown:\n%s", text)
	}
	if text := s.must("list", "export", "burglars", "--to", "Kent Police", "--reason", "operation Foo"); !strings.Contains(text, "AB12CDE") {
		t.Errorf("the export for an agency is\n%s", text)
	}
	s.must("list", "unshare", "burglars", "--to", "Kent Police", "--reason", "it is over")
	if o := s.do("list", "export", "burglars", "--to", "Kent Police", "--reason", "operation Foo"); o.code != commandline.WrongUsage {
		t.Errorf("an agency that is not named: %+v", o)
	}
	if o := s.do("list", "export", "burglars"); o.code != exitRefused {
		t.Errorf("an export without a reason: %+v", o)
	}
	s.must("list", "change", "burglars", "--near", "--device", "")
	s.must("list", "change", "burglars", "--owner", "DI Black") // and nothing else changes
	s.must("list", "remove", "burglars", "1", "--reason", "arrested")
	s.must("list", "review", "burglars", "--reason", "still needed", "--next", "2099-01-01")
	if text := s.must("list", "show"); !strings.Contains(text, "DI Black") || !strings.Contains(text, "2099-01-01") || !strings.Contains(text, time.Now().Format("2006-01-")) || !strings.Contains(text, "look-alikes too") || !strings.Contains(text, "intelligence") {
		t.Errorf("the lists are\n%s", text)
	}
	s.must("list", "withdraw", "burglars", "--reason", "no longer needed")
	if o := s.do("list", "entries", "nowhere"); o.code != exitNotFound {
		t.Errorf("a list that is not: %+v", o)
	}
}

func TestAnEntryIsEditedByCommandAndIsNoSecondOne(t *testing.T) {
	s := newSite(t)
	s.staff()
	s.must("list", "create", "burglars", "--owner", "DI Gray")
	s.must("list", "add", "burglars", "AB12 CDE", "--priority", "high", "--rationale", "violent", "--reason", "Report", "--weed", "2099-01-31", "--marker", "WE", "--covert")
	s.must("list", "add", "burglars", "ZZ99 ZZZ", "--weed", "2099-01-31")
	of := func(vrm string) (e collector.ListedEntry) {
		t.Helper()
		lines := strings.Split(strings.TrimSpace(s.must("list", "entries", "burglars", "--json")), "\n")
		if len(lines) != 2 {
			t.Fatalf("the list has %q", lines)
		}
		for _, line := range lines {
			var held collector.ListedEntry
			if err := json.Unmarshal([]byte(line), &held); err != nil {
				t.Fatal(err)
			}
			if held.VRM == vrm {
				e = held
			}
		}
		return e
	}
	first, neighbour := of("AB12CDE"), of("ZZ99ZZZ")
	edit := []string{"list", "add", "burglars", "AB12 CDF", "--id", fmt.Sprint(first.ID), "--priority", "low", "--rationale", "it was the brother", "--reason", "Stop", "--weed", "2098-01-31"}
	if o := s.do(edit...); o.code != commandline.WrongUsage || !strings.Contains(o.err, "is covert and stays so") {
		t.Errorf("a covert entry is made open: %+v", o)
	}
	s.must(append(edit, "--covert")...)
	e := of("AB12CDF")
	if e.ID != first.ID || e.Priority != "low" || e.Rationale != "it was the brother" || e.Reason != "Stop" || e.Weed.Format(time.DateOnly) != "2098-01-31" || !e.Covert || len(e.Markers) > 0 {
		t.Errorf("it became %+v", e)
	}
	if e.Creator != first.Creator || !e.Created.Equal(first.Created) {
		t.Errorf("its maker became %s, %s", e.Creator, e.Created)
	}
	if now := of("ZZ99ZZZ"); !reflect.DeepEqual(now, neighbour) {
		t.Errorf("its neighbour became %+v", now)
	}
	edit[5] = "4711"
	if o := s.do(append(edit, "--covert")...); o.code != exitNotFound {
		t.Errorf("an entry that is not: %+v", o)
	}
}
