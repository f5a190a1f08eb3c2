package network

import (
	"encoding/binary"
	"errors"
	"image"
	"math"
	"slices"
	"strings"
	"testing"

	"gocv.io/x/gocv"
	"google.golang.org/protobuf/encoding/protowire"
)

func TestADamagedFileIsRefused(t *testing.T) {
	whole := string(weights(t, "reader"))
	for what, file := range map[string]string{
		"nothing":              "",
		"text":                 "this is no network, it is a sentence",
		"cut short":            whole[:len(whole)/2],
		"another operation":    strings.Replace(whole, "MaxPool", "MinPool", 1),
		"a kernel's sizes":     strings.Replace(whole, "kernel_shape", "kernel_shade", 1),
		"a tensor that is not": strings.Replace(whole, "onnx::Conv_119", "onnx::Conv_009", 1),
	} {
		if n, err := Open([]byte(file)); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", what, err)
			if n != nil {
				n.Close()
			}
		}
	}
}

// small is a network of a few hundred weights that has every operation: for pictures of three channels.
func small() *graph {
	g := &graph{tensors: map[string]tensor{}, input: "x", output: "y"}
	add := func(kind, output string, attributes map[string][]int64, inputs ...string) {
		g.nodes = append(g.nodes, node{kind: kind, name: output, inputs: inputs, outputs: []string{output}, attributes: attributes})
	}
	fill := func(name string, sizes ...int) {
		t, count := tensor{sizes: sizes}, 1
		for _, s := range sizes {
			count *= s
		}
		for i := range count {
			t.values = append(t.values, float32(i%7)/8-0.3)
		}
		g.tensors[name] = t
	}
	two := []int64{2, 2}
	fill("w", 8, 3, 3, 3)
	fill("b", 8)
	fill("v", 8, 8, 2, 2)
	add("Conv", "a", map[string][]int64{"kernel_shape": {3, 3}, "pads": {1, 1, 1, 1}}, "x", "w", "b")
	add("Relu", "r", nil, "a")
	add("MaxPool", "p", map[string][]int64{"kernel_shape": two, "strides": two}, "r")
	add("ConvTranspose", "u", map[string][]int64{"kernel_shape": two, "strides": two}, "p", "v", "b")
	add("Add", "s", nil, "r", "u")
	add("Concat", "y", map[string][]int64{"axis": {1}}, "s", "r")
	return g
}

// encode writes a graph as decode reads it.
func encode(g *graph) []byte {
	in := func(number protowire.Number, message []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), message)
	}
	count := func(number protowire.Number, value int) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), uint64(value))
	}
	var graph []byte
	for _, n := range g.nodes {
		message := slices.Concat(in(nodeName, []byte(n.name)), in(nodeOperation, []byte(n.kind)), in(nodeOutput, []byte(n.outputs[0])))
		for _, name := range n.inputs {
			message = append(message, in(nodeInput, []byte(name))...)
		}
		for name, values := range n.attributes {
			attribute := in(attributeName, []byte(name))
			for _, v := range values {
				attribute = append(attribute, count(attributeNumbers, int(v))...)
			}
			message = append(message, in(nodeAttribute, attribute)...)
		}
		graph = append(graph, in(graphNode, message)...)
	}
	for name, t := range g.tensors {
		message := slices.Concat(in(tensorName, []byte(name)), count(tensorKind, tensorKindOfFloat))
		for _, s := range t.sizes {
			message = append(message, count(tensorSizes, s)...)
		}
		var values []byte
		for _, v := range t.values {
			values = binary.LittleEndian.AppendUint32(values, math.Float32bits(v))
		}
		graph = append(graph, in(graphInitializer, append(message, in(tensorBytes, values)...))...)
	}
	graph = append(graph, in(graphInput, in(valueName, []byte(g.input)))...)
	graph = append(graph, in(graphOutput, in(valueName, []byte(g.output)))...)
	return in(modelGraph, graph)
}

func TestAGraphThatOurNetworksAreNotIsRefused(t *testing.T) {
	for what, change := range map[string]func(g *graph){
		"groups":                        func(g *graph) { g.nodes[0].attributes["group"] = []int64{3} },
		"a kernel of three sizes":       func(g *graph) { g.nodes[0].attributes["kernel_shape"] = []int64{3, 3, 3} },
		"other sizes than its weights'": func(g *graph) { g.nodes[0].attributes["kernel_shape"] = []int64{3, 2} },
		"no steps":                      func(g *graph) { g.nodes[0].attributes["strides"] = []int64{0, 1} },
		"edges left open":               func(g *graph) { g.nodes[0].attributes["auto_pad"] = nil },
		"a bias for other channels":     func(g *graph) { g.tensors["b"] = g.tensors["w"] },
		"no weights":                    func(g *graph) { delete(g.tensors, "w") },
		"more weights than sizes": func(g *graph) {
			w := g.tensors["w"]
			w.values = append(w.values, 1)
			g.tensors["w"] = w
		},
		"a rectifier of the picture": func(g *graph) { g.nodes[1].inputs[0] = "x" },
		"a rectifier among others":   func(g *graph) { g.nodes[4].inputs[0] = "a" },
		"pooling over the edges":     func(g *graph) { g.nodes[2].attributes["pads"] = []int64{1, 1, 1, 1} },
		"overlapping enlargement":    func(g *graph) { g.nodes[3].attributes["strides"] = []int64{1, 1} },
		"a name that is not there":   func(g *graph) { g.nodes[4].inputs[1] = "z" },
		"three values joined":        func(g *graph) { g.nodes[5].inputs = append(g.nodes[5].inputs, "p") },
		"joined one above the other": func(g *graph) { g.nodes[5].attributes["axis"] = []int64{2} },
		"an output in the middle":    func(g *graph) { g.output = "p" },
		"no output":                  func(g *graph) { g.output = "" },
	} {
		g := small()
		change(g)
		if n, err := Open(encode(g)); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", what, err)
			if n != nil {
				n.Close()
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(encode(small()))
	colour := noisy(f, image.Pt(32, 16), 3)
	grey := noisy(f, image.Pt(32, 16), 1)
	f.Fuzz(func(t *testing.T, file []byte) {
		n, err := Open(file)
		if err != nil {
			if !errors.Is(err, ErrFile) {
				t.Fatalf("%v is no ErrFile", err)
			}
			return
		}
		defer n.Close()
		for _, picture := range []gocv.Mat{colour, grey} {
			if _, err := n.Run(picture, 0, 1.0/255, [4]int{1, 16, 16, 32}); err != nil && !errors.Is(err, ErrPicture) {
				t.Fatalf("%v is no ErrPicture", err)
			}
		}
	})
}
