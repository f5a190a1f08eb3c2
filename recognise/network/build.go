package network

// #include "layers.h"
import "C"

import (
	"errors"
	"fmt"
	"slices"
)

// builder makes layers of a graph's nodes.
type builder struct {
	*graph
	layers []layer
	// at is where among the values a name's is.
	at map[string]int
	// used is how many nodes use what has this name.
	used map[string]int
}

// build makes the layers of a graph.
func build(g *graph) ([]layer, error) {
	b := &builder{graph: g, at: map[string]int{g.input: 0}, used: map[string]int{g.output: 1}}
	for _, n := range g.nodes {
		for _, name := range n.inputs {
			b.used[name]++
		}
	}
	for _, n := range g.nodes {
		if err := b.add(n); err != nil {
			return nil, fmt.Errorf("%w: %s %q: %w", ErrFile, n.kind, n.name, err)
		}
	}
	if last, ok := b.at[g.output]; !ok || last != len(b.layers) || last == 0 {
		return nil, fmt.Errorf("%w: its last node does not give its output", ErrFile)
	}
	return b.layers, nil
}

// add makes a layer of a node, or changes the one before.
func (b *builder) add(n node) error {
	if n.kind == "Relu" {
		return b.rectify(n)
	}
	var o operation
	var err error
	values, weights := 1, 0 // among its inputs
	switch n.kind {
	case "Conv":
		o, err = b.convolution(n)
		weights = 2
	case "ConvTranspose":
		o, err = b.enlargement(n)
		weights = 2
	case "MaxPool":
		o, err = b.pooling(n)
	case "Add":
		o, values = sum{}, 2
	case "Concat":
		o, values = joining{}, 2
		err = n.is("axis", 1)
	default:
		return errors.New("this is no operation of our networks")
	}
	if err != nil {
		return err
	}
	l := layer{operation: o, name: n.name}
	if len(n.inputs) != values+weights {
		return fmt.Errorf("it has %d inputs", len(n.inputs))
	}
	for _, name := range n.inputs[:values] {
		at, ok := b.at[name]
		if !ok {
			return fmt.Errorf("its input %q is not known", name)
		}
		l.inputs = append(l.inputs, at)
	}
	b.layers = append(b.layers, l)
	if n.kind == "ConvTranspose" {
		b.layers = append(b.layers, layer{operation: spreading{}, name: n.name, inputs: []int{len(b.layers)}})
	}
	b.at[n.outputs[0]] = len(b.layers)
	return nil
}

// rectify has the convolution that a rectifier stands behind do what it does.
func (b *builder) rectify(n node) error {
	if len(n.inputs) != 1 || b.used[n.inputs[0]] != 1 {
		return errors.New("something else uses its input too")
	}
	at := b.at[n.inputs[0]]
	if at == 0 {
		return fmt.Errorf("its input %q is no convolution's", n.inputs[0])
	}
	c, ok := b.layers[at-1].operation.(*convolution)
	if !ok || c.rectified {
		return fmt.Errorf("its input %q is no convolution's", n.inputs[0])
	}
	c.rectified = true
	b.at[n.outputs[0]] = at
	return nil
}

func (b *builder) convolution(n node) (*convolution, error) {
	k, err := n.kernel()
	if err != nil {
		return nil, err
	}
	w, bias, err := b.weights(n, k, 0)
	if err != nil {
		return nil, err
	}
	pixels, in := k.size[0]*k.size[1], w.sizes[1]
	return newConvolution(k, in, w.sizes[0], bias, func(pixel, i, o int) float32 {
		return w.values[(o*in+i)*pixels+pixel]
	})
}

// newConvolution lays the weights of each of the kernel's pixels, input and output channels as layers.h asks for.
func newConvolution(k kernel, in, out int, bias []float32, weight func(pixel, i, o int) float32) (*convolution, error) {
	if in > C.nrd_most || out > C.nrd_most {
		return nil, fmt.Errorf("it has more than %d channels", C.nrd_most)
	}
	c := &convolution{kernel: k, in: in, out: out}
	for first := 0; first < out; first += C.nrd_wide {
		together := C.nrd_wide
		if out-first <= C.nrd_wide/2 {
			together = C.nrd_wide / 2
		}
		block := make([]float32, c.operands()*together)
		for o := range min(together, out-first) {
			for pixel := range k.size[0] * k.size[1] {
				for i := range in {
					block[(pixel*in+i)*together+o] = weight(pixel, i, first+o)
				}
			}
		}
		c.weights = append(c.weights, block...)
		c.bias = append(c.bias, make([]float32, together)...)
	}
	copy(c.bias, bias)
	return c, nil
}

