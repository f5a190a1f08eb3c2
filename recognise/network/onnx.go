package network

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// graph is what we need of a file in ONNX's format (github.com/onnx/onnx, onnx.proto3): the
// nodes in the order in which they can be worked out, and the weights.
type graph struct {
	nodes   []node
	tensors map[string]tensor
	// input and output are the names of the one picture and of the one result.
	input, output string
}

// node is one step of a graph.
type node struct {
	kind, name      string
	inputs, outputs []string
	// attributes are those that are whole numbers, one or several.
	attributes map[string][]int64
}

// tensor is weights, of 32 bits each.
type tensor struct {
	sizes  []int
	values []float32
}

// The fields of ONNX's messages that we read, by their numbers.
const (
	modelGraph = 7

	graphNode        = 1
	graphInitializer = 5
	graphInput       = 11
	graphOutput      = 12

	nodeInput     = 1
	nodeOutput    = 2
	nodeName      = 3
	nodeOperation = 4
	nodeAttribute = 5

	attributeName     = 1
	attributeNumber   = 3
	attributeNumbers  = 8
	tensorSizes       = 1
	tensorKind        = 2
	tensorName        = 8
	tensorBytes       = 9
	valueName         = 1
	tensorKindOfFloat = 1
)

// decode reads a file in ONNX's format.
func decode(file []byte) (*graph, error) {
	g := &graph{tensors: map[string]tensor{}}
	found := false
	err := fields(file, func(f field) error {
		if f.number != modelGraph {
			return nil
		}
		found = true
		return fields(f.bytes, g.take)
	})
	switch {
	case err != nil:
		return nil, err
	case !found:
		return nil, fmt.Errorf("%w: there is no graph in it", ErrFile)
	case g.input == "" || g.output == "":
		return nil, fmt.Errorf("%w: its graph has no input or no output", ErrFile)
	}
	return g, nil
}

// take takes one field of the graph.
func (g *graph) take(f field) error {
	switch f.number {
	case graphNode:
		n, err := decodeNode(f.bytes)
		g.nodes = append(g.nodes, n)
		return err
	case graphInitializer:
		name, t, err := decodeTensor(f.bytes)
		g.tensors[name] = t
		return err
	case graphInput:
		return once(&g.input, f.bytes, "input")
	case graphOutput:
		return once(&g.output, f.bytes, "output")
	}
	return nil
}

// once sets the name of the one input or output.
func once(name *string, description []byte, what string) error {
	if *name != "" {
		return fmt.Errorf("%w: its graph has more than one %s", ErrFile, what)
	}
	return fields(description, func(f field) error {
		if f.number == valueName {
			*name = string(f.bytes)
		}
		return nil
	})
}

func decodeNode(message []byte) (node, error) {
	n := node{attributes: map[string][]int64{}}
	err := fields(message, func(f field) error {
		switch f.number {
		case nodeInput:
			n.inputs = append(n.inputs, string(f.bytes))
		case nodeOutput:
			n.outputs = append(n.outputs, string(f.bytes))
		case nodeName:
			n.name = string(f.bytes)
		case nodeOperation:
			n.kind = string(f.bytes)
		case nodeAttribute:
			return n.attribute(f.bytes)
		}
		return nil
	})
	if err == nil && len(n.outputs) != 1 {
		err = fmt.Errorf("%w: %s has %d outputs and not one", ErrFile, n.name, len(n.outputs))
	}
	return n, err
}

// attribute takes an attribute of whole numbers; others are of no use here.
func (n *node) attribute(message []byte) error {
	var name string
	var numbers []int64
	err := fields(message, func(f field) error {
		var err error
		switch f.number {
		case attributeName:
			name = string(f.bytes)
		case attributeNumber, attributeNumbers:
			numbers, err = f.numbers(numbers)
		}
		return err
	})
	n.attributes[name] = numbers
	return err
}

func decodeTensor(message []byte) (name string, t tensor, err error) {
	var kind int64
	var values []byte
	err = fields(message, func(f field) error {
		var numbers []int64
		var err error
		switch f.number {
		case tensorSizes:
			numbers, err = f.numbers(nil)
			for _, n := range numbers {
				t.sizes = append(t.sizes, int(n))
			}
		case tensorKind:
			kind = int64(f.value)
		case tensorName:
			name = string(f.bytes)
		case tensorBytes:
			values = f.bytes
		}
		return err
	})
	if err != nil {
		return name, t, err
	}
	count := 1
	for _, s := range t.sizes {
		if s < 1 || s > len(values) || count > len(values) {
			return name, t, fmt.Errorf("%w: tensor %q has the sizes %v and %d bytes", ErrFile, name, t.sizes, len(values))
		}
		count *= s
	}
	if kind != tensorKindOfFloat || len(values) != 4*count {
		return name, t, fmt.Errorf("%w: tensor %q has the sizes %v and %d bytes, and is not of 32-bit floats", ErrFile, name, t.sizes, len(values))
	}
	t.values = make([]float32, count)
	for i := range t.values {
		t.values[i] = math.Float32frombits(binary.LittleEndian.Uint32(values[4*i:]))
	}
	return name, t, nil
}

// field is one field of a message: a number, or bytes.
type field struct {
	number protowire.Number
	kind   protowire.Type
	value  uint64
	bytes  []byte
}

// fields calls f for each field of a message; floats, which no field that we want is, are left out.
func fields(message []byte, f func(field) error) error {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrFile, protowire.ParseError(n))
		}
		message = message[n:]
		one := field{number: number, kind: kind}
		switch kind {
		case protowire.VarintType:
			one.value, n = protowire.ConsumeVarint(message)
		case protowire.BytesType:
			one.bytes, n = protowire.ConsumeBytes(message)
		default:
			n = protowire.ConsumeFieldValue(number, kind, message)
		}
		if n < 0 {
			return fmt.Errorf("%w: %w", ErrFile, protowire.ParseError(n))
		}
		message = message[n:]
		if kind != protowire.VarintType && kind != protowire.BytesType {
			continue
		}
		if err := f(one); err != nil {
			return err
		}
	}
	return nil
}

// numbers appends the field's whole numbers, of which there may be many in one.
func (f field) numbers(to []int64) ([]int64, error) {
	if f.kind == protowire.VarintType {
		return append(to, int64(f.value)), nil
	}
	for rest := f.bytes; len(rest) > 0; {
		v, n := protowire.ConsumeVarint(rest)
		if n < 0 {
			return to, fmt.Errorf("%w: %w", ErrFile, protowire.ParseError(n))
		}
		to, rest = append(to, int64(v)), rest[n:]
	}
	return to, nil
}
