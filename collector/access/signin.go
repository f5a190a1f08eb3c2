package access

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/alexedwards/argon2id"

	"nrd/collector/store"
)

// hashParams is argon2id's cost: 64 MiB and two passes, about a tenth of a
// second of one core.
var hashParams = &argon2id.Params{Memory: 64 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// decoy is compared with where there is no account, so that a sign-in takes as
// long for a name that nobody has.
var decoy = sync.OnceValues(func() (string, error) { return argon2id.CreateHash("nobody", hashParams) })

// SignIn checks a name and a password and starts a session. Every try is in the
// access log before it is answered, except those turned away with ErrThrottled:
// they are counted and the next line says how many there were. The other errors
// are ErrSignIn and ErrNotLogged.
func (s *Service) SignIn(ctx context.Context, name, password, from string) (token string, account store.Account, err error) {
	name = strings.ToLower(strings.TrimSpace(name))
	wait, turnedAway := s.throttle.begin(s.Clock.Now(), name, from)
	if wait > 0 {
		return "", store.Account{}, fmt.Errorf("%w: %s", ErrThrottled, wait)
	}
	account, good, err := s.check(ctx, name, password)
	if err != nil {
		return "", store.Account{}, err
	}
	line := store.Access{Account: cut(name, 64), Action: "sign in", From: from, Outcome: "ok"}
	if !good {
		line.Outcome = "refused: " + ErrSignIn.Error()
	}
	if turnedAway > 0 {
		line.Subject = fmt.Sprintf("%d tries before this one were turned away unchecked", turnedAway)
	}
	if _, err := s.write(ctx, line); err != nil {
		return "", store.Account{}, err
	}
	if !good {
		return "", store.Account{}, ErrSignIn
	}
	s.throttle.succeeded(name, from)
	return s.open(account, from), account, nil
}

// check compares the password, in the same time whether or not there is such an
// account.
func (s *Service) check(ctx context.Context, name, password string) (account store.Account, good bool, err error) {
	account, err = s.Store.Account(ctx, name)
	known := err == nil && account.Removed.IsZero()
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Account{}, false, fmt.Errorf("access: account: %w", err)
	}
	hash := account.PasswordHash
	if !known {
		if hash, err = decoy(); err != nil {
			return store.Account{}, false, fmt.Errorf("access: %w", err)
		}
	}
	select {
	case s.hashing <- struct{}{}:
		defer func() { <-s.hashing }()
	case <-ctx.Done():
		return store.Account{}, false, ctx.Err()
	}
	match, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return store.Account{}, false, fmt.Errorf("access: password of %s: %w", name, err)
	}
	return account, match && known, nil
}
