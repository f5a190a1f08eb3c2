// Package capture takes frames from cameras and files.
//
// A [Source] gives [Frame]s one after the other: an image, the camera it came
// from, its sequence number, the moment with the clock's quality, and the
// position at that moment. Photographs and folders (stills), video files, V4L2
// devices and RTSP streams (camera) are all Sources and pass one conformance
// suite (capturetest).
//
// A Frame owns its pixels in a gocv.Mat. Whoever receives a Frame closes it,
// once. Only the packages capture and recognise see Mats.
package capture

import (
	"context"
	"errors"

	"gocv.io/x/gocv"

	"nrd"
)

// Errors of a Source. They are permanent for that Source unless said otherwise.
var (
	// ErrEnd says that the footage is over: every frame was given.
	ErrEnd = errors.New("the footage has ended")
	// ErrStalled says that a live source gave no frame for its time-out. The
	// source has closed itself; open a new one.
	ErrStalled = errors.New("the camera gives no more frames")
	// ErrUnreadable says that one photograph or one frame could not be
	// decoded. The source goes on: call Next again.
	ErrUnreadable = errors.New("the picture cannot be decoded")
	// ErrTooLarge says that one picture has more pixels than any camera this
	// product knows. The source goes on: call Next again.
	ErrTooLarge = errors.New("the picture is too large")
	// ErrClosed answers Next after Close.
	ErrClosed = errors.New("the source is closed")
)

// Frame is one image with everything known of its moment.
type Frame struct {
	// Image is 8-bit BGR. The frame owns it.
	Image gocv.Mat
	// Camera that took it.
	Camera nrd.Camera
	// Sequence counts the camera's frames from 1.
	Sequence uint64
	// Taken is the moment of capture and Fix the position then.
	Taken nrd.Stamp
	Fix   nrd.Fix
	// File is the photograph or video it came from, "" for a live camera.
	File string
}

// Close gives the pixels back. It may be called more than once.
func (f *Frame) Close() error {
	if f == nil || f.Image.Ptr() == nil {
		return nil
	}
	err := f.Image.Close()
	f.Image = gocv.Mat{}
	return err
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
