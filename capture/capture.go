// Package capture takes frames from cameras and files.
//
// A [Source] gives [Frame]s one after the other: an image, the camera it came
// from, its sequence number, the moment with the clock's quality, and the
// position at that moment. [Open] takes whatever a person calls footage: a
// photograph, a folder of them, a video file, a V4L2 device or the address of an
// RTSP stream. All are read through OpenCV and pass one conformance suite
// (capturetest). Positions come from the package capture/gps.
//
//	source, err := capture.Open("rtsp://camera.local/stream", capture.Options{Clock: clock.System()})
//	...
//	defer source.Close()
//	for {
//		frame, err := source.Next(ctx)
//		if errors.Is(err, capture.ErrUnreadable) || errors.Is(err, capture.ErrTooLarge) {
//			continue // one picture is left out
//		}
//		if err != nil {
//			return err // ErrEnd, ErrStalled, ErrNoCamera, or that of ctx
//		}
//		...
//		frame.Close()
//	}
//
// A Frame owns its pixels in a gocv.Mat. Whoever receives a Frame closes it,
// once. Only the packages capture and recognise see Mats.
//
// What a driver does cannot be interrupted: a read of a dead camera may hang for
// ever inside the kernel or FFmpeg. So each camera is read by a goroutine of its
// own, the only one that touches the driver. Nobody waits for it longer than a
// second; if it hangs it is left behind, and gives the camera and the pixels
// back whenever the driver returns.
package capture

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"gocv.io/x/gocv"

	"nrd"
)

// Errors of a Source. They are permanent for that Source unless said otherwise.
var (
	// ErrEnd says that the footage is over: every frame was given.
	ErrEnd = errors.New("the footage has ended")
	// ErrNoCamera says that a camera could not be opened: it is not there, is
	// no camera, is in use, or refuses the user and password.
	ErrNoCamera = errors.New("the camera cannot be opened")
	// ErrStalled says that a live source gave no frame for its time-out, or
	// that its stream broke off. The source has closed itself; open a new one.
	ErrStalled = errors.New("the camera gives no more frames")
	// ErrUnreadable says that one photograph could not be decoded; the source
	// goes on: call Next again. From Open it says that a video file could not
	// be read at all.
	ErrUnreadable = errors.New("the picture cannot be decoded")
	// ErrTooLarge says that one picture has more pixels or bytes than any
	// camera this product knows, see MaxPixels and MaxFileBytes. The source
	// goes on: call Next again. From Open it is said of a video.
	ErrTooLarge = errors.New("the picture is too large")
	// ErrClosed answers Next after Close.
	ErrClosed = errors.New("the source is closed")
)

// Limits of one picture. A decoded picture takes three bytes a pixel, so they
// bound the memory that a file can make the unit use to 192 MB.
const (
	MaxPixels    = 64 << 20
	MaxFileBytes = 64 << 20
)

// Frame is one image with everything known of its moment.
type Frame struct {
	// Image is 8-bit BGR. The frame owns it.
	Image gocv.Mat
	// Camera that took it.
	Camera nrd.Camera
	// Sequence counts the camera's frames from 1, those included that were
	// dropped or could not be decoded.
	Sequence uint64
	// Taken is the moment of capture and Fix the position then. A camera's
	// frame is stamped when it has been decoded. A frame from a file carries
	// the file's time, [nrd.ClockFile]: a photograph when it was last written,
	// a video [Options.Start] and the frame's place in it. Such a stamp has no
	// boot id; its Monotonic is the place in the video, or zero. Only a paced
	// video is stamped as a camera is.
	Taken nrd.Stamp
	Fix   nrd.Fix
	// File is the photograph or video it came from, "" for a live camera.
	File string

	// pool takes the pixels back for a later frame; nil: nobody does.
	pool *pool
}

// Close gives the pixels back. It may be called more than once.
func (f *Frame) Close() error {
	if f == nil || f.Image.Ptr() == nil {
		return nil
	}
	image := f.Image
	f.Image = gocv.Mat{}
	if f.pool != nil {
		return f.pool.give(image)
	}
	return image.Close()
}

// Source gives frames in the order in which they were taken.
//
// Next waits for a frame, for the end of ctx (whose error it then returns), or
// for an error as above. The caller closes the frame. Next and Close may be
// called from different goroutines, Next from one at a time. After Close, Next
// answers ErrClosed; Close waits no longer than a second for a read that hangs
// in a driver, and may be called more than once. A live source that is read too
// slowly drops its oldest frames and counts them in Dropped; a file never drops.
type Source interface {
	Next(ctx context.Context) (*Frame, error)
	Dropped() uint64
	// Live reports whether frames come in real time.
	Live() bool
	// String names the source for a person; never with a password.
	String() string
	Close() error
}

// Positions tells where the unit was at the moment of a stamp. It answers at
// once and from any goroutine. The types of capture/gps are Positions.
type Positions interface {
	Fix(at nrd.Stamp) nrd.Fix
}

// Options of a source; only Clock is required.
type Options struct {
	// Camera is what the frames say they were taken by.
	Camera nrd.Camera
	// Clock stamps the frames.
	Clock nrd.Clock
	// Positions gives the frames their fix; nil: no position.
	Positions Positions
	// Stall is how long a camera may give no frame, the first one included,
	// before the source ends with ErrStalled; 0: ten seconds.
	Stall time.Duration
	// Pace plays a video at its own speed, as a camera would show it, with
	// stamps by the clock. Where frames are not taken in time it plays more
	// slowly: a file never drops.
	Pace bool
	// Start is when a video's first frame was taken; zero: when the file was
	// last written. It is not used with Pace.
	Start time.Time
	// Log is told what is not an error, such as a video that is shorter than
	// its header says; nil: nobody.
	Log *slog.Logger
}

// defaultStall is Options.Stall where that is zero.
const defaultStall = 10 * time.Second

func (o Options) withDefaults() Options {
	if o.Stall <= 0 {
		o.Stall = defaultStall
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// frame makes a Frame that owns image.
func (o Options) frame(image gocv.Mat, sequence uint64, taken nrd.Stamp, file string) *Frame {
	f := &Frame{Image: image, Camera: o.Camera, Sequence: sequence, Taken: taken, File: file}
	if o.Positions != nil {
		f.Fix = o.Positions.Fix(taken)
	} else {
		f.Fix.Source = nrd.FixNone
	}
	return f
}

// fileStamp is the stamp of a frame whose time is the file's.
func fileStamp(start time.Time, position time.Duration) nrd.Stamp {
	return nrd.Stamp{UTC: start.Add(position).UTC(), Source: nrd.ClockFile, Monotonic: position}
}
