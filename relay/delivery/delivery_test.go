package delivery

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"tlsrelay/queue"
	"tlsrelay/relay/dns"
	"tlsrelay/relay/dns/dnstest"
	"tlsrelay/relay/smtpclient"
	"tlsrelay/tlspolicy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const canary = "KANARIENVOGEL"

// network is a DNS zone and the options of a deliverer in it.
type network struct {
	dns  *dnstest.Server
	opts Options
}

// newNetwork makes a network in which dest.test has the MX hosts mx1.dest.test (127.0.0.11), mx2... on the given port.
func newNetwork(t *testing.T, hosts int, port string) *network {
	t.Helper()
	zone := dnstest.Zone{}
	var records dnstest.Records
	for i := 1; i <= hosts; i++ {
		name := fmt.Sprintf("mx%d.dest.test", i)
		records.MX = append(records.MX, fmt.Sprintf("%d %s.", 10*i, name))
		zone[name+"."] = dnstest.Records{A: []string{fmt.Sprintf("127.0.0.%d", 10+i)}}
	}
	if hosts > 0 {
		zone["dest.test."] = records
	}
	n := &network{dns: dnstest.Serve(t, zone)}
	resolver, err := dns.New(dns.Options{Servers: []string{n.dns.Addr()}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	p, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	cache := dns.NewCache(resolver, dns.CacheOptions{})
	t.Cleanup(cache.Close)
	n.opts = Options{
		Hostname: "relay.test", Resolver: cache, Policy: &tlspolicy.Policy{}, Port: uint16(p), PrivateAddresses: true, Now: time.Now,
		Timeouts: smtpclient.Timeouts{Greeting: 5 * time.Second, Hello: 5 * time.Second, Command: 5 * time.Second, Handshake: 2 * time.Second, Dot: 5 * time.Second},
	}
	return n
}

func (n *network) set(t *testing.T, name string, r dnstest.Records) {
	t.Helper()
	if err := n.dns.Set(name, r); err != nil {
		t.Fatal(err)
	}
}

// jobTo makes a job with the canary in sender, recipients and body.
func jobTo(recipients ...string) queue.Job {
	body := "Subject: " + canary + "\r\n\r\n" + canary + "\r\n"
	item := queue.Item{ID: 1, Sender: canary + "@app.test", Size: int64(len(body))}
	var idx []int
	for i, r := range recipients {
		item.Recipients = append(item.Recipients, queue.Recipient{Address: r, Destination: queue.DestinationOf(r)})
		idx = append(idx, i)
	}
	return queue.Job{Item: item, Recipients: idx, Attempt: 1, Open: func() (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(body)), nil
	}}
}

func deliver(t *testing.T, o Options, job queue.Job) []queue.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
	defer cancel()
	outcomes := once(ctx, o, job)
	if len(outcomes) != len(job.Recipients) {
		t.Fatalf("%d outcomes for %d recipients", len(outcomes), len(job.Recipients))
	}
	for _, o := range outcomes {
		if o.Result != queue.ResultDelivered && (o.Cause == "" || len(o.Status) < 5 || o.Reply == "" && o.Detail == "") {
			t.Errorf("outcome says too little: %+v", o)
		}
		if o.Result == queue.ResultDeferred && o.Status[0] != '4' {
			t.Errorf("deferred with status %s", o.Status)
		}
	}
	return outcomes
}

// once makes one attempt on a lane of its own.
func once(ctx context.Context, o Options, job queue.Job) []queue.Outcome {
	lane := New(o).Open()
	defer lane.Close()
	return lane.Deliver(ctx, job, nil).Outcomes
}

// want is what a test expects of one outcome: "delivered", or "deferred CAUSE STATUS".
func want(t *testing.T, o queue.Outcome, text string) {
	t.Helper()
	got := o.Result.String()
	if o.Result != queue.ResultDelivered {
		got += " " + o.Cause + " " + o.Status
	}
	if got != text {
		t.Errorf("outcome %q, want %q; %+v", got, text, o)
	}
}

