package network

import (
	"cmp"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gocv.io/x/gocv"

	"nrd/recognise/noise"
)

// ours are the networks of package model, with their channels and some sizes of what they are given.
var ours = map[string]struct {
	channels int
	sizes    []image.Point
}{
	"finder":    {3, []image.Point{{512, 288}, {256, 192}, {64, 64}, {512, 384}}},
	"localiser": {3, []image.Point{{192, 128}, {64, 80}}},
	"reader":    {1, []image.Point{{128, 32}}},
}

// trained names a folder with what the training has exported: package model's, or that
// of a run of a few steps, which shows that the training goes all the way to here.
const trained = "NRD_TRAINED"

func weights(t testing.TB, name string) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(cmp.Or(os.Getenv(trained), "../model"), name+".onnx"))
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func opened(t testing.TB, file []byte) *Network {
	t.Helper()
	n, err := Open(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Close)
	return n
}

// noisy is a picture of noise.
func noisy(t testing.TB, size image.Point, channels int) gocv.Mat {
	t.Helper()
	kind := gocv.MatTypeCV8UC1
	if channels == 3 {
		kind = gocv.MatTypeCV8UC3
	}
	m := noise.Picture(t, size.Y, size.X, kind)
	t.Cleanup(func() { m.Close() })
	return m
}

// opencv runs a network with OpenCV's module dnn.
type opencv struct{ net gocv.Net }

func newOpenCV(t testing.TB, file []byte) *opencv {
	t.Helper()
	net, err := gocv.ReadNetFromONNXBytes(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { net.Close() })
	return &opencv{net}
}

func (o *opencv) run(t testing.TB, picture gocv.Mat, shift, scale float64) (values []float32, sizes [4]int) {
	t.Helper()
	blob := gocv.BlobFromImage(picture, scale, image.Point{}, gocv.NewScalar(shift, shift, shift, shift), false, false)
	defer blob.Close()
	o.net.SetInput(blob, "")
	result := o.net.Forward("")
	defer result.Close()
	all, err := result.DataPtrFloat32()
	if err != nil {
		t.Fatal(err)
	}
	return append(values, all...), [4]int(result.Size())
}

func TestOurNetworksGiveWhatOpenCVGives(t *testing.T) {
	for name, c := range ours {
		n, reference := opened(t, weights(t, name)), newOpenCV(t, weights(t, name))
		for _, size := range c.sizes { // one after the other, greater and smaller
			picture := noisy(t, size, c.channels)
			want, sizes := reference.run(t, picture, 0.45*255, 1.0/255)
			got, err := n.Run(picture, 0.45*255, 1.0/255, sizes)
			if err != nil {
				t.Fatalf("%s, %v: %v", name, size, err)
			}
			for i := range want {
				if d := math.Abs(float64(got[i] - want[i])); d > 1e-3 || math.IsNaN(d) {
					t.Fatalf("%s, %v: number %d is %g, OpenCV's %g", name, size, i, got[i], want[i])
				}
			}
		}
	}
}

func TestSeveralThreadsGiveWhatOneGives(t *testing.T) {
	defer SetThreads(0)
	for name, c := range ours {
		n, picture := opened(t, weights(t, name)), noisy(t, c.sizes[0], c.channels)
		_, sizes := newOpenCV(t, weights(t, name)).run(t, picture, 0, 1)
		var one []float32
		for _, threads := range []int{1, 3, 2, 8} {
			SetThreads(threads)
			got, err := n.Run(picture, 0.45*255, 1.0/255, sizes)
			if err != nil {
				t.Fatal(err)
			}
			if one == nil {
				one = slices.Clone(got)
			}
			for i := range one {
				if d := math.Abs(float64(got[i] - one[i])); d > 1e-4 {
					t.Fatalf("%s with %d threads: number %d is %g, with one %g", name, threads, i, got[i], one[i])
				}
			}
		}
	}
}

