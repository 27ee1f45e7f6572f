//go:build linux

package main

import (
	"context"
	"fmt"
	"net"

	"tlsrelay/cmd/relaybench/bare"
	"tlsrelay/cmd/relaybench/system"
)

type bareCommand struct {
	File string `arg:"" help:"Where messages are appended."`
}

func (c *bareCommand) Run(ctx context.Context, std streams) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Fprintln(std.out, system.BareReady+l.Addr().String())
	return bare.Serve(ctx, l, c.File)
}
