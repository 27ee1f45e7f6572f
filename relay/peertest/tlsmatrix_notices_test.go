//go:build linux

package peertest

import (
	"bytes"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay"
	"tlsrelay/relay/dns/dnstest"
	texts "tlsrelay/relay/notice"
)

// plantSender makes the sender's own server, which takes the notices.
func plantSender(f *farm, zone dnstest.Zone) {
	const name = "mx.sender.test"
	addr := f.address()
	delete(f.served, addr) // no row has it
	zone["sender.test"] = dnstest.Records{MX: []string{"10 " + name + "."}}
	zone[name] = dnstest.Records{A: []string{addr}}
	openssl{}.add(f, addr, name)
}

// checkMatrixNotices has all mail that waits tried again, now that probes have been made, and the sender told in two languages. What a
// notice says of a host must be what the host is: by what it was told to be, and not by what the relay found out.
func checkMatrixNotices(t *testing.T, f *farm, r *running, rows []row, letters []letter) {
	t.Helper()
	q, err := relay.OpenQueue(t.Context(), r.cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	r.awaitProofs(t, q, rows, letters)

	told := *r.cfg
	told.Queue.DelayNotice, told.Queue.DelayNoticeProven = configs.OptionalDuration(time.Second), configs.OptionalDuration(time.Second)
	told.Languages = []configs.Language{"en", "de"}
	if err := r.Reload(&told); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{} // of the notices, by recipient
	for i, m := range rows {
		if strings.HasPrefix(m.want, "deferred") {
			files[letters[i].To] = ""
		}
	}
	eventually(t, fmt.Sprintf("notices of %d recipients", len(files)), func() bool {
		retryAll(t, q)
		time.Sleep(200 * time.Millisecond)
		return findNotices(t, f.boxes[0], files)
	})
	notices := readNotices(t, slices.Collect(maps.Values(files)))
	for i, m := range rows {
		if _, waits := files[letters[i].To]; waits {
			t.Run(fmt.Sprintf("%s %s %s", domainOf(i), or(m.level, "required"), m.name), func(t *testing.T) {
				n := slices.IndexFunc(notices, func(n notice) bool { return strings.HasSuffix(n.Recipients[0].Final, " "+letters[i].To) })
				if n < 0 {
					t.Fatal("no notice")
				}
				m.checkNotice(t, f, notices[n], i)
			})
		}
	}
}

// retryAll makes all mail due that waits. Some may be under way.
func retryAll(t *testing.T, q relay.Queue) {
	t.Helper()
	if _, err := q.Retry(t.Context(), relay.Selection{All: true}); err != nil && !strings.Contains(err.Error(), "under way") {
		t.Fatal(err)
	}
}

// awaitProofs waits until the queue holds a proof against each host that can be proven to be bad.
func (r *running) awaitProofs(t *testing.T, q relay.Queue, rows []row, letters []letter) {
	t.Helper()
	missing := map[string]bool{}
	for i, m := range rows {
		if m.provable() {
			missing[letters[i].To] = true
		}
	}
	if len(missing) < 30 {
		t.Fatalf("%d rows that can be proven", len(missing))
	}
	eventually(t, "proofs", func() bool {
		err := q.List(t.Context(), relay.Selection{All: true}, func(m relay.Message) error {
			for _, one := range m.Recipients {
				if slices.ContainsFunc(one.Evidence, func(e relay.Evidence) bool { return e.Proven }) {
					delete(missing, one.Address)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(missing) > 0 {
			retryAll(t, q)
			time.Sleep(500 * time.Millisecond)
		}
		return len(missing) == 0
	})
}

// decides is the host that decides the row.
func (m row) decides() host { return m.hosts[max(m.by, 1)-1] }

// provable reports whether a probe must come to the same result as the row: the host is a real program, and what is wrong with it
// can be seen without mail.
func (m row) provable() bool {
	switch m.decides().(type) {
	case openssl, gnutls, postfix, plain:
		return slices.Contains([]string{belowFloor, expired, foreignName, untrusted, notOffered}, m.want)
	}
	return false
}

// offers is what the host was told to offer, where that is plain to see; "" where it is not.
func (m row) offers() string {
	names := []string{"TLS 1.0", "TLS 1.1", "TLS 1.2", "TLS 1.3"}
	number := map[string]int{"TLSv1": 0, "TLSv1.1": 1, "TLSv1.2": 2, "TLSv1.3": 3}
	oldest, newest := "TLSv1", "TLSv1.3"
	switch h := m.decides().(type) {
	case openssl:
		if h.ciphers+h.suites+h.curves+h.more != "" {
			return ""
		}
		oldest, newest = or(h.oldest, oldest), or(h.newest, newest)
	case postfix:
		for _, option := range h {
			if _, range_, ok := strings.Cut(option, "protocols="); ok {
				newest = strings.TrimPrefix(range_, "<=")
				if newest == range_ {
					oldest = newest
				}
			}
		}
	default:
		return ""
	}
	list := names[number[oldest] : number[newest]+1]
	if len(list) == 1 {
		return list[0]
	}
	return strings.Join(list[:len(list)-1], ", ") + " and " + list[len(list)-1]
}

// checkNotice compares a notice with what its row is about.
func (m row) checkNotice(t *testing.T, f *farm, n notice, i int) {
	t.Helper()
	about := n.Recipients[0]
	want := strings.Fields(m.want)[1]
	settled := want == "tls-handshake" && (about.Cause == "tls-cipher" || about.Cause == "tls-version" && m.floor() == "1.3")
	if about.Cause != want && !settled {
		t.Errorf("the cause is %s, want %s", about.Cause, want)
	}
	if d := about.Diagnostic; d == "" || len(d) > 1000 || strings.ContainsFunc(d, func(r rune) bool { return r < ' ' || r > '~' }) {
		t.Errorf("Diagnostic-Code %q", d)
	}
	english, german, both := strings.Cut(n.Text, "\n=====")
	if !both {
		t.Fatalf("not in two languages:\n%s", n.Text)
	}
	says := func(text string, what ...string) {
		t.Helper()
		flat := strings.Join(strings.Fields(text), " ")
		for _, w := range what {
			if !strings.Contains(flat, w) {
				t.Errorf("it does not say %q:\n%s", w, text)
			}
		}
	}
	host := nameOf(i, max(m.by, 1)-1)
	says(english, host)
	says(german, host)
	for lang, text := range map[string]string{"en": english, "de": german} {
		e, ok := (*texts.Texts)(nil).Explain(lang, about.Cause, texts.Facts{Relay: hostname, Domain: domainOf(i), Host: host, Needed: m.floor()})
		if !ok || e.Title == "" {
			t.Fatalf("no text for %s", about.Cause)
		}
		sentence, _, _ := strings.Cut(e.What, ". ")
		if !strings.HasPrefix(m.want, "deferred certificate-") { // what is known of a certificate changes the sentence
			says(text, strings.Join(strings.Fields(sentence), " "))
		}
	}
	old := m.want == belowFloor && m.floor() == "1.2"
	if claims := strings.Contains(strings.Join(strings.Fields(english), " "), "supports neither TLS 1.2 nor TLS 1.3"); claims != old {
		t.Errorf("it says that there is neither TLS 1.2 nor TLS 1.3: %v", claims)
	}
	proven := strings.Contains(strings.Join(strings.Fields(english), " "), "out of the question")
	if m.provable() && !proven {
		t.Errorf("it does not say that the cause is certain:\n%s", english)
	}
	if offers := m.offers(); offers != "" && m.want == belowFloor {
		says(english, "Offers "+offers)
		says(german, "Bietet "+strings.ReplaceAll(offers, " and ", " und "))
	}
	m.checkCertificate(t, english, german, host)
	for _, text := range []string{english, german} {
		for line := range strings.SplitSeq(text, "\n") {
			if len([]rune(line)) > 78 && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("a line of %d columns: %s", len([]rune(line)), line)
			}
		}
	}
}

// floor is the oldest TLS that is good enough.
func (m row) floor() string {
	if m.level == "floor 1.3" {
		return "1.3"
	}
	return "1.2"
}

// checkCertificate looks for what is wrong with a certificate.
func (m row) checkCertificate(t *testing.T, english, german, host string) {
	t.Helper()
	wanted := map[string][2]string{
		expired:     {"Expired ", "Abgelaufen "},
		foreignName: {"Made for ", "Gilt für "},
		untrusted:   {"Issued by CN=", "Aussteller CN="},
	}[m.want]
	if m.name == "not yet valid" {
		wanted = [2]string{"Valid from ", "Gültig ab "}
	}
	english, german = strings.Join(strings.Fields(english), " "), strings.Join(strings.Fields(german), " ")
	if m.want == foreignName && strings.Contains(english, "common name") { // that is the host's, and does not count
		wanted = [2]string{"only a common name (" + host + ")", "nur einen „Common Name“ (" + host + ")"}
	}
	if !strings.Contains(english, wanted[0]) || !strings.Contains(german, wanted[1]) {
		t.Errorf("it does not say %q:\n%s\n%s", wanted, english, german)
	}
	if m.want == foreignName && strings.Contains(english, "Made for "+host) {
		t.Errorf("the certificate is said to be made for %s", host)
	}
}

// findNotices fills in the files of a box that hold the whole notice about a recipient, and reports whether none is missing.
// There are notices about others in the box, too, and files that are being written.
func findNotices(t *testing.T, box string, files map[string]string) bool {
	t.Helper()
	all, err := filepath.Glob(box)
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(text, []byte("Action: delayed")) || !bytes.HasSuffix(bytes.TrimSpace(text), []byte("--")) {
			continue
		}
		_, rest, _ := strings.Cut(string(text), "\nFinal-Recipient: rfc822; ")
		to, _, _ := strings.Cut(rest, "\n")
		if _, wanted := files[strings.TrimSpace(to)]; wanted {
			files[strings.TrimSpace(to)] = file
		}
	}
	return !slices.Contains(slices.Collect(maps.Values(files)), "")
}
