//go:build linux

package peertest

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// row is a destination and what must become of one message to it.
type row struct {
	name  string
	level string // of the policy for it: "" is required, "floor 1.3" is required with that floor
	hosts []host // in the order of their preference
	want  string // "delivered VERSION CIPHER" or the beginning of that, or "deferred CAUSE STATUS"
	by    int    // host that decides, from 1; 0 is 1
}

// host is a way to make an MX host.
type host interface {
	add(f *farm, addr, name string) // the name stands in its certificate
}

// What a row wants when it is not the version that the message goes over.
const (
	clearText   = "delivered  " // no version, no cipher
	notOffered  = "deferred starttls-not-offered 4.7.4"
	refused     = "deferred starttls-refused 4.7.4"
	belowFloor  = "deferred tls-version 4.7.5"
	noCipher    = "deferred tls-cipher 4.7.5"
	broken      = "deferred tls-handshake 4.7.5"
	expired     = "deferred certificate-expired 4.7.5"
	foreignName = "deferred certificate-name 4.7.5"
	untrusted   = "deferred certificate-untrusted 4.7.5"
	unreadable  = "deferred certificate-unreadable 4.7.5"
	lost        = "deferred connection-lost 4.4.2"
	protocol    = "deferred remote-protocol 4.5.0"
)

// matrixPatience is longer than a handshake with a host that says nothing.
const matrixPatience = 60 * time.Second

const matrixQueue = `
[queue]
retry = ["1h"]
delay_notice = "off"
`

// TestTLSMatrix sends a message to each kind of host, and wants it delivered over the right TLS or put off for the right
// cause; and nothing of any of them in clear text, but of those whose policy accepts that and whose host never offered TLS.
func TestTLSMatrix(t *testing.T) {
	needPackages(t, "postfix", "stunnel4", "tshark", "python3", "exim4-daemon-light", "gnutls-bin", "openssl")
	f := newFarm(t)
	rows := matrixRows()
	zone, policy := dnstest.Zone{}, ""
	for i := range rows {
		policy += rows[i].plant(f, zone, i)
	}
	turning := plantTurning(f, zone)
	policy += rule(turning.domain, "opportunistic")
	plantSender(f, zone)
	f.start()
	t.Run("proof", f.prove)

	c := startCapture(t, f.n)
	r := startRelay(t, f.n, zone, policy+matrixQueue)
	secret, open := word(t), word(t)
	letters := make([]letter, len(rows))
	for i, m := range rows {
		canary := secret
		if m.want == clearText {
			canary = open
		}
		letters[i] = newLetter(canary, domainOf(i), 0).sevenBit()
	}
	late := newLetter(secret, turning.domain, 0).sevenBit()
	submit(t, f.n, r, append(letters, late)...)

	t.Run("TLS refused, and not offered later", func(t *testing.T) { turning.check(t, r, late.To) })
	delivered := map[string]bool{}
	for i, m := range rows {
		t.Run(fmt.Sprintf("%s %s %s", domainOf(i), or(m.level, "required"), m.name), func(t *testing.T) { m.check(t, r, letters[i].To, i) })
		if strings.HasPrefix(m.want, "delivered") {
			delivered[letters[i].To] = true
		}
	}
	t.Run("arrival", func(t *testing.T) { checkAllArrived(t, f.boxes, delivered) })
	t.Run("capture", func(t *testing.T) { checkMatrixCapture(t, c, f, rows, secret, open) })
	t.Run("notices", func(t *testing.T) { checkMatrixNotices(t, f, r, rows, letters) })
}

func domainOf(i int) string { return fmt.Sprintf("r%03d.test", i) }

// nameOf is the name of a host of a row, both from 0.
func nameOf(row, host int) string { return fmt.Sprintf("mx%d.%s", host+1, domainOf(row)) }

// plant makes the hosts of a row and gives what the configuration has for its domain.
func (m row) plant(f *farm, zone dnstest.Zone, i int) string {
	var records dnstest.Records
	if p, ok := m.hosts[0].(implicitTLS); ok {
		name := nameOf(i, 0)
		zone[name] = dnstest.Records{A: []string{f.port465(p, name)}}
		return rule(domainOf(i), m.level) + fmt.Sprintf("[[route]]\ndomain = %q\nhosts = [\"%s:465\"]\n", domainOf(i), name)
	}
	for k, h := range m.hosts {
		name, addr := nameOf(i, k), f.address()
		records.MX = append(records.MX, fmt.Sprintf("%d %s.", 10*(k+1), name))
		zone[name] = dnstest.Records{A: []string{addr}}
		if k == max(m.by, 1)-1 {
			f.clear[addr] = m.want == clearText
			f.planProof(m, addr)
		}
		h.add(f, addr, name)
	}
	zone[domainOf(i)] = records
	return rule(domainOf(i), m.level)
}

