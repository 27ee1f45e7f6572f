package relay

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"tlsrelay/configs"
)

// signedBy lists the domains of the good signatures of a message.
func signedBy(t *testing.T, text string, records ...DKIMRecord) []string {
	t.Helper()
	found, err := dkim.VerifyWithOptions(strings.NewReader(text), &dkim.VerifyOptions{LookupTXT: func(name string) ([]string, error) {
		for _, r := range records {
			if name == r.Name {
				return []string{r.Value}, nil
			}
		}
		return nil, fmt.Errorf("no such name: %s", name)
	}})
	if err != nil {
		t.Fatal(err)
	}
	var domains []string
	for _, v := range found {
		if v.Err != nil {
			t.Errorf("signature of %s: %v\n%s", v.Domain, v.Err, text)
		}
		domains = append(domains, v.Domain)
	}
	return domains
}

func newKey(t *testing.T, cfg *configs.Config, domain, kind string) DKIMRecord {
	t.Helper()
	r, err := NewDKIMKey(cfg, DKIMKey{Domain: domain, Type: DKIMType(kind)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func receive(t *testing.T, s sink) string {
	t.Helper()
	select {
	case text := <-s.got:
		return text
	case <-time.After(10 * time.Second):
		t.Fatal("nothing arrives")
		return ""
	}
}

// Mail arrives with good signatures, and so does the notice about mail that nobody takes; and what the operator reads is what
// was sent.
func TestSignedMail(t *testing.T) {
	next, host := startSink(t, true)
	dir := t.TempDir()
	cfg := testConfig(t, dir, next)
	records := []DKIMRecord{newKey(t, cfg, "sender.test", "rsa"), newKey(t, cfg, "sender.test", "ed25519"), newKey(t, cfg, "relay.test", "ed25519")}
	_, submit, _, stop := testRelay(t, dir, next)
	sendMail(t, submit, "a@dest.test")
	if got := signedBy(t, receive(t, host), records...); fmt.Sprint(got) != "[sender.test sender.test]" {
		t.Errorf("the mail is signed by %v", got)
	}
	sendMail(t, submit, "nobody@dest.test")
	notice := receive(t, host)
	if got := signedBy(t, notice, records...); fmt.Sprint(got) != "[relay.test]" || !strings.Contains(notice, "no such user") {
		t.Errorf("the notice is signed by %v: %s", got, notice)
	}
	if _, original, _ := strings.Cut(notice, "message/rfc822"); !strings.Contains(original, "\r\n\r\nDKIM-Signature: ") {
		t.Errorf("the notice does not return the signature: %s", notice)
	}
	host.open.Store(false)
	sendMail(t, submit, "b@dest.test")
	stop()
	q, err := OpenQueue(context.Background(), cfg, NewLog(cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	listed := 0
	err = q.List(context.Background(), Selection{All: true}, func(m Message) error {
		listed++
		var text bytes.Buffer
		if err := q.Content(context.Background(), m.ID, &text); err != nil {
			return err
		}
		if got := signedBy(t, text.String(), records...); len(got) != 2 || int64(text.Len()) != m.Size {
			t.Errorf("in the queue the mail is signed by %v and has %d bytes, the list says %d", got, text.Len(), m.Size)
		}
		return nil
	})
	if err != nil || listed != 1 {
		t.Errorf("%d messages are listed, %v", listed, err)
	}
}

// Keys that come, go and break while the relay runs.
func TestReloadKeys(t *testing.T) {
	next, host := startSink(t, true)
	dir := t.TempDir()
	r, submit, log, stop := testRelay(t, dir, next)
	defer stop()
	signs := func(after string, records ...DKIMRecord) {
		t.Helper()
		if err := r.Reload(r.cfg); err != nil {
			t.Fatal(err)
		}
		sendMail(t, submit, "a@dest.test")
		if got := signedBy(t, receive(t, host), records...); len(got) != len(records) {
			t.Errorf("%s: signed by %v", after, got)
		}
	}
	signs("without keys")
	first := newKey(t, r.cfg, "sender.test", "ed25519")
	signs("a first key", first)
	second := newKey(t, r.cfg, "sender.test", "rsa")
	signs("a second key", first, second)
	if err := os.Rename(first.File, first.File+".off"); err != nil {
		t.Fatal(err)
	}
	signs("the first is off", second)
	if err := os.Chmod(second.File, 0o644); err != nil {
		t.Fatal(err)
	}
	signs("open to others", second)
	line, _ := log.find(t, "the DKIM keys were not read again: those of before go on signing")
	if line["level"] != "WARN" || !strings.Contains(fmt.Sprint(line["error"]), "chmod 600 "+second.File) {
		t.Errorf("log %v", line)
	}
	if err := os.Remove(second.File); err != nil {
		t.Fatal(err)
	}
	signs("no key is left")
}
