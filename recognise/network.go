package recognise

import (
	"crypto/sha256"
	"fmt"

	"gocv.io/x/gocv"

	"nrd/recognise/model"
)

// network is one of our own networks, run by OpenCV on the processor.
type network struct {
	net gocv.Net
	// version names the weights by the beginning of their checksum.
	version string
}

// openNetwork loads one of package model's networks.
func openNetwork(name string) (*network, error) {
	weights, err := model.Weights(name)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	net, err := gocv.ReadNetFromONNXBytes(weights)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNetwork, name, err)
	}
	if net.Empty() {
		return nil, fmt.Errorf("%w: %s holds no layers", ErrNetwork, name)
	}
	return &network{net: net, version: fmt.Sprintf("%x", sha256.Sum256(weights))[:8]}, nil
}

// run sends a blob through the network. The caller closes the result, which has
// the sizes want.
func (n *network) run(blob gocv.Mat, want ...int) (gocv.Mat, []float32, error) {
	n.net.SetInput(blob, "")
	out := n.net.Forward("")
	sizes := out.Size()
	if fmt.Sprint(sizes) != fmt.Sprint(want) {
		_ = out.Close() // never fails
		return gocv.Mat{}, nil, fmt.Errorf("%w: its output has the sizes %v instead of %v", ErrNetwork, sizes, want)
	}
	values, err := out.DataPtrFloat32()
	if err != nil {
		_ = out.Close() // never fails
		return gocv.Mat{}, nil, fmt.Errorf("%w: %w", ErrNetwork, err)
	}
	return out, values, nil
}

func (n *network) close() error { return n.net.Close() }
