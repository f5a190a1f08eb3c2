package capture

import (
	"errors"
	"sync"

	"gocv.io/x/gocv"
)

// spareFrames is how many frames' pixels are kept for later ones: those that wait
// for Next, the one that is read and the one that is recognised.
const spareFrames = liveQueue + 2

// pool keeps the pixels of a stream's frames, so that a picture of several
// megabytes need not be allocated for each. Frames may be closed in any goroutine
// and after their stream.
type pool struct {
	mu     sync.Mutex
	spare  []gocv.Mat
	closed bool
}

// take gives a Mat to read a picture into.
func (p *pool) take() gocv.Mat {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.spare)
	if n == 0 {
		return gocv.NewMat()
	}
	image := p.spare[n-1]
	p.spare = p.spare[:n-1]
	return image
}

// give takes a frame's pixels back.
func (p *pool) give(image gocv.Mat) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || len(p.spare) >= spareFrames {
		return image.Close()
	}
	p.spare = append(p.spare, image)
	return nil
}

// close lets all pixels go, and those still out when they come back.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	var errs []error
	for _, image := range p.spare {
		errs = append(errs, image.Close())
	}
	p.spare = nil
	return errors.Join(errs...)
}