// noMailInClear is the promise: nothing of the envelope or the message before TLS.
func noMailInClear(t *testing.T, hosts ...*mx) {
	t.Helper()
	for _, m := range hosts {
		clear := strings.ToUpper(m.seenInClear())
		for _, s := range []string{canary, "MAIL FROM", "RCPT TO", "\r\nDATA"} {
			if strings.Contains(clear, s) {
				t.Errorf("%s got %q in clear text:\n%s", m.addr, s, clear)
			}
		}
	}
}

func TestTLSLevelsAndHosts(t *testing.T) {
	ca := newAuthority(t)
	modern := func() *mx { return &mx{tls: ca.server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS13)} }
	twelve := func() *mx { return &mx{tls: ca.server(t, "mx1.dest.test", tls.VersionTLS12, tls.VersionTLS12)} }
	old := func() *mx { return &mx{tls: ca.server(t, "mx1.dest.test", tls.VersionTLS10, tls.VersionTLS11)} }
	foreign := func() *mx { return &mx{tls: ca.server(t, "other.test", tls.VersionTLS12, tls.VersionTLS13)} }
	plain := func() *mx { return &mx{} }
	refusing := func() *mx {
		return &mx{tls: ca.server(t, "mx1.dest.test", 0, 0), replies: map[string]string{"STARTTLS": "454 4.7.0 TLS not available"}}
	}
	garbage := func() *mx { return &mx{ehlo: []string{"StartTLS"}, replies: map[string]string{"STARTTLS": "220 ok"}} }
	dropping := func() *mx { return &mx{ehlo: []string{"STARTTLS"}, replies: map[string]string{"STARTTLS": ""}} }

	required, opportunistic, verified := tlspolicy.Required, tlspolicy.Opportunistic, tlspolicy.Verified
	tests := []struct {
		name  string
		level tlspolicy.Level
		floor tlspolicy.Version
		hosts []*mx
		want  string
		by    int // host that got the message, from 1; 0: none
	}{
		{"TLS 1.3", required, 0, []*mx{modern()}, "delivered", 1},
		{"TLS 1.2", required, 0, []*mx{twelve()}, "delivered", 1},
		{"TLS 1.2 under floor 1.3", required, tlspolicy.TLS13, []*mx{twelve()}, "deferred tls-version 4.7.5", 0},
		{"TLS 1.1 at most", required, 0, []*mx{old()}, "deferred tls-version 4.7.5", 0},
		{"TLS 1.1 at most, opportunistic", opportunistic, 0, []*mx{old()}, "deferred tls-version 4.7.5", 0},
		{"no STARTTLS", required, 0, []*mx{plain()}, "deferred starttls-not-offered 4.7.4", 0},
		{"no STARTTLS, verified", verified, 0, []*mx{plain()}, "deferred starttls-not-offered 4.7.4", 0},
		{"no STARTTLS, opportunistic", opportunistic, 0, []*mx{plain()}, "delivered", 1},
		{"STARTTLS refused", required, 0, []*mx{refusing()}, "deferred starttls-refused 4.7.4", 0},
		{"STARTTLS refused, opportunistic", opportunistic, 0, []*mx{refusing()}, "deferred starttls-refused 4.7.4", 0},
		{"clear text after 220", opportunistic, 0, []*mx{garbage()}, "deferred tls-handshake 4.7.5", 0},
		{"hangs up at STARTTLS", opportunistic, 0, []*mx{dropping()}, "deferred connection-lost 4.4.2", 0},
		{"verified", verified, 0, []*mx{modern()}, "delivered", 1},
		{"wrong name, verified", verified, 0, []*mx{foreign()}, "deferred certificate-name 4.7.5", 0},
		{"wrong name, required", required, 0, []*mx{foreign()}, "delivered", 1},
		{"first bad, second good", required, 0, []*mx{old(), modern()}, "delivered", 2},
		{"first bad, second in clear, opportunistic", opportunistic, 0, []*mx{old(), plain()}, "deferred tls-version 4.7.5", 0},
		{"first refuses STARTTLS, second in clear, opportunistic", opportunistic, 0, []*mx{refusing(), plain()}, "deferred starttls-refused 4.7.4", 0},
		{"first hangs up at STARTTLS, second in clear, opportunistic", opportunistic, 0, []*mx{dropping(), plain()}, "deferred starttls-not-offered 4.7.4", 0},
		{"first in clear, second good, required", required, 0, []*mx{plain(), modern()}, "delivered", 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			port := "0"
			for i, m := range tt.hosts {
				m.start(t, fmt.Sprintf("127.0.0.%d", 11+i), port)
				port = m.port()
			}
			n := newNetwork(t, len(tt.hosts), port)
			n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: tt.level, Floor: tt.floor}, Roots: ca.pool()}
			o := deliver(t, n.opts, jobTo(canary+"@dest.test"))[0]
			want(t, o, tt.want)
			for i, m := range tt.hosts {
				if got := len(m.received()); got != map[bool]int{true: 1}[tt.by == i+1] {
					t.Errorf("host %d got %d messages", i+1, got)
				}
			}
			if !(tt.level == opportunistic && tt.want == "delivered") {
				noMailInClear(t, tt.hosts...)
			}
			if o.Result == queue.ResultDelivered && tt.name[:3] == "TLS" && o.TLS.Version != tt.name[4:7] {
				t.Errorf("TLS facts %+v", o.TLS)
			}
		})
	}
}

