package jpeg

import (
	"bytes"
	"encoding/binary"

	"gocv.io/x/gocv"
)

// upright turns and mirrors an image as a file's orientation asks for.
func upright(img *gocv.Mat, orientation uint16) {
	if orientation >= 5 && orientation <= 8 {
		gocv.Transpose(*img, img)
	}
	switch orientation {
	case 2, 6:
		gocv.Flip(*img, img, 1)
	case 3, 7:
		gocv.Flip(*img, img, -1)
	case 4, 8:
		gocv.Flip(*img, img, 0)
	}
}

// orientation is what a JPEG file says of how its image lies, as those of telephones
// do: 1 for upright, 2 to 8 for the other ways, 0 where it says nothing (Exif 2.3,
// section 4.6.4, tag Orientation).
func orientation(data []byte) uint16 {
	const startOfScan, application1 = 0xda, 0xe1
	for at := 2; at+4 <= len(data) && data[at] == 0xff && data[at+1] != startOfScan; {
		length := int(binary.BigEndian.Uint16(data[at+2:])) // counts itself
		segment := data[at+4 : max(at+4, min(at+2+length, len(data)))]
		if tiff, exif := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); exif && data[at+1] == application1 {
			return tagged(tiff)
		}
		at += 2 + length
	}
	return 0
}

func tagged(tiff []byte) uint16 {
	const tag, entry = 0x0112, 12
	if len(tiff) < 8 {
		return 0
	}
	var order binary.ByteOrder = binary.BigEndian
	if tiff[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 0
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < entry {
			return 0
		}
		if order.Uint16(entries) == tag {
			return order.Uint16(entries[8:])
		}
		entries = entries[entry:]
	}
	return 0
}
