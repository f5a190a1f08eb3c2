package incab

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestWithoutPairingNothingButThePairingPageIsServed(t *testing.T) {
	c := newCab(t)
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", 3)))
	b := c.browser()
	if status, text := c.get(b, "/"); status != http.StatusOK || !strings.Contains(text, "Pair this tablet") || strings.Contains(text, "data-role") {
		t.Errorf("the page: %d %s", status, text)
	}
	for _, path := range []string{"/events", "/picture/1/patch"} {
		if status, text := c.get(b, path); status != http.StatusForbidden || strings.Contains(text, "AB12") {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	for _, path := range []string{"/sign-on", "/sign-off", "/acknowledge", "/disposition", "/check"} {
		if status, _ := c.post(b, path, "number", "1", "disposition", "stopped", "vrm", "AB12CDE", "reason", "r"); status != http.StatusForbidden {
			t.Errorf("%s: %d", path, status)
		}
	}
	if len(c.events()) > 0 {
		t.Errorf("something was done: %v", c.events())
	}
}

func TestTheCookieIsForThisPageOverHTTPSOnly(t *testing.T) {
	c := newCab(t)
	i, err := c.Pair("observer")
	must(t, err)
	b := c.browser()
	b.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	answer, err := b.PostForm(c.url+"/pair", map[string][]string{"code": {i.Code}})
	must(t, err)
	_ = answer.Body.Close()
	cookies := answer.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || !cookies[0].Secure || cookies[0].SameSite != http.SameSiteStrictMode || cookies[0].Path != "/" {
		t.Fatalf("%+v", cookies)
	}
	if policy := answer.Header.Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %s", policy)
	}
	if strings.Contains(string(c.kept), cookies[0].Value) {
		t.Error("the cookie stands in what the screen keeps")
	}
}

func TestACodeIsGoodOnceForTwoMinutesAndFiveTries(t *testing.T) {
	c := newCab(t)
	refused := func(what, code string) {
		t.Helper()
		if status, text := c.post(c.browser(), "/pair", "code", code); status != http.StatusForbidden || strings.Contains(text, "data-role") {
			t.Errorf("%s: %d", what, status)
		}
	}
	refused("no code was drawn", "")
	i, err := c.Pair("observer")
	must(t, err)
	if status, _ := c.post(c.browser(), "/pair", "code", i.Code); status != http.StatusOK {
		t.Fatalf("the code: %d", status)
	}
	refused("the code again", i.Code)

	i, err = c.Pair("observer")
	must(t, err)
	c.hand.Advance(2*time.Minute + time.Second)
	refused("the code two minutes later", i.Code)

	i, err = c.Pair("observer")
	must(t, err)
	for range 5 {
		refused("a wrong code", "wrong")
	}
	refused("the right code after five wrong ones", i.Code)

	first, err := c.Pair("driver")
	must(t, err)
	_, err = c.Pair("driver")
	must(t, err)
	refused("a code that was replaced", first.Code)
}

func TestCodesCannotBeTriedSideBySide(t *testing.T) {
	c := newCab(t)
	_, err := c.Pair("observer")
	must(t, err)
	answers := make(chan int, 4)
	for range 4 {
		b := c.browser()
		go func() { status, _ := c.post(b, "/pair", "code", "wrong"); answers <- status }()
	}
	n := map[int]int{}
	for range 4 {
		n[<-answers]++
	}
	if n[http.StatusTooManyRequests] == 0 || n[http.StatusForbidden] == 0 || n[http.StatusOK] > 0 {
		t.Errorf("the answers were %v", n)
	}
}

func TestWhoSendsACodeSlowlyKeepsNobodyElseFromPairing(t *testing.T) {
	c := newCab(t)
	i, err := c.Pair("observer")
	must(t, err)
	b := c.browser()
	transport, ok := b.Transport.(*http.Transport)
	if !ok {
		t.Fatalf("%T", b.Transport)
	}
	slow, err := tls.Dial("tcp", strings.TrimPrefix(c.url, "https://"), transport.TLSClientConfig)
	must(t, err)
	defer slow.Close()
	_, err = fmt.Fprintf(slow, "POST /pair HTTP/1.1\r\nHost: unit\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 11\r\n\r\ncode=")
	must(t, err)
	time.Sleep(200 * time.Millisecond) // until it is being waited for
	if status, text := c.post(b, "/pair", "code", i.Code); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
}

func TestOnlyTwoSeatsAndSoManyTabletsArePaired(t *testing.T) {
	c := newCab(t)
	if _, err := c.Pair("dog"); !errors.Is(err, ErrRole) {
		t.Errorf("a dog: %v", err)
	}
	for range mostPaired {
		c.tabletOf("observer")
	}
	if _, err := c.Pair("driver"); !errors.Is(err, ErrTablets) {
		t.Errorf("one too many: %v", err)
	}
}

func TestAForgottenTabletIsOutAtOnceAndItsOfficerSignedOff(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	lines := c.stream(b)
	sees(t, lines, "the first view", has(`"collar":"1234"`))
	if n, err := c.Forget(); n != 1 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	sees(t, lines, "the end", has("event: forgotten"))
	if status, _ := c.get(b, "/events"); status != http.StatusForbidden {
		t.Errorf("the stream again: %d", status)
	}
	if e := c.events(); len(e) != 2 || e[1].Action != "signed off" || e[1].Officer.Collar != "1234" {
		t.Errorf("told %+v", e)
	}
}

func TestAPairedTabletAndItsOfficerOutlastARestart(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	before := c.certificate().Certificate[0]
	c.Recorded(c.record("AB12CDE", hit("AB12CDE", 3)))
	c.Provisional(c.record("XY34ZZZ", hit("XY34ZZZ", 2)))
	old := c.url
	c.stop()
	c.start()
	if string(before) != string(c.certificate().Certificate[0]) {
		t.Error("the certificate changed")
	}
	// A browser keeps its cookies for a host, whatever the port.
	if !strings.HasPrefix(old, "https://127.0.0.1") {
		t.Fatal(old)
	}
	sees(t, c.stream(b), "the hit", has(`"collar":"1234"`, "AB12 CDE", "XY34", "restarted"))
}

func TestAnotherSitesPageCannotActForATablet(t *testing.T) {
	c := newCab(t)
	b := c.onDutyAt("observer", "1234")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url+"/sign-off", nil)
	must(t, err)
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := b.Do(request)
	must(t, err)
	if status, _ := read(t, answer); status != http.StatusForbidden {
		t.Errorf("%d", status)
	}
}
