package model

import (
	"errors"
	"testing"
)

func TestTheWeightsAreThoseThatTheSumsName(t *testing.T) {
	for _, name := range []string{"finder", "localiser", "reader", "plate"} {
		if w, err := Weights(name); err != nil || len(w) < 10_000 {
			t.Errorf("%s: %d bytes, %v", name, len(w), err)
		}
	}
}

func TestADamagedFileIsRefused(t *testing.T) {
	sums := []byte("2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  hello.onnx\n")
	if err := check("hello.onnx", []byte("hello"), sums); err != nil {
		t.Errorf("the right content: %v", err)
	}
	if err := check("hello.onnx", []byte("hellp"), sums); !errors.Is(err, ErrChecksum) {
		t.Errorf("one byte changed: %v", err)
	}
	if err := check("other.onnx", []byte("hello"), sums); !errors.Is(err, ErrChecksum) {
		t.Errorf("a file that is not listed: %v", err)
	}
}

func TestThereIsNoOtherNetwork(t *testing.T) {
	if _, err := Weights("oracle"); err == nil {
		t.Error("a network of unknown name was given")
	}
}
