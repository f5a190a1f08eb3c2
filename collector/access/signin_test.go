package access

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"nrd/collector/store"
)

const home = "10.0.0.1:4711"

func (s site) signIn(t *testing.T, name, password string) (string, error) {
	t.Helper()
	token, _, err := s.SignIn(t.Context(), name, password, home)
	return token, err
}

func TestSigningInIsLoggedWhetherGoodOrBad(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct {
		name, password string
		want           error
	}{
		"right":               {" Sam.Hill ", password, nil},
		"a wrong password":    {"sam.hill", "not this one at all", ErrSignIn},
		"no password":         {"sam.hill", "", ErrSignIn},
		"a name nobody has":   {"who.ever", password, ErrSignIn},
		"a name out of hell":  {strings.Repeat("x", 5000), password, ErrSignIn},
		"a name with a trick": {"sam.hill' --", password, ErrSignIn},
	} {
		t.Run(name, func(t *testing.T) {
			token, err := s.signIn(t, c.name, c.password)
			if !errors.Is(err, c.want) || (err == nil) != (token != "") {
				t.Fatalf("got %q, %v", token, err)
			}
			outcome := "ok"
			if c.want != nil {
				outcome = "refused: " + c.want.Error()
			}
			want := cut(strings.ToLower(strings.TrimSpace(c.name)), 64) + ": sign in: " + outcome
			if got := last(s.lines(t)); got != want {
				t.Errorf("the log says %q, want %q", got, want)
			}
		})
	}
}

func TestASessionEndsWithTimeSignOutRemovalAndANewPassword(t *testing.T) {
	for name, end := range map[string]func(s site, token string) error{
		"half an hour without use": func(s site, _ string) error { s.clock.Advance(30*time.Minute + time.Second); return nil },
		"a shift in use": func(s site, token string) error {
			for range 49 {
				s.clock.Advance(15 * time.Minute)
				if _, err := s.Session(t.Context(), token); err != nil && s.clock.Now().Hour() < 21 {
					return err
				}
			}
			return nil
		},
		"sign out": func(s site, token string) error { return s.SignOut(t.Context(), token) },
		"removal":  func(s site, _ string) error { return s.RemoveAccount(t.Context(), cli, "sam.hill") },
		"a new password": func(s site, _ string) error {
			a, err := s.Store.Account(t.Context(), "sam.hill")
			a.PasswordHash += "x"
			return errors.Join(err, s.Store.PutAccount(t.Context(), a))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			token, err := s.signIn(t, "sam.hill", password)
			if err != nil {
				t.Fatal(err)
			}
			s.clock.Advance(29 * time.Minute)
			if account, err := s.Session(t.Context(), token); err != nil || account.Name != "sam.hill" {
				t.Fatalf("the session did not last: %v, %v", account, err)
			}
			if err := end(s, token); err != nil {
				t.Fatal(err)
			}
			if _, err := s.Session(t.Context(), token); !errors.Is(err, ErrNoSession) {
				t.Errorf("the session goes on: %v", err)
			}
		})
	}
}

func TestATokenThatWasNeverGivenIsNoSession(t *testing.T) {
	s := newSite(t)
	for _, token := range []string{"", "x", strings.Repeat("A", 52)} {
		if _, err := s.Session(t.Context(), token); !errors.Is(err, ErrNoSession) {
			t.Errorf("%q: %v", token, err)
		}
	}
}

