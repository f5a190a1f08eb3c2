package hotlist

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"path/filepath"

	"nrd"
	"nrd/internal/sealed"
)

// statusList is a list of statuses. It keeps nothing in memory but the kinds and
// where each block begins: 20 MB for 45 million entries.
type statusList struct {
	*statusFile
	at    string
	kinds *kinds
}

func openStatusList(path string, key *sealed.Key) (list, error) {
	f, err := openStatusFile(path, key.Derive("lists of statuses"))
	if err != nil {
		return nil, damaged(path, err)
	}
	l := &statusList{statusFile: f, at: path}
	if l.kinds, err = newKinds(f.Kinds); err != nil {
		return nil, fmt.Errorf("%w, %w", damaged(path, err), l.close())
	}
	return l, nil
}

func (l *statusList) path() string      { return l.at }
func (l *statusList) moved(path string) { l.at = path }
func (l *statusList) close() error      { return l.file.Close() }

// verify compares the blocks with their checksum.
func (l *statusList) verify(ctx context.Context) error {
	blocks := io.NewSectionReader(l.file, blockSize, int64(l.Blocks)*blockSize)
	sum, piece := uint32(0), make([]byte, 1<<16)
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		n, err := blocks.Read(piece)
		sum = crc32.Update(sum, castagnoli, piece[:n])
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("%s: %w: %w", filepath.Base(l.at), ErrDamaged, err)
		}
	}
	if sum != l.Sum {
		return fmt.Errorf("%s: %w: its blocks are not those that were written", filepath.Base(l.at), ErrDamaged)
	}
	return nil
}

func (l *statusList) eachOf(block int, do func(status) bool) error {
	if err := l.each(block, do); err != nil {
		return fmt.Errorf("%s: %w: block %d: %w", filepath.Base(l.at), ErrDamaged, block, err)
	}
	return nil
}

// lookup gives the entries with this VRM.
func (l *statusList) lookup(v nrd.VRM, f *found) error {
	if len(v) > nrd.MaxVRM {
		return nil
	}
	vrm := packVRM(v)
	opening := vrm.opening()
	for block := l.from(opening); block < l.Blocks && l.first(block) <= opening; block++ {
		err := l.eachOf(block, func(s status) bool {
			order := s.vrm.compare(vrm)
			if order == 0 && int(s.kind) < len(l.kinds.entries) {
				e := l.kinds.entries[s.kind]
				e.VRM, e.List, e.Line = v, l.List, int(s.line)
				f.entries = append(f.entries, e)
			}
			return order <= 0
		})
		if err != nil {
			return err
		}
	}
	return nil
}
