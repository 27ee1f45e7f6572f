//go:build linux

package proc

import (
	"errors"
	"fmt"
)

// Memory is how much of it the processes of a session hold, in bytes, summed.
type Memory struct {
	RSS  int64 `json:"rss"`           // resident now, VmRSS; shared pages count once for each process
	PSS  int64 `json:"pss,omitempty"` // shared pages count once in all; 0 if it may not be read
	Peak int64 `json:"peak"`          // the most that was resident, VmHWM; shared pages as in RSS
}

// Fair gives the sum that compares best, and what it is called.
func (m Memory) Fair() (bytes int64, kind string) {
	if m.PSS > 0 {
		return m.PSS, "PSS"
	}
	return m.RSS, "RSS"
}

// Memory adds up all processes.
func (s Session) Memory() (Memory, error) {
	pids, err := s.PIDs()
	if err != nil {
		return Memory{}, err
	}
	var m Memory
	hidden := false
	for _, pid := range pids {
		status := fmt.Sprintf("/proc/%d/status", pid)
		rss, err1 := field(status, "VmRSS:")
		peak, err2 := field(status, "VmHWM:")
		if err := errors.Join(err1, err2); gone(err) {
			continue
		} else if err != nil {
			return m, err
		}
		pss, err := field(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		hidden = hidden || err != nil && !gone(err)
		m.RSS, m.PSS, m.Peak = m.RSS+rss<<10, m.PSS+pss<<10, m.Peak+peak<<10
	}
	if hidden {
		m.PSS = 0
	}
	return m, nil
}
