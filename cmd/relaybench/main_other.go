//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "relaybench: it reads what processes cost from /proc, so it runs on Linux only")
	os.Exit(1)
}
