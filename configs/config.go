// Package configs reads the configuration of tlsrelay. The annotated file tlsrelay.toml, which is built into the
// program, is the only place where a default is written down: it is decoded first, and the user's file over it.
//
// [Parse] reports all mistakes of a file at once, each with line and key, as [Problems].
package configs

import (
	_ "embed"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/BurntSushi/toml"
)

//go:embed tlsrelay.toml
var annotated []byte

// maxFile bounds a configuration file; 1 MiB is room for more than ten thousand routes.
const maxFile = 1 << 20

// Config is a whole, valid configuration. All paths in it are absolute, domain names are lower case and ASCII.
type Config struct {
	Hostname    string      `toml:"hostname"` // never empty: the machine's name if the file names none
	DataDir     string      `toml:"data_dir"`
	Languages   []Language  `toml:"languages"` // at least one
	HelpURL     string      `toml:"help_url"`  // may hold {cause}, {domain}, {lang}, {id}; "" for no link
	Listeners   []Listener  `toml:"listener"`  // at least one
	Certificate Certificate `toml:"certificate"`
	ACME        ACME        `toml:"acme"`
	Accounts    Accounts    `toml:"accounts"`
	Limits      Limits      `toml:"limits"`
	Tenants     []Tenant    `toml:"tenant"`
	DKIM        DKIM        `toml:"dkim"`
	DNS         DNS         `toml:"dns"`
	Delivery    Delivery    `toml:"delivery"`
	Routes      []Route     `toml:"route"`
	TLS         TLS         `toml:"tls"`
	Notices     Notices     `toml:"notices"`
	Queue       Queue       `toml:"queue"`
	Admin       Admin       `toml:"admin"`
	Help        Help        `toml:"help"`
	Log         Log         `toml:"log"`
}

// Listener is an address where mail is handed in.
type Listener struct {
	Address  string         `toml:"address"` // "IP:PORT", ":PORT" for all addresses, or "unix:/PATH"
	TLS      TLSMode        `toml:"tls"`
	Auth     AuthMode       `toml:"auth"`
	Networks []netip.Prefix `toml:"networks"` // clients that may relay without AUTH
	Proxy    []netip.Prefix `toml:"proxy"`    // load balancers that begin with a PROXY header

	// ClientCA is a PEM file of authorities: clients with a certificate of theirs may log in by it. "": none may.
	ClientCA string `toml:"client_ca"`
}

// Certificate names PEM files: both, or none for a self-signed certificate.
type Certificate struct {
	Cert string            `toml:"cert"`
	Key  string            `toml:"key"`
	More []MoreCertificate `toml:"more"`
}

// MoreCertificate is a certificate for clients that ask for one of its names by SNI. Neither file name is empty.
type MoreCertificate struct {
	Cert string `toml:"cert"`
	Key  string `toml:"key"`
}

// ACME says which certificate is ordered from an authority (RFC 8555).
type ACME struct {
	Names     []string `toml:"names"` // none: it is off
	Email     string   `toml:"email"`
	Directory string   `toml:"directory"` // URL; "": Let's Encrypt
	HTTP      string   `toml:"http"`      // address for proofs by HTTP-01; never empty with names
}

// Accounts says where accounts are kept, beside the file of the relay's own.
type Accounts struct {
	Dovecot string `toml:"dovecot"` // its auth-client socket; "" for none
}

// Limits bounds what comes in.
type Limits struct {
	MessageSize Size `toml:"message_size"`
	Recipients  int  `toml:"recipients"`  // of one message
	Connections int  `toml:"connections"` // of clients, in all

	// ConnectionsPerAddress is for one IPv4 address or IPv6 /64 outside the networks of a listener; never over Connections.
	ConnectionsPerAddress int `toml:"connections_per_address"`
}

// DKIM says where the keys are that sign mail.
type DKIM struct {
	Keys string `toml:"keys"` // folder; "": "dkim" in the data folder
}

