// Package model holds the weights of the networks that package recognise runs:
// README.md says what they take and give, CARD.md what they were trained on and
// how good they are. They are part of the program, so that a unit needs no file
// beside it, and each is checked against SHA256SUMS when it is opened.
package model

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"strings"
)

//go:embed finder.onnx localiser.onnx reader.onnx plate.traineddata SHA256SUMS
var files embed.FS

// names are the files of the networks.
var names = map[string]string{"finder": "finder.onnx", "localiser": "localiser.onnx", "reader": "reader.onnx", "plate": "plate.traineddata"}

// ErrChecksum says that weights are not those that SHA256SUMS names: the program
// or the checkout it was built from is damaged.
var ErrChecksum = errors.New("the network's weights do not have the checksum that SHA256SUMS gives")

// Weights gives the file of a network: the ONNX of "finder", "localiser" and "reader",
// Tesseract's traineddata of "plate".
func Weights(name string) ([]byte, error) {
	file, ok := names[name]
	if !ok {
		return nil, fmt.Errorf("there is no network %q", name)
	}
	weights, err := files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	sums, err := files.ReadFile("SHA256SUMS")
	if err != nil {
		return nil, err
	}
	if err := check(file, weights, sums); err != nil {
		return nil, err
	}
	return weights, nil
}

// check compares a file with its line in the form that sha256sum writes.
func check(file string, data, sums []byte) error {
	lines := bufio.NewScanner(bytes.NewReader(sums))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 2 || strings.TrimPrefix(fields[1], "*") != file {
			continue
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != fields[0] {
			return fmt.Errorf("%w: %s has %s, not %s", ErrChecksum, file, got, fields[0])
		}
		return nil
	}
	return fmt.Errorf("%w: %s is not in it", ErrChecksum, file)
}
