package access

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/alexedwards/argon2id"

	"nrd/collector/store"
)

// MinPassword is the shortest password, in characters.
const MinPassword = 12

var accountName = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,63}$`)

// shared are names of duties, not of people: there are no shared accounts.
var shared = []string{"admin", "administrator", "root", "police", "officer", "control-room", "controlroom", "operator", "user", "guest", "test", "shared", "duty"}

// By is who changes something and from where.
type By struct{ Account, From string }

// AddAccount makes an account for one person. The first account of all needs
// nobody's right, because there is nobody yet, and must be one that may make
// others; by.Account is then what the log shows. The error is ErrAccount where
// something is wrong with the account.
func (s *Service) AddAccount(ctx context.Context, by By, a store.Account, password string) error {
	s.accounts.Lock()
	defer s.accounts.Unlock()
	accounts, err := s.Store.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("access: %w", err)
	}
	request := Request{Account: by.Account, From: by.From, Right: ManageAccounts, Action: "user add", Subject: a.Name + " as " + a.Role}
	if len(accounts) == 0 {
		if !May(a.Role, ManageAccounts) {
			return fmt.Errorf("%w: the first account must have a role that may make others, such as anpr-manager", ErrAccount)
		}
		if err := CheckAccount(a, password); err != nil {
			return err
		}
		request.Subject += " (the first account)"
		_, err = s.write(ctx, store.Access{Account: by.Account, Action: request.Action, Subject: request.Subject, From: by.From, Outcome: "ok"})
	} else {
		if err := CheckAccount(a, password); err != nil {
			return err
		}
		if slices.ContainsFunc(accounts, func(b store.Account) bool { return b.Name == a.Name }) {
			return fmt.Errorf("%w: the name %s is taken, and a name is never given twice", ErrAccount, a.Name)
		}
		_, err = s.Authorise(ctx, request)
	}
	if err != nil {
		return err
	}
	if a.PasswordHash, err = argon2id.CreateHash(password, hashParams); err != nil {
		return fmt.Errorf("access: %w", err)
	}
	a.Created = s.Clock.Now()
	if a.Review.IsZero() {
		a.Review = a.Created.AddDate(1, 0, 0)
	}
	return s.Store.PutAccount(ctx, a)
}

// RemoveAccount takes away an account's access at once, sessions included. The
// account stays known, because the log speaks of it. The last account that may
// make others stays.
func (s *Service) RemoveAccount(ctx context.Context, by By, name string) error {
	s.accounts.Lock()
	defer s.accounts.Unlock()
	accounts, err := s.Store.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("access: %w", err)
	}
	if _, err := s.Authorise(ctx, Request{Account: by.Account, From: by.From, Right: ManageAccounts, Action: "user remove", Subject: name}); err != nil {
		return err
	}
	i := slices.IndexFunc(accounts, func(a store.Account) bool { return a.Name == name && a.Removed.IsZero() })
	if i < 0 {
		return fmt.Errorf("%w: account %s", store.ErrNotFound, name)
	}
	others := slices.ContainsFunc(accounts, func(a store.Account) bool {
		return a.Name != name && a.Removed.IsZero() && May(a.Role, ManageAccounts)
	})
	if !others {
		return fmt.Errorf("%w: %s is the last account that may make others", ErrAccount, name)
	}
	accounts[i].Removed = s.Clock.Now()
	return s.Store.PutAccount(ctx, accounts[i])
}

// CheckAccount says what is wrong with a new account or its password. The error
// is ErrAccount.
func CheckAccount(a store.Account, password string) error {
	var errs []error
	say := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("%w: %s", ErrAccount, fmt.Sprintf(format, args...)))
	}
	if !accountName.MatchString(a.Name) {
		say("the name %q is not 2 to 64 of a-z, 0-9, '.', '_' and '-'", a.Name)
	}
	if slices.Contains(shared, a.Name) {
		say("%q is the name of a duty; an account belongs to one person", a.Name)
	}
	if !strings.ContainsFunc(a.FullName, unicode.IsLetter) {
		say("the person's full name is missing")
	}
	if !slices.Contains(RoleNames(), a.Role) {
		say("%q is not a role: %s", a.Role, strings.Join(RoleNames(), ", "))
	}
	if !strings.ContainsFunc(a.Authoriser, unicode.IsLetter) {
		say("who authorised the access is missing")
	}
	if len([]rune(password)) < MinPassword {
		say("a password has at least %d characters", MinPassword)
	}
	if a.Name != "" && strings.Contains(strings.ToLower(password), a.Name) {
		say("the password holds the account's name")
	}
	return errors.Join(errs...)
}