func TestAPictureMayBePartOfALargerOne(t *testing.T) {
	n := opened(t, weights(t, "localiser"))
	large := noisy(t, image.Pt(300, 200), 3)
	part := large.Region(image.Rect(40, 30, 40+192, 30+128))
	defer part.Close()
	alone := part.Clone()
	defer alone.Close()
	want := [4]int{1, 9, 16, 24}
	got, err := n.Run(part, 0, 1.0/255, want)
	if err != nil {
		t.Fatal(err)
	}
	first := append([]float32(nil), got...)
	again, err := n.Run(alone, 0, 1.0/255, want)
	if err != nil {
		t.Fatal(err)
	}
	for i := range first {
		if first[i] != again[i] {
			t.Fatalf("number %d is %g in the part and %g alone", i, first[i], again[i])
		}
	}
}

// A convolution worked out as it is defined (ONNX operators, Conv), number by number.
func plain(in value, k kernel, channels int, w func(o, i, y, x int) float32, bias []float32, rectified bool) []float32 {
	height, width := k.over(in.height, 0), k.over(in.width, 1)
	var out []float32
	for y := range height {
		for x := range width {
			for o := range channels {
				s := float64(bias[o])
				for i := range in.channels {
					for ky := range k.size[0] {
						for kx := range k.size[1] {
							v, u := y*k.step[0]-k.before[0]+ky*k.dilation[0], x*k.step[1]-k.before[1]+kx*k.dilation[1]
							if v >= 0 && v < in.height && u >= 0 && u < in.width {
								s += float64(in.numbers[(v*in.width+u)*in.channels+i]) * float64(w(o, i, ky, kx))
							}
						}
					}
				}
				if rectified {
					s = max(s, 0)
				}
				out = append(out, float32(s))
			}
		}
	}
	return out
}

