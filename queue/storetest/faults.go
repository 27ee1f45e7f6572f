package storetest

import (
	"errors"
	"fmt"
	"syscall"
	"testing"

	"tlsrelay/queue"
)

// Machine is the place of one store, with a disk that can fail and a power switch.
type Machine interface {
	// Open opens the store on what the disk holds.
	Open() (queue.Store, error)
	// Ops counts the operations that changed the disk or asked it to, since the machine was made.
	Ops() int
	// Fail has the operations from number at on, times of them (below 0: all), answer err. What such an operation did
	// nevertheless is the machine's secret.
	Fail(at, times int, err error)
	// PowerCut stops the machine. Of what was not durable, keep says what is found afterwards. The disk works again.
	// The store that was open is lost; it may still be closed.
	PowerCut(keep Keep)
}

// Keep is what a power cut leaves of changes that were not made durable.
type Keep int

const (
	KeepNothing Keep = iota
	KeepAll          // as if only the process had died
	KeepSome         // some sectors and names, others not
)

var keepNames = [...]string{"nothing", "all", "some"}

func (k Keep) String() string { return keepNames[k] }

var errPower = errors.New("the power is off")

// RunFaults runs a fixed course of commits, again and again, with a fault at each operation in turn, and checks after a
// new start that what was acknowledged is there and what was refused came back as a whole or not at all.
func RunFaults(t *testing.T, machine func(t *testing.T) Machine) {
	ops := countOps(t, machine)
	for _, keep := range []Keep{KeepNothing, KeepAll, KeepSome} {
		t.Run("PowerCut/"+keep.String(), func(t *testing.T) {
			for at := range ops {
				powerCut(t, machine(t), at, keep)
			}
		})
		t.Run("IOError/"+keep.String(), func(t *testing.T) {
			for at := range ops {
				diskFault(t, machine(t), at, 1, syscall.EIO, keep)
			}
		})
		t.Run("DiskFull/"+keep.String(), func(t *testing.T) {
			for at := range ops {
				diskFault(t, machine(t), at, 6, syscall.ENOSPC, keep)
			}
		})
	}
}

// countOps runs the course without a fault: all of it must be as acknowledged, before and after a new start.
func countOps(t *testing.T, machine func(t *testing.T) Machine) int {
	m := machine(t)
	c := newCourse(t, "no fault")
	s := c.open(m)
	c.run(s, 1)
	c.want(s)
	if c.refused > 0 {
		t.Fatalf("%d commits were refused without a fault", c.refused)
	}
	c.must(s.Close())
	ops := m.Ops()
	s = c.open(m)
	c.want(s)
	c.must(s.Close())
	return ops
}

// powerCut cuts the power at operation at, and once more during the start after it.
func powerCut(t *testing.T, m Machine, at int, keep Keep) {
	c := newCourse(t, fmt.Sprintf("power cut at operation %d, keeping %s", at, keep))
	m.Fail(at, -1, errPower)
	s, err := m.Open()
	if err == nil {
		c.run(s, 1)
	}
	m.PowerCut(keep)
	if err == nil {
		s.Close() // of the dead process; its errors are nobody's
	}
	m.Fail(m.Ops()+at%5, -1, errPower)
	if s, err = m.Open(); err == nil {
		s.Close()
	}
	m.PowerCut(keep)
	c.goOn(m)
}

// diskFault has a few operations fail. The store must go on by itself, and what it shows is what it acknowledged.
func diskFault(t *testing.T, m Machine, at, times int, fault error, keep Keep) {
	c := newCourse(t, fmt.Sprintf("%v at operation %d, then a power cut keeping %s", fault, at, keep))
	m.Fail(at, times, fault)
	s, err := m.Open()
	if err != nil { // at the start it may refuse; the next start is without the fault
		m.Fail(0, 0, nil)
		s = c.open(m)
	}
	c.run(s, 1)
	m.Fail(0, 0, nil)
	c.want(s)
	if c.refused > times {
		c.t.Fatalf("%s: %d commits were refused for %d faults", c.name, c.refused, times)
	}
	m.PowerCut(keep)
	s.Close()
	c.goOn(m)
}

// goOn checks what a new start finds, works on with it, and checks again after another start.
func (c *course) goOn(m Machine) {
	s := c.open(m)
	c.check(s)
	refused := c.refused
	c.run(s, 1+courseLength)
	if c.refused != refused {
		c.t.Fatalf("%s: after the new start %d commits were refused", c.name, c.refused-refused)
	}
	c.check(s)
	c.must(s.Close())
	s = c.open(m)
	c.check(s)
	c.must(s.Close())
}