func TestBrokenTLSIsRememberedByTheMessage(t *testing.T) {
	plain := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, plain.port())
	n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: tlspolicy.Opportunistic}}
	job := jobTo("b@dest.test")
	job.Item.Recipients[0].TLSFailed = true
	want(t, deliver(t, n.opts, job)[0], "deferred starttls-not-offered 4.7.4")
	noMailInClear(t, plain)
}

// opportunistic makes plain hosts good enough, for tests about something else.
func (n *network) opportunistic() *network {
	n.opts.Policy = &tlspolicy.Policy{Default: tlspolicy.Rule{Level: tlspolicy.Opportunistic}}
	return n
}

func TestReplies(t *testing.T) {
	tests := []struct {
		name    string
		ehlo    []string
		replies map[string]string
		greet   string
		want    []string // for a@ and b@
	}{
		{"both taken", nil, nil, "", []string{"delivered", "delivered"}},
		{"one unknown", nil, map[string]string{"RCPT TO:<b@": "550 5.1.1 no such user"}, "", []string{"delivered", "failed remote-permanent 5.1.1"}},
		{"one greylisted, pipelined", []string{"PIPELINING"}, map[string]string{"RCPT TO:<a@": "450 4.2.0 later"}, "",
			[]string{"deferred remote-temporary 4.2.0", "delivered"}},
		{"552 at RCPT is too many recipients", nil, map[string]string{"RCPT TO:<b@": "552 5.5.3 too many"}, "",
			[]string{"delivered", "deferred remote-temporary 4.5.3"}},
		{"sender refused", []string{"PIPELINING"}, map[string]string{"MAIL": "553 5.7.1 not you"}, "",
			[]string{"failed remote-permanent 5.7.1", "failed remote-permanent 5.7.1"}},
		{"no enhanced code", nil, map[string]string{"MAIL": "550 no"}, "", []string{"failed remote-permanent 5.0.0", "failed remote-permanent 5.0.0"}},
		{"message refused at the end", nil, map[string]string{"DOT": "554 5.7.1 spam"}, "",
			[]string{"failed remote-permanent 5.7.1", "failed remote-permanent 5.7.1"}},
		{"message put off at the end", nil, map[string]string{"DOT": "451 4.3.0 disk"}, "",
			[]string{"deferred remote-temporary 4.3.0", "deferred remote-temporary 4.3.0"}},
		{"421 at MAIL", nil, map[string]string{"MAIL": "421 4.3.2 closing"}, "",
			[]string{"deferred remote-temporary 4.3.2", "deferred remote-temporary 4.3.2"}},
		{"hangs up at RCPT", nil, map[string]string{"RCPT": ""}, "",
			[]string{"deferred connection-lost 4.4.2", "deferred connection-lost 4.4.2"}},
		{"hangs up after the dot", nil, map[string]string{"DOT": ""}, "",
			[]string{"deferred connection-lost 4.4.2", "deferred connection-lost 4.4.2"}},
		{"554 greeting may pass", nil, nil, "554 5.7.1 your network is blocked",
			[]string{"deferred remote-temporary 4.7.1", "deferred remote-temporary 4.7.1"}},
		{"no SMTP", nil, nil, "SSH-2.0-OpenSSH_9.2", []string{"deferred remote-protocol 4.5.0", "deferred remote-protocol 4.5.0"}},
		{"too large by EHLO", []string{"SIZE 10"}, nil, "", []string{"failed message-too-large 5.3.4", "failed message-too-large 5.3.4"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			host := (&mx{ehlo: tt.ehlo, replies: tt.replies, greet: tt.greet}).start(t, "127.0.0.11", "0")
			outcomes := deliver(t, newNetwork(t, 1, host.port()).opportunistic().opts, jobTo("a@dest.test", "b@dest.test"))
			for i, text := range tt.want {
				want(t, outcomes[i], text)
				if o := outcomes[i]; o.Host != "mx1.dest.test" || o.Remote != host.addr {
					t.Errorf("met at %q %q", o.Host, o.Remote)
				}
			}
		})
	}
}