func TestGuessingASinglePersonsPasswordIsSlowed(t *testing.T) {
	s := newSite(t)
	for i := range freeForAccount {
		if _, err := s.signIn(t, "sam.hill", fmt.Sprintf("guess number %d", i)); !errors.Is(err, ErrSignIn) {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	lines := len(s.lines(t))
	for range 3 {
		if _, err := s.signIn(t, "sam.hill", password); !errors.Is(err, ErrThrottled) {
			t.Fatalf("the right password was looked at too soon: %v", err)
		}
	}
	if len(s.lines(t)) != lines {
		t.Error("guesses that are turned away fill the access log")
	}
	if _, err := s.signIn(t, "jane.doe", password); err != nil {
		t.Errorf("somebody else cannot sign in: %v", err)
	}
	s.clock.Advance(5 * time.Second)
	if _, err := s.signIn(t, "sam.hill", password); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	log, err := s.Store.AccessLog(t.Context(), 1, 100)
	if err != nil || !strings.Contains(log[len(log)-1].Subject, "3 tries before this one") {
		t.Errorf("the turned away tries are not told: %v, %v", log[len(log)-1], err)
	}
}

func TestTheWaitDoublesUpToAQuarterOfAnHour(t *testing.T) {
	s := newSite(t)
	now := s.clock.Now()
	var longest time.Duration
	for range 40 {
		s.throttle.begin(now, "sam.hill", home)
		wait := s.throttle.tries["account sam.hill"].until.Sub(now)
		longest = max(longest, wait)
		now = now.Add(max(wait, 0))
	}
	if longest != longestWait {
		t.Errorf("the longest wait is %s", longest)
	}
}

func TestGuessingManyPeoplesPasswordsFromOneAddressIsSlowed(t *testing.T) {
	s := newSite(t)
	for i := range freeForAddress {
		if wait, _ := s.throttle.begin(s.clock.Now(), fmt.Sprintf("person-%d", i), fmt.Sprintf("[2001:db8::%x]:80", i+1)); wait > 0 {
			t.Fatalf("guess %d waits %s", i, wait)
		}
	}
	if wait, _ := s.throttle.begin(s.clock.Now(), "another", "[2001:db8::ffff:1]:80"); wait <= 0 {
		t.Error("one guesser's network has more guesses than an address is free")
	}
	if wait, _ := s.throttle.begin(s.clock.Now(), "another", "[2001:db8:1::1]:80"); wait > 0 {
		t.Error("another network waits as well")
	}
}

func TestTheThrottleForgetsTheOldestAndStaysBounded(t *testing.T) {
	s := newSite(t)
	for i := range mostTries {
		s.throttle.begin(s.clock.Now().Add(time.Duration(i)*time.Millisecond), fmt.Sprint(i), fmt.Sprintf("10.%d.%d.1:1", i/250, i%250))
	}
	if len(s.throttle.tries) > mostTries {
		t.Errorf("%d tries are kept", len(s.throttle.tries))
	}
	if s.throttle.tries["account 0"] != nil || s.throttle.tries[fmt.Sprint("account ", mostTries-1)] == nil {
		t.Error("not the oldest were forgotten")
	}
}

func TestAnAccountBelongsToOnePersonAndIsAuthorised(t *testing.T) {
	good := store.Account{Name: "li.wu", FullName: "Li Wu", Role: "officer", Authoriser: "Supt Gray"}
	if err := CheckAccount(good, password); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change   func(*store.Account)
		password string
		want     string
	}{
		"no name":            {func(a *store.Account) { a.Name = "" }, password, "name"},
		"a duty's name":      {func(a *store.Account) { a.Name = "control-room" }, password, "belongs to one person"},
		"capitals":           {func(a *store.Account) { a.Name = "Li" }, password, "a-z"},
		"no full name":       {func(a *store.Account) { a.FullName = " " }, password, "full name"},
		"a role that is not": {func(a *store.Account) { a.Role = "chief" }, password, "not a role: officer"},
		"no authoriser":      {func(a *store.Account) { a.Authoriser = "" }, password, "authorised"},
		"a short password":   {func(*store.Account) {}, "short", "12 characters"},
		"the name in it":     {func(*store.Account) {}, "please-li.wu-come-in", "account's name"},
	} {
		t.Run(name, func(t *testing.T) {
			a := good
			c.change(&a)
			err := CheckAccount(a, c.password)
			if !errors.Is(err, ErrAccount) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q in it", err, c.want)
			}
		})
	}
}

func TestAPasswordCostsAGuesserMemoryAndTime(t *testing.T) {
	if realCost.Memory < 64*1024 || realCost.Iterations < 2 || realCost.SaltLength < 16 || realCost.KeyLength < 32 {
		t.Errorf("a password costs only %+v", *realCost)
	}
}

func TestAccountsAreMadeByThoseWhoMayAndNeverTwice(t *testing.T) {
	s := newSite(t)
	li := store.Account{Name: "li.wu", FullName: "Li Wu", Role: "officer", Authoriser: "Supt Gray"}
	if err := s.AddAccount(t.Context(), By{Account: "sam.hill"}, li, password); !errors.Is(err, ErrDenied) {
		t.Errorf("an officer made an account: %v", err)
	}
	if err := s.AddAccount(t.Context(), cli, li, password); err != nil {
		t.Fatal(err)
	}
	stored, err := s.Store.Account(t.Context(), "li.wu")
	if err != nil || !strings.HasPrefix(stored.PasswordHash, "$argon2id$v=19$") || stored.Review != s.clock.Now().AddDate(1, 0, 0) {
		t.Errorf("stored as %+v, %v", stored, err)
	}
	if err := s.RemoveAccount(t.Context(), cli, "li.wu"); err != nil {
		t.Fatal(err)
	}
	if err := s.AddAccount(t.Context(), cli, li, password); !errors.Is(err, ErrAccount) {
		t.Errorf("a removed person's name was given again: %v", err)
	}
	if _, err := s.signIn(t, "li.wu", password); !errors.Is(err, ErrSignIn) {
		t.Errorf("a removed account signed in: %v", err)
	}
	if err := s.RemoveAccount(t.Context(), cli, "jane.doe"); !errors.Is(err, ErrAccount) {
		t.Errorf("the last one that makes accounts was removed: %v", err)
	}
	if err := s.RemoveAccount(t.Context(), cli, "who.ever"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}
