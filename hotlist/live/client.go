package live

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"nrd"
)

// Client asks one gateway over HTTPS. Fill in the fields and Initialize it.
type Client struct {
	// URL is where questions are posted to.
	URL string
	// TLS has the unit's certificate and the CA of the gateway's.
	TLS *tls.Config
	// Device is the unit's name.
	Device string
	// Timeout is how long an answer may take.
	Timeout time.Duration
	Clock   nrd.Clock

	http    *http.Client
	breaker breaker
}

// Initialize makes the client ready; Close ends its connections.
func (c *Client) Initialize() {
	c.breaker.clock = c.Clock
	c.http = &http.Client{
		Transport: &http.Transport{TLSClientConfig: c.TLS, MaxIdleConnsPerHost: workers + 1, IdleConnTimeout: time.Minute, ForceAttemptHTTP2: true},
		// An answer comes from the gateway that was configured, or not at all.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close ends the connections that are kept for the next question.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Ask asks about a mark and waits for Timeout at most. The errors are ErrOpen,
// ErrAnswer, and those of the network; none holds the mark.
func (c *Client) Ask(ctx context.Context, q Query) (Answer, error) {
	if !c.breaker.begin() {
		return Answer{}, ErrOpen
	}
	a, err := c.ask(ctx, q)
	c.breaker.end(err == nil)
	return a, err
}

func (c *Client) ask(ctx context.Context, q Query) (Answer, error) {
	q.Device, q.At = c.Device, c.Clock.Stamp().True()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	text, err := json.Marshal(q)
	if err != nil {
		return Answer{}, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(text))
	if err != nil {
		return Answer{}, err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("the live gateway does not answer: %w", err)
	}
	text, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer+1))
	err = errors.Join(err, response.Body.Close())
	switch {
	case err != nil:
		return Answer{}, fmt.Errorf("the live gateway's answer broke off: %w", err)
	case response.StatusCode != http.StatusOK:
		return Answer{}, fmt.Errorf("the live gateway answers %s", response.Status)
	case len(text) > maxAnswer:
		return Answer{}, fmt.Errorf("%w: it has more than %d bytes", ErrAnswer, maxAnswer)
	}
	return parse(text, q.VRM)
}
