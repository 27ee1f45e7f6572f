//go:build linux

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"tlsrelay/cmd/relaybench/sink"
)

type sinkCommand struct {
	Address string            `default:"127.0.0.1:2600" help:"Where to listen."`
	TLS     bool              `name:"tls" help:"Offer STARTTLS, with an ECDSA certificate made at the start."`
	Delay   time.Duration     `help:"Wait so long before the answer to the end of data, such as 50ms."`
	Tarpit  time.Duration     `help:"Wait so long before each octet of an answer."`
	Reply   map[string]string `placeholder:"STAGE=ANSWER" mapsep:"none" help:"Answer otherwise at a stage: connect, ehlo, starttls, mail, rcpt, data or dot. Can be repeated."`
	JSON    bool              `name:"json" help:"Print the counts as JSON."`
}

func (sinkCommand) Help() string {
	return `Takes mail and forgets it, at little cost, until it is interrupted; then it says how much came.

Example: relaybench sink --tls --delay 50ms --reply "rcpt=451 4.7.1 Try again later"`
}

func (c *sinkCommand) options() (sink.Options, error) {
	o := sink.Options{TLS: c.TLS, Delay: c.Delay, Tarpit: c.Tarpit, Replies: map[string]string{}}
	for stage, text := range c.Reply {
		if !slices.Contains(sink.Stages, stage) {
			return o, usageError{fmt.Errorf("--reply: there is no stage %q; write one of %s", stage, strings.Join(sink.Stages, ", "))}
		}
		reply, err := sink.ParseReply(text)
		if err != nil {
			return o, usageError{fmt.Errorf("--reply %s: %w", stage, err)}
		}
		o.Replies[stage] = reply
	}
	return o, nil
}

func (c *sinkCommand) Run(ctx context.Context, std streams) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	s, err := sink.Listen(c.Address, o)
	if err != nil {
		return err
	}
	defer s.Close()
	progress := newProgress(std.err, "sink")
	progress.say("listens on %s", s.Address())
	for before := int64(0); ctx.Err() == nil; {
		sleep(ctx, time.Second)
		if messages, _, _ := s.Counts(); messages != before {
			progress.tick("%d messages", messages)
			before = messages
		}
	}
	s.Close()
	messages, bytes, refused := s.Counts()
	if c.JSON {
		return json.NewEncoder(std.out).Encode(map[string]int64{"messages": messages, "bytes": bytes, "refusals": refused})
	}
	_, err = fmt.Fprintf(std.out, "%d messages, %d bytes, %d refusals\n", messages, bytes, refused)
	return err
}
