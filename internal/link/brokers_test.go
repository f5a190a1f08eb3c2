package link_test

import (
	"testing"

	"nrd/internal/link"
	"nrd/internal/link/linktest"
)

func TestBrokersKeepLinksToTheirContract(t *testing.T) {
	linktest.Ways(t, func(t *testing.T, w *linktest.Way) { linktest.Run(t, w, link.Connect) })
}
