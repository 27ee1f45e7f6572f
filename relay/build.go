package relay

import (
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/relay/delivery"
	"tlsrelay/relay/dns"
	"tlsrelay/relay/message"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/relay/submission"
	"tlsrelay/relay/submission/dovecot"
	"tlsrelay/relay/submission/tenant"
	"tlsrelay/tlspolicy"
)

// secureDataDir makes the data folder, and refuses one that others own or may write to: who can write there can send mail.
func secureDataDir(cfg *configs.Config) error {
	if err := spool.SecureDir(cfg.DataDir); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return nil
}

// listenerTLS is the TLS side of the listeners, nil if none of them has TLS.
func (r *Relay) listenerTLS(cfg *configs.Config, log *slog.Logger) (*tls.Config, error) {
	if !slices.ContainsFunc(cfg.Listeners, func(l configs.Listener) bool { return l.TLS != configs.TLSOff }) {
		return nil, nil
	}
	source, err := certificatesOf(cfg, log)
	if err != nil {
		return nil, err
	}
	r.certificates = source
	return &tls.Config{GetCertificate: source.Get}, nil
}

func newResolver(cfg *configs.DNS) (*dns.Cache, error) {
	var servers []string
	for _, s := range cfg.Servers {
		servers = append(servers, s.String())
	}
	client, err := dns.New(dns.Options{Servers: servers})
	if err != nil {
		return nil, err
	}
	return dns.NewCache(client, dns.CacheOptions{}), nil
}

// newDeliverer makes a deliverer with the resolver, the memory of addresses and the way to connect of l.
func (l *live) newDeliverer(cfg *configs.Config, me self, prober delivery.Prober, log *slog.Logger) (*delivery.Deliverer, error) {
	policy, err := policyOf(cfg)
	if err != nil {
		return nil, err
	}
	routes, err := routesOf(cfg)
	if err != nil {
		return nil, err
	}
	return delivery.New(delivery.Options{
		Hostname:         me.hostname,
		Listeners:        me.listeners,
		Resolver:         l.resolver,
		Connect:          l.connect,
		Policy:           policy,
		Routes:           routes,
		Port:             uint16(cfg.Delivery.Port),
		Source:           append([]netip.Addr(nil), cfg.Delivery.Source...),
		PrivateAddresses: cfg.Delivery.PrivateAddresses,
		Connections:      cfg.Delivery.ConnectionsPerDestination,
		Timeouts:         smtpclient.Timeouts{MaxSession: time.Duration(cfg.Delivery.TransactionTime)},
		Known:            l.known,
		Now:              time.Now,
		Log:              log,
		Prober:           prober,

		MessagesPerConnection: cfg.Delivery.MessagesPerConnection,
		SourceNames:           sourceNamesOf(cfg),
		Domains:               domainsOf(cfg),
	}), nil
}

func newSubmission(cfg *configs.Config, q submission.Queue, tlsConfig *tls.Config, tenants *tenant.Tenants, signer message.Signer,
	passwords *dovecot.Client, tally submission.Tally, log *slog.Logger) (*submission.Server, error) {
	accounts, err := OpenAccounts(cfg)
	if err != nil {
		return nil, err
	}
	authorities, err := clientAuthorities(cfg, log)
	if err != nil {
		return nil, err
	}
	o := submission.Options{
		Hostname:    cfg.Hostname,
		TLSConfig:   tlsConfig,
		MessageSize: int64(cfg.Limits.MessageSize),
		Recipients:  cfg.Limits.Recipients,
		Connections: cfg.Limits.Connections,

		ConnectionsPerAddress: cfg.Limits.ConnectionsPerAddress,

		Accounts:   accounts,
		Queue:      q,
		Lifetime:   time.Duration(cfg.Queue.Lifetime),
		Log:        log,
		Now:        time.Now,
		Signer:     signer,
		RequireTLS: routesAll(cfg),
		Tenants:    tenants,
		Tally:      tally,
	}
	if passwords != nil { // or else the interface would not be nil
		o.Dovecot = passwords
	}
	for _, l := range cfg.Listeners {
		o.Listeners = append(o.Listeners, submission.Listener{
			Address: l.Address, TLS: tlsModes[l.TLS], Auth: authModes[l.Auth], Networks: l.Networks, Proxy: l.Proxy,
			ClientCAs: authorities[l.ClientCA],
		})
	}
	s := submission.New(o)
	return s, s.Listen()
}