// Tenant is what one account or network may do. Either Account or Network is set.
type Tenant struct {
	Account string       `toml:"account,omitempty"` // "shop@example.org", "*@example.org", or "*"
	Network netip.Prefix `toml:"network,omitempty"` // clients that send without a login

	// "user@example.org", "@example.org", or ".example.org" for all domains below it, in lower case ASCII; none: any.
	Senders []string `toml:"senders,omitempty"`

	RecipientsPerHour int  `toml:"recipients_per_hour,omitzero"` // 0: no limit
	RecipientsPerDay  int  `toml:"recipients_per_day,omitzero"`  // 0: no limit
	MessageSize       Size `toml:"message_size,omitzero"`        // 0: as in [limits]
	Connections       int  `toml:"connections,omitzero"`         // at once; 0: no limit
}

// DNS says where names are looked up.
type DNS struct {
	Servers []netip.AddrPort `toml:"servers"` // none: the system's
}

// Delivery says how mail goes out.
type Delivery struct {
	Port                      int          `toml:"port"`   // of MX hosts
	Source                    []netip.Addr `toml:"source"` // none: the system chooses
	PrivateAddresses          bool         `toml:"private_addresses"`
	Connections               int          `toml:"connections"` // in all
	ConnectionsPerDestination int          `toml:"connections_per_destination"`

	MessagesPerConnection int              `toml:"messages_per_connection"`
	TransactionTime       Duration         `toml:"transaction_time"` // the longest that a server may take over one message
	IdleConnections       int              `toml:"idle_connections"` // the most that wait, beside those in use
	KeepIdle              Duration         `toml:"keep_idle"`        // how long a connection waits for more mail
	SourceNames           []SourceName     `toml:"source_name"`
	Domains               []DeliveryDomain `toml:"domain"`
}

// SourceName is the EHLO name that belongs to a local address, which is in one of the lists of addresses to send from.
type SourceName struct {
	Address netip.Addr `toml:"address"`
	Name    string     `toml:"name"`
}

// DeliveryDomain is how mail for one domain goes out. Connections and MessagesPerConnection are never 0: what the file leaves
// out is as in [delivery].
type DeliveryDomain struct {
	Name                  string       `toml:"name"`        // "example.org", or ".example.org" for all below it
	Connections           int          `toml:"connections"` // at once, to one destination
	MessagesPerConnection int          `toml:"messages_per_connection"`
	MessagesPerMinute     int          `toml:"messages_per_minute,omitzero"` // 0: no limit
	Source                []netip.Addr `toml:"source,omitempty"`             // before those in [delivery]; none: only those
}

// Route replaces the MX hosts of a domain.
type Route struct {
	Domain       string   `toml:"domain"`   // "example.org", ".example.org" for all below it, or "*"
	Hosts        []string `toml:"hosts"`    // "HOST:PORT", tried in this order; at least one
	Username     string   `toml:"username"` // "" for no AUTH
	PasswordFile string   `toml:"password_file"`
}

// TLS is the policy for other servers.
type TLS struct {
	Floor   Floor       `toml:"floor"`
	Level   Level       `toml:"level"`
	Probe   bool        `toml:"probe"` // servers whose TLS failed are asked over connections without mail
	Domains []TLSDomain `toml:"domain"`
}

// TLSDomain is the policy for one domain. Level and Floor are never empty: what the file leaves out is as in [TLS].
type TLSDomain struct {
	Name  string `toml:"name"` // "example.org", or ".example.org" for all below it
	Level Level  `toml:"level"`
	Floor Floor  `toml:"floor"`
	Until Date   `toml:"until,omitempty"` // last day of an exception; zero for entries that are none
	Why   string `toml:"why,omitempty"`
}

// Notices says what senders are told, beside the languages and the link for all.
type Notices struct {
	Templates string         `toml:"templates"` // folder with texts that stand instead of built-in ones; "": none
	Senders   []NoticeSender `toml:"sender"`
}

// NoticeSender is how notices to some senders are written. Either Domain or Account is set.
type NoticeSender struct {
	Domain    string     `toml:"domain,omitempty"`    // of the sender: "example.org", or ".example.org" for all below it
	Account   string     `toml:"account,omitempty"`   // that handed the message in
	Languages []Language `toml:"languages,omitempty"` // none: as for all
	HelpURL   string     `toml:"help_url,omitempty"`  // "": as for all
}