func TestNextHostForWhoIsLeft(t *testing.T) {
	first := (&mx{replies: map[string]string{"RCPT TO:<b@": "450 4.2.1 busy", "RCPT TO:<c@": "550 5.1.1 unknown"}}).start(t, "127.0.0.11", "0")
	second := (&mx{}).start(t, "127.0.0.12", first.port())
	n := newNetwork(t, 2, first.port()).opportunistic()
	o := deliver(t, n.opts, jobTo("a@dest.test", "b@dest.test", "c@dest.test"))
	want(t, o[0], "delivered")
	want(t, o[1], "delivered")
	want(t, o[2], "failed remote-permanent 5.1.1")
	if d := second.dialogue(); strings.Contains(d, "a@dest.test") || strings.Contains(d, "c@dest.test") {
		t.Errorf("the second host was asked for more than was left:\n%s", d)
	}
	if o[0].Host != "mx1.dest.test" || o[1].Host != "mx2.dest.test" {
		t.Errorf("hosts %q, %q", o[0].Host, o[1].Host)
	}
}

func TestUnknownFateIsNotSentTwice(t *testing.T) {
	first := (&mx{replies: map[string]string{"DOT": ""}}).start(t, "127.0.0.11", "0")
	second := (&mx{}).start(t, "127.0.0.12", first.port())
	want(t, deliver(t, newNetwork(t, 2, first.port()).opportunistic().opts, jobTo("a@dest.test"))[0], "deferred connection-lost 4.4.2")
	if got := second.received(); len(got) != 0 {
		t.Error("sent to the second host although the first may have taken it")
	}
}

func TestManyRecipientsInSeveralTransactions(t *testing.T) {
	host := (&mx{ehlo: []string{"PIPELINING"}}).start(t, "127.0.0.11", "0")
	var to []string
	for i := range 250 {
		to = append(to, fmt.Sprintf("u%d@dest.test", i))
	}
	for i, o := range deliver(t, newNetwork(t, 1, host.port()).opportunistic().opts, jobTo(to...)) {
		if o.Result != queue.ResultDelivered {
			t.Fatalf("recipient %d: %+v", i, o)
		}
	}
	if got := len(host.received()); got != 3 {
		t.Errorf("%d transactions", got)
	}
	if d := host.dialogue(); strings.Count(d, "EHLO") != 1 {
		t.Error("more than one connection")
	}
}

