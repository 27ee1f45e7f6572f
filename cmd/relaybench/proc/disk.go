//go:build linux

package proc

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// FileSystem is where a folder lies.
type FileSystem struct {
	Type   string `json:"type"`   // "ext4"
	Device string `json:"device"` // "/dev/sda1"
}

// InMemory reports whether a sync costs nothing there.
func (f FileSystem) InMemory() bool { return f.Type == "tmpfs" || f.Type == "ramfs" }

// FileSystemOf finds the mount that path lies on.
func FileSystemOf(path string) (FileSystem, error) {
	path, err := filepath.EvalSymlinks(path)
	if err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return FileSystem{}, err
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return FileSystem{}, err
	}
	return mountOf(string(table), path)
}

// mountOf looks path up in the text of /proc/PID/mountinfo: the longest mount point above it, the last one of equals.
func mountOf(table, path string) (FileSystem, error) {
	var found FileSystem
	longest := 0
	for line := range strings.Lines(table) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 5 || len(r) < 2 {
			continue
		}
		point := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(l[4])
		above := point == path || strings.HasPrefix(path, strings.TrimSuffix(point, "/")+"/")
		if above && len(point) >= longest {
			longest, found = len(point), FileSystem{r[0], r[1]}
		}
	}
	if longest == 0 {
		return found, fmt.Errorf("no file system is mounted over %s", path)
	}
	return found, nil
}

// DiskUse gives the bytes of disk that all files below dir take, as du(1) counts them. Files that vanish meanwhile do not count.
func DiskUse(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := d.Info()
		if gone(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum, err
}
