package access

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"nrd/collector/store"
)

// tokenDigest is how a session is found: the token itself is only in the
// browser, so that a copy of central's memory signs nobody in.
type tokenDigest [sha256.Size]byte

type session struct {
	account       string
	passwordHash  string
	from          string
	started, used time.Time
}

// open starts a session and gives its token.
func (s *Service) open(account store.Account, from string) string {
	token := rand.Text() + rand.Text()
	now := s.Clock.Now()
	s.mu.Lock()
	defer s.mu.Unlock()
	for digest, old := range s.sessions {
		if s.over(old, now) {
			delete(s.sessions, digest)
		}
	}
	s.sessions[sha256.Sum256([]byte(token))] = session{
		account: account.Name, passwordHash: account.PasswordHash, from: from, started: now, used: now,
	}
	return token
}

func (s *Service) over(one session, now time.Time) bool {
	return now.Sub(one.used) > s.Idle || now.Sub(one.started) > s.Absolute
}

// Session gives the account that is signed in with a token and counts as use of
// it. A session ends with [Service.SignOut], with time, and when the account is
// removed or its password changed. The error is ErrNoSession.
func (s *Service) Session(ctx context.Context, token string) (store.Account, error) {
	digest := tokenDigest(sha256.Sum256([]byte(token)))
	now := s.Clock.Now()
	s.mu.Lock()
	one, found := s.sessions[digest]
	found = found && !s.over(one, now)
	if found {
		one.used = now
		s.sessions[digest] = one
	} else {
		delete(s.sessions, digest)
	}
	s.mu.Unlock()
	if !found {
		return store.Account{}, ErrNoSession
	}
	account, err := s.Store.Account(ctx, one.account)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return store.Account{}, err
	}
	if err != nil || !account.Removed.IsZero() || account.PasswordHash != one.passwordHash {
		s.close(digest)
		return store.Account{}, ErrNoSession
	}
	return account, nil
}

// Stranger notes that somebody asked for something without being signed in. So that
// nobody fills the log, of many in a row from one address only some get a line; it
// says how many had none since the last.
func (s *Service) Stranger(ctx context.Context, from, what string) error {
	wait, turnedAway := s.strangers.begin(s.Clock.Now(), network(from), from)
	if wait > 0 {
		return nil
	}
	subject := cut(what, 200)
	if turnedAway > 0 {
		subject += fmt.Sprintf(" (%d before this one have no line)", turnedAway)
	}
	_, err := s.write(ctx, store.Access{Action: "ask without signing in", Subject: subject, From: from, Outcome: "refused: " + ErrNoSession.Error()})
	return err
}

// SignOut ends a session; one that is over already is no error.
func (s *Service) SignOut(ctx context.Context, token string) error {
	one, found := s.close(tokenDigest(sha256.Sum256([]byte(token))))
	if !found {
		return nil
	}
	_, err := s.write(ctx, store.Access{Account: one.account, Action: "sign out", From: one.from, Outcome: "ok"})
	return err
}

func (s *Service) close(digest tokenDigest) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, found := s.sessions[digest]
	delete(s.sessions, digest)
	return one, found
}
