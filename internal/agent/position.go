package agent

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"time"

	"nrd"
	"nrd/capture"
	"nrd/capture/gps"
)

// position is where the unit is, as the configuration says: the surveyed place,
// a receiver, or a recorded log that is played with the footage.
type position struct {
	capture.Positions
	// receiver is nil where none is configured.
	receiver *gps.Receiver
}

// prover is a clock that a receiver can vouch for.
type prover interface {
	Prove(source nrd.ClockSource, ahead time.Duration)
}

// openPosition makes the unit's position; run starts the receiver.
func openPosition(c PositionConfig, clock nrd.Clock, log *slog.Logger) (position, error) {
	switch {
	case c.GPS == "" && c.Latitude != nil:
		return position{Positions: gps.Static{Latitude: *c.Latitude, Longitude: *c.Longitude}}, nil
	case c.GPS == "":
		return position{Positions: nowhere{}}, nil
	case isRecording(c.GPS):
		played, err := gps.ReadLog(c.GPS)
		if err != nil {
			return position{}, err
		}
		return position{Positions: played}, nil
	}
	r := &gps.Receiver{Address: c.GPS, Baud: c.Baud, Clock: clock, Log: log}
	if p, ok := clock.(prover); ok {
		r.Prove = p.Prove
	}
	return position{Positions: r, receiver: r}, nil
}

// isRecording holds for a plain file of sentences, as against a device or gpsd.
func isRecording(address string) bool {
	if strings.Contains(address, "://") {
		return false
	}
	info, err := os.Stat(address)
	return err == nil && info.Mode().IsRegular()
}

// run listens to the receiver, if there is one, until ctx ends.
func (p position) run(ctx context.Context) error {
	if p.receiver == nil {
		return nil
	}
	return p.receiver.Run(ctx)
}

// problem is what is wrong with the receiver, or nil.
func (p position) problem() error {
	if p.receiver == nil {
		return nil
	}
	return p.receiver.Problem()
}

// nowhere is the position of a unit that has neither a receiver nor a place.
type nowhere struct{}

func (nowhere) Fix(nrd.Stamp) nrd.Fix { return nrd.Fix{Source: nrd.FixNone} }
