//go:build !linux

package spool

import "os"

// datasync makes the data and the length of f durable.
func datasync(f *os.File) error { return f.Sync() }
