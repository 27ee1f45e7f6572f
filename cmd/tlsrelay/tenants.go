package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"tlsrelay/relay"
)

type tenantsCommand struct {
	configFlag
	JSON bool `name:"json" help:"Print JSON, one object a line."`
}

func (tenantsCommand) Help() string {
	return `Lists the accounts and networks that a [[tenant]] of the configuration is about: recipients within the last hour and day
and connections, each with its limit, and what was refused since the start of the relay. Without a running relay it shows
what the last one left.

Example: tlsrelay tenants --json`
}

func (c *tenantsCommand) Run(std streams) error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(std.err, &slog.HandlerOptions{Level: slog.LevelWarn}))
	list, err := relay.Tenants(context.Background(), cfg, log)
	if err != nil {
		return err
	}
	if c.JSON {
		out := json.NewEncoder(std.out)
		for _, u := range list {
			if err := out.Encode(u); err != nil {
				return err
			}
		}
		return nil
	}
	table := tabwriter.NewWriter(std.out, 0, 0, 2, ' ', 0)
	if len(list) > 0 {
		fmt.Fprintln(table, "TENANT\tRULE\tHOUR\tDAY\tCONNECTIONS\tREFUSED")
	}
	for _, u := range list {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", u.Account+u.Network, u.Rule, of(u.RecipientsHour, u.RecipientsPerHour),
			of(u.RecipientsDay, u.RecipientsPerDay), of(u.Connected, u.Connections), refusals(u.Refused))
	}
	return table.Flush()
}

// of writes a number and its limit, 0 for none.
func of(n, limit int) string {
	if limit == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d of %d", n, limit)
}

// refusals writes "from 2, sender 1", or "-" for none.
func refusals(counts map[string]int64) string {
	var words []string
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		words = append(words, fmt.Sprint(kind, " ", counts[kind]))
	}
	if len(words) == 0 {
		return "-"
	}
	return strings.Join(words, ", ")
}
