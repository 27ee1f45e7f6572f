package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay"
)

type configCommand struct {
	Check configCheckCommand `cmd:"" help:"Report every mistake in a configuration, with file and line."`
	Show  configShowCommand  `cmd:"" help:"Print the settings in force, defaults included."`

	Notices configNoticesCommand `cmd:"" help:"Write out the built-in texts of notices, to change them."`
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
	if err := relay.Check(cfg); err != nil {
		return err
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

type configNoticesCommand struct {
	Dir string `arg:"" type:"path" help:"New folder for the templates."`
}

func (configNoticesCommand) Help() string {
	return `Keep the texts that you change, remove all others, and name the folder in the configuration: [notices] templates.
What a template may use stands at the top of notice.tmpl; "tlsrelay config check" tries all of them out.

Example: tlsrelay config notices /etc/tlsrelay/notices`
}

func (c *configNoticesCommand) Run(std streams) error {
	if err := relay.WriteNoticeTexts(c.Dir); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "%s: the texts of notices are written\n", c.Dir)
	return nil
}

// configFlag is the flag that most commands share.
type configFlag struct {
	Path string `name:"config" short:"c" type:"path" placeholder:"FILE" help:"Configuration file. Without the flag: /etc/tlsrelay/tlsrelay.toml if it exists, else the built-in defaults."`
}

const systemConfig = "/etc/tlsrelay/tlsrelay.toml"

// load reads the configuration that the flag means.
func (f configFlag) load() (*configs.Config, error) {
	if f.Path != "" {
		return configs.Load(f.Path)
	}
	if _, err := os.Stat(systemConfig); !errors.Is(err, fs.ErrNotExist) {
		return configs.Load(systemConfig)
	}
	return configs.Default()
}
