//go:build linux

package peertest

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tlsrelay/relay/dns/dnstest"
)

// swaks hands in a mail; it gives how swaks ended.
func swaks(t *testing.T, r *running, listener int, m letter, more []string) result {
	t.Helper()
	file := filepath.Join(t.TempDir(), "data")
	writeFile(t, file, []byte(strings.TrimSuffix(m.Text, "\r\n"))) // swaks adds a line end
	args := []string{"--server", r.address(listener), "--helo", "app.test", "--from", m.From, "--to", m.To}
	return run(t, "", "swaks", slices.Concat(args, []string{"--data", "@" + file}, more)...)
}

// loginWith has swaks log in.
func loginWith(mechanism, password string) []string {
	return []string{"--auth", mechanism, "--auth-user", account, "--auth-password", password}
}

// Exit codes of swaks, from its manual.
const (
	swaksRefused = 23 // an error with MAIL
	swaksNoAuth  = 28 // an error with AUTH
)

func TestPeerClients(t *testing.T) {
	needPackages(t, "postfix", "stunnel4", "swaks", "libnet-ssleay-perl", "python3")
	n := newNetwork(t)
	box := n.startTLS(t, "mx.dest.test", "TLSv1.3", "TLSv1.3", "127.0.77.21")
	r := startRelay(t, n, dnstest.Zone{
		"dest.test":    {MX: []string{"10 mx.dest.test."}},
		"mx.dest.test": {A: []string{"127.0.77.21"}},
	}, "")
	plain, login := loginWith("PLAIN", password), loginWith("LOGIN", password)
	tests := []struct {
		name     string
		listener int
		options  []string
		more     []string
		code     int
		account  string
		tls      bool
	}{
		{"swaks from a listed network", listed, nil, nil, 0, "", false},
		{"swaks PLAIN", starttls, []string{"--tls", "--tls-verify", "--tls-ca-path", n.cert}, plain, 0, account, true},
		{"swaks LOGIN", starttls, []string{"--tls"}, login, 0, account, true},
		{"swaks implicit TLS", implicit, []string{"--tlsc"}, plain, 0, account, true},
		{"swaks wrong password", starttls, []string{"--tls"}, loginWith("PLAIN", "guess"), swaksNoAuth, "", false},
		{"swaks login in clear text", starttls, nil, plain, swaksNoAuth, "", false},
		{"swaks no login", starttls, []string{"--tls"}, nil, swaksRefused, "", false},
	}
	arrived := 0
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := newLetter(word(t), "dest.test", 5000)
			got := swaks(t, r, tt.listener, m, append(tt.options, tt.more...))
			if got.code != tt.code {
				t.Fatalf("swaks ends with %d, want %d:\n%s%s", got.code, tt.code, got.out, got.errOut)
			}
			if tt.code != 0 {
				return
			}
			checkTaken(t, r, m, tt.account, tt.tls)
			arrived++
			checkBox(t, box, arrived, m)
		})
	}
	t.Run("smtplib", func(t *testing.T) {
		m := newLetter(word(t), "dest.test", 5000)
		submit(t, n, r, m)
		checkTaken(t, r, m, account, true)
		checkBox(t, box, arrived+1, m)
	})
	if all := r.log.find("accepted", nil); len(all) != arrived+1 {
		t.Errorf("%d mails were accepted: %v", len(all), all)
	}
	checkNoPassword(t, r)
}

// checkTaken looks at what the relay wrote down about a mail that it took and delivered.
func checkTaken(t *testing.T, r *running, m letter, account string, tls bool) {
	t.Helper()
	taken := r.log.await(t, "accepted", 1, func(e entry) bool { return e["sender"] == m.From })[0]
	if taken["account"] != account || (taken["tls_version"] != "") != tls {
		t.Errorf("accepted as %v", taken)
	}
	r.log.await(t, "delivery", 1, func(e entry) bool { return e["id"] == taken["id"] && e["result"] == "delivered" })
}

// checkBox looks for a mail among those in a box of smtp-sink.
func checkBox(t *testing.T, box string, count int, m letter) {
	t.Helper()
	for _, file := range received(t, box, count) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), "X-Rcpt-Args: <"+m.To+">") {
			if h := checkArrived(t, file, m); !strings.HasPrefix(h.Get("X-Mail-Args"), "<"+m.From+">") {
				t.Errorf("envelope sender %s, want %s", h.Get("X-Mail-Args"), m.From)
			}
			return
		}
	}
	t.Errorf("the mail to %s did not arrive", m.To)
}
