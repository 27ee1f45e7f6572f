package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"tlsrelay/relay"
)

type dkimCommand struct {
	New  dkimNewCommand  `cmd:"" help:"Make a key and print its DNS record."`
	List dkimListCommand `cmd:"" help:"List the keys and their DNS records."`
}

type dkimNewCommand struct {
	configFlag
	Domain   string `arg:"" help:"Domain in the From field of the mail to sign."`
	Selector string `help:"Name of the key in DNS. Without the flag: r and today's date for rsa, e and the date for ed25519, such as r20261125."`
	Type     string `enum:"rsa,ed25519" default:"rsa" help:"rsa, which all receivers know, or ed25519, which is short and fast."`
	Bits     int    `placeholder:"2048" help:"Size of an RSA key, 2048 to 4096."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

func (dkimNewCommand) Help() string {
	return `Makes DOMAIN/SELECTOR.pem in the folder of the keys and prints the TXT record to publish, as a line of a zone file. An
existing key is never replaced. A running relay signs with the new key after a SIGHUP, or a restart: publish the
record first.

To change a key, make a new one, publish, send SIGHUP, rename the old file to SELECTOR.pem.off, send SIGHUP again, and remove
the old record a week later. For rsa and ed25519 side by side make one of each: then both sign.

Example: tlsrelay dkim new example.org`
}

func (c *dkimNewCommand) Run(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	record, err := relay.NewDKIMKey(cfg, relay.DKIMKey{
		Domain: c.Domain, Selector: c.Selector, Type: relay.DKIMType(c.Type), Bits: c.Bits,
	})
	if errors.Is(err, relay.ErrWrongKey) {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(std.err, "made %s: publish this record, and when DNS has it, send the relay SIGHUP\n", record.File)
	if c.JSON {
		return json.NewEncoder(std.out).Encode(record)
	}
	_, err = fmt.Fprintln(std.out, record.Zone())
	return err
}

type dkimListCommand struct {
	configFlag
	JSON bool `name:"json" help:"Print JSON, one object a line."`
}

func (dkimListCommand) Help() string {
	return `Lists the keys in the folder, which need not be those that a running relay has read. Exits with 1 if one of the
files cannot be used; the others are listed all the same.

Example: tlsrelay dkim list`
}

func (c *dkimListCommand) Run(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return relay.ListDKIM(cfg, func(r relay.DKIMRecord) error {
		if c.JSON {
			return json.NewEncoder(std.out).Encode(r)
		}
		kind := string(r.Type)
		if r.Bits > 0 {
			kind = fmt.Sprintf("%s, %d bits", kind, r.Bits)
		}
		state := "signs"
		if !r.Signs {
			state = "off"
		}
		_, err := fmt.Fprintf(std.out, "%s  %s  %s, %s\n    %s\n", r.Domain, r.Selector, kind, state, r.Zone())
		return err
	})
}
