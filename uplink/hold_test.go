package uplink

import (
	"errors"
	"io/fs"
	"testing"
)

func TestABufferThatIsHeldIsInUseAndTheOtherWayRound(t *testing.T) {
	c := config(t)
	if _, err := Hold(c.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("held what is not there: %v", err)
	}
	b, err := OpenBuffer(c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Hold(c.Dir); !errors.Is(err, ErrInUse) {
		t.Fatalf("held an open buffer: %v", err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	held, err := Hold(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := OpenBuffer(c); !errors.Is(err, ErrInUse) {
		t.Fatalf("opened a held buffer: %v", err)
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	b, err = OpenBuffer(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
}
