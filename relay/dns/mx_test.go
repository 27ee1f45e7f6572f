package dns

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tlsrelay/relay/dns/dnstest"
)

func TestLookupMX(t *testing.T) {
	var many []string
	for i := range 500 {
		many = append(many, fmt.Sprintf("%d mx%d.example.", 1000-i, i))
	}
	zone := dnstest.Zone{
		"sorted.example":   {MX: []string{"20 B.Example.", "5 a.example.", "30 c.example."}},
		"nomx.example":     {A: []string{"192.0.2.1"}},
		"null.example":     {MX: []string{"0 ."}},
		"nullplus.example": {MX: []string{"0 .", "10 a.example."}},
		"literal.example":  {MX: []string{"10 192.0.2.1.", "20 a.example."}},
		"onlylit.example":  {MX: []string{"10 192.0.2.1."}},
		"escape.example":   {MX: []string{`10 a\010b.example.`, "20 a.example."}},
		"twice.example":    {MX: []string{"20 a.example.", "10 A.example.", "20 b.example."}},
		"many.example":     {MX: many},
	}
	tests := []struct {
		domain string
		want   MXAnswer
		err    error
	}{
		{"sorted.example", MXAnswer{Hosts: []MX{{"a.example", 5}, {"b.example", 20}, {"c.example", 30}}}, nil},
		{"SORTED.Example.", MXAnswer{Hosts: []MX{{"a.example", 5}, {"b.example", 20}, {"c.example", 30}}}, nil},
		{"nomx.example", MXAnswer{}, nil},
		{"null.example", MXAnswer{Null: true}, nil},
		{"nullplus.example", MXAnswer{Hosts: []MX{{"a.example", 10}}}, nil},
		{"literal.example", MXAnswer{Hosts: []MX{{"a.example", 20}}}, nil},
		{"onlylit.example", MXAnswer{}, ErrTrouble},
		{"escape.example", MXAnswer{Hosts: []MX{{"a.example", 20}}}, nil},
		{"twice.example", MXAnswer{Hosts: []MX{{"a.example", 10}, {"b.example", 20}}}, nil},
		{"missing.example", MXAnswer{}, ErrNoSuchDomain},
	}
	srv := dnstest.Serve(t, zone)
	c := client(t, Options{Servers: []string{srv.Addr()}})
	for _, tt := range tests {
		t.Run(tt.domain, func(t *testing.T) {
			got, err := c.LookupMX(t.Context(), tt.domain)
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.IgnoreFields(MXAnswer{}, "TTL")); diff != "" {
				t.Error(diff)
			}
		})
	}
	t.Run("500 hosts", func(t *testing.T) {
		got, err := c.LookupMX(t.Context(), "many.example")
		if err != nil || len(got.Hosts) != MaxHosts || got.Hosts[0].Host != "mx499.example" {
			t.Errorf("%d hosts, %v", len(got.Hosts), err)
		}
		if q := srv.Queries(); !slices.Contains(q, "MX many.example./tcp") {
			t.Error("a long answer did not come over TCP")
		}
	})
}

func TestEqualPreferencesAreShuffled(t *testing.T) {
	srv := dnstest.Serve(t, dnstest.Zone{"example.org": {MX: []string{"10 a.example.", "10 b.example."}}})
	c := client(t, Options{Servers: []string{srv.Addr()}})
	first := make(map[string]bool)
	for range 100 {
		a, err := c.LookupMX(t.Context(), "example.org")
		if err != nil {
			t.Fatal(err)
		}
		first[a.Hosts[0].Host] = true
	}
	if len(first) != 2 {
		t.Errorf("always the same first: %v", first)
	}
}

func TestAliases(t *testing.T) {
	zone := dnstest.Zone{
		"direct.example":   {CNAME: "mail.example."},
		"bare.example":     {CNAME: "direct.example.", Fault: dnstest.Bare},
		"upper.example":    {CNAME: "MAIL.Example."},
		"gone.example":     {CNAME: "missing.example."},
		"baregone.example": {CNAME: "missing.example.", Fault: dnstest.Bare},
		"nodata.example":   {CNAME: "empty.example."},
		"empty.example":    {A: []string{"192.0.2.9"}},
		"circle.example":   {CNAME: "circle2.example."},
		"circle2.example":  {CNAME: "circle.example."},
		"self.example":     {CNAME: "self.example.", Fault: dnstest.Bare},
		"mail.example":     {MX: []string{"10 mx.example."}},
	}
	for i := range 9 { // c1 takes 9 steps to mail.example, c2 takes 8
		next := fmt.Sprintf("c%d.example.", i+2)
		if i == 8 {
			next = "mail.example."
		}
		fault := dnstest.None
		if i%3 == 0 {
			fault = dnstest.Bare
		}
		zone[fmt.Sprintf("c%d.example", i+1)] = dnstest.Records{CNAME: next, Fault: fault}
	}
	srv := dnstest.Serve(t, zone)
	c := client(t, Options{Servers: []string{srv.Addr()}})
	for domain, want := range map[string]error{
		"direct.example": nil, "bare.example": nil, "upper.example": nil, "c2.example": nil,
		"gone.example": ErrNoSuchDomain, "baregone.example": ErrNoSuchDomain,
		"circle.example": ErrTrouble, "self.example": ErrTrouble, "c1.example": ErrTrouble,
	} {
		a, err := c.LookupMX(t.Context(), domain)
		if !errors.Is(err, want) {
			t.Errorf("%s: error %v, want %v", domain, err, want)
		}
		if want == nil && (len(a.Hosts) != 1 || a.Hosts[0].Host != "mx.example") {
			t.Errorf("%s: %v", domain, a)
		}
	}
	if a, err := c.LookupMX(t.Context(), "nodata.example"); err != nil || len(a.Hosts) != 0 {
		t.Errorf("%v, %v", a, err)
	}
}

func TestAuthentic(t *testing.T) {
	srv := dnstest.Serve(t, dnstest.Zone{
		"signed.example": {MX: []string{"10 mx.example."}, A: []string{"192.0.2.1"}, Authentic: true},
		"plain.example":  {MX: []string{"10 mx.example."}, A: []string{"192.0.2.1"}},
		"mixed.example":  {CNAME: "plain.example.", Authentic: true, Fault: dnstest.Bare},
	})
	for _, trust := range []bool{true, false} {
		c := client(t, Options{Servers: []string{srv.Addr()}, TrustAD: trust})
		for _, domain := range []string{"signed.example", "plain.example", "mixed.example"} {
			want := trust && domain == "signed.example"
			mx, err := c.LookupMX(t.Context(), domain)
			if err != nil || mx.Authentic != want {
				t.Errorf("trust %v: MX of %s: %v, %v, want %v", trust, domain, mx, err, want)
			}
			addrs, err := c.LookupAddrs(t.Context(), domain)
			if err != nil || addrs.Authentic != want {
				t.Errorf("trust %v: addresses of %s: %v, %v, want %v", trust, domain, addrs, err, want)
			}
		}
	}
}
