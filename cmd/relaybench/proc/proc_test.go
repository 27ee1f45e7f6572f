//go:build linux

package proc

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// shell runs a script in a session of its own; it may say that it is ready with a line.
func shell(t *testing.T, script string) Session {
	t.Helper()
	cmd := exec.Command("sh", "-c", script)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := Session(cmd.Process.Pid)
	t.Cleanup(func() {
		pids, _ := s.PIDs()
		for _, pid := range pids {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		cmd.Wait()
	})
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatalf("the script is not ready: %v", err)
	}
	return s
}

func TestSession(t *testing.T) {
	s := shell(t, "sleep 60 & echo ready; wait")
	pids, err := s.PIDs()
	if err != nil || len(pids) != 2 {
		t.Errorf("processes %v, %v; want two", pids, err)
	}
	m, err := s.Memory()
	if err != nil || m.RSS < 100_000 || m.Peak < m.RSS || m.PSS > m.RSS {
		t.Errorf("memory %+v, %v", m, err)
	}
	if fair, kind := m.Fair(); fair == 0 || kind == "PSS" && fair != m.PSS || kind == "RSS" && fair != m.RSS {
		t.Errorf("fair: %d %s", fair, kind)
	}
}

// TestUsageOfTheDead: a child that has ended counts as much as one that runs.
func TestUsageOfTheDead(t *testing.T) {
	const bytes = 4 << 20
	s := shell(t, `
		sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done'
		dd if=/dev/zero of=file bs=1048576 count=4 conv=fsync 2>/dev/null
		echo ready; sleep 60`)
	u, err := s.Usage()
	if err != nil {
		t.Fatal(err)
	}
	if u.CPU < 20*time.Millisecond || u.CPU > time.Minute {
		t.Errorf("processor time %v", u.CPU)
	}
	if fs, err := FileSystemOf(os.TempDir()); err == nil && !fs.InMemory() && fs.Type != "overlay" && u.Written < bytes {
		t.Errorf("%d bytes written on %s, want at least %d", u.Written, fs.Type, bytes)
	}
	if d := (Usage{CPU: 3, Written: 5}).Sub(Usage{CPU: 1, Written: 1}); d != (Usage{CPU: 2, Written: 4}) {
		t.Errorf("difference %+v", d)
	}
}

func TestUsageOfNobody(t *testing.T) {
	if u, err := Session(1<<30 - 1).Usage(); err == nil {
		t.Errorf("a session without processes used %+v", u)
	}
}

// TestCPUTimeIsThatOfTheKernel compares the clock with what the process itself says.
func TestCPUTimeIsThatOfTheKernel(t *testing.T) {
	for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end); {
	}
	low := Self()
	got, err := cpuTime(os.Getpid())
	high := Self()
	const slack = 20 * time.Millisecond // rusage may be behind
	if err != nil || got < low-slack || got > high+slack {
		t.Errorf("%v, %v; want between %v and %v", got, err, low, high)
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 10 12 14 0 -1 4194560 1 2 3 4 100 200 7 5 20 0 1 0 100 200 300"
	for name, want := range map[string]stat{
		"11 (smtpd)" + rest:                           {pid: 11, session: 14, children: 120 * time.Millisecond},
		"11 (a) R 1 (b)" + rest:                       {pid: 11, session: 14, children: 120 * time.Millisecond},
		"11 (x)" + strings.Replace(rest, "S", "Z", 1): {pid: 11, session: 14, children: 120 * time.Millisecond, zombie: true},
	} {
		if got, err := parseStat([]byte(name)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, bad := range []string{"", "11", "11 (x", "11 (x) S 1 2", "x (y)" + rest, ")("} {
		if got, err := parseStat([]byte(bad)); err == nil {
			t.Errorf("%q gives %+v", bad, got)
		}
	}
}

func TestMountOf(t *testing.T) {
	const table = `22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
23 22 0:21 / /tmp rw shared:3 - tmpfs tmpfs rw
24 22 8:1 / /srv/with\040space rw - xfs /dev/sda1 rw
25 22 8:2 / /srv rw - btrfs /dev/sdb rw
26 22 8:3 / /srv rw - ext4 /dev/sdc rw
nonsense
`
	for path, want := range map[string]string{
		"/": "ext4", "/tmp": "tmpfs", "/tmp/x": "tmpfs", "/tmpx": "ext4", "/srv/with space/q": "xfs", "/srv/q": "ext4",
	} {
		if got, err := mountOf(table, path); err != nil || got.Type != want {
			t.Errorf("%s lies on %+v, %v; want %s", path, got, err, want)
		}
	}
	if fs, err := mountOf("", "/x"); err == nil {
		t.Errorf("no table gives %+v", fs)
	}
	if fs, err := FileSystemOf(t.TempDir()); err != nil || fs.Type == "" {
		t.Errorf("the folder for temporary files lies on %+v, %v", fs, err)
	}
}

func TestDiskUse(t *testing.T) {
	dir := t.TempDir()
	empty, err := DiskUse(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(dir, "sub", "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write(make([]byte, 300_000))
	f.Sync() // blocks are counted once they are allocated
	full, err := DiskUse(dir)
	if err != nil || full-empty < 300_000 || full-empty > 600_000 {
		t.Errorf("it takes %d bytes more, %v", full-empty, err)
	}
	if n, err := DiskUse(filepath.Join(dir, "none")); n != 0 || err != nil {
		t.Errorf("no folder takes %d bytes, %v", n, err)
	}
}
