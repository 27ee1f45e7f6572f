package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tlsrelay/queue"
	"tlsrelay/relay/submission/tenant"
)

// SocketName is the control socket's name in the data folder.
const SocketName = "control.sock"

const socketMode = 0o600

// maxSocketPath is what Linux and BSD both have room for.
const maxSocketPath = 103

// CheckPath refuses a data folder whose path leaves no room for the socket's.
func CheckPath(dataDir string) error {
	if path := filepath.Join(dataDir, SocketName); len(path) > maxSocketPath {
		return fmt.Errorf("data_dir %s: the path is too long for a socket in it; at most %d bytes", dataDir, maxSocketPath-len(SocketName)-1)
	}
	return nil
}

// Listen opens the control socket in dataDir, for the owner alone. A socket left behind by a relay that died is replaced;
// the caller holds the lock of the data folder, so no other relay can be behind it.
func Listen(dataDir string) (net.Listener, error) {
	if err := CheckPath(dataDir); err != nil {
		return nil, err
	}
	path := filepath.Join(dataDir, SocketName)
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	// Linux makes the file with the mode that the socket has when it is bound. A umask would be that of the whole process, and
	// of all files that other goroutines make meanwhile.
	private := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { syscall.Fchmod(int(fd), socketMode) })
	}}
	l, err := private.Listen(context.Background(), "unix", path)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	if err := os.Chmod(path, socketMode); err != nil { // for other systems
		l.Close()
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return l, nil
}

// Serve answers commands on l until ctx ends.
func Serve(ctx context.Context, l net.Listener, q Queue, tenants func() []tenant.Usage) error {
	mux := handler(q)
	mux.HandleFunc("GET /tenants", listTenants(tenants))
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		bounded, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		defer cancel()
		if server.Shutdown(bounded) != nil {
			server.Close()
		}
	})
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	<-ended // the commands under way, too
	return nil
}

// result is the answer to a command that changes something.
type result struct {
	Count int    `json:"count"`
	Error string `json:"error,omitempty"`
	Gone  bool   `json:"gone,omitempty"` // the error is queue.ErrGone
}

// endOfList closes a listing, so that a client can tell a whole one from one that broke off.
type endOfList struct {
	End *result `json:"end"`
}

// contentError is the trailer behind a text that could not be read to its end, and says why.
const contentError = "Content-Error"

func newResult(n int, err error) *result {
	r := &result{Count: n}
	if err != nil {
		r.Error, r.Gone = err.Error(), errors.Is(err, queue.ErrGone)
	}
	return r
}

func handler(q Queue) *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /queue/list", func(w http.ResponseWriter, r *http.Request) {
		selected(w, r, func(s Selection) {
			out := json.NewEncoder(w)
			n := 0
			err := q.List(r.Context(), s, func(m Message) error { n++; return out.Encode(m) })
			out.Encode(endOfList{newResult(n, err)})
		})
	})
	mux.HandleFunc("GET /queue/content/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := queue.ParseID(r.PathValue("id"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Trailer", contentError)
		err = q.Content(r.Context(), id, w)
		var about *IDError
		switch {
		case err == nil:
		case errors.Is(err, queue.ErrGone):
			http.Error(w, err.Error(), http.StatusNotFound)
		case errors.As(err, &about): // part of the message may be out
			w.Header().Set(contentError, queue.Printable(about.Err.Error()))
		default:
			panic(http.ErrAbortHandler) // break off so that the client sees it
		}
	})
	change := func(do func(context.Context, Selection) (int, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			selected(w, r, func(s Selection) { json.NewEncoder(w).Encode(newResult(do(r.Context(), s))) })
		}
	}
	mux.HandleFunc("POST /queue/retry", change(q.Retry))
	mux.HandleFunc("POST /queue/delete", change(q.Delete))
	return mux
}

// maxRequest bounds a request's body; it holds some hundred thousand IDs.
const maxRequest = 8 << 20

func selected(w http.ResponseWriter, r *http.Request, do func(Selection)) {
	var s Selection
	if err := json.NewDecoder(io.LimitReader(r.Body, maxRequest)).Decode(&s); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	do(s)
}
