//go:build linux

package crashtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// tracer sees the system calls by which one process changes the files below a folder, and has one of them fail, or kills
// the process in its place. It counts them over all threads, which strace does not: a Go program writes from whatever
// thread is free, so that only a count of the whole process names each call once. The kernel asks it before each call
// (seccomp user notification, seccomp(2)); it answers "go on" or with an error. Once a sync has failed, later ones of the
// same file succeed and save nothing, as on Linux, where the failure has marked the lost pages clean.
type tracer struct {
	dir   string
	fault fault
	pid   int
	near  *os.File // our end of the socket that the listener comes over
	far   *os.File // the other process's end
	done  chan struct{}

	mu     sync.Mutex
	counts map[target]int  // calls so far
	hit    string          // what the fault hit
	lost   map[string]bool // files of which a sync has failed
	healed bool
	last   time.Time // of the latest call
}

// fault is what happens to one call, or from that call on. The zero fault never happens.
type fault struct {
	target
	nth   int           // which one of these calls, from 1
	errno syscall.Errno // the answer; 0: the process is killed
	lasts bool          // all calls get the answer from then on (ENOSPC: those that take space), until heal
}

func (f fault) String() string {
	what := "SIGKILL"
	if f.errno != 0 {
		what = unix.ErrnoName(f.errno)
	}
	if f.lasts {
		what += " from there on"
	}
	return fmt.Sprintf("%s at %v number %d", what, f.target, f.nth)
}

// target is a kind of calls, see calls, on a kind of files: "segment", "spare", "folder" and so on.
type target struct{ kind, file string }

func (a target) String() string { return a.kind + " " + a.file }

func (a target) compare(b target) int { return strings.Compare(a.String(), b.String()) }

// call says what a system call does, and which argument tells the file: a descriptor, or a folder's with a path behind it.
// A path behind argument -1 comes without a folder.
type call struct {
	kind string
	arg  int
	path bool
}

// calls are those by which a Go program changes files and folders.
var calls = map[int32]call{
	unix.SYS_FSYNC:           {"fsync", 0, false},
	unix.SYS_SYNCFS:          {"fsync", 0, false},
	unix.SYS_FDATASYNC:       {"fdatasync", 0, false},
	unix.SYS_SYNC_FILE_RANGE: {"fdatasync", 0, false},
	unix.SYS_WRITE:           {"write", 0, false},
	unix.SYS_WRITEV:          {"write", 0, false},
	unix.SYS_PWRITE64:        {"write", 0, false},
	unix.SYS_PWRITEV:         {"write", 0, false},
	unix.SYS_PWRITEV2:        {"write", 0, false},
	unix.SYS_COPY_FILE_RANGE: {"write", 2, false},
	unix.SYS_SENDFILE:        {"write", 0, false},
	unix.SYS_SPLICE:          {"write", 2, false},
	unix.SYS_FALLOCATE:       {"fallocate", 0, false},
	unix.SYS_FTRUNCATE:       {"truncate", 0, false},
	unix.SYS_TRUNCATE:        {"truncate", -1, true},
	unix.SYS_RENAMEAT:        {"rename", 0, true},
	unix.SYS_RENAMEAT2:       {"rename", 0, true},
	unix.SYS_LINKAT:          {"rename", 0, true},
	unix.SYS_UNLINKAT:        {"unlink", 0, true},
	unix.SYS_OPENAT:          {"create", 0, true}, // only with O_CREAT
	unix.SYS_MKDIRAT:         {"create", 0, true},
}

// takesSpace are the kinds of calls that a full disk refuses.
var takesSpace = map[string]bool{"create": true, "write": true, "fallocate": true, "rename": true}

// maxAllocated keeps segments so small that a life sees some of them come and go: a store that halves what it asks for until
// it gets that gets 1 MiB. What the clients of a course hand in at once, and the relay copies meanwhile, must fit in.
const maxAllocated = 3 << 19

// newTracer makes a tracer for one process and the files below dir.
func newTracer(t *testing.T, dir string, f fault) *tracer {
	t.Helper()
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return &tracer{
		dir: dir + "/", fault: f, done: make(chan struct{}), counts: map[target]int{}, lost: map[string]bool{},
		near: os.NewFile(uintptr(ends[0]), "near"), far: os.NewFile(uintptr(ends[1]), "far"),
	}
}

// Answers of judge that are no error: the call shall happen, or there is nobody left to be answered. 0 is success, although
// the call does not happen.
const (
	goOn = ^syscall.Errno(iota)
	killed
)

// judge counts a call and says what its answer is.
func (tr *tracer) judge(n *notification) syscall.Errno {
	c := calls[n.number]
	if n.number == unix.SYS_OPENAT && n.args[2]&unix.O_CREAT == 0 {
		return goOn
	}
	file := tr.file(n, c)
	if !strings.HasPrefix(file+"/", tr.dir) {
		return goOn
	}
	if n.number == unix.SYS_FALLOCATE && n.args[3] > maxAllocated {
		return syscall.ENOSPC
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.last = time.Now()
	this := target{c.kind, tr.sort(file)}
	tr.counts[this]++
	if !tr.strikes(this) {
		if tr.lost[file] && isSync(c.kind) {
			return 0
		}
		return goOn
	}
	if tr.hit == "" {
		tr.hit = fmt.Sprintf("%v (%s)", tr.fault, filepath.Base(file))
	}
	if tr.fault.errno == 0 {
		unix.Kill(tr.pid, unix.SIGKILL)
		return killed
	}
	if info, err := os.Stat(file); isSync(c.kind) && err == nil && info.Mode().IsRegular() {
		tr.lost[file] = true
	}
	return tr.fault.errno
}

func isSync(kind string) bool { return kind == "fsync" || kind == "fdatasync" }

// strikes decides whether the fault happens to a call that was just counted.
func (tr *tracer) strikes(this target) bool {
	switch f := tr.fault; {
	case tr.healed:
		return false
	case tr.hit == "":
		return this == f.target && tr.counts[this] == f.nth
	case f.errno == syscall.ENOSPC:
		return f.lasts && takesSpace[this.kind]
	default:
		return f.lasts
	}
}

// file is the path of the file or folder that a call is about, "" if it has none.
func (tr *tracer) file(n *notification, c call) string {
	process := fmt.Sprintf("/proc/%d/", n.pid)
	at := process + "cwd"
	if c.arg >= 0 && int32(n.args[c.arg]) != unix.AT_FDCWD {
		at = fmt.Sprintf("%sfd/%d", process, int32(n.args[c.arg]))
	}
	open, _ := os.Readlink(at) // a socket is no path
	if !c.path {
		return open
	}
	path := textAt(process+"mem", n.args[c.arg+1])
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(open, path)
}

// sort tells what kind of file a path below the folder, or that of the folder, is of.
func (tr *tracer) sort(path string) string {
	if path+"/" == tr.dir {
		return "folder"
	}
	if ext := filepath.Ext(path); ext != "" {
		return ext[1:]
	}
	return filepath.Base(path)
}

// textAt reads a string that ends in NUL from a process's memory.
func textAt(memory string, at uint64) string {
	f, err := os.Open(memory)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, unix.PathMax)
	n, _ := f.ReadAt(b, int64(at)) // less if the memory ends
	text, _, _ := strings.Cut(string(b[:n]), "\x00")
	return text
}

// heal ends a fault that lasts.
func (tr *tracer) heal() {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.healed = true
}

// idle is how long ago the latest call was.
func (tr *tracer) idle() time.Duration {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return time.Since(tr.last)
}

// found says what the fault hit, "" if it never came to that.
func (tr *tracer) found() string {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.hit
}
