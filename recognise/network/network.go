// Package network runs our own small networks on the processor: a picture of 8 bits goes in, numbers come out.
//
// It knows the few operations that our networks consist of (recognise/train), and refuses any other. OpenCV 4.6
// runs them too, and the tests hold this package to its results; but it gathers each convolution's operands number
// by number, which takes about as long as the arithmetic. Here they are taken from where they lie, and the sums stay in the
// processor's registers (layers.c).
//
//	n, err := network.Open(file)
//	defer n.Close()
//	values, err := n.Run(picture, 0.45*255, 1.0/255, [4]int{1, 9, h / 8, w / 8})
package network

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"gocv.io/x/gocv"
)

// Errors of this package.
var (
	// ErrFile says that a file is damaged, or holds what this package does not know.
	ErrFile = errors.New("the network's file cannot be used")
	// ErrPicture says that a picture is not what the network takes.
	ErrPicture = errors.New("the picture is not for this network")
)

// Network is a network with room for what its layers give. It is not safe for concurrent use;
// several may run at the same time.
type Network struct {
	layers []layer
	// values are the picture and then what each layer gives; result is the last one, plane by plane.
	values []value
	result []float32
	// inputs are those of the layer that is being worked out.
	inputs []value
	// whole is a picture that did not lie in one piece.
	whole gocv.Mat
}

// layer is an operation on values that were worked out before.
type layer struct {
	operation
	name   string
	inputs []int
}

// Open makes a network of a file in ONNX's format.
func Open(file []byte) (*Network, error) {
	g, err := decode(file)
	if err != nil {
		return nil, err
	}
	layers, err := build(g)
	if err != nil {
		return nil, err
	}
	return &Network{layers: layers, values: make([]value, len(layers)+1), whole: gocv.NewMat()}, nil
}

// Close gives the network's memory back. A closed network can be closed again.
func (n *Network) Close() {
	for i := range n.values {
		n.values[i].free()
	}
	_ = n.whole.Close() // never fails
	*n = Network{}
}

// Run sends a picture through the network, its values taken as (value - shift) * scale, its channels in
// their order. The result has the sizes want (1, channels, height, width) and lies plane by plane; it is valid
// until the next run.
func (n *Network) Run(picture gocv.Mat, shift, scale float64, want [4]int) ([]float32, error) {
	if err := n.take(picture, shift, scale); err != nil {
		return nil, err
	}
	allowed := cmp.Or(int(threads.Load()), runtime.NumCPU())
	for i, l := range n.layers {
		n.inputs = n.inputs[:0]
		for _, k := range l.inputs {
			n.inputs = append(n.inputs, n.values[k])
		}
		size, err := l.size(n.inputs)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrPicture, l.name, err)
		}
		n.values[i+1].resize(size)
		l.run(n.inputs, n.values[i+1], allowed)
	}
	last := n.values[len(n.layers)]
	if got := [4]int{1, last.channels, last.height, last.width}; got != want {
		return nil, fmt.Errorf("%w: the result has the sizes %v instead of %v", ErrPicture, got, want)
	}
	n.result = slices.Grow(n.result[:0], last.count())[:last.count()]
	for i := range last.height * last.width {
		for c := range last.channels {
			n.result[c*last.height*last.width+i] = last.numbers[i*last.channels+c]
		}
	}
	return n.result, nil
}

// take makes the first value of a picture.
func (n *Network) take(picture gocv.Mat, shift, scale float64) error {
	if kind := picture.Type(); kind != gocv.MatTypeCV8UC1 && kind != gocv.MatTypeCV8UC3 {
		return fmt.Errorf("%w: its type is %v", ErrPicture, kind)
	}
	if !picture.IsContinuous() {
		picture.CopyTo(&n.whole)
		picture = n.whole
	}
	pixels, err := picture.DataPtrUint8()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPicture, err)
	}
	n.values[0].resize(size{picture.Rows(), picture.Cols(), picture.Channels()})
	take(pixels, shift, scale, n.values[0])
	return nil
}