// rule writes a level as configuration.
func rule(domain, level string) string {
	head := fmt.Sprintf("[[tls.domain]]\nname = %q\n", domain)
	switch level {
	case "":
		return ""
	case "opportunistic":
		return head + "level = \"opportunistic\"\nuntil = \"2099-12-31\"\nwhy = \"a row of the matrix\"\n"
	case "floor 1.3":
		return head + "floor = \"1.3\"\n"
	}
	return head + fmt.Sprintf("level = %q\n", level)
}

// check looks at the line of the log about the row's message.
func (m row) check(t *testing.T, r *running, to string, i int) {
	t.Helper()
	got := awaitAttempt(t, r, to, 1)
	if said := summary(got); said != m.want && !strings.HasPrefix(said, m.want) {
		t.Errorf("%s, want %s; it says reply=%q detail=%v", said, m.want, got["reply"], got["detail"])
	}
	if want := nameOf(i, max(m.by, 1)-1); got["host"] != want {
		t.Errorf("host %v decided, want %s", got["host"], want)
	}
	if got["reply"] == "" && got["detail"] == nil {
		t.Error("neither the server's words nor what was seen")
	}
}

// awaitAttempt waits for the log of an attempt for a recipient.
func awaitAttempt(t *testing.T, r *running, to string, attempt int) entry {
	t.Helper()
	match := func(e entry) bool { return e["recipient"] == to && e["attempt"] == float64(attempt) }
	var found []entry
	eventually(t, fmt.Sprintf("attempt %d for %s", attempt, to), func() bool {
		found = r.log.find("delivery", match)
		return len(found) > 0
	})
	return found[0]
}

// eventually waits until something is there.
func eventually(t *testing.T, what string, there func() bool) {
	t.Helper()
	for deadline := time.Now().Add(matrixPatience); !there(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not in time", what)
		}
	}
}

// summary says what a line of the log means in the words of a row.
func summary(e entry) string {
	if e["result"] == "delivered" {
		return fmt.Sprintf("delivered %s %s", e["tls_version"], e["tls_cipher"])
	}
	return fmt.Sprintf("%s %s %s", e["result"], e["cause"], e["status"])
}

var matrixRecipient = regexp.MustCompile(`canary[0-9a-f]+-to@r[0-9]{3}\.test`)

// checkAllArrived wants each message that is logged as delivered in one box, once, and no other one anywhere.
func checkAllArrived(t *testing.T, boxes []string, want map[string]bool) {
	t.Helper()
	got := map[string]int{}
	for _, box := range boxes {
		files, err := filepath.Glob(box)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got[string(matrixRecipient.Find(text))]++
		}
	}
	for to := range want {
		if got[to] != 1 {
			t.Errorf("the message to %s arrived %d times", to, got[to])
		}
		delete(got, to)
	}
	if len(got) > 0 {
		t.Errorf("these arrived, too: %v", got)
	}
}

// checkMatrixCapture looks for the canaries: in the file as it is, and in what the hosts got.
func checkMatrixCapture(t *testing.T, c *capture, f *farm, rows []row, secret, open string) {
	t.Helper()
	streams := c.end(t)
	recorded, err := os.ReadFile(c.file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(recorded, []byte(secret)) || !bytes.Contains(recorded, []byte(open)) {
		t.Errorf("the capture has the secret canary: %v, the other one: %v", bytes.Contains(recorded, []byte(secret)), bytes.Contains(recorded, []byte(open)))
	}
	for addr := range f.served {
		all := with(streams, addr)
		if len(all) == 0 {
			t.Errorf("the capture shows nothing of %s", addr)
		}
		for _, command := range append(commands(), "BDAT") {
			if said := clientSays(all, command); said && !f.clear[addr] || !said && f.clear[addr] && command == "MAIL FROM" {
				t.Errorf("%s got %q in clear text: %v", addr, command, said)
			}
		}
	}
}
