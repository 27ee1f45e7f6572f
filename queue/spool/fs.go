package spool

import "io"

// FS is what the spool asks of a file system. The default is the operating system's; tests put in one that fails or
// forgets what was not synced.
type FS interface {
	// OpenDir makes a directory ready for use: creates it durably with mode 0700 if it is absent, refuses one that others
	// could tamper with, and locks it against a second process.
	OpenDir(dir string) (Dir, error)
}

// Dir is one open, locked directory. Names are plain file names.
type Dir interface {
	List() ([]string, error)                // all names, in any order
	Create(name string) (File, error)       // a new file, for reading and writing; an existing name is an error
	Open(name string) (File, error)         // an existing regular file, for reading
	Truncate(name string, size int64) error // also gives back space allocated behind size
	Rename(from, to string) error
	Remove(name string) error
	Free() (int64, error) // bytes that this user may still take
	Sync() error          // makes creations, renames and removals durable
	Close() error         // gives the lock up
}

// File is one open file of a [Dir].
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Sync() error // makes data and length durable

	// Allocate takes space for size bytes without a change of the length. Where that cannot be done the error is
	// [errors.ErrUnsupported].
	Allocate(size int64) error
}
