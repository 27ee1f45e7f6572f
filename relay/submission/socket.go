package submission

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// socketPrefix stands before the path of a socket in the address of a listener.
const socketPrefix = "unix:"

// socketMode lets every user of this machine send: who it was is known by [peerUID]. To let fewer in, an operator gives the
// folder other permissions, which, unlike the socket's, outlive the relay.
const socketMode = 0o666

func isSocket(address string) bool { return strings.HasPrefix(address, socketPrefix) }

// listen opens an address of either kind.
func listen(address string) (net.Listener, error) {
	if path, found := strings.CutPrefix(address, socketPrefix); found {
		return listenSocket(path)
	}
	return net.Listen("tcp", address)
}

// listenSocket opens a socket for all users. Its folder is made if only that is missing. A socket that a relay left behind
// when it died is replaced; one at which somebody listens is an error.
func listenSocket(path string) (net.Listener, error) {
	if err := canTellPeers; err != nil {
		return nil, err
	}
	if err := socketFolder(filepath.Dir(path)); err != nil {
		return nil, err
	}
	if err := removeStale(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		l.Close()
		return nil, err
	}
	return l, nil
}

// socketFolder makes the folder, or checks it: where everyone may rename files, everyone could put a socket of his own in
// the place of this one and read all mail.
func socketFolder(dir string) error {
	err := os.Mkdir(dir, 0o755)
	if err == nil {
		return os.Chmod(dir, 0o755) // whatever the umask took away
	}
	if !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; make the folder of the socket for the relay's user", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if mode := info.Mode(); mode.Perm()&0o002 != 0 && mode&fs.ModeSticky == 0 {
		return fmt.Errorf("the folder %s is open for all users to write (mode %04o): chmod o-w %[1]s", dir, mode.Perm())
	}
	return nil
}

// removeStale removes a socket at which nobody listens any more.
func removeStale(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is there and is no socket; remove it, or name another path", path)
	}
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
		return fmt.Errorf("%s is in use: another process listens there", path)
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s is there, and it cannot be told whether somebody listens: %w", path, err)
	}
	return os.Remove(path)
}
