package admin

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
)

// The socket is for its owner from the moment on at which it can be seen, and opening it changes nothing for the files that
// others make at the same time.
func TestSocketMode(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := t.TempDir()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if info, err := os.Lstat(filepath.Join(dir, SocketName)); err == nil && info.Mode().Perm()&0o077 != 0 {
				t.Errorf("the socket has mode %v", info.Mode())
			}
			other := filepath.Join(dir, "other")
			os.Mkdir(other, 0o700)
			if info, err := os.Lstat(other); err != nil || info.Mode().Perm() != 0o700 {
				t.Errorf("a folder made meanwhile: %v, %v", info, err)
			}
			os.Remove(other)
		}
	})
	for range 200 {
		l, err := Listen(dir)
		if err != nil {
			t.Fatal(err)
		}
		l.Close()
	}
	close(stop)
	wg.Wait()
}
