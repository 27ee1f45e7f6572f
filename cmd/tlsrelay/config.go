package main

import (
	"fmt"
	"time"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Report every mistake in a configuration, with file and line."`
	Show  configShowCommand  `cmd:"" help:"Print the settings in force, defaults included."`
}

type configCheckCommand struct {
	configFlag
}

func (configCheckCommand) Help() string {
	return `Exits with 0 if the relay could start with this configuration, with 1 if not.

Example: tlsrelay config check --config ./tlsrelay.toml`
}

func (c *configCheckCommand) Run(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	for _, w := range cfg.Warnings(time.Now()) {
		fmt.Fprintln(std.err, "warning:", w)
	}
	name := c.Path
	if name == "" {
		name = "configuration"
	}
	fmt.Fprintf(std.out, "%s: ok\n", name)
	return nil
}

type configShowCommand struct {
	configFlag
}

func (configShowCommand) Help() string {
	return `The output is a configuration file itself.

Example: tlsrelay config show --config ./tlsrelay.toml`
}

func (c *configShowCommand) Run(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return cfg.WriteTOML(std.out)
}
