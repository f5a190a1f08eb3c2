package trust

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// idleTime is how long an answer may give no byte.
const idleTime = time.Minute

// web is where the repository is reached.
type web struct{ client *http.Client }

func newWeb(config *tls.Config) *web {
	return &web{&http.Client{
		Transport:     &http.Transport{TLSClientConfig: config, DisableCompression: true, ResponseHeaderTimeout: idleTime, TLSHandshakeTimeout: idleTime / 2, MaxResponseHeaderBytes: 16 << 10},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w *web) close() { w.client.CloseIdleConnections() }

// get reads a short answer.
func (w *web) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	answer, err := w.ask(ctx, address, 0)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	if answer.StatusCode != http.StatusOK {
		return nil, refused(answer)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = fmt.Errorf("%s: %w", address, ErrTooLong)
	}
	return text, err
}

func (w *web) ask(ctx context.Context, address string, from int64) (*http.Response, error) {
	q, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if from > 0 {
		q.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	return w.client.Do(q)
}

func refused(answer *http.Response) error {
	if answer.StatusCode == http.StatusNotFound {
		return fmt.Errorf("%s: %w", answer.Request.URL.Path, errNotFound)
	}
	reason, err := io.ReadAll(io.LimitReader(answer.Body, 300))
	return errors.Join(fmt.Errorf("%w: %s: %s", ErrRefused, answer.Status, bytes.TrimSpace(reason)), err)
}

const partSuffix = ".part"

func (c *Client) part(t Target) string {
	return filepath.Join(c.Dir, hex.EncodeToString(t.SHA256[:])+partSuffix)
}

// Download gets a target and gives the name of its file, which is genuine. What
// came before the connection broke is kept, and the next call goes on behind it,
// also after a new start. Where the disk is full nothing is kept. The errors are
// ErrUntrusted, ErrTooLong and those of the network and the disk.
func (c *Client) Download(ctx context.Context, r Repository, t Target) (_ string, err error) {
	file := c.part(t)
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer func() {
		err = errors.Join(err, f.Close())
		if errors.Is(err, syscall.ENOSPC) || errors.Is(err, ErrUntrusted) || errors.Is(err, ErrTooLong) {
			err = errors.Join(err, os.Remove(file))
		}
	}()
	if err := c.fill(ctx, f, c.Address+t.Address(r.role), t.Length); err != nil {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	if !bytes.Equal(sum.Sum(nil), t.SHA256[:]) {
		return "", fmt.Errorf("%w: a target is not the one that was signed", ErrUntrusted)
	}
	return file, nil
}

// fill appends to a file what it lacks of its length.
func (c *Client) fill(ctx context.Context, f *os.File, address string, length int64) error {
	have, err := f.Seek(0, io.SeekEnd)
	if err != nil || have == length {
		return err
	}
	if have > length {
		return fmt.Errorf("%w: more came than was signed", ErrTooLong)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	answer, err := c.web.ask(ctx, address, have)
	if err != nil {
		return err
	}
	defer answer.Body.Close() //nolint:errcheck // it was only read
	switch {
	case answer.StatusCode == http.StatusPartialContent && begins(answer, have):
	case answer.StatusCode == http.StatusOK:
		// The whole comes; what there was is written anew.
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		if err := f.Truncate(0); err != nil {
			return err
		}
		have = 0
	default:
		return refused(answer)
	}
	idle := time.AfterFunc(idleTime, func() { cancel(fmt.Errorf("nothing came for %s", idleTime)) })
	defer idle.Stop()
	n, err := io.Copy(f, &watched{io.LimitReader(answer.Body, length-have+1), idle})
	switch {
	case err != nil && context.Cause(ctx) != nil:
		return errors.Join(err, context.Cause(ctx))
	case err != nil:
		return err
	case have+n > length:
		return fmt.Errorf("%s: %w", address, ErrTooLong)
	case have+n < length:
		return fmt.Errorf("%s: %w", address, io.ErrUnexpectedEOF)
	}
	return nil
}

// begins says whether a part of a file is the one that was asked for.
func begins(answer *http.Response, at int64) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(answer.Header.Get("Content-Range"), "bytes "), "-")
	n, err := strconv.ParseInt(first, 10, 64)
	return err == nil && n == at
}

// watched puts a timer off with each byte that comes.
type watched struct {
	io.Reader
	idle *time.Timer
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if n > 0 {
		w.idle.Reset(idleTime)
	}
	return n, err
}

// Clear removes downloads but for those of the targets that are kept.
func (c *Client) Clear(kept ...Target) error {
	keep := map[string]bool{}
	for _, t := range kept {
		keep[c.part(t)] = true
	}
	parts, err := filepath.Glob(filepath.Join(c.Dir, "*"+partSuffix))
	errs := []error{err}
	for _, p := range parts {
		if !keep[p] {
			errs = append(errs, os.Remove(p))
		}
	}
	return errors.Join(errs...)
}

// Begun says whether a part of a target has been downloaded before.
func (c *Client) Begun(t Target) bool {
	info, err := os.Stat(c.part(t))
	return err == nil && info.Size() > 0
}
