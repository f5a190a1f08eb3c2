package capture

import (
	"context"
	"errors"
	"fmt"

	"gocv.io/x/gocv"

	"nrd"
)

// camera is the driver of a live camera: a V4L2 device or an RTSP stream.
type camera struct {
	// name is for a person, without a password.
	name    string
	options Options
	// connect opens it, and gives up when ctx ends if it can. Where it fails
	// it may still give a capture, which is closed.
	connect func(ctx context.Context) (*gocv.VideoCapture, error)
	// lost says why a picture did not come, and "" where nothing is known.
	lost    func() string
	capture *gocv.VideoCapture
}

func (c *camera) open(ctx context.Context) (err error) {
	if c.capture, err = c.connect(ctx); err != nil {
		return fmt.Errorf("%s: %w: %w", c.name, ErrNoCamera, err)
	}
	return nil
}

func (c *camera) read(image *gocv.Mat) error {
	if c.capture.Read(image) && !image.Empty() {
		return nil
	}
	if why := c.lost(); why != "" {
		return fmt.Errorf("%s: %w: %s", c.name, ErrStalled, why)
	}
	return fmt.Errorf("%s: %w: the stream broke off", c.name, ErrStalled)
}

func (c *camera) taken(context.Context) nrd.Stamp { return c.options.Clock.Stamp() }

func (c *camera) close() error {
	if c.capture == nil {
		return nil
	}
	return c.capture.Close()
}

func (c *camera) file() string { return "" }

func (c *camera) String() string { return c.name }

// errRefused is all that OpenCV tells of a camera that it cannot open.
var errRefused = errors.New("the driver refused it")
