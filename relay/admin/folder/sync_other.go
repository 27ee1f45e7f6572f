//go:build !linux

package folder

import (
	"io"
	"os"
)

// syncAll makes the names in dir durable.
func syncAll(dir *os.File) error { return dir.Sync() }

// newFile gives a file that is durable when it is closed.
func newFile(f *os.File) io.WriteCloser { return syncedFile{f} }

type syncedFile struct{ *os.File }

func (f syncedFile) Close() error {
	err := f.Sync()
	if closed := f.File.Close(); err == nil {
		err = closed
	}
	return err
}
