package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"tlsrelay/relay"
)

type queueCheckCommand struct {
	queueFlags
}

func (queueCheckCommand) Help() string {
	return `Reads every record and every message text of the queue from the disk, and prints each damaged place with its file and
offset, and the message if that is known. It changes nothing; the relay may run. The exit code is 1 if anything is damaged.
With --json the last line has the counts.

Example: sudo -u tlsrelay tlsrelay queue check`
}

// damageJSON is a damaged place. Scripts read it; names stay as they are.
type damageJSON struct {
	File    string `json:"file"`
	Offset  int64  `json:"offset"`
	Bytes   int64  `json:"bytes"`
	ID      string `json:"id"` // "": not known
	Problem string `json:"problem"`
}

// checkJSON is the line behind all damaged places.
type checkJSON struct {
	Messages int   `json:"messages"`
	Bytes    int64 `json:"bytes"`
	Files    int   `json:"files"`
	Damaged  int   `json:"damaged"`
}

func (c *queueCheckCommand) Run(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	out := json.NewEncoder(std.out)
	sum, err := relay.CheckQueue(cfg, func(d relay.QueueDamage) {
		if c.JSON {
			out.Encode(damageJSON{d.File, d.Offset, d.Bytes, damagedID(d), d.Problem.Error()})
		} else {
			fmt.Fprintln(std.out, damageText(d))
		}
	})
	if err != nil {
		return err
	}
	if c.JSON {
		err = out.Encode(checkJSON(sum))
	} else {
		_, err = fmt.Fprintln(std.out, checkText(sum))
	}
	if err == nil && sum.Damaged > 0 {
		err = errors.New("the queue is damaged; a relay serves the rest of it. " +
			"Save what can be read with tlsrelay queue export, and look after the disk")
	}
	return err
}

func damagedID(d relay.QueueDamage) string {
	if d.ID == 0 {
		return ""
	}
	return d.ID.String()
}

// damageText is a damaged place in one line for people.
func damageText(d relay.QueueDamage) string {
	text := d.File + ": "
	if d.Bytes > 0 {
		text += fmt.Sprintf("%d %s at offset %d: ", d.Bytes, plural(int(d.Bytes), "byte"), d.Offset)
	}
	if d.ID != 0 {
		text += fmt.Sprintf("message %s: ", d.ID)
	}
	return text + d.Problem.Error()
}

func checkText(sum relay.QueueCheck) string {
	state := "all readable"
	if sum.Damaged > 0 {
		state = fmt.Sprintf("%d damaged %s", sum.Damaged, plural(sum.Damaged, "place"))
	}
	return fmt.Sprintf("%d %s, %s in %d %s: %s", sum.Messages, plural(sum.Messages, "message"), bytesText(sum.Bytes),
		sum.Files, plural(sum.Files, "file"), state)
}