func TestAConvolutionIsWhatItIsDefinedAs(t *testing.T) {
	state := uint32(7)
	next := func() float32 {
		state = state*1664525 + 1013904223
		return float32(state>>8)/float32(1<<24) - 0.5
	}
	below := func(n int) int { return int((next() + 0.5) * float32(n)) }
	for range 400 {
		k := kernel{
			size: [2]int{1 + below(5), 1 + below(5)}, step: [2]int{1 + below(3), 1 + below(3)}, dilation: [2]int{1 + below(3), 1 + below(3)},
			before: [2]int{below(4), below(4)}, after: [2]int{below(4), below(4)},
		}
		var in value
		in.resize(size{1 + below(12), 1 + below(12), 1 + below(9)})
		defer in.free()
		for i := range in.numbers {
			in.numbers[i] = next()
		}
		channels := 1 + below(40)
		file := &graph{tensors: map[string]tensor{}}
		w, bias := tensor{sizes: []int{channels, in.channels, k.size[0], k.size[1]}}, tensor{sizes: []int{channels}}
		for range channels * in.channels * k.size[0] * k.size[1] {
			w.values = append(w.values, next())
		}
		for range channels {
			bias.values = append(bias.values, next())
		}
		file.tensors["w"], file.tensors["b"] = w, bias
		c, err := (&builder{graph: file}).convolution(node{
			inputs: []string{"x", "w", "b"},
			attributes: map[string][]int64{
				"kernel_shape": {int64(k.size[0]), int64(k.size[1])}, "strides": {int64(k.step[0]), int64(k.step[1])},
				"dilations": {int64(k.dilation[0]), int64(k.dilation[1])},
				"pads":      {int64(k.before[0]), int64(k.before[1]), int64(k.after[0]), int64(k.after[1])},
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		c.rectified = below(2) == 0
		want := plain(in, k, channels, func(o, i, y, x int) float32 {
			return w.values[((o*in.channels+i)*k.size[0]+y)*k.size[1]+x]
		}, bias.values, c.rectified)
		s, err := c.size([]value{in})
		if len(want) == 0 {
			if !errors.Is(err, errSmall) {
				t.Errorf("a kernel %+v on %+v gives %v", k, in.size, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		var out value
		out.resize(s)
		// As little room as is allowed: it is filled many times.
		for first := range s.height { // each row by itself
			c.rows(in, out, first, first+1)
		}
		defer out.free()
		for i, v := range out.numbers {
			if math.Abs(float64(v-want[i])) > 1e-4 {
				t.Fatalf("%+v on %+v to %d channels: number %d is %g and not %g", k, in.size, channels, i, v, want[i])
			}
		}
	}
}

func TestAPictureThatIsNotForTheNetworkIsRefusedAndItRunsOn(t *testing.T) {
	n := opened(t, weights(t, "reader"))
	want := [4]int{1, 38, 1, 32}
	floats := gocv.NewMatWithSize(32, 128, gocv.MatTypeCV32F)
	defer floats.Close()
	for what, picture := range map[string]gocv.Mat{
		"floats": floats, "colours": noisy(t, image.Pt(128, 32), 3), "a larger one": noisy(t, image.Pt(256, 64), 1), "a low one": noisy(t, image.Pt(128, 4), 1),
	} {
		if _, err := n.Run(picture, 0, 1, want); !errors.Is(err, ErrPicture) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if values, err := n.Run(noisy(t, image.Pt(128, 32), 1), 0, 1, want); err != nil || len(values) != 38*32 {
		t.Errorf("a right one then gives %d values, %v", len(values), err)
	}
}

func TestNetworksRunAtTheSameTime(t *testing.T) {
	picture := noisy(t, image.Pt(192, 128), 3)
	want := [4]int{1, 9, 16, 24}
	alone := opened(t, weights(t, "localiser"))
	right, err := alone.Run(picture, 0, 1.0/255, want)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			n := opened(t, weights(t, "localiser"))
			for range 50 {
				got, err := n.Run(picture, 0, 1.0/255, want)
				if err != nil {
					t.Fatal(err)
				}
				for i := range right {
					if got[i] != right[i] {
						t.Fatalf("number %d is %g and not %g", i, got[i], right[i])
					}
				}
			}
		})
	}
}

func TestASmallNetworkWithEveryOperationRuns(t *testing.T) {
	n := opened(t, encode(small()))
	picture := noisy(t, image.Pt(6, 4), 3)
	got, err := n.Run(picture, 0, 1.0/255, [4]int{1, 16, 4, 6})
	if err != nil {
		t.Fatal(err)
	}
	// The last eight channels are the rectified convolution, the first the same with what is
	// made of its largest in each two by two pixels.
	const plane = 4 * 6
	v, b := small().tensors["v"].values, small().tensors["b"].values
	for o := range 8 {
		for y := range 4 {
			for x := range 6 {
				want := got[(8+o)*plane+y*6+x] + b[o]
				for i := range 8 {
					top, left := y/2*2, x/2*2
					largest := float32(0)
					for _, at := range []int{top*6 + left, top*6 + left + 1, top*6 + 6 + left, top*6 + 7 + left} {
						largest = max(largest, got[(8+i)*plane+at])
					}
					want += largest * v[(i*8+o)*4+y%2*2+x%2]
				}
				if d := got[o*plane+y*6+x] - want; math.Abs(float64(d)) > 1e-4 {
					t.Fatalf("channel %d at %d, %d is %g and not %g", o, x, y, got[o*plane+y*6+x], want)
				}
			}
		}
	}
}

func TestAClosedNetworkCanBeClosedAgain(t *testing.T) {
	n := opened(t, encode(small()))
	if _, err := n.Run(noisy(t, image.Pt(6, 4), 3), 0, 1, [4]int{1, 16, 4, 6}); err != nil {
		t.Fatal(err)
	}
	n.Close()
	n.Close()
}

func BenchmarkRun(b *testing.B) {
	SetThreads(1)
	defer SetThreads(0)
	for name, c := range ours {
		picture := noisy(b, c.sizes[0], c.channels)
		n, reference := opened(b, weights(b, name)), newOpenCV(b, weights(b, name))
		_, sizes := reference.run(b, picture, 0, 1)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := n.Run(picture, 0, 1.0/255, sizes); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+" in OpenCV", func(b *testing.B) {
			for b.Loop() {
				reference.run(b, picture, 0, 1.0/255)
			}
		})
	}
}
