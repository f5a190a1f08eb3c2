package lists

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"nrd/collector/access"
	"nrd/collector/store"
	"nrd/hotlist/voi"
)

// ImportFrom is Import for a file that is opened after leave was given. One that is
// too broken to be opened is refused, and kept with why, like one that is broken
// inside; other errors of open are returned.
func (l *Lists) ImportFrom(ctx context.Context, by access.By, name, file string, open func() (*voi.File, error), u Upload) (store.ListImport, error) {
	if err := l.mayImport(ctx, by, name, file, u); err != nil {
		return store.ListImport{}, err
	}
	list, err := l.standing(ctx, name)
	if err != nil {
		return store.ListImport{}, err
	}
	f, err := open()
	if errors.Is(err, voi.ErrZIP) || errors.Is(err, voi.ErrTooLarge) {
		return l.refuse(ctx, by, &list, file, err)
	}
	if err != nil {
		return store.ListImport{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return l.bring(ctx, by, name, f, u)
}

func (l *Lists) mayImport(ctx context.Context, by access.By, name, file string, u Upload) error {
	subject := fmt.Sprintf("list %s: %s", name, file)
	if u.Covert {
		subject += ", covert"
	}
	return l.authorise(ctx, by, access.ManageLists, "list import", subject, u.Rationale)
}

// refuse keeps a file that could not be opened as an import that was refused.
func (l *Lists) refuse(ctx context.Context, by access.By, list *store.List, file string, why error) (store.ListImport, error) {
	defer l.turns.Take(list.Name)()
	now := l.Clock.Now()
	i, err := l.Store.PutImport(ctx, store.ListImport{
		List: list.Name, By: by.Account, File: file, Received: now, Issued: now, Before: list.InForce.Entries, Entries: list.InForce.Entries,
		State: store.ImportRefused, Why: why.Error(),
	})
	return i, errors.Join(err, l.watch(ctx))
}

// OpenInMemory opens what comes over the network as a file that lies on no disk: what
// lies there is encrypted.
func OpenInMemory(from io.Reader, name string) (*voi.File, error) {
	fd, err := unix.MemfdCreate("upload", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), name)
	if _, err := io.Copy(file, from); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return voi.OpenFile(file, name)
}
