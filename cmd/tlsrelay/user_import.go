package main

import (
	"fmt"
	"io"
	"os"
)

type userImportCommand struct {
	accountsFlag
	File string `arg:"" help:"File of NAME:HASH lines; - for standard input."`
}

func (userImportCommand) Help() string {
	return `Reads lines of NAME:HASH, as they stand in shadow files and in Dovecot's passwd-file; what comes after a second colon
does not count. A hash is bcrypt ($2a$, $2b$, $2y$), SHA-512-crypt ($6$) or argon2id, with or without Dovecot's name for
it, such as {BLF-CRYPT}, before it. All accounts are added, or none: then every line that is wrong is named. The users
keep their passwords.

Example: tlsrelay user import /etc/dovecot/users`
}

func (c *userImportCommand) Run(std streams) error {
	accounts, err := c.accounts()
	if err != nil {
		return err
	}
	lines := std.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return err
		}
		defer f.Close()
		lines = io.Reader(f)
	}
	n, err := accounts.Import(lines)
	if err != nil {
		return fmt.Errorf("no account was added:\n%w", err)
	}
	fmt.Fprintf(std.out, "%d accounts can log in\n", n)
	return nil
}
