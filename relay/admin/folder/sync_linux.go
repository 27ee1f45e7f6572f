package folder

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes all files of dir durable, and the names in it. It syncs the whole file system: for many small files that is
// far cheaper than a sync for each of them. A write that failed since dir was opened is an error here.
func syncAll(dir *os.File) error {
	if err := unix.Syncfs(int(dir.Fd())); err != nil {
		return fmt.Errorf("sync of %s: %w", dir.Name(), err)
	}
	return nil
}

// newFile gives a file that syncAll makes durable.
func newFile(f *os.File) io.WriteCloser { return f }
