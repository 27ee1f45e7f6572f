package relay

import (
	"errors"
	netsmtp "net/smtp"
	"net/textproto"
	"testing"

	"tlsrelay/configs"
)

// A reload puts rules of tenants in force at once. What was sent before counts, and after the next start as well.
func TestReloadTenants(t *testing.T) {
	next, _ := startSink(t, true)
	dir := t.TempDir()
	r, submit, log, stop := testRelay(t, dir, next)
	cfg := testConfig(t, dir, next)
	rule := configs.Tenant{Network: cfg.Listeners[0].Networks[0]}
	reload := func() {
		t.Helper()
		cfg.Tenants = []configs.Tenant{rule}
		if err := r.Reload(cfg); err != nil {
			t.Fatal(err)
		}
	}
	reload()
	if line, _ := log.find(t, "the configuration was read again"); line["level"] != "INFO" {
		t.Errorf("log: %v", line)
	}
	sendMail(t, submit, "a@dest.test", "b@dest.test")
	rule.RecipientsPerHour, rule.Senders = 2, []string{"@sender.test"}
	reload()
	wantReply(t, submit, "x@other.test", 550)
	wantReply(t, submit, "app@sender.test", 452)
	rule.RecipientsPerHour = 3
	reload()
	wantReply(t, submit, "app@sender.test", 0)
	stop()
	used, err := Tenants(t.Context(), cfg, nil)
	if err != nil || len(used) != 1 || used[0].RecipientsDay != 2 || used[0].RecipientsPerHour != 3 {
		t.Errorf("after the end: %+v, %v", used, err)
	}
}

// wantReply wants this reply to MAIL or RCPT, 0 for none but good ones.
func wantReply(t *testing.T, submit, from string, code int) {
	t.Helper()
	c, err := netsmtp.Dial(submit)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err = c.Mail(from); err == nil {
		err = c.Rcpt("c@dest.test")
	}
	var reply *textproto.Error
	if errors.As(err, &reply); (err == nil) != (code == 0) || code != 0 && (reply == nil || reply.Code != code) {
		t.Errorf("%s is told %v, want %d", from, err, code)
	}
}
