package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"tlsrelay/relay"
)

type queueExportCommand struct {
	queueFlags
	Dir string `arg:"" type:"path" help:"Folder for the files. It is made if it is not there."`
	selectFlags
}

func (queueExportCommand) Help() string {
	return `Writes all messages, or those selected, into DIR: the text of each as ID.eml, as it is stored, and its envelope as
ID.json, one line as the list prints it. The queue stays as it is; messages that end meanwhile are left out. DIR must be a
folder of the user who runs the command, empty or with an export that was interrupted; that one goes on where it stopped.
When the command ends with exit code 0, all is on disk. If a text is damaged, what can be read of it is in ID.eml.damaged,
and the exit code is 1.

To hand such a message in elsewhere, send ID.eml with the sender and the recipients in ID.json as its envelope; delete it
here first, or it is delivered twice. To move a whole queue to another machine, rather stop the relay and copy the folder
spool in its data_dir: the relay there goes on where this one stopped.

Example: sudo -u tlsrelay tlsrelay queue export /var/backups/queue`
}

func (c *queueExportCommand) Run(std streams) error {
	return c.with(std, c.allUnlessSelected, func(q relay.Queue, selection relay.Selection) error {
		return c.export(std, q, selection)
	})
}

func (c *queueExportCommand) export(std streams, q relay.Queue, selection relay.Selection) error {
	p := newProgress(std.err)
	out := json.NewEncoder(std.out)
	sum, err := relay.ExportQueue(context.Background(), q, selection, c.Dir, func(m relay.Exported) error {
		p.step(m.Size)
		if m.File != "" {
			m.File = filepath.Join(c.Dir, m.File)
		}
		if c.JSON {
			return out.Encode(m)
		}
		if m.Error != "" {
			p.clear()
			fmt.Fprintf(std.err, "tlsrelay: %s: %s; %s\n", m.ID, m.Error, readable(m.File))
		}
		return nil
	})
	p.clear()
	if err != nil && !errors.Is(err, relay.ErrGone) {
		return err
	}
	if !c.JSON {
		fmt.Fprintf(std.out, "%d %s, %s exported to %s\n", sum.Messages, plural(sum.Messages, "message"), bytesText(sum.Bytes), c.Dir)
	}
	if sum.Damaged > 0 {
		err = errors.Join(err, fmt.Errorf("%d more %s with a damaged text", sum.Damaged, plural(sum.Damaged, "message")))
	}
	return err
}

// readable says where to find what could be read of a damaged text.
func readable(file string) string {
	if file == "" {
		return "nothing of it can be read"
	}
	return "what can be read is in " + file
}