// enlargement is a transposed convolution of two by two pixels, two steps apart: each pixel alone gives the channels
// of four, one after the other, which are then spread.
func (b *builder) enlargement(n node) (*convolution, error) {
	k, err := n.kernel()
	if err != nil {
		return nil, err
	}
	if two := [2]int{2, 2}; k.size != two || k.step != two || k.before != [2]int{} || k.after != [2]int{} || k.dilation != [2]int{1, 1} {
		return nil, errors.New("its kernel is not of two by two pixels, two steps apart")
	}
	w, bias, err := b.weights(n, k, 1)
	if err != nil {
		return nil, err
	}
	one := kernel{size: [2]int{1, 1}, step: [2]int{1, 1}, dilation: [2]int{1, 1}}
	out := w.sizes[1]
	return newConvolution(one, w.sizes[0], 4*out, slices.Repeat(bias, 4), func(_, i, o int) float32 {
		return w.values[(i*out+o%out)*4+o/out]
	})
}

func (b *builder) pooling(n node) (operation, error) {
	k, err := n.kernel()
	if err != nil {
		return nil, err
	}
	if k.before != [2]int{} || k.after != [2]int{} || k.dilation != [2]int{1, 1} {
		return nil, errors.New("its kernel goes over the edges or has gaps")
	}
	return &pooling{k}, n.is("ceil_mode", 0)
}

// weights gives a node's weights, whose last two sizes are the kernel's, and its bias, which there is one of for each of
// the channels that are the weights' outputs-th size.
func (b *builder) weights(n node, k kernel, outputs int) (w tensor, bias []float32, err error) {
	if len(n.inputs) != 3 {
		return w, nil, fmt.Errorf("it has %d inputs and not a value, weights and a bias", len(n.inputs))
	}
	if err := n.is("group", 1); err != nil {
		return w, nil, err
	}
	w = b.tensors[n.inputs[1]]
	bias = b.tensors[n.inputs[2]].values
	if len(w.sizes) != 4 || w.sizes[2] != k.size[0] || w.sizes[3] != k.size[1] || len(bias) != w.sizes[outputs] {
		return w, nil, fmt.Errorf("its weights have the sizes %v, its bias %d, its kernel is %v", w.sizes, len(bias), k.size)
	}
	return w, bias, nil
}

// kernel reads a node's.
func (n node) kernel() (kernel, error) {
	k := kernel{step: [2]int{1, 1}, dilation: [2]int{1, 1}}
	if _, given := n.attributes["auto_pad"]; given {
		return k, errors.New("it leaves open how far its kernel goes over the edges")
	}
	if len(n.attributes["kernel_shape"]) != 2 {
		return k, fmt.Errorf("its kernel has %d sizes", len(n.attributes["kernel_shape"]))
	}
	for _, a := range []struct {
		name  string
		least int64
		to    []*int
	}{
		{"kernel_shape", 1, []*int{&k.size[0], &k.size[1]}},
		{"strides", 1, []*int{&k.step[0], &k.step[1]}},
		{"dilations", 1, []*int{&k.dilation[0], &k.dilation[1]}},
		{"pads", 0, []*int{&k.before[0], &k.before[1], &k.after[0], &k.after[1]}},
	} {
		values, given := n.attributes[a.name]
		if given && len(values) != len(a.to) {
			return k, fmt.Errorf("its %s has %d numbers", a.name, len(values))
		}
		for i, v := range values {
			if v < a.least || v > mostKernel {
				return k, fmt.Errorf("its %s has the number %d", a.name, v)
			}
			*a.to[i] = int(v)
		}
	}
	return k, nil
}

// is says what is wrong where an attribute that is given is not what it has to be.
func (n node) is(name string, want int64) error {
	if values, given := n.attributes[name]; given && (len(values) != 1 || values[0] != want) {
		return fmt.Errorf("its %s is %v and not %d", name, values, want)
	}
	return nil
}
