package relay

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"mime"
	"mime/multipart"
	"net"
	"net/http/httptest"
	"net/mail"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-smtp"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/relay/admin/help"
	"tlsrelay/relay/certificate"
	"tlsrelay/relay/delivery/known"
	"tlsrelay/relay/dns"
	"tlsrelay/relay/memnet"
)

// The case that this relay was made for, whole and in virtual time: a customer writes to someone whose mail server knows TLS 1.0
// and nothing newer. Outside of the relay there are a DNS, that server, and the customer's own.

// arrival is a mail that a server took.
type arrival struct {
	at   time.Time
	text string
}

// mailbox is a mail server in memory.
type mailbox struct {
	mu      sync.Mutex
	newest  uint16 // version of TLS
	got     []arrival
	visits  int
	conns   chan net.Conn
	closing sync.Once
}

func (m *mailbox) use(newest uint16) { m.mu.Lock(); defer m.mu.Unlock(); m.newest = newest }

func (m *mailbox) arrived() []arrival { m.mu.Lock(); defer m.mu.Unlock(); return m.got }

// Accept, Close and Addr implement [net.Listener].
func (m *mailbox) Accept() (net.Conn, error) {
	c, ok := <-m.conns
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (m *mailbox) Close() error   { m.closing.Do(func() { close(m.conns) }); return nil }
func (m *mailbox) Addr() net.Addr { return &net.TCPAddr{} }

// NewSession and the rest implement what go-smtp asks of a server.
func (m *mailbox) NewSession(*smtp.Conn) (smtp.Session, error) { return m, nil }
func (m *mailbox) Reset()                                      {}
func (m *mailbox) Logout() error                               { return nil }
func (m *mailbox) Mail(string, *smtp.MailOptions) error        { return nil }
func (m *mailbox) Rcpt(string, *smtp.RcptOptions) error        { return nil }
func (m *mailbox) Data(r io.Reader) error {
	b, err := io.ReadAll(r)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.got = append(m.got, arrival{time.Now(), string(b)})
	return err
}

// serve runs the server until the test ends.
func (m *mailbox) serve(t *testing.T, newest uint16, cert *tls.Certificate) {
	m.newest, m.conns = newest, make(chan net.Conn)
	s := smtp.NewServer(m)
	s.ErrorLog = log.New(io.Discard, "", 0)
	s.TLSConfig = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		return &tls.Config{Certificates: []tls.Certificate{*cert}, MinVersion: tls.VersionTLS10, MaxVersion: m.newest}, nil
	}}
	go s.Serve(m)
	t.Cleanup(func() { s.Close() })
}

// village is all there is outside of the relay.
type village struct {
	old, customer mailbox
}

// LookupMX implements [dns.Resolver].
func (v *village) LookupMX(_ context.Context, domain string) (dns.MXAnswer, error) {
	return dns.MXAnswer{Hosts: []dns.MX{{Host: "mx." + domain, Preference: 10}}, TTL: time.Hour}, nil
}

// LookupAddrs implements [dns.Resolver].
func (v *village) LookupAddrs(_ context.Context, host string) (dns.AddrAnswer, error) {
	addr := netip.MustParseAddr("192.0.2.1")
	if host == "mx.alt.example" {
		addr = netip.MustParseAddr("192.0.2.2")
	}
	return dns.AddrAnswer{Addrs: []netip.Addr{addr}, TTL: time.Hour}, nil
}

func (v *village) connect(ctx context.Context, _ *net.Dialer, address string) (net.Conn, error) {
	m := &v.customer
	if address == "192.0.2.2:25" {
		m = &v.old
	}
	ours, theirs := memnet.Link()
	select {
	case m.conns <- theirs:
		m.mu.Lock()
		m.visits++
		m.mu.Unlock()
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// seedCase has a mail sent to the old server, and calls play with the relay running. The clock starts with the mail.
func seedCase(t *testing.T, play func(*village, *outbound, *configs.Config, time.Time)) {
	dir, err := os.MkdirTemp("/dev/shm", "tlsrelay")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	source, err := certificate.SelfSigned(dir, "mx.test", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := source.Get(&tls.ClientHelloInfo{})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := configs.Parse(filepath.Join(dir, "relay.toml"), []byte(`
hostname = "relay.hoster.example"
data_dir = "data"
languages = ["de"]
[help]
address = "127.0.0.1:0"
url = "https://hilfe.hoster.example"
`))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		v := &village{}
		v.old.serve(t, tls.VersionTLS10, cert)
		v.customer.serve(t, tls.VersionTLS13, cert)
		if err := secureDataDir(cfg); err != nil {
			t.Fatal(err)
		}
		world := &live{dns: cfg.DNS, resolver: dns.NewCache(v, dns.CacheOptions{}), known: known.New(time.Now), connect: v.connect}
		o, err := newOutbound(cfg, world, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { o.run(ctx) })
		began := time.Now()
		o.post(t, began)
		play(v, o, cfg, began)
		stop()
		running.Wait()
		if err := o.close(); err != nil {
			t.Error(err)
		}
	})
}

// post hands in the customer's mail.
func (o *outbound) post(t *testing.T, now time.Time) {
	t.Helper()
	body, err := o.scheduler.NewBody(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	text := "From: Anna <anna@kundin.example>\r\nTo: bernd@alt.example\r\nSubject: Angebot\r\n\r\nGuten Tag\r\n"
	if _, err := io.WriteString(body, text); err != nil {
		t.Fatal(err)
	}
	item := queue.Item{
		ID: o.scheduler.NextID(), Sender: "anna@kundin.example", Size: int64(len(text)), Arrived: now, Expires: now.Add(72 * time.Hour),
		Recipients: []queue.Recipient{{Address: "bernd@alt.example", Destination: "alt.example", NextAttempt: now}},
	}
	if err := o.scheduler.Enqueue(t.Context(), item, body); err != nil {
		t.Fatal(err)
	}
}

// parts gives the bodies of a notice, decoded, by their type.
func parts(t *testing.T, text string) map[string]string {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"subject": m.Header.Get("Subject")}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := body.ReadFrom(p); err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		all[kind] = strings.Join(strings.Fields(body.String()), " ")
	}
}

