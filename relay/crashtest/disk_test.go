//go:build linux

package crashtest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"tlsrelay/relay/need"
)

// disk is an ext4 file system in a file, whose power can be cut.
type disk struct {
	image, path string
	size        int64
	mounted     bool
}

// newDisk makes a disk of size bytes and mounts it. It is gone when the test ends, however that comes about.
func newDisk(t *testing.T, size int64) *disk {
	t.Helper()
	need.Root(t)
	need.Programs(t, "mkfs.ext4", "mount", "umount", "losetup")
	dir := t.TempDir()
	d := &disk{image: filepath.Join(dir, "image"), path: filepath.Join(dir, "disk"), size: size}
	if err := os.Mkdir(d.path, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.remove(t) })
	must(t, d.format())
	need.That(t, "loop mounts", d.mount())
	return d
}

// format makes a fresh file system.
func (d *disk) format() error {
	if err := os.RemoveAll(d.image); err != nil {
		return err
	}
	if err := os.WriteFile(d.image, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(d.image, d.size); err != nil {
		return err
	}
	_, err := d.run("mkfs.ext4", "-q", "-F", "-m", "0", d.image)
	return err
}

func (d *disk) mount() error {
	_, err := d.run("mount", "-o", "loop", d.image, d.path)
	d.mounted = err == nil
	return err
}

// cut takes the power away from the disk and the relay on it: what was not synced is lost (FS_IOC_SHUTDOWN without writing
// the journal). The relay is frozen first, as a power cut does it: ext4 lets a sync that is under way at that moment succeed
// although its data is lost, and nobody may hear of that.
func (d *disk) cut(p *process) error {
	const shutdown, noLogFlush = 0x8004587D, 2
	defer p.kill()
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	defer dir.Close()
	if err := p.freeze(); err != nil {
		return err
	}
	if err := unix.IoctlSetPointerInt(int(dir.Fd()), shutdown, noLogFlush); err != nil {
		return fmt.Errorf("FS_IOC_SHUTDOWN: %w", err)
	}
	return nil
}

func (d *disk) unmount() error {
	_, err := d.run("umount", d.path)
	d.mounted = d.mounted && err != nil
	return err
}

// restore brings the power back: the file system recovers from its journal.
func (d *disk) restore() error {
	if err := d.unmount(); err != nil {
		return err
	}
	return d.mount()
}

// remove unmounts what is mounted, and sees that no loop device stays behind.
func (d *disk) remove(t *testing.T) {
	if d.mounted {
		if _, err := d.run("umount", "--lazy", d.path); err != nil {
			t.Error(err)
		}
	}
	left, err := d.run("losetup", "--associated", d.image)
	if device, _, found := strings.Cut(left, ":"); found {
		_, err = d.run("losetup", "--detach", device)
	}
	if err != nil {
		t.Error(err)
	}
}

// run runs a program, and gives its output.
func (d *disk) run(name string, args ...string) (string, error) {
	path, err := need.Path(name)
	if err != nil {
		return "", err
	}
	out, err := exec.Command(path, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out), err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