func TestDNSAndConnect(t *testing.T) {
	host := (&mx{}).start(t, "127.0.0.11", "0")
	closed, err := net.Listen("tcp", "127.0.0.13:"+host.port())
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	n := newNetwork(t, 1, host.port()).opportunistic()
	n.set(t, "null.test.", dnstest.Records{MX: []string{"0 ."}})
	n.set(t, "implicit.test.", dnstest.Records{A: []string{"127.0.0.11"}})
	n.set(t, "servfail.test.", dnstest.Records{Fault: dnstest.ServFail})
	n.set(t, "nothing.test.", dnstest.Records{})
	n.set(t, "relay.test.", dnstest.Records{A: []string{"127.0.0.11"}})
	n.set(t, "refused.test.", dnstest.Records{A: []string{"127.0.0.13"}})
	n.set(t, "half.test.", dnstest.Records{MX: []string{"1 gone.test.", "2 mx1.dest.test."}})
	n.set(t, "gonehost.test.", dnstest.Records{MX: []string{"1 gone.test."}})
	n.set(t, "self.test.", dnstest.Records{MX: []string{"1 relay.test.", "2 mx1.dest.test."}})
	n.set(t, "behind.test.", dnstest.Records{MX: []string{"1 mx1.dest.test.", "2 relay.test.", "3 gone.test."}})
	for address, text := range map[string]string{
		"a@dest.test":     "delivered",
		"a@implicit.test": "delivered",
		"a@[127.0.0.11]":  "delivered",
		"a@half.test":     "delivered",
		"a@behind.test":   "delivered",
		"a@nowhere.test":  "failed no-such-domain 5.1.2",
		"a@null.test":     "failed null-mx 5.1.10",
		"a@servfail.test": "deferred dns-trouble 4.4.3",
		"a@gonehost.test": "deferred dns-trouble 4.4.3",
		"a@nothing.test":  "failed no-mail-host 5.4.4",
		"a@relay.test":    "failed loop 5.4.6", // implicit MX, this relay itself
		"a@refused.test":  "deferred connection-refused 4.4.1",
		"a@self.test":     "failed loop 5.4.6",
	} {
		t.Run(address, func(t *testing.T) { want(t, deliver(t, n.opts, jobTo(address))[0], text) })
	}
}

func TestPrivateAddressesAreRefused(t *testing.T) {
	host := (&mx{}).start(t, "127.0.0.11", "0")
	n := newNetwork(t, 1, host.port()).opportunistic()
	n.opts.PrivateAddresses = false
	want(t, deliver(t, n.opts, jobTo("a@dest.test"))[0], "deferred address-refused 4.4.4")
	if d := host.dialogue(); d != "" {
		t.Errorf("connected all the same:\n%s", d)
	}
	want(t, deliver(t, n.opts, jobTo("a@[127.0.0.11]"))[0], "failed address-refused 5.4.4")
	want(t, deliver(t, n.opts, jobTo("a@[IPv6:::ffff:10.0.0.1]"))[0], "failed address-refused 5.4.4")
	n.opts.Routes = []Route{{Domain: "*", Hosts: []string{host.addr}}}
	want(t, deliver(t, n.opts, jobTo("a@dest.test"))[0], "delivered") // the operator's own word
}

