package recognise

// #include <stdlib.h>
// #include "network.h"
import "C"

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"unsafe"

	"gocv.io/x/gocv"

	"nrd/recognise/model"
)

// network is one of our own networks, run by OpenCV on the processor. gocv's own
// way takes pictures as floats, copies them three times and lets what OpenCV
// throws end the program; the few lines of network.cpp do neither.
type network struct {
	p unsafe.Pointer
	// version names the weights by the beginning of their checksum.
	version string
}

// openNetwork loads one of package model's networks.
func openNetwork(name string) (*network, error) {
	weights, err := model.Weights(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	return newNetwork(name, weights)
}

// newNetwork loads a network of which there is the ONNX file.
func newNetwork(name string, weights []byte) (*network, error) {
	n := &network{version: fmt.Sprintf("%x", sha256.Sum256(weights))[:8]}
	message := C.nrd_network_open(unsafe.Pointer(unsafe.SliceData(weights)), C.size_t(len(weights)), &n.p) //nolint:gocritic // what cgo makes of it
	if err := thrown(message); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNetwork, name, err)
	}
	return n, nil
}

// run sends a picture of 8 bits through the network, its values taken as
// (value - shift) * scale. The result has the sizes want; it is valid until the
// next run.
func (n *network) run(picture gocv.Mat, shift, scale float64, want [4]int) ([]float32, error) {
	var sizes [4]C.int
	var values *C.float
	message := C.nrd_network_run(n.p, unsafe.Pointer(picture.Ptr()), C.double(shift), C.double(scale), &sizes[0], &values) //nolint:gocritic // what cgo makes of it
	if err := thrown(message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	length := 1
	for i, s := range sizes {
		if int(s) != want[i] {
			return nil, fmt.Errorf("%w: its output has the sizes %v instead of %v", ErrNetwork, sizes, want)
		}
		length *= want[i]
	}
	return unsafe.Slice((*float32)(values), length), nil
}

// close gives the network back. A closed one can be closed again.
func (n *network) close() {
	C.nrd_network_close(n.p)
	n.p = nil
}

// thrown is what OpenCV complained of, nil where it did not.
func thrown(message *C.char) error {
	if message == nil {
		return nil
	}
	defer C.free(unsafe.Pointer(message))
	return errors.New(C.GoString(message))
}
