//go:build linux

// Package proc reads from /proc what a group of processes costs: processor time, bytes written, memory.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Session is a group of processes: all that descend from one that was started with setsid(2), whoever their parent is
// now. The number is that of the first process.
type Session int

// stat is what /proc/PID/stat tells, as far as it matters here.
type stat struct {
	pid      int
	zombie   bool
	session  int
	children time.Duration // processor time of children that have ended and were waited for
}

// tick is the unit of times in /proc: USER_HZ is 100 on every architecture that Go knows.
const tick = time.Second / 100

// parseStat reads a line as in proc(5). The name in the second field may hold anything, parentheses too.
func parseStat(line []byte) (stat, error) {
	open, end := bytes.IndexByte(line, '('), bytes.LastIndexByte(line, ')')
	if open < 0 || end < open {
		return stat{}, fmt.Errorf("%.80q is no line of /proc/PID/stat", line)
	}
	f := strings.Fields(string(line[end+1:])) // f[0] is field 3
	if len(f) < 15 {
		return stat{}, fmt.Errorf("%.80q is no line of /proc/PID/stat", line)
	}
	pid, err1 := strconv.Atoi(strings.TrimSpace(string(line[:open])))
	session, err2 := strconv.Atoi(f[6-3])
	user, err3 := strconv.ParseInt(f[16-3], 10, 64)
	system, err4 := strconv.ParseInt(f[17-3], 10, 64)
	return stat{pid, f[0] == "Z" || f[0] == "X", session, time.Duration(user+system) * tick}, errors.Join(err1, err2, err3, err4)
}

// processes gives those of the session that are alive.
func (s Session) processes() ([]stat, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	var all []stat
	for _, dir := range dirs {
		line, err := os.ReadFile(dir + "/stat")
		if gone(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		p, err := parseStat(line)
		if err != nil {
			return nil, err
		}
		if p.session == int(s) && !p.zombie {
			all = append(all, p)
		}
	}
	return all, nil
}

// PIDs gives the processes of the session that are alive; none when all have ended.
func (s Session) PIDs() ([]int, error) {
	all, err := s.processes()
	var pids []int
	for _, p := range all {
		pids = append(pids, p.pid)
	}
	return pids, err
}

// gone tells the error of reading about a process that has ended.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}
