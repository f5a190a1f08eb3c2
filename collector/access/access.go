// Package access decides who may do what at central, and writes down that they
// did.
//
// Every account belongs to one person and has one [Role]; a role gives rights
// and everything else is denied. [Service.SignIn] turns a password into a
// session; [Service.Authorise] is asked before anything is shown or changed. It
// writes the line in the access log first and answers afterwards, so nothing is
// ever shown that the log does not know of: where the log cannot be written,
// the answer is [ErrNotLogged] and nothing is shown.
//
// Refusals are logged as well. What a right needs beside the role, such as a
// reason for a search, stands in the tables of rights.go.
package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
	"unicode"

	"nrd"
	"nrd/collector/store"
)

// MaxReason is the longest reason that is kept, in characters.
const MaxReason = 500

// Service is the door of central. Fill the fields, then call Initialize.
type Service struct {
	Store store.Store
	// Profile says what capture times can be.
	Profile nrd.Profile
	Clock   nrd.Clock
	Log     *slog.Logger
	// Idle ends a session that was not used for so long, Absolute every
	// session that is so old.
	Idle, Absolute time.Duration

	// throttle is for passwords, strangers for lines about who is not signed in.
	throttle, strangers throttle
	// hashing bounds how many passwords are checked at once: each takes
	// 64 MiB for a moment.
	hashing chan struct{}

	mu       sync.Mutex
	sessions map[tokenDigest]session

	// accounts is held while an account changes, so that two changes cannot
	// both take away the last one that may make accounts.
	accounts sync.Mutex
}

// Initialize makes the service ready.
func (s *Service) Initialize() error {
	if s.Store == nil || s.Clock == nil || s.Log == nil || s.Idle <= 0 || s.Absolute <= 0 {
		return errors.New("access: Store, Clock, Log, Idle and Absolute are needed")
	}
	s.hashing = make(chan struct{}, 2)
	s.sessions = map[tokenDigest]session{}
	s.throttle.tries, s.strangers.tries = map[string]*tries{}, map[string]*tries{}
	return nil
}

// Request is one act that somebody asks leave for.
type Request struct {
	Account string
	// From is the address of the request, or "command line" and who gave it.
	From   string
	Right  Right
	Action string // in the words of the access log, such as "search"
	// Subject is what the act is about: a query, a record's key, a name.
	Subject string
	Reason  string
}

// Authorise judges a request and logs it. Only when it returns without error
// may anything be shown or changed; the line it returns is on stable storage
// then. The error is ErrDenied, ErrReason or ErrNotLogged.
func (s *Service) Authorise(ctx context.Context, r Request) (store.Access, error) {
	r.Reason = strings.TrimSpace(r.Reason)
	refusal, err := s.judge(ctx, r)
	if err != nil {
		return store.Access{}, err
	}
	line := store.Access{
		Account: r.Account, Action: r.Action, Subject: r.Subject, Reason: cut(r.Reason, MaxReason), From: r.From, Outcome: "ok",
	}
	if refusal != nil {
		line.Outcome = "refused: " + refusal.Error()
	}
	line, err = s.write(ctx, line)
	if err != nil {
		return store.Access{}, err
	}
	return line, refusal
}

// judge gives the refusal that a request earns, or nil. The second error says
// that it could not be judged.
func (s *Service) judge(ctx context.Context, r Request) (refusal, err error) {
	account, err := s.Store.Account(ctx, r.Account)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("%w: there is no account %q", ErrDenied, r.Account), nil
	case err != nil:
		return nil, fmt.Errorf("access: account %s: %w", r.Account, err)
	case !account.Removed.IsZero():
		return fmt.Errorf("%w: the account %s was removed", ErrDenied, r.Account), nil
	case !May(account.Role, r.Right):
		return fmt.Errorf("%w: the role %s has no right to %s", ErrDenied, account.Role, r.Right), nil
	case needsReason[r.Right]:
		return CheckReason(r.Reason), nil
	}
	return nil, nil
}

// CheckReason says whether a text can stand as a reason: something with at
// least one letter or digit and at most MaxReason characters.
func CheckReason(reason string) error {
	if !strings.ContainsFunc(reason, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
		return ErrReason
	}
	if len([]rune(reason)) > MaxReason {
		return fmt.Errorf("%w of at most %d characters", ErrReason, MaxReason)
	}
	return nil
}

// Cited gives an earlier line of the log, so that a record opened from a search
// is opened for that search's reason. The line must be the same account's, not
// older than Absolute, and granted; anything else is ErrReason.
func (s *Service) Cited(ctx context.Context, account string, sequence uint64) (store.Access, error) {
	if sequence == 0 {
		return store.Access{}, ErrReason
	}
	lines, err := s.Store.AccessLog(ctx, sequence, 1)
	if err != nil {
		return store.Access{}, fmt.Errorf("access: line %d: %w", sequence, err)
	}
	if len(lines) == 0 || lines[0].Sequence != sequence || lines[0].Account != account || lines[0].Outcome != "ok" ||
		s.Clock.Now().Sub(lines[0].At) > s.Absolute {
		return store.Access{}, ErrReason
	}
	return lines[0], nil
}

// write appends a line; without it nothing may be shown.
func (s *Service) write(ctx context.Context, line store.Access) (store.Access, error) {
	line.At = s.Clock.Now()
	line, err := s.Store.Log(ctx, line)
	if err != nil {
		s.Log.Error("access log", "error", err)
		return store.Access{}, fmt.Errorf("%w: %w", ErrNotLogged, err)
	}
	return line, nil
}

// cut shortens a text to n characters.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n])
	}
	return text
}
