package tenant

import (
	"net/netip"
	"testing"
	"time"

	"tlsrelay/relay/address"
)

// The most specific rule counts; a rule for many accounts makes a tenant of each.
func TestFind(t *testing.T) {
	r := newRules([]Rule{
		{Account: "Shop@Example.org", Connections: 1},
		{Account: "*@example.org", Connections: 2},
		{Account: "*", Connections: 3},
		{Network: netip.MustParsePrefix("10.0.0.0/8"), Connections: 4},
		{Network: netip.MustParsePrefix("10.1.0.0/16"), Connections: 5},
		{Network: netip.MustParsePrefix("10.1.2.3/32"), Connections: 6},
		{Network: netip.MustParsePrefix("2001:db8::/32"), Connections: 7},
		{Network: netip.MustParsePrefix("2001:db8::/16"), Connections: 8},
	})
	for _, tc := range []struct {
		account, client string
		want            int // connections of the rule; 0 for none
		tenant          string
	}{
		{"shop@example.org", "10.1.2.3", 1, "account shop@example.org"},
		{"SHOP@example.ORG", "", 1, "account shop@example.org"},
		{"ann@example.org", "", 2, "account ann@example.org"},
		{"a@b@example.org", "", 2, "account a@b@example.org"},
		{"ann@sub.example.org", "", 3, "account ann@sub.example.org"},
		{"local/www-data", "", 3, "account local/www-data"},
		{"", "10.200.0.1", 4, "network 10.0.0.0/8"},
		{"", "10.1.200.1", 5, "network 10.1.0.0/16"},
		{"", "10.1.2.3", 6, "network 10.1.2.3/32"},
		{"", "2001:db8::1", 7, "network 2001:db8::/32"},
		{"", "2001:1::1", 8, "network 2001::/16"},
		{"", "192.0.2.1", 0, ""},
		{"", "", 0, ""},
	} {
		var client netip.Addr
		if tc.client != "" {
			client = netip.MustParseAddr(tc.client)
		}
		found, id := r.find(tc.account, client)
		switch {
		case found == nil && tc.want == 0:
		case found == nil || found.Connections != tc.want || id.String() != tc.tenant:
			t.Errorf("%q at %q: rule %+v of %s; want %d of %s", tc.account, tc.client, found, id, tc.want, tc.tenant)
		case r.of(id) != found:
			t.Errorf("%s has another rule", id)
		}
	}
	if r := newRules(nil); r != nil {
		t.Errorf("no rules are %+v", r)
	}
}

func TestSenders(t *testing.T) {
	s := newSenders([]string{"@example.org", ".example.net", "Billing@other.example"})
	for text, want := range map[string]bool{
		"a@example.org":                 true,
		`"a b"@example.org`:             true,
		"a@sub.example.org":             false,
		"a@notexample.org":              false,
		"a@example.net":                 false,
		"a@sub.example.net":             true,
		"a@x.y.z.example.net":           true,
		"a@subexample.net":              false,
		"billing@other.example":         true,
		"BILLING@Other.Example":         true,
		"x.billing@other.example":       false,
		`"billing@other.example"@x.org`: false,
		"a@[192.0.2.1]":                 false,
		"a@org":                         false,
	} {
		a, err := address.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := s.allow(a); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if a := (address.Address{Local: "a", Domain: "b"}); !newSenders(nil).allow(a) {
		t.Error("no list does not allow all")
	}
	if got := newSenders([]string{"@a", "@b", "@c", "@d", "@e"}).String(); got != "@a, @b, @c, and 2 more" {
		t.Errorf("list: %s", got)
	}
}

func TestCheckFrom(t *testing.T) {
	tenants := New(time.Now)
	tenants.Configure([]Rule{{Account: "*", Senders: []string{"@example.org", "billing@other.example"}}})
	m := begin(t, tenants, "shop@example.org")
	for _, tc := range []struct {
		values []string
		want   string // "" if it is fine, or a part of the text
	}{
		{nil, ""},
		{[]string{" a@example.org"}, ""},
		{[]string{` "Ann, the first" <a@example.org>, billing@other.example`}, ""},
		{[]string{" =?iso-8859-7?Q?=F4?= <a@example.org>"}, ""},
		{[]string{" =?nonsense?Q?=F4?= <a@example.org> (comment <x@y.test>)"}, ""},
		{[]string{` "a b"@example.org`}, ""},
		{[]string{" grüße@example.org"}, ""},
		{[]string{" Jörg <jörg@EXAMPLE.org>"}, ""},
		{[]string{" grüße@evil.test"}, "@evil.test"},
		{[]string{" Team: a@example.org, b@example.org;"}, ""},
		{[]string{" a@other.example"}, "You may not write From: a@other.example: the account shop@example.org may use @example.org"},
		{[]string{" a@example.org, b@evil.test"}, "b@evil.test"},
		{[]string{" a@example.org", " b@evil.test"}, "b@evil.test"},
		{[]string{" Team: a@example.org, b@evil.test;"}, "b@evil.test"},
		{[]string{` "a@example.org" <b@evil.test>`}, "b@evil.test"},
		{[]string{` "x@evil.test> <a"@example.org`}, ""},
		{[]string{" a@example.org <b@evil.test>"}, "cannot be read"},
		{[]string{" <a@example.org> <b@evil.test>"}, "cannot be read"},
		{[]string{" <>"}, "cannot be read"},
		{[]string{""}, "cannot be read"},
		{[]string{" root"}, "cannot be read"},
		{[]string{" <@example.org:b@evil.test>"}, "cannot be read"},
		{[]string{" gr\xfc\xdfe <a@example.org>"}, "cannot be read"},
		{[]string{string(make([]byte, maxFrom+1))}, "cannot be read"},
	} {
		r := m.CheckFrom(tc.values)
		if tc.want == "" {
			if r != nil {
				t.Errorf("%q: %v", tc.values, r)
			}
			continue
		}
		wantRefusal(t, r, 550, "5.7.1", tc.want)
	}
}

// Whatever stands in a From field that passes, no address in it is a stranger's.
func FuzzCheckFrom(f *testing.F) {
	for _, s := range []string{"a@example.org", `"x" <a@example.org>, b@example.org`, "T: a@example.org;", "(c) a@example.org"} {
		f.Add(s)
	}
	tenants := New(time.Now)
	tenants.Configure([]Rule{{Account: "*", Senders: []string{"@example.org"}}})
	f.Fuzz(func(t *testing.T, value string) {
		m := begin(t, tenants, "x")
		defer m.Close()
		r := m.CheckFrom([]string{value})
		if r == nil && len(value) > 0 && !containsFold(value, "example.org") && !containsFold(value, ":") {
			t.Errorf("%q passes", value)
		}
		if r != nil {
			wantRefusal(t, r, 550, "5.7.1", "may use")
		}
	})
}
