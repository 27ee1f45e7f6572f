// Package folder writes queued messages into a folder, for an operator who moves a queue or saves mail by hand. A message is
// two files: ID.eml is the message as it goes out, byte for byte, and ID.json its envelope in the form of [admin.Message].
package folder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"tlsrelay/queue"
	"tlsrelay/relay/admin"
)

// What stands behind the ID in the names of files.
const (
	textSuffix     = ".eml"
	envelopeSuffix = ".json"
	damagedSuffix  = ".eml.damaged" // what could be read of a text
	partSuffix     = ".part"        // a file while it is written
)

// Exported is one message in the folder.
type Exported struct {
	ID    queue.ID `json:"id"`
	File  string   `json:"file"`            // name of the text in the folder; "" if nothing of it could be read
	Size  int64    `json:"size"`            // of the text as the queue knows it, in bytes
	Error string   `json:"error,omitempty"` // why the text is not whole
}

// Summary counts what became of the selected messages. Those that ended meanwhile are in none of the counts.
type Summary struct {
	Messages int   // whole in the folder
	Bytes    int64 // of their texts
	Damaged  int   // with a text that could not be read to its end
}

// Export writes the selected messages of q to the folder dir, and calls each for every one that is written. It makes the folder
// if it is not there; one that is there must be empty, or hold an export that was not finished: then it goes on with that.
// The messages are durable when Export returns without an error.
//
// A damaged text is no error: each is told of it, and what can be read stands in ID.eml.damaged. Nor is a message that ends
// meanwhile. A given ID that is not in the queue is queue.ErrGone, when the others are written and durable. After any other
// error the export is not finished.
func Export(ctx context.Context, q admin.Queue, s admin.Selection, dir string, each func(Exported) error) (Summary, error) {
	f, err := openFolder(dir)
	if err != nil {
		return Summary{}, err
	}
	defer f.Close()
	return export(ctx, q, s, f, each)
}

func export(ctx context.Context, q admin.Queue, s admin.Selection, f folder, each func(Exported) error) (Summary, error) {
	x := exporter{queue: q, folder: f, each: each}
	listed := q.List(ctx, s, func(m admin.Message) error { return x.message(ctx, m) })
	err := listed
	if err == nil || errors.Is(err, queue.ErrGone) {
		err = f.Finish()
	}
	if err != nil {
		return x.sum, fmt.Errorf("the export is not finished: %w; run the same command again and it goes on where it stopped", err)
	}
	return x.sum, listed
}

type exporter struct {
	queue  admin.Queue
	folder folder
	each   func(Exported) error
	sum    Summary
	dirty  int64 // bytes written since the last sync
}

// message writes one message, the envelope last: where that stands the text is complete.
func (x *exporter) message(ctx context.Context, m admin.Message) error {
	done := Exported{ID: m.ID, Size: m.Size, File: m.ID.String() + textSuffix}
	err := x.text(ctx, &done)
	if errors.Is(err, queue.ErrGone) {
		return nil
	}
	if err == nil {
		name := m.ID.String() + envelopeSuffix
		err = x.put(name, func(w io.Writer) (string, error) { return name, json.NewEncoder(w).Encode(m) })
	}
	if err != nil {
		return err
	}
	if done.Error == "" {
		x.sum.Messages++
		x.sum.Bytes += m.Size
	} else {
		x.sum.Damaged++
	}
	return x.each(done)
}

// text writes the text of a message, unless an earlier run did. Of a damaged one it keeps what can be read, under a name
// that nobody takes for the whole.
func (x *exporter) text(ctx context.Context, m *Exported) error {
	if size, err := x.folder.Size(m.File); err == nil && size == m.Size { // of another size: the power went
		return nil
	}
	return x.put(m.File, func(w io.Writer) (string, error) {
		out := &counter{w: w}
		err := x.queue.Content(ctx, m.ID, out)
		var damage *admin.IDError
		switch {
		case err == nil && out.n != m.Size:
			m.Error = fmt.Sprintf("the text has %d bytes, the envelope says %d", out.n, m.Size)
		case err == nil, errors.Is(err, queue.ErrGone), !errors.As(err, &damage):
			return m.File, err
		default:
			m.Error = damage.Err.Error()
		}
		if m.File = ""; out.n > 0 {
			m.File = m.ID.String() + damagedSuffix
		}
		return m.File, nil
	})
}

// syncEvery bounds the bytes that wait for the disk, so that a relay that runs beside us never waits long for its own.
const syncEvery = 64 << 20

// put writes a file under the name and partSuffix; write gives the name that it gets then, "" for none at all.
func (x *exporter) put(name string, write func(io.Writer) (string, error)) error {
	part := name + partSuffix
	f, err := x.folder.Create(part)
	if err != nil {
		return err
	}
	out := &counter{w: f}
	name, err = write(out)
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err != nil || name == "" {
		return errors.Join(err, x.folder.Remove(part))
	}
	if err := x.folder.Rename(part, name); err != nil {
		return err
	}
	if x.dirty += out.n; x.dirty < syncEvery {
		return nil
	}
	x.dirty = 0
	return x.folder.Sync()
}

// counter counts what it writes.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}
