package lists

import (
	"context"
	"errors"
	"fmt"

	"nrd/collector/access"
	"nrd/collector/store"
)

// Approve puts a file that waits in force, Reject gives it up, each for a reason. The
// error is ErrInvalid where it does not wait, ErrOlder where a newer version is in
// force.
func (l *Lists) Approve(ctx context.Context, by access.By, id uint64, reason string) error {
	return l.settle(ctx, by, id, "list import approve", reason, l.approve)
}

// Reject is documented at Approve.
func (l *Lists) Reject(ctx context.Context, by access.By, id uint64, reason string) error {
	return l.settle(ctx, by, id, "list import reject", reason, func(ctx context.Context, i *store.ListImport) error {
		candidate := i.Candidate
		i.State, i.Candidate = store.ImportRejected, ""
		_, err := l.Store.PutImport(ctx, *i)
		if err == nil {
			err = l.drop(candidate)
		}
		return err
	})
}

func (l *Lists) settle(ctx context.Context, by access.By, id uint64, action, reason string, do func(context.Context, *store.ListImport) error) error {
	subject := fmt.Sprintf("import %d", id)
	i, err := l.Store.Import(ctx, id)
	if err == nil {
		defer l.turns.Take(i.List)()
		i, err = l.Store.Import(ctx, id) // as it is now
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return err
	}
	if err == nil {
		subject += fmt.Sprintf(", list %s, file %s", i.List, i.File)
	}
	if denied := l.authorise(ctx, by, access.DecideImports, action, subject, reason); denied != nil {
		return denied
	}
	if err != nil {
		return err
	}
	if i.State != store.ImportHeld {
		return fmt.Errorf("%w: import %d does not wait, it is %s", ErrInvalid, id, i.State)
	}
	i.Decided, i.DecidedBy, i.Reason = l.Clock.Now(), by.Account, reason
	return errors.Join(do(ctx, &i), l.watch(ctx))
}

func (l *Lists) approve(ctx context.Context, i *store.ListImport) error {
	list, err := l.standing(ctx, i.List)
	if err != nil {
		return err
	}
	if !l.told(i.Issued) {
		i.Issued = l.Clock.Now() // whoever approves it vouches for it now
	}
	if err := l.older(i, &list); err != nil {
		return err
	}
	candidate := i.Candidate
	i.Before = list.InForce.Entries
	v, err := l.version(ctx, &list, i)
	if err != nil {
		return err
	}
	i.State, i.Expired = store.ImportApproved, i.Entries-v.after
	if err := l.putInForce(ctx, i, v); err != nil {
		return err
	}
	return l.dropUnless(candidate, v.file)
}
