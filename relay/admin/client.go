package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"

	"tlsrelay/queue"
)

// Client asks a running relay over its control socket. It sets no time limit: a command about a million messages takes its
// time, and ends with the caller's context.
type Client struct{ http *http.Client }

// Dial finds the relay that runs on dataDir. An error that is fs.ErrNotExist or syscall.ECONNREFUSED means there is none.
func Dial(ctx context.Context, dataDir string) (*Client, error) {
	if err := CheckPath(dataDir); err != nil {
		return nil, err
	}
	dial := func(ctx context.Context) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(dataDir, SocketName))
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	conn.Close()
	return &Client{&http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
	}}}, nil
}

// List implements [Queue].
func (c *Client) List(ctx context.Context, s Selection, fn func(Message) error) error {
	body, err := c.post(ctx, "list", s)
	if err != nil {
		return err
	}
	defer body.Close()
	lines := json.NewDecoder(body)
	for {
		var line struct {
			Message
			endOfList
		}
		if err := lines.Decode(&line); err != nil {
			return brokeOff(err)
		}
		if line.End != nil {
			return line.End.err()
		}
		if err := fn(line.Message); err != nil {
			return err
		}
	}
}

// Content implements [Queue].
func (c *Client) Content(ctx context.Context, id queue.ID, w io.Writer) error {
	r, err := http.NewRequestWithContext(ctx, "GET", "http://relay/queue/content/"+id.String(), nil)
	if err != nil {
		return err
	}
	response, err := c.do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	source := &contentReader{Reader: response.Body}
	if _, err = io.Copy(w, source); source.err != nil {
		return brokeOff(source.err)
	}
	if why := response.Trailer.Get(contentError); err == nil && why != "" {
		return &IDError{id, &remoteError{text: why}}
	}
	return err
}

// Retry implements [Queue].
func (c *Client) Retry(ctx context.Context, s Selection) (int, error) {
	return c.change(ctx, "retry", s)
}

// Delete implements [Queue].
func (c *Client) Delete(ctx context.Context, s Selection) (int, error) {
	return c.change(ctx, "delete", s)
}

// Close implements [Queue].
func (c *Client) Close() error {
	c.http.CloseIdleConnections()
	return nil
}

func (c *Client) change(ctx context.Context, verb string, s Selection) (int, error) {
	body, err := c.post(ctx, verb, s)
	if err != nil {
		return 0, err
	}
	defer body.Close()
	var r result
	if err := json.NewDecoder(body).Decode(&r); err != nil {
		return 0, brokeOff(err)
	}
	return r.Count, r.err()
}

func (c *Client) post(ctx context.Context, verb string, s Selection) (io.ReadCloser, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, "POST", "http://relay/queue/"+verb, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	response, err := c.do(r)
	if err != nil {
		return nil, err
	}
	return response.Body, nil
}

func brokeOff(err error) error { return fmt.Errorf("the relay's answer broke off: %w", err) }

// do gives a good answer, and the text of any other as an error.
func (c *Client) do(r *http.Request) (*http.Response, error) {
	response, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 1000))
	if response.StatusCode == http.StatusNotFound {
		return nil, &remoteError{strings.TrimSpace(string(text)), true}
	}
	return nil, errors.New(strings.TrimSpace(string(text)))
}

func (r *result) err() error {
	if r.Error == "" {
		return nil
	}
	return &remoteError{r.Error, r.Gone}
}

// remoteError is an error as the relay said it.
type remoteError struct {
	text string
	gone bool
}

func (e *remoteError) Error() string        { return e.text }
func (e *remoteError) Is(target error) bool { return e.gone && target == queue.ErrGone }