func TestRouteWithLogin(t *testing.T) {
	ca := newAuthority(t)
	host := (&mx{tls: ca.server(t, "smart.test", 0, 0), ehlo: []string{"AUTH PLAIN"},
		replies: map[string]string{"AUTH PLAIN AHJlbGF5AHNlY3JldA==": "235 2.7.0 welcome", "AUTH": "535 5.7.8 no"}}).start(t, "127.0.0.1", "0")
	n := newNetwork(t, 0, "25")
	n.set(t, "smart.test.", dnstest.Records{A: []string{"127.0.0.1"}})
	n.opts.Policy = &tlspolicy.Policy{Roots: ca.pool()}
	route := Route{Domain: "*", Hosts: []string{"smart.test:" + host.port()}, Username: "relay", Password: "secret"}
	n.opts.Routes = []Route{route}
	want(t, deliver(t, n.opts, jobTo("a@dest.test"))[0], "delivered")

	route.Password = "wrong-password"
	n.opts.Routes = []Route{route}
	o := deliver(t, n.opts, jobTo("a@dest.test"))[0]
	want(t, o, "deferred auth-refused 4.7.8")
	if s := fmt.Sprintf("%+v", o); strings.Contains(s, "wrong-password") {
		t.Errorf("the password is in the outcome: %s", s)
	}

	n.opts.Policy = &tlspolicy.Policy{Roots: newAuthority(t).pool()} // the host cannot prove who it is
	before := host.dialogue()
	want(t, deliver(t, n.opts, jobTo("a@dest.test"))[0], "deferred certificate-untrusted 4.7.5")
	if said := strings.TrimPrefix(host.dialogue(), before); strings.Contains(said, "AUTH") {
		t.Errorf("logged in all the same:\n%s", said)
	}
}

func TestLostSessionIsTheCauseForAll(t *testing.T) {
	host := (&mx{replies: map[string]string{"RCPT TO:<u150@": "421 4.3.2 going down"}}).start(t, "127.0.0.11", "0")
	var to []string
	for i := range 250 {
		to = append(to, fmt.Sprintf("u%d@dest.test", i))
	}
	o := deliver(t, newNetwork(t, 1, host.port()).opportunistic().opts, jobTo(to...))
	want(t, o[0], "delivered")
	for _, i := range []int{100, 199, 200, 249} {
		want(t, o[i], "deferred remote-temporary 4.3.2")
		if o[i].Host != "mx1.dest.test" {
			t.Errorf("recipient %d: host %q", i, o[i].Host)
		}
	}
}

func TestLongRepliesAreCut(t *testing.T) {
	host := (&mx{replies: map[string]string{"DOT": strings.Repeat("451-"+strings.Repeat("x", 1000)+"\r\n", 90) + "451 4.3.0 end"}}).start(t, "127.0.0.11", "0")
	o := deliver(t, newNetwork(t, 1, host.port()).opportunistic().opts, jobTo("a@dest.test"))[0]
	want(t, o, "deferred remote-temporary 4.3.0")
	if len(o.Reply) > maxWords+20 {
		t.Errorf("%d bytes of reply are kept", len(o.Reply))
	}
}

func TestWordsForPeople(t *testing.T) {
	closes := (&mx{replies: map[string]string{"DOT": ""}}).start(t, "127.0.0.11", "0")
	silent, err := net.Listen("tcp", "127.0.0.12:"+closes.port())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	n := newNetwork(t, 2, closes.port()).opportunistic()
	n.opts.Timeouts.Greeting = 50 * time.Millisecond
	for address, want := range map[string]string{
		"a@[127.0.0.11]": "the server closed the connection after the end of the message",
		"a@[127.0.0.12]": "the server did not answer in time before its greeting",
		"a@[127.0.0.99]": "connecting failed: connection refused",
	} {
		if o := deliver(t, n.opts, jobTo(address))[0]; o.Detail != want {
			t.Errorf("%s: %q, want %q", address, o.Detail, want)
		}
	}
	old := (&mx{tls: newAuthority(t).server(t, "x.test", tls.VersionTLS10, tls.VersionTLS11)}).start(t, "127.0.0.13", "0")
	n.opts.Routes = []Route{{Domain: "*", Hosts: []string{old.addr}}}
	if o := deliver(t, n.opts, jobTo("a@old.test"))[0]; o.Detail != "remote error: tls: protocol version not supported" {
		t.Errorf("old TLS: %q", o.Detail)
	}
}

