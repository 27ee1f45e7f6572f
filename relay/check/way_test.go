package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/relay/delivery"
	"tlsrelay/tlspolicy/probe"
)

func TestBlocked(t *testing.T) {
	connect := func(err error) error {
		return &delivery.ReachError{Outcome: queue.Outcome{Stage: queue.StageConnect, Cause: "connection-timeout"}, Err: err}
	}
	timeout := connect(&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded})
	noWay := connect(os.NewSyscallError("connect", syscall.ENETUNREACH))
	refused := connect(os.NewSyscallError("connect", syscall.ECONNREFUSED))
	spoke := &delivery.ReachError{Outcome: queue.Outcome{Stage: queue.StageGreeting, Cause: "connection-lost"}, Err: os.ErrDeadlineExceeded}
	for _, tt := range []struct {
		port uint16
		errs []error
		want bool
	}{
		{25, nil, false},
		{25, []error{timeout, timeout, noWay}, true},
		{25, []error{timeout, nil}, false},
		{25, []error{timeout, probe.ErrNotOffered}, false},
		{25, []error{timeout, refused}, false},
		{25, []error{spoke}, false},
		{587, []error{timeout}, false},
	} {
		var next error
		w := NewWay(func(context.Context, probe.Target) (net.Conn, error) { return nil, next })
		for i, err := range tt.errs {
			next = err
			at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), tt.port)
			if _, got := w.Open(t.Context(), probe.Target{Addr: at}); got != err {
				t.Errorf("%v became %v", err, got)
			}
			if trouble := w.trouble(at); (err == nil || err == probe.ErrNotOffered) != (trouble == nil) {
				t.Errorf("%v: %v", err, trouble)
			}
		}
		if w.Blocked() != tt.want {
			t.Errorf("port %d, %s: blocked %v", tt.port, fmt.Sprint(tt.errs), w.Blocked())
		}
	}
}
