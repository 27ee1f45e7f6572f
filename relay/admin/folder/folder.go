package folder

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"tlsrelay/queue"
	"tlsrelay/queue/spool"
)

// folder is where an export goes. Names are plain file names. Tests put in one that fails.
type folder interface {
	Create(name string) (io.WriteCloser, error) // a new file
	Rename(from, to string) error
	Remove(name string) error
	Size(name string) (int64, error) // in bytes
	Sync() error                     // makes everything durable that was done so far
	Finish() error                   // likewise, and says so: the next export will not go on in this folder
}

// marker is a file that stands in the folder until the export is finished, locked by the process that works on it.
const marker = "UNFINISHED"

const markerText = "The export into this folder was not finished. Run the same tlsrelay queue export again: it goes on where it stopped.\n"

// osFolder is a folder of the operating system. It holds on to the folder itself, whatever happens to its name.
type osFolder struct {
	root   *os.Root
	dir    *os.File // the same, for syncs
	marker *os.File
}

// openFolder makes a folder ready for an export, and refuses one that holds something else or that others may write to.
func openFolder(path string) (_ *osFolder, err error) {
	goOn, err := unfinished(path)
	if err != nil {
		return nil, err
	}
	if err := spool.SecureDir(path); errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%w: make a folder that belongs to the user who runs this command", err)
	} else if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	f := &osFolder{root: root}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	if f.dir, err = f.root.Open("."); err != nil {
		return nil, err
	}
	if err = f.mark(); err == nil && goOn {
		err = f.tidy()
	}
	return f, err
}

// unfinished reports whether there is a folder with an export that was not finished. One with anything else is an error: what
// is handed in from there later must be what was queued, no more.
func unfinished(path string) (bool, error) {
	dir, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer dir.Close()
	if names, err := dir.Readdirnames(1); err == io.EOF {
		return false, nil
	} else if len(names) == 0 {
		return false, err
	}
	if _, err := os.Lstat(path + "/" + marker); errors.Is(err, fs.ErrNotExist) {
		return false, fmt.Errorf("%s is not empty: name a new folder", path)
	} else if err != nil {
		return false, err
	}
	return true, nil
}

// mark takes the folder for this process.
func (f *osFolder) mark() (err error) {
	if f.marker, err = f.root.OpenFile(marker, os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	err = syscall.Flock(int(f.marker.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%s: another export into this folder is under way", f.root.Name())
	}
	if err == nil {
		_, err = f.marker.WriteAt([]byte(markerText), 0)
	}
	return err
}

// tidy removes what an earlier run left and this one may not overwrite.
func (f *osFolder) tidy() error {
	for {
		names, err := f.dir.Readdirnames(1000)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, name := range names {
			id, _, _ := strings.Cut(name, ".")
			if _, err := queue.ParseID(id); err != nil || !strings.HasSuffix(name, partSuffix) && !strings.HasSuffix(name, damagedSuffix) {
				continue
			}
			if err := f.root.Remove(name); err != nil {
				return err
			}
		}
	}
}

func (f *osFolder) Create(name string) (io.WriteCloser, error) {
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	return newFile(file), nil
}

func (f *osFolder) Rename(from, to string) error { return f.root.Rename(from, to) }
func (f *osFolder) Remove(name string) error     { return f.root.Remove(name) }
func (f *osFolder) Sync() error                  { return syncAll(f.dir) }

func (f *osFolder) Size(name string) (int64, error) {
	info, err := f.root.Lstat(name)
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, fmt.Errorf("%s is not a regular file", name)
	}
	return info.Size(), nil
}

func (f *osFolder) Finish() error {
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.root.Remove(marker); err != nil {
		return err
	}
	return f.dir.Sync()
}

// Close gives the folder back.
func (f *osFolder) Close() {
	f.marker.Close() // one that is nil is no trouble
	f.dir.Close()
	f.root.Close()
}