func TestSite(t *testing.T) {
	n := newNetwork(t, 2, "25")
	n.set(t, "twin.test.", dnstest.Records{MX: []string{"10 mx1.dest.test.", "20 mx2.dest.test."}})
	n.set(t, "turned.test.", dnstest.Records{MX: []string{"10 mx2.dest.test.", "20 mx1.dest.test."}})
	n.set(t, "equal.test.", dnstest.Records{MX: []string{"10 b.test.", "10 a.test."}})
	n.set(t, "bare.test.", dnstest.Records{A: []string{"127.0.0.1"}})
	n.opts.Routes = []Route{{Domain: ".example.org"}}
	n.opts.Policy.Domains = []tlspolicy.Rule{{Domain: "strict.example.org", Level: tlspolicy.Verified}}
	n.opts.Connections = 7
	d := New(n.opts)
	for destination, want := range map[string]string{
		"a.example.org":      "route .example.org (required/1.2)",
		"b.example.org":      "route .example.org (required/1.2)",
		"strict.example.org": "route .example.org (verified/1.2)",
		"dest.test":          "mx1.dest.test mx2.dest.test (required/1.2)",
		"twin.test":          "mx1.dest.test mx2.dest.test (required/1.2)",
		"turned.test":        "mx2.dest.test mx1.dest.test (required/1.2)",
		"equal.test":         "a.test,b.test (required/1.2)",
		"bare.test":          "bare.test (required/1.2)",
		"nowhere.test":       "nowhere.test (required/1.2)",
		"[192.0.2.1]":        "[192.0.2.1] (required/1.2)",
	} {
		s := d.Resolve(context.Background(), destination)
		if known, ok := d.Site(destination); !ok || known != s {
			t.Errorf("%s: %+v by memory, %+v by asking", destination, known, s)
		}
		if s.Name != want || s.Workers != 7 {
			t.Errorf("%s: %+v, want %q", destination, s, want)
		}
	}
}

func TestUnreadableMessageIsDeferred(t *testing.T) {
	host := (&mx{}).start(t, "127.0.0.11", "0")
	job := jobTo("a@dest.test")
	job.Open = func() (io.ReadCloser, error) { return nil, errors.New("input/output error") }
	want(t, deliver(t, newNetwork(t, 1, host.port()).opportunistic().opts, job)[0], "deferred local-trouble 4.3.0")
}

func TestStopEndsAnAttempt(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.11:0") // accepts and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	n := newNetwork(t, 1, port)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	began := time.Now()
	o := once(ctx, n.opts, jobTo("a@dest.test"))
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("took %v", took)
	}
	want(t, o[0], "deferred local-trouble 4.3.0")
}

func TestRouteFor(t *testing.T) {
	routes := []Route{{Domain: "*"}, {Domain: ".example.org"}, {Domain: "a.example.org"}, {Domain: ".b.example.org"}}
	for domain, wanted := range map[string]string{
		"example.org": "*", "a.example.org": "a.example.org", "c.example.org": ".example.org", "x.b.example.org": ".b.example.org", "other.test": "*",
	} {
		if r := routeFor(routes, domain); r == nil || r.Domain != wanted {
			t.Errorf("%s goes by %+v, want %s", domain, r, wanted)
		}
	}
	if r := routeFor(routes[1:], "other.test"); r != nil {
		t.Errorf("a route without being asked: %+v", r)
	}
}

func TestPublic(t *testing.T) {
	for _, s := range []string{
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "10.1.1.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.254.169.254",
		"224.0.0.1", "255.255.255.255", "240.0.0.1", "198.18.0.1", "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
		"fe80::1", "fc00::1", "fd12::1", "ff02::1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:db8::1", "fe80::1%eth0",
	} {
		if public(netip.MustParseAddr(s)) {
			t.Errorf("%s counts as public", s)
		}
	}
	for _, s := range []string{"9.9.9.9", "172.32.0.1", "100.128.0.1", "2606:4700::1", "::ffff:9.9.9.9", "193.0.0.1"} {
		if !public(netip.MustParseAddr(s)) {
			t.Errorf("%s does not count as public", s)
		}
	}
}
