//go:build linux

package crashtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// tracedVariable in the environment makes this program become the one that its arguments name, under a tracer.
const tracedVariable = "TLSRELAY_CRASHTEST_TRACED"

// socketDescriptor is where a traced process finds its end of the socket.
const socketDescriptor = 3

// command is args under the tracer.
func (tr *tracer) command(t *testing.T, args []string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), tracedVariable+"=1")
	cmd.ExtraFiles = []*os.File{tr.far}
	return cmd
}

// becomeTraced installs the filter in this process, sends the listener of it over the socket and becomes the program.
func becomeTraced(args []string) error {
	runtime.LockOSThread() // the filter is the thread's, and with it goes into the program
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("no_new_privs: %w", err)
	}
	filter := filterOfCalls()
	prog := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	// Only SIGKILL may interrupt a call that the tracer knows of: it would be asked about the same call again.
	const flags = unix.SECCOMP_FILTER_FLAG_NEW_LISTENER | unix.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	listener, _, e := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, flags, uintptr(unsafe.Pointer(&prog)))
	if e != 0 {
		return fmt.Errorf("seccomp: %w", e)
	}
	if err := unix.Sendmsg(socketDescriptor, []byte{0}, unix.UnixRights(int(listener)), nil, 0); err != nil {
		return fmt.Errorf("sending the listener: %w", err)
	}
	unix.Close(socketDescriptor)
	os.Unsetenv(tracedVariable)
	return fmt.Errorf("%s: %w", args[0], syscall.Exec(args[0], args, os.Environ()))
}

// filterOfCalls asks the listener about calls and lets all others pass.
func filterOfCalls() []unix.SockFilter {
	filter := []unix.SockFilter{{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}} // the number of the call
	for number := range calls {
		filter = append(filter,
			unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: uint32(number)},
			unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_USER_NOTIF})
	}
	return append(filter, unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW})
}

// follow takes the listener of the process that command started, and serves it until the process is gone.
func (tr *tracer) follow(pid int) error {
	tr.pid = pid
	tr.far.Close() // so that the end of a process that sends nothing is seen
	defer tr.near.Close()
	buf, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(int(tr.near.Fd()), buf, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:n])
	if err != nil {
		return err
	}
	if len(messages) != 1 {
		return errors.New("the process to trace has sent no listener")
	}
	listeners, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	go func() {
		defer close(tr.done)
		defer unix.Close(listeners[0])
		tr.serve(listeners[0])
	}()
	return nil
}

// notification is the kernel's question, struct seccomp_notif.
type notification struct {
	id         uint64
	pid, flags uint32
	number     int32
	arch       uint32
	ip         uint64
	args       [6]uint64
}

// response is the answer, struct seccomp_notif_resp.
type response struct {
	id    uint64
	value int64
	errno int32
	flags uint32
}

func (tr *tracer) serve(listener int) {
	for {
		ready := []unix.PollFd{{Fd: int32(listener), Events: unix.POLLIN}}
		if _, err := unix.Poll(ready, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil || ready[0].Revents&unix.POLLIN == 0 {
			return // the process is gone
		}
		var n notification
		if ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_RECV, unsafe.Pointer(&n)) != 0 {
			continue // the thread was killed or interrupted meanwhile
		}
		answer := response{id: n.id}
		switch errno := tr.judge(&n); errno {
		case killed:
			continue // no answer: the call must not happen
		case goOn:
			answer.flags = unix.SECCOMP_USER_NOTIF_FLAG_CONTINUE
		default:
			answer.errno = -int32(errno)
		}
		ioctl(listener, unix.SECCOMP_IOCTL_NOTIF_SEND, unsafe.Pointer(&answer)) // fails if the process is gone
	}
}

func ioctl(file int, request uintptr, arg unsafe.Pointer) syscall.Errno {
	_, _, e := unix.Syscall(unix.SYS_IOCTL, uintptr(file), request, uintptr(arg))
	return e
}
