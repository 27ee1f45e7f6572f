package dovecot

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
)

// withAdvice says what to do about a socket that cannot be opened.
func withAdvice(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("%w; does Dovecot run, with a unix_listener for this path in its service auth?", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w; let the relay's user open it, by mode, user and group of the unix_listener", err)
	}
	return err
}

// greet exchanges the greetings. What Dovecot says of itself is of no use here, but for the version and the mechanisms.
func greet(conn net.Conn, in *bufio.Reader) error {
	// Dovecot wants the process IDs of its clients to differ, and one here may come before the last has gone: this is above
	// those that processes have.
	id := 1<<30 + rand.Uint32N(1<<30)
	if _, err := fmt.Fprintf(conn, "VERSION\t1\t1\nCPID\t%d\n", id); err != nil {
		return greeting(err)
	}
	plain := false
	for n := range maxGreeting {
		line, err := readLine(in)
		if err != nil {
			return greeting(err)
		}
		verb, rest, _ := strings.Cut(line, "\t")
		first, _, _ := strings.Cut(rest, "\t")
		switch {
		case (n == 0) != (verb == "VERSION"):
			return errors.New("what is behind the socket does not greet as Dovecot does; is it the auth-client socket?")
		case n == 0 && first != "1":
			return fmt.Errorf("Dovecot speaks version %.10q of its protocol, not 1", first)
		case verb == "MECH" && strings.EqualFold(first, "PLAIN"):
			plain = true
		case verb == "DONE" && plain:
			return nil
		case verb == "DONE":
			return errors.New("Dovecot does not offer PLAIN: add plain to its auth_mechanisms")
		}
	}
	return errStray
}

// greeting says of an error that it came before the first request.
func greeting(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return fmt.Errorf("Dovecot does not finish its greeting within %v; is it the auth-client socket?", greetTime)
	}
	return fmt.Errorf("Dovecot's greeting breaks off: %w", err)
}

// readLine gives a line without its end. The text of an error has nothing of it.
func readLine(in *bufio.Reader) (string, error) {
	line, err := in.ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return "", errLong
	case err != nil:
		return "", err
	}
	return string(line[:len(line)-1]), nil
}