// routesAll reports whether all mail goes to hosts that the operator named. Only then REQUIRETLS is worth offering: a host
// that DNS names is not certain as long as the resolver's word on DNSSEC is not asked for, and all such mail would fail.
func routesAll(cfg *configs.Config) bool {
	return slices.ContainsFunc(cfg.Routes, func(r configs.Route) bool { return r.Domain == "*" })
}

var (
	tlsModes = map[configs.TLSMode]submission.TLSMode{
		configs.TLSOff: submission.TLSOff, configs.TLSStartTLS: submission.TLSStartTLS, configs.TLSImplicit: submission.TLSImplicit,
	}
	authModes = map[configs.AuthMode]submission.AuthMode{
		configs.AuthOff: submission.AuthOff, configs.AuthOptional: submission.AuthOptional, configs.AuthRequired: submission.AuthRequired,
	}
)

func policyOf(cfg *configs.Config) (*tlspolicy.Policy, error) {
	rule := func(name string, level configs.Level, floor configs.Floor) (tlspolicy.Rule, error) {
		l, err := tlspolicy.ParseLevel(string(level))
		if err != nil {
			return tlspolicy.Rule{}, err
		}
		f, err := tlspolicy.ParseFloor(string(floor))
		return tlspolicy.Rule{Domain: name, Level: l, Floor: f}, err
	}
	p := &tlspolicy.Policy{}
	var err error
	if p.Default, err = rule("", cfg.TLS.Level, cfg.TLS.Floor); err != nil {
		return nil, err
	}
	for _, d := range cfg.TLS.Domains {
		r, err := rule(d.Name, d.Level, d.Floor)
		if err != nil {
			return nil, err
		}
		if !d.Until.IsZero() {
			r.Until = d.Until.End()
		}
		p.Domains = append(p.Domains, r)
	}
	return p, nil
}

func routesOf(cfg *configs.Config) ([]delivery.Route, error) {
	var routes []delivery.Route
	for _, r := range cfg.Routes {
		route := delivery.Route{Domain: r.Domain, Hosts: r.Hosts, Username: r.Username}
		if r.PasswordFile != "" {
			var err error
			if route.Password, err = readPassword(r.PasswordFile); err != nil {
				return nil, fmt.Errorf("password_file of the route for %s: %w", r.Domain, err)
			}
		}
		routes = append(routes, route)
	}
	return routes, nil
}

// maxPassword bounds a password file, in bytes.
const maxPassword = 4096

// readPassword takes the first line of a file that others must not read.
func readPassword(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return "", fmt.Errorf("%s is open to all users (mode %04o): chmod 600 %[1]s", path, info.Mode().Perm())
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPassword))
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(text), "\n")
	if line = strings.TrimSuffix(line, "\r"); line == "" {
		return "", fmt.Errorf("%s has no password in its first line", path)
	}
	return line, nil
}

func scheduleOf(cfg *configs.Config) queue.Schedule {
	s := queue.Schedule{
		Lifetime:    time.Duration(cfg.Queue.Lifetime),
		DelayNotice: time.Duration(cfg.Queue.DelayNotice),

		DelayNoticeProven: time.Duration(cfg.Queue.DelayNoticeProven),
		LifetimeByCause:   make(map[string]time.Duration, len(cfg.Queue.LifetimeByCause)),
	}
	for cause, d := range cfg.Queue.LifetimeByCause {
		s.LifetimeByCause[string(cause)] = time.Duration(d)
	}
	for _, d := range cfg.Queue.Retry {
		s.Retry = append(s.Retry, time.Duration(d))
	}
	return s
}

// spoolDir is where the store lies in the data folder.
func spoolDir(cfg *configs.Config) string { return filepath.Join(cfg.DataDir, "spool") }
