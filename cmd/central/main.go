// Command central is the program at headquarters: it takes in what the devices
// read, keeps it, and shows it to those who may see it.
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
