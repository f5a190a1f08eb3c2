// Package generate makes the records of a fault run in the place of cameras, and
// says what the harness must see again at central.
//
// A record is a function of the run's seed and its number, but for the time and
// what the unit adds: so whatever central holds can be compared with what it must
// be, also where a unit was killed before it could say that it kept it.
package generate

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"nrd"
	"nrd/internal/faults/plant"
	"nrd/uplink/wire"
)

// EnvRecords is "SEED FIRST": what the records are made of, and the number of the
// first.
const EnvRecords = "NRD_FAULTS_RECORDS"

// The lines that a unit writes to the harness:
//
//	begin N             the record N is about to be appended
//	kept N KEY RECORD   Append has returned; RECORD is as on the wire, in base64
//	failed N            Append has refused it
//	waiting N           how many items are in the buffer, while none are made
//	dropped KEY KIND    the buffer is about to let go of an item

// Wanted are the marks that are on the unit's list.
const Wanted = 50

// WantedMark is a mark on the list.
func WantedMark(n int) nrd.VRM { return nrd.VRM(fmt.Sprintf("WN%02dTED", n)) }

// IsWanted reports whether a mark is on the list.
func IsWanted(mark nrd.VRM) bool {
	return strings.HasPrefix(string(mark), "WN") && strings.HasSuffix(string(mark), "TED")
}

// Record gives the record of a number: a fifth are hits, two thirds have a patch
// and a third an overview. The stamp is the unit's.
func Record(seed, n uint64, stamp nrd.Stamp) *nrd.Record {
	rng := rand.New(rand.NewPCG(seed, n))
	mark := nrd.VRM(fmt.Sprintf("R%07d", n%1e7))
	if rng.IntN(5) == 0 {
		mark = WantedMark(rng.IntN(Wanted))
	}
	r := &nrd.Record{
		Camera:   nrd.Camera{Feed: 1, Source: uint16(seed), Camera: uint16(n), Name: "generated"},
		Captured: stamp,
		Fix:      nrd.Fix{Source: nrd.FixStatic, Latitude: 51 + rng.Float64(), Longitude: -rng.Float64()},
		Read: nrd.Read{
			VRM: mark, Raw: string(mark) + " seen", Confidence: rng.IntN(101), Engine: "generated",
			Alternatives: []nrd.Alternative{{VRM: nrd.VRM(fmt.Sprintf("A%06d", rng.IntN(1e6))), Confidence: rng.IntN(101)}},
		},
		Passage:    nrd.Passage{FirstFrame: n, LastFrame: n + 3, Frame: n, Frames: 4, FirstSeen: stamp.UTC, LastSeen: stamp.UTC},
		Direction:  nrd.DirectionTowards,
		FrameWidth: 1920, FrameHeight: 1080,
	}
	if rng.IntN(3) > 0 {
		r.Patch = picture(rng, 2900)
	}
	if rng.IntN(3) == 0 {
		r.Overview = picture(rng, 12000)
	}
	return r
}

// small is a JPEG to which noise is added: what stands behind its end is not
// looked at, but must arrive.
var small = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, 16, 8)), nil); err != nil {
		panic(err)
	}
	return b.Bytes()
})

// picture is at least as long as its JPEG part and at most so many bytes.
func picture(rng *rand.Rand, most int) nrd.Image {
	data := bytes.Clone(small())
	for n := len(data) + rng.IntN(most-len(data)); len(data) < n; {
		data = binary.BigEndian.AppendUint64(data, rng.Uint64())
	}
	return nrd.Image{JPEG: data, Width: 16, Height: 8}
}

// Payload is a record as it goes on the wire, in an encoding that is always the
// same.
func Payload(r *nrd.Record) ([]byte, error) { return wire.Marshal(wire.FromRecord(r)) }

// next numbers the records of all cameras.
var next = sync.OnceValue(func() *atomic.Uint64 {
	var n atomic.Uint64
	n.Store(environment()[1] - 1)
	return &n
})

func environment() (values [2]uint64) {
	if _, err := fmt.Sscan(os.Getenv(EnvRecords), &values[0], &values[1]); err != nil {
		panic(fmt.Sprintf("%s=%q: %v", EnvRecords, os.Getenv(EnvRecords), err))
	}
	return values
}

// say writes a line to the harness.
func say(words ...string) { plant.Say(strings.Join(words, " ")) }

// Camera is one camera: it makes records and appends them as fast as the harness
// wants, until it is told to end. keep sets the key of a record that was kept.
func Camera(ctx context.Context, clock nrd.Clock, keep func(*nrd.Record), waiting func() int) error {
	const idle = 50 * time.Millisecond
	for ctx.Err() == nil {
		rate := plant.Program().Rate.Load()
		switch {
		case rate < 0:
			return nil
		case rate == 0:
			say("waiting", strconv.Itoa(waiting()))
			time.Sleep(idle)
			continue
		}
		if err := one(clock, keep); err != nil {
			return err
		}
		time.Sleep(min(time.Duration(float64(time.Second)*1000/float64(rate)), time.Second))
	}
	return nil
}

func one(clock nrd.Clock, keep func(*nrd.Record)) error {
	n := next().Add(1)
	number := strconv.FormatUint(n, 10)
	r := Record(environment()[0], n, clock.Stamp())
	say("begin", number)
	keep(r)
	if r.Key == (nrd.Key{}) {
		say("failed", number)
		return nil
	}
	payload, err := Payload(r)
	if err != nil {
		return err
	}
	say("kept", number, r.Key.String(), base64.StdEncoding.EncodeToString(payload))
	return nil
}
