package main

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"

	"nrd"
)

// drawn is a small picture that compresses well.
func drawn(w, h int) nrd.Image {
	img := image.NewGray(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = color.Gray{Y: uint8(i / w)}.Y
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 50}); err != nil {
		panic(err) // a buffer takes everything
	}
	return nrd.Image{JPEG: b.Bytes(), Width: w, Height: h}
}
