package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"tlsrelay/relay"
)

type userCommand struct {
	Add    userAddCommand    `cmd:"" help:"Add an account."`
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

type userAddCommand struct {
	accountsFlag
	Name string `arg:"" help:"Name of the account, such as app or app@example.org."`
}

func (userAddCommand) Help() string {
	return `Asks for the password twice, or reads it from the first line of standard input if that is no terminal. A running
relay knows the account at once.

Example: tlsrelay user add app@example.org < password.txt`
}

func (c *userAddCommand) Run(std streams) error {
	accounts, err := c.accounts()
	if err != nil {
		return err
	}
	password, err := readPassword(std)
	if err != nil {
		return err
	}
	if err := accounts.Add(c.Name, password); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "account %s can log in\n", c.Name)
	return nil
}

// readPassword asks a person, or takes the first line from a file or pipe.
func readPassword(std streams) (string, error) {
	if f, ok := std.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return askPassword(f, std.err)
	}
	line, err := bufio.NewReader(io.LimitReader(std.in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("reading the password: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func askPassword(f *os.File, prompt io.Writer) (string, error) {
	var typed [2]string
	for i, text := range []string{"Password: ", "Again: "} {
		fmt.Fprint(prompt, text)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("reading the password: %w", err)
		}
		typed[i] = string(b)
	}
	if typed[0] != typed[1] {
		return "", errors.New("the two passwords differ; nothing was changed")
	}
	return typed[0], nil
}

type userRemoveCommand struct {
	accountsFlag
	Name string `arg:"" help:"Name of the account."`
}

func (userRemoveCommand) Help() string {
	return `Example: tlsrelay user remove app@example.org`
}

func (c *userRemoveCommand) Run(std streams) error {
	accounts, err := c.accounts()
	if err != nil {
		return err
	}
	if err := accounts.Remove(c.Name); err != nil {
		return err
	}
	fmt.Fprintf(std.out, "account %s removed\n", c.Name)
	return nil
}

type userListCommand struct {
	accountsFlag
	JSON bool `name:"json" help:"Print JSON, one object a line."`
}

func (userListCommand) Help() string {
	return `Example: tlsrelay user list`
}

func (c *userListCommand) Run(std streams) error {
	accounts, err := c.accounts()
	if err != nil {
		return err
	}
	names, err := accounts.List()
	if err != nil {
		return err
	}
	for _, name := range names {
		if c.JSON {
			json.NewEncoder(std.out).Encode(map[string]string{"name": name})
		} else {
			fmt.Fprintln(std.out, name)
		}
	}
	return nil
}
