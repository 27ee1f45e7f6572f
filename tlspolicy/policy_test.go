package tlspolicy

import (
	"crypto/tls"
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	policy := &Policy{
		Default: Rule{Level: Required, Floor: TLS12},
		Domains: []Rule{
			{Domain: "bank.example", Level: Verified, Floor: TLS13},
			{Domain: ".example", Level: Verified},
			{Domain: ".old.example", Level: Opportunistic},
			{Domain: "moved.test", Level: Opportunistic, Until: now.Add(-time.Hour)},
			{Domain: "moving.test", Level: Opportunistic, Until: now.Add(time.Hour)},
		},
	}
	for domain, want := range map[string]string{
		"other.test":      "required/1.2",
		"bank.example":    "verified/1.3",
		"a.bank.example":  "verified/1.2", // by .example
		"old.example":     "verified/1.2", // .old.example is only for what is below
		"mx.old.example":  "opportunistic/1.2",
		"notold.example":  "verified/1.2",
		"example":         "required/1.2",
		"moved.test":      "required/1.2", // the exception has ended
		"moving.test":     "opportunistic/1.2",
		"sub.moving.test": "required/1.2",
	} {
		if got := policy.Decide(domain, now).Key(); got != want {
			t.Errorf("%s: decided %s, want %s", domain, got, want)
		}
	}
}

func TestZeroValuesAreSafe(t *testing.T) {
	for name, d := range map[string]Decision{
		"zero Policy":   (&Policy{}).Decide("a.test", time.Time{}),
		"zero Decision": {},
		"low floor":     (&Policy{Default: Rule{Floor: TLS10}}).Decide("a.test", time.Time{}),
	} {
		if c := d.ClientConfig("mx.a.test"); c.MinVersion != tls.VersionTLS12 {
			t.Errorf("%s: MinVersion %04x", name, c.MinVersion)
		}
		if d.Judge(false, nil).Pass {
			t.Errorf("%s: clear text passes", name)
		}
	}
	if (Verdict{}).Pass {
		t.Error("the zero Verdict passes")
	}
}

func TestJudge(t *testing.T) {
	session := func(v uint16, complete bool) *tls.ConnectionState {
		return &tls.ConnectionState{Version: v, HandshakeComplete: complete}
	}
	tests := []struct {
		name    string
		d       Decision
		offered bool
		state   *tls.ConnectionState
		cause   string // "" passes
	}{
		{"clear text, required", Decision{}, false, nil, "starttls-not-offered"},
		{"clear text, verified", Decision{Level: Verified}, false, nil, "starttls-not-offered"},
		{"clear text, opportunistic", Decision{Level: Opportunistic}, false, nil, ""},
		{"offered but unused, opportunistic", Decision{Level: Opportunistic}, true, nil, "tls-handshake"},
		{"after a broken host, opportunistic", Decision{Level: Opportunistic}.WithoutClearText(), false, nil, "starttls-not-offered"},
		{"1.2", Decision{}, true, session(tls.VersionTLS12, true), ""},
		{"1.3", Decision{}, true, session(tls.VersionTLS13, true), ""},
		{"1.1", Decision{}, true, session(tls.VersionTLS11, true), "tls-version"},
		{"1.2 under floor 1.3", Decision{Floor: TLS13}, true, session(tls.VersionTLS12, true), "tls-version"},
		{"incomplete", Decision{}, true, session(tls.VersionTLS13, false), "tls-handshake"},
		{"unverified, verified", Decision{Level: Verified}, true, session(tls.VersionTLS13, true), "certificate-untrusted"},
	}
	for _, tt := range tests {
		v := tt.d.Judge(tt.offered, tt.state)
		if v.Cause.Key != tt.cause || v.Pass != (tt.cause == "") {
			t.Errorf("%s: %+v, want cause %q", tt.name, v, tt.cause)
		}
		if !v.Pass && v.Detail == "" {
			t.Errorf("%s: no detail", tt.name)
		}
	}
}

func TestParse(t *testing.T) {
	for _, s := range []string{"1.0", "1.1", "", "1.4", "TLS1.2"} {
		if v, err := ParseFloor(s); err == nil {
			t.Errorf("floor %q became %v", s, v)
		}
	}
	for _, l := range []Level{Required, Opportunistic, Verified} {
		if got, err := ParseLevel(l.String()); err != nil || got != l {
			t.Errorf("level %v: %v, %v", l, got, err)
		}
	}
	if _, err := ParseLevel("none"); err == nil {
		t.Error("level none parses")
	}
}

func TestCausesAreComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range Causes() {
		if c.Key == "" || seen[c.Key] || c.Status == "" || c.Status[0] != '4' || c.ResultType == "" {
			t.Errorf("row %+v is incomplete or double", c)
		}
		seen[c.Key] = true
	}
}
