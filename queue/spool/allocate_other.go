//go:build !linux

package spool

import (
	"errors"
	"os"
)

// allocate is for Linux only; elsewhere writes take space as they go.
func allocate(*os.File, int64) error { return errors.ErrUnsupported }
