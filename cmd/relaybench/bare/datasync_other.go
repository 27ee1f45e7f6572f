//go:build !linux

package bare

import "os"

func datasync(f *os.File) error { return f.Sync() }
