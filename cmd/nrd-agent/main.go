// Command nrd-agent is the program of a number plate reading device.
package main

import (
	"context"

	"nrd/internal/commandline"
)

func main() {
	commandline.Main(func(ctx context.Context, f commandline.Frame, args []string) int {
		return (&program{Frame: f}).run(ctx, args)
	})
}
