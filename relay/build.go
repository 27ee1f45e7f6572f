package relay

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/relay/certificate"
	"tlsrelay/relay/delivery"
	"tlsrelay/relay/dns"
	"tlsrelay/relay/notice"
	"tlsrelay/relay/submission"
	"tlsrelay/tlspolicy"
)

// NewLog makes the log that the configuration asks for, on standard error.
func NewLog(cfg *configs.Config) *slog.Logger {
	if cfg.Log.Format == configs.LogJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, nil))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, nil))
}

// secureDataDir makes the data folder, and refuses one that others own or may write to: who can write there can send mail.
func secureDataDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	info, err := os.Stat(dir)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	owner := info.Sys().(*syscall.Stat_t).Uid
	if uid := uint32(os.Geteuid()); owner != uid {
		return fmt.Errorf("data_dir %s belongs to user %d, and the relay runs as user %d: give it to the relay's user (chown) or start as the owner", dir, owner, uid)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("data_dir %s can be written to by others (mode %04o): chmod 0700 %s", dir, info.Mode().Perm(), dir)
	}
	return nil
}

// listenerTLS is the TLS side of the listeners, nil if none of them has TLS.
func listenerTLS(cfg *configs.Config, log *slog.Logger) (*tls.Config, error) {
	if !slices.ContainsFunc(cfg.Listeners, func(l configs.Listener) bool { return l.TLS != configs.TLSOff }) {
		return nil, nil
	}
	var source *certificate.Source
	var err error
	if cfg.Certificate.Cert == "" {
		source, err = certificate.SelfSigned(cfg.DataDir, cfg.Hostname, log)
	} else {
		source, err = certificate.FromFiles(cfg.Certificate.Cert, cfg.Certificate.Key, log)
	}
	if err != nil {
		return nil, err
	}
	return &tls.Config{GetCertificate: source.Get}, nil
}

func newDeliverer(cfg *configs.Config) (*delivery.Deliverer, error) {
	var servers []string
	for _, s := range cfg.DNS.Servers {
		servers = append(servers, s.String())
	}
	resolver, err := dns.New(dns.Options{Servers: servers})
	if err != nil {
		return nil, err
	}
	policy, err := policyOf(cfg)
	if err != nil {
		return nil, err
	}
	routes, err := routesOf(cfg)
	if err != nil {
		return nil, err
	}
	return delivery.New(delivery.Options{
		Hostname:         cfg.Hostname,
		Resolver:         resolver,
		Policy:           policy,
		Routes:           routes,
		Port:             uint16(cfg.Delivery.Port),
		Source:           append([]netip.Addr(nil), cfg.Delivery.Source...),
		PrivateAddresses: cfg.Delivery.PrivateAddresses,
		Now:              time.Now,
	}), nil
}

func newNotifier(cfg *configs.Config) notice.Composer {
	c := notice.Composer{Hostname: cfg.Hostname, HelpURL: cfg.HelpURL}
	for _, l := range cfg.Languages {
		c.Languages = append(c.Languages, string(l))
	}
	return c
}

func newSubmission(cfg *configs.Config, q submission.Queue, tlsConfig *tls.Config, log *slog.Logger) (*submission.Server, error) {
	accounts, err := OpenAccounts(cfg)
	if err != nil {
		return nil, err
	}
	o := submission.Options{
		Hostname:    cfg.Hostname,
		TLSConfig:   tlsConfig,
		MessageSize: int64(cfg.Limits.MessageSize),
		Recipients:  cfg.Limits.Recipients,
		Connections: cfg.Limits.Connections,
		Accounts:    accounts,
		Queue:       q,
		Lifetime:    time.Duration(cfg.Queue.Lifetime),
		Log:         log,
		Now:         time.Now,
	}
	for _, l := range cfg.Listeners {
		o.Listeners = append(o.Listeners, submission.Listener{
			Address: l.Address, TLS: tlsModes[l.TLS], Auth: authModes[l.Auth], Networks: l.Networks,
		})
	}
	s := submission.New(o)
	return s, s.Listen()
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
		r.Why = d.Why
		p.Domains = append(p.Domains, r)
	}
	return p, nil
}

// maxPassword bounds a password file.
const maxPassword = 4096

func routesOf(cfg *configs.Config) ([]delivery.Route, error) {
	var routes []delivery.Route
	for _, r := range cfg.Routes {
		route := delivery.Route{Domain: r.Domain, Hosts: r.Hosts, Username: r.Username}
		if r.PasswordFile != "" {
			text, err := os.ReadFile(r.PasswordFile)
			if err != nil {
				return nil, fmt.Errorf("password_file of the route for %s: %w", r.Domain, err)
			}
			route.Password, _, _ = strings.Cut(string(text[:min(len(text), maxPassword)]), "\n")
			route.Password = strings.TrimSuffix(route.Password, "\r")
		}
		routes = append(routes, route)
	}
	return routes, nil
}

func scheduleOf(cfg *configs.Config) queue.Schedule {
	s := queue.Schedule{
		Lifetime:    time.Duration(cfg.Queue.Lifetime),
		DelayNotice: time.Duration(cfg.Queue.DelayNotice),
	}
	for _, d := range cfg.Queue.Retry {
		s.Retry = append(s.Retry, time.Duration(d))
	}
	return s
}

// spoolDir is where the store lies in the data folder.
func spoolDir(cfg *configs.Config) string { return filepath.Join(cfg.DataDir, "spool") }
