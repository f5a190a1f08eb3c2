package network

// #cgo CFLAGS: -O3
// #include <stdlib.h>
// #include "layers.h"
import "C"

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"unsafe"
)

var threads atomic.Int32

// SetThreads says how many threads each network may use from its next run on; at first, and with 0, that is one a core.
func SetThreads(n int) { threads.Store(int32(n)) }

// mostKernel is what a network of ours stays far below; more would be a damaged file.
const mostKernel = 64

// size is a value's, in numbers.
type size struct{ height, width, channels int }

func (s size) count() int { return s.height * s.width * s.channels }

func (s size) c() C.nrd_size {
	return C.nrd_size{height: C.int(s.height), width: C.int(s.width), channels: C.int(s.channels)}
}

// value is what a layer gives: a pixel's channels side by side, row by row. Its numbers are C's: Go would let as much
// memory again lie idle before it collects.
type value struct {
	size
	numbers []float32
}

// resize gives the value room for what has this size; it keeps the room that it has.
func (v *value) resize(s size) {
	if need := s.count(); need > cap(v.numbers) {
		v.free()
		v.numbers = unsafe.Slice((*float32)(C.malloc(C.size_t(need)*C.size_t(unsafe.Sizeof(v.numbers[0])))), need)
	}
	v.size, v.numbers = s, v.numbers[:s.count()]
}

func (v *value) free() {
	C.free(unsafe.Pointer(unsafe.SliceData(v.numbers)))
	*v = value{}
}

func (v value) c() *C.float { return numbers(v.numbers) }

func numbers(f []float32) *C.float { return (*C.float)(unsafe.SliceData(f)) }

// operation is what a layer does.
type operation interface {
	// size is that of what comes of such inputs.
	size(inputs []value) (size, error)
	// run works it out, with so many threads at most.
	run(inputs []value, out value, threads int)
}

// take makes the numbers (pixel - shift) * scale.
func take(pixels []uint8, shift, scale float64, out value) {
	C.nrd_take((*C.uint8_t)(unsafe.SliceData(pixels)), C.size_t(len(pixels)), C.float(shift), C.float(scale), out.c())
}

// kernel is how a convolution or a pooling lies over its input; down and right, where there are two.
type kernel struct {
	size, step, dilation [2]int
	// before and after are how far it goes over the edges.
	before, after [2]int
}

func (k kernel) c() C.nrd_kernel {
	return C.nrd_kernel{
		height: C.int(k.size[0]), width: C.int(k.size[1]), down: C.int(k.step[0]), right: C.int(k.step[1]),
		dilation_down: C.int(k.dilation[0]), dilation_right: C.int(k.dilation[1]), top: C.int(k.before[0]), left: C.int(k.before[1]),
	}
}

// over is how many steps the kernel has over so many pixels, down (0) or right (1).
func (k kernel) over(pixels, way int) int {
	free := pixels + k.before[way] + k.after[way] - k.dilation[way]*(k.size[way]-1) - 1
	if free < 0 {
		return 0
	}
	return free/k.step[way] + 1
}

var errSmall = errors.New("what it gets is smaller than its kernel")

// laid is the size of what comes of a kernel laid over a value.
func (k kernel) laid(in size, channels int) (size, error) {
	out := size{k.over(in.height, 0), k.over(in.width, 1), channels}
	if out.height == 0 || out.width == 0 {
		return size{}, errSmall
	}
	return out, nil
}

// convolution is a convolution with a bias, and perhaps a rectifier behind it.
type convolution struct {
	kernel
	in, out       int       // channels
	weights, bias []float32 // as layers.h asks for
	rectified     bool
}

func (c *convolution) size(inputs []value) (size, error) {
	if got := inputs[0].channels; got != c.in {
		return size{}, fmt.Errorf("it takes %d channels and gets %d", c.in, got)
	}
	return c.laid(inputs[0].size, c.out)
}

// operands is how many numbers a result is made of.
func (c *convolution) operands() int { return c.in * c.kernel.size[0] * c.kernel.size[1] }

// run gives each thread a part of the rows, where that is worth it.
func (c *convolution) run(inputs []value, out value, threads int) {
	const worth = 1 << 20 // products a thread: some 30 microseconds
	if parts := min(threads, out.height, out.count()*c.operands()/worth); parts > 1 {
		c.share(inputs[0], out, parts)
		return
	}
	c.rows(inputs[0], out, 0, out.height)
}

func (c *convolution) share(in, out value, parts int) {
	var others sync.WaitGroup
	for part := 1; part < parts; part++ {
		others.Go(func() { c.rows(in, out, part*out.height/parts, (part+1)*out.height/parts) })
	}
	c.rows(in, out, 0, out.height/parts)
	others.Wait()
}

// rows works out the rows from first to before last.
func (c *convolution) rows(in, out value, first, last int) {
	rectified := C.int(0)
	if c.rectified {
		rectified = 1
	}
	C.nrd_convolve(in.c(), in.size.c(), c.kernel.c(), numbers(c.weights), numbers(c.bias), rectified,
		out.c(), out.size.c(), C.int(first), C.int(last), 0)
}

// spreading makes of each pixel two by two, whose channels are a quarter of its own each.
type spreading struct{}

func (spreading) size(inputs []value) (size, error) {
	in := inputs[0].size
	return size{2 * in.height, 2 * in.width, in.channels / 4}, nil
}

func (spreading) run(inputs []value, out value, _ int) {
	C.nrd_spread(inputs[0].c(), inputs[0].size.c(), out.c())
}

// pooling takes the largest of each kernel's pixels.
type pooling struct{ kernel }

func (p *pooling) size(inputs []value) (size, error) {
	return p.laid(inputs[0].size, inputs[0].channels)
}

func (p *pooling) run(inputs []value, out value, _ int) {
	C.nrd_largest(inputs[0].c(), inputs[0].size.c(), p.kernel.c(), out.c(), out.size.c())
}

// sum adds two values of the same size.
type sum struct{}

func (sum) size(inputs []value) (size, error) {
	if inputs[0].size != inputs[1].size {
		return size{}, fmt.Errorf("it adds %v and %v", inputs[0].size, inputs[1].size)
	}
	return inputs[0].size, nil
}

func (sum) run(inputs []value, out value, _ int) {
	C.nrd_add(inputs[0].c(), inputs[1].c(), C.size_t(out.count()), out.c())
}

// joining puts the channels of two values side by side.
type joining struct{}

func (joining) size(inputs []value) (size, error) {
	a, b := inputs[0].size, inputs[1].size
	if a.height != b.height || a.width != b.width {
		return size{}, fmt.Errorf("it joins %v and %v", a, b)
	}
	return size{a.height, a.width, a.channels + b.channels}, nil
}

func (joining) run(inputs []value, out value, _ int) {
	a, b, to := inputs[0], inputs[1], out.numbers
	for i := range out.height * out.width {
		to = to[copy(to, a.numbers[i*a.channels:][:a.channels]):]
		to = to[copy(to, b.numbers[i*b.channels:][:b.channels]):]
	}
}
