package aim

import (
	"fmt"
)

// Level says how something is.
type Level string

// The levels, from best to worst; LevelOpen is not known yet.
const (
	LevelGood Level = "good"
	LevelFair Level = "fair"
	LevelBad  Level = "bad"
	LevelOpen Level = "open"
)

// Advice is one thing to know or to do, in plain words.
type Advice struct {
	Level Level  `json:"level"`
	Text  string `json:"text"`
}

const (
	// A plate is well read from goodWidth pixels, seldom below leastWidth. One
	// that is wider than tooWide of the picture leaves it too soon.
	goodWidth, leastWidth = 80, 60
	tooWide               = 0.35
	// Sharpness from which a plate is well read, and below which it is not.
	goodSharpness, leastSharpness = 60, 35
	// tooTilted is the number of degrees from which the camera should be
	// turned level.
	tooTilted = 12
)

// judge says how a plate can be read.
func judge(p *Plate) (Level, string) {
	switch {
	case p.Width < leastWidth:
		return LevelBad, "too small"
	case p.Sharpness < leastSharpness:
		return LevelBad, "blurred"
	case p.Width < goodWidth:
		return LevelFair, "small"
	case p.Sharpness < goodSharpness:
		return LevelFair, "soft"
	case p.Tilt > tooTilted || p.Tilt < -tooTilted:
		return LevelFair, "tilted"
	default:
		return LevelGood, "good"
	}
}

// advise says what to do with the camera by the widest plate that is in view.
func advise(l *Look) []Advice {
	var widest *Plate
	for i := range l.Plates {
		if p := &l.Plates[i]; p.Counted && (widest == nil || p.Width > widest.Width) {
			widest = p
		}
	}
	if widest == nil {
		return []Advice{{LevelOpen, "No plate in view. Wait for a vehicle, or point the camera at the lane."}}
	}
	return append(adviseSize(widest, l.Width), adviseView(widest)...)
}

func adviseSize(p *Plate, pictureWidth int) []Advice {
	switch {
	case p.Width < leastWidth:
		return []Advice{{LevelBad, fmt.Sprintf("Plates are %d px wide: too small. Zoom in or move closer; at least %d are needed.", p.Width, goodWidth)}}
	case p.Width < goodWidth:
		return []Advice{{LevelFair, fmt.Sprintf("Plates are %d px wide: small. Zoom in a little; %d and more read well.", p.Width, goodWidth)}}
	case float64(p.Width) > tooWide*float64(pictureWidth):
		return []Advice{{LevelFair, fmt.Sprintf("Plates are %d px wide, more than needed: zoom out to see more of the road, so that each vehicle is seen more often.", p.Width)}}
	default:
		return []Advice{{LevelGood, fmt.Sprintf("Plates are %d px wide: good.", p.Width)}}
	}
}

func adviseView(p *Plate) (out []Advice) {
	switch {
	case p.Sharpness < leastSharpness:
		out = append(out, Advice{LevelBad, "The plate is blurred. Focus on the place where plates are read; if only moving vehicles are blurred, shorten the exposure and add light."})
	case p.Sharpness < goodSharpness:
		out = append(out, Advice{LevelFair, "The plate is a little soft. Turn the focus to and fro and stop where the sharpness is greatest."})
	default:
		out = append(out, Advice{LevelGood, "The plate is sharp."})
	}
	switch {
	case p.Tilt > tooTilted:
		out = append(out, Advice{LevelFair, fmt.Sprintf("The plate leans %d degrees clockwise. Turn the camera level with the road.", p.Tilt)})
	case p.Tilt < -tooTilted:
		out = append(out, Advice{LevelFair, fmt.Sprintf("The plate leans %d degrees anticlockwise. Turn the camera level with the road.", -p.Tilt)})
	}
	return out
}
