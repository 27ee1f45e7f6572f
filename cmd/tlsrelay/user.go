package main

import (
	"bufio"
	"encoding/json"
	"fmt"

	"tlsrelay/relay"
)

type userCommand struct {
	Add    userAddCommand    `cmd:"" help:"Add an account."`
	Passwd userPasswdCommand `cmd:"" help:"Change the password of an account."`
	Import userImportCommand `cmd:"" help:"Add accounts of another system, with their password hashes."`
	Remove userRemoveCommand `cmd:"" help:"Remove an account."`
	List   userListCommand   `cmd:"" help:"List the accounts."`
}

// accountsFlag gives the user commands the accounts of a configuration.
type accountsFlag struct {
	configFlag
}

func (f accountsFlag) accounts() (*relay.Accounts, error) {
	cfg, err := f.load()
	if err != nil {
		return nil, err
	}
	return relay.OpenAccounts(cfg)
}

// change does something to an account and says what it can do now.
func (f accountsFlag) change(std streams, name, done string, do func(*relay.Accounts) error) error {
	accounts, err := f.accounts()
	if err != nil {
		return err
	}
	if err := do(accounts); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "account %s %s\n", name, done)
	return nil
}

// changePassword does something with a new password, which it asks for.
func (f accountsFlag) changePassword(std streams, name, done string, do func(a *relay.Accounts, name, password string) error) error {
	return f.change(std, name, done, func(a *relay.Accounts) error {
		password, err := readPassword(std)
		if err != nil {
			return err
		}
		return do(a, name, password)
	})
}

type userAddCommand struct {
	accountsFlag
	Name       string `arg:"" help:"Name of the account, such as app or app@example.org."`
	NoPassword bool   `help:"Set no password: only a client certificate can log in."`
}

func (userAddCommand) Help() string {
	return `Asks for the password twice, or reads it from the first line of standard input if that is no terminal. A running
relay knows the account at once. With --no-password it asks for none: then the account is for clients that show a
certificate with its name (client_ca in the configuration), until user passwd sets a password.

Example: tlsrelay user add app@example.org < password.txt`
}

func (c *userAddCommand) Run(std streams) error {
	if c.NoPassword {
		return c.change(std, c.Name, "can log in with a client certificate", func(a *relay.Accounts) error {
			return a.AddWithoutPassword(c.Name)
		})
	}
	return c.changePassword(std, c.Name, "can log in", (*relay.Accounts).Add)
}

type userPasswdCommand struct {
	accountsFlag
	Name string `arg:"" help:"Name of the account."`
}

func (userPasswdCommand) Help() string {
	return `Asks for the new password twice, or reads it from the first line of standard input if that is no terminal. The old
one is of no use any more, also where the account was imported.

Example: tlsrelay user passwd app@example.org < password.txt`
}

func (c *userPasswdCommand) Run(std streams) error {
	return c.changePassword(std, c.Name, "has a new password", (*relay.Accounts).SetPassword)
}

type userRemoveCommand struct {
	accountsFlag
	Name string `arg:"" help:"Name of the account."`
}

func (userRemoveCommand) Help() string {
	return `Example: tlsrelay user remove app@example.org`
}

func (c *userRemoveCommand) Run(std streams) error {
	return c.change(std, c.Name, "removed", func(a *relay.Accounts) error { return a.Remove(c.Name) })
}

type userListCommand struct {
	accountsFlag
	JSON bool `name:"json" help:"Print JSON, one object a line."`
}

func (userListCommand) Help() string {
	return `Each with the kind of its password hash: argon2id, or bcrypt or sha512-crypt if it was imported; none if no
password is set, so that only a client certificate can log in. SCRAM is said where SCRAM-SHA-256 works, too; the relay
offers it when it does for all that have a password.

Example: tlsrelay user list --json`
}

func (c *userListCommand) Run(std streams) error {
	accounts, err := c.accounts()
	if err != nil {
		return err
	}
	list, err := accounts.List()
	if err != nil {
		return err
	}
	out := bufio.NewWriter(std.out)
	for _, a := range list {
		kind := a.Hash
		if a.SCRAM {
			kind += ", SCRAM"
		}
		if c.JSON {
			json.NewEncoder(out).Encode(a)
		} else {
			fmt.Fprintf(out, "%-32s %s\n", a.Name, kind)
		}
	}
	return out.Flush()
}