// Queue says how long and how often delivery is tried, and when the disk counts as full.
type Queue struct {
	Lifetime    Duration         `toml:"lifetime"`
	Retry       []Duration       `toml:"retry"` // waits between attempts, at least one; the last repeats
	DelayNotice OptionalDuration `toml:"delay_notice"`

	DelayNoticeProven OptionalDuration `toml:"delay_notice_proven"` // where a probe proves that TLS is the cause; under DelayNotice

	FreeSpace       Size               `toml:"free_space"`                  // below it new mail is refused with 452
	LifetimeByCause map[Cause]Duration `toml:"lifetime_by_cause,omitempty"` // at most Lifetime
}

// Admin says where the operator's programs ask how the relay is.
type Admin struct {
	Address string `toml:"address"` // "IP:PORT", or ":PORT" for all addresses; "": off
}

// Help says where the public help pages are.
type Help struct {
	Address string         `toml:"address"` // "IP:PORT", or ":PORT" for all addresses; "": off
	URL     string         `toml:"url"`     // how the world reaches that, without a slash at the end; "" only with a HelpURL
	Proxies []netip.Prefix `toml:"proxies"` // web servers in front, whose X-Forwarded-For counts
}

// Log says how the log is written.
type Log struct {
	Format LogFormat `toml:"format"`
}

// Load reads the configuration file at path over the defaults. Mistakes in it are [Problems]; any other error means
// that it could not be read.
func Load(path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot read the configuration: %w", err)
	}
	return Parse(path, data)
}

// Default gives the configuration for a start without a file: the built-in defaults, with data_dir in the user's own
// folder for state: $XDG_STATE_HOME/tlsrelay, or ~/.local/state/tlsrelay if that variable is not set.
func Default() (*Config, error) {
	c, err := Parse("defaults", nil)
	if err != nil {
		return nil, err
	}
	c.DataDir, err = stateDir(os.Getenv("XDG_STATE_HOME"), os.UserHomeDir)
	return c, err
}

// stateDir follows the XDG base directory specification, which has relative values ignored.
func stateDir(xdg string, home func() (string, error)) (string, error) {
	if filepath.IsAbs(xdg) {
		return filepath.Join(xdg, "tlsrelay"), nil
	}
	h, err := home()
	if err != nil {
		return "", fmt.Errorf("no folder for queued mail: %w; set data_dir in a configuration file", err)
	}
	return filepath.Join(h, ".local", "state", "tlsrelay"), nil
}

// Parse reads the text of a configuration file over the defaults. The name stands in messages, and relative paths start
// at its folder. Mistakes are [Problems]: all of them, in order of lines.
func Parse(name string, data []byte) (*Config, error) {
	dir, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return nil, fmt.Errorf("cannot tell the folder of %s: %w", name, err)
	}
	return parse(name, data, surroundings{dir: dir, hostname: os.Hostname})
}

// surroundings is what the meaning of a file depends on beside its text.
type surroundings struct {
	dir      string                 // where relative paths start
	hostname func() (string, error) // of this machine
}

func parse(name string, data []byte, env surroundings) (*Config, error) {
	c := new(Config)
	defaults := newDocument("built-in defaults", annotated)
	defaults.decode(c)
	if err := defaults.problems.err(); err != nil {
		return nil, err
	}
	d := newDocument(name, data)
	if d.decode(c) {
		check{d, c, env}.all()
	}
	if err := d.problems.err(); err != nil {
		return nil, err
	}
	return c, nil
}

// Warnings lists what is valid but asks for the operator's attention at time now. An exception that is over does not keep the
// relay from starting: it has no effect any more, and a reboot must not wait for a person.
func (c *Config) Warnings(now time.Time) []string {
	var warnings []string
	for _, d := range c.TLS.Domains {
		if !d.Until.IsZero() && !now.Before(d.Until.End()) {
			warnings = append(warnings, fmt.Sprintf(
				"tls.domain %s: the exception ended with %s and [tls] holds again; remove it, or write a later day if it is still needed", d.Name, d.Until))
		}
	}
	if w := c.Admin.warning(); w != "" {
		warnings = append(warnings, w)
	}
	return warnings
}

// WriteTOML prints the values in force as a configuration file that parses to an equal Config.
func (c *Config) WriteTOML(w io.Writer) error {
	enc := toml.NewEncoder(w)
	enc.Indent = ""
	return enc.Encode(c)
}