func contains(t *testing.T, text string, wanted ...string) {
	t.Helper()
	for _, w := range wanted {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not in\n%s", w, text)
		}
	}
}

// helpLink is where the notices lead to.
const helpLink = "https://hilfe.hoster.example/help/tls-version?domain=alt.example&lang=de"

// page follows the link.
func (o *outbound) page(t *testing.T, cfg *configs.Config) string {
	t.Helper()
	settings := helpSettings(cfg, cfg.Hostname, o.live.Load().notifier.Texts)
	w := httptest.NewRecorder()
	help.New(settings, o.ledger.Domain, slog.New(slog.DiscardHandler)).ServeHTTP(w, httptest.NewRequest("GET", helpLink, nil))
	return strings.ReplaceAll(w.Body.String(), "\u00a0", " ")
}

func TestSeedCase(t *testing.T) {
	seedCase(t, func(v *village, o *outbound, cfg *configs.Config, began time.Time) {
		time.Sleep(20 * time.Minute)
		early := v.customer.arrived()
		if len(early) != 1 || early[0].at.Sub(began) < 15*time.Minute || early[0].at.Sub(began) > 16*time.Minute {
			t.Fatalf("notices after 20 minutes: %v", early)
		}
		p := parts(t, early[0].text)
		contains(t, p["text/plain"], "noch nicht zugestellt", "mx.alt.example", "192.0.2.2", "TLS 1.0", "TLS 1.2",
			helpLink)
		contains(t, p["message/delivery-status"], "Action: delayed", "Status: 4.7.5",
			"Will-Retry-Until: "+began.Add(72*time.Hour).Format(time.RFC1123Z))

		time.Sleep(began.Add(72*time.Hour + time.Minute).Sub(time.Now()))
		all := v.customer.arrived()
		if len(all) != 2 || all[1].at.Sub(began) < 72*time.Hour {
			t.Fatalf("notices after three days: %v", all)
		}
		p = parts(t, all[1].text)
		contains(t, p["text/plain"], "konnte nicht zugestellt werden", "3 Tage", "mx.alt.example", "TLS 1.0",
			helpLink)
		contains(t, p["message/delivery-status"], "Action: failed", "Status: 4.7.5", "Diagnostic-Code: ")
		if got := v.old.arrived(); got != nil {
			t.Errorf("the old server got %v", got)
		}
		contains(t, o.page(t, cfg), "Der für alt.example zuständige Mailserver unterstützt weder TLS 1.2 noch TLS 1.3", "mx.alt.example</th>",
			"TLS 1.0<span", "nachgewiesen", "erst nach 3 Tagen", "tlsrelay check alt.example")
		t.Logf("%d connections to the old server", v.old.visits)
	})
}

func TestSeedCaseRepaired(t *testing.T) {
	seedCase(t, func(v *village, o *outbound, cfg *configs.Config, began time.Time) {
		time.Sleep(36*time.Hour + 7*time.Minute)
		v.old.use(tls.VersionTLS12)
		repaired := time.Now()
		time.Sleep(15 * time.Minute)
		got := v.old.arrived()
		if len(got) != 1 {
			t.Fatalf("%d mails reached the server in a quarter of an hour", len(got))
		}
		t.Logf("the mail left after %v", got[0].at.Sub(repaired))
		contains(t, got[0].text, "Guten Tag")
		contains(t, o.page(t, cfg), "Es geht wieder", "mit TLS 1.2 zugestellt")
		time.Sleep(4 * 24 * time.Hour)
		if n := len(v.customer.arrived()); n != 1 {
			t.Errorf("%d notices, wanted the early one alone", n)
		}
	})
}
