//go:build !linux

package delivery

import "syscall"

func bindLate(syscall.RawConn) {}
