package gps

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"nrd"
)

// ErrSilent says that a receiver sends nothing.
var ErrSilent = errors.New("the receiver sends nothing")

const (
	defaultBaud = 9600
	// silence after which a receiver is opened anew. A working one speaks
	// every second.
	silence = 10 * time.Second
	// pause before a receiver that failed is opened again.
	pause     = 2 * time.Second
	gpsdPort  = "2947"
	gpsdWatch = `?WATCH={"enable":true,"nmea":true};` + "\n"
)

// Receiver is a GPS receiver. Set its fields, then call Run. Fix answers before,
// while and after Run runs.
type Receiver struct {
	// Address is a serial device such as /dev/ttyACM0, or gpsd://host:port
	// (port 2947 where none is given).
	Address string
	// Baud is the speed of the serial line; 0: 9600.
	Baud  int
	Clock nrd.Clock
	Log   *slog.Logger
	// Prove, if set, is told with each fix how far the receiver found the
	// wall clock ahead of UTC. A sentence comes some tenths of a second after
	// the moment it names, so this is good to about a second.
	Prove func(source nrd.ClockSource, ahead time.Duration)

	mu      sync.Mutex
	latest  heard
	skipped uint64
	problem error
}

// Run listens until ctx ends, and returns nil then. A receiver that is not there,
// that is unplugged or that falls silent is opened again and again; Problem
// tells. An error is a mistake in the fields.
func (r *Receiver) Run(ctx context.Context) error {
	if _, ok := speeds[r.baud()]; !ok {
		return fmt.Errorf("GPS receiver %s: %d is not a speed of a serial line", r.Address, r.Baud)
	}
	for ctx.Err() == nil {
		if err := r.listen(ctx); ctx.Err() == nil {
			// Without an error the line has ended.
			r.fail(fmt.Errorf("GPS receiver %s: %w", r.Address, cmp.Or(err, ErrSilent)))
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return nil
}

func (r *Receiver) baud() int {
	if r.Baud == 0 {
		return defaultBaud
	}
	return r.Baud
}

// listen reads the receiver until it fails or ctx ends.
func (r *Receiver) listen(ctx context.Context) error {
	line, err := r.open(ctx)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = line.Close() })
	defer func() {
		if stop() {
			_ = line.Close() // nothing was written that could be lost
		}
	}()
	d := newDecoder()
	return eachLine(deadlineReader{line}, func(text string) {
		fresh := d.line(text, r.Clock.Stamp())
		r.hear(d, fresh)
	})
}

// source is a serial line or a connection to gpsd.
type source interface {
	io.ReadCloser
	SetReadDeadline(time.Time) error
}

func (r *Receiver) open(ctx context.Context) (source, error) {
	host, isGPSD := strings.CutPrefix(r.Address, "gpsd://")
	if !isGPSD {
		return openSerial(r.Address, r.baud())
	}
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), gpsdPort)
	}
	conn, err := (&net.Dialer{Timeout: silence}).DialContext(ctx, "tcp", host)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, gpsdWatch); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// deadlineReader does not wait for ever.
type deadlineReader struct{ source }

func (r deadlineReader) Read(p []byte) (int, error) {
	if err := r.SetReadDeadline(time.Now().Add(silence)); err != nil {
		return 0, err
	}
	n, err := r.source.Read(p)
	var timeout interface{ Timeout() bool }
	if errors.As(err, &timeout) && timeout.Timeout() {
		err = fmt.Errorf("%w for %v", ErrSilent, silence)
	}
	return n, err
}

func (r *Receiver) hear(d *decoder, fresh bool) {
	r.mu.Lock()
	r.skipped += d.skipped
	d.skipped = 0
	if fresh {
		if r.problem != nil {
			r.Log.Info("the GPS receiver is back", "receiver", r.Address)
		}
		r.latest, r.problem = d.latest, nil
	}
	r.mu.Unlock()
	if fresh && r.Prove != nil && proves(d.latest.fix) {
		r.Prove(nrd.ClockGPS, d.latest.at.UTC.Sub(d.latest.fix.Time))
	}
}

func (r *Receiver) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.problem == nil {
		r.Log.Warn("no position from the GPS receiver", "error", err)
	}
	r.problem = err
}

// Fix is where the unit was at that moment by the newest fix, see the package
// comment. A frame from a file was not taken where the unit is now: it has none.
func (r *Receiver) Fix(at nrd.Stamp) nrd.Fix {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Source == nrd.ClockFile {
		return none
	}
	return aged(r.latest.fix, at.Monotonic-r.latest.at.Monotonic)
}

// Problem is why nothing comes from the receiver; nil while it speaks, even if
// it has no view of the sky.
func (r *Receiver) Problem() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.problem
}

// Skipped counts the lines that could not be used: noise on the line, or a wrong
// baud rate.
func (r *Receiver) Skipped() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.skipped
}
