package dns

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tlsrelay/relay/dns/dnstest"
)

func TestLookupAddrs(t *testing.T) {
	v4, v6 := []string{"192.0.2.1"}, []string{"2001:db8::1"}
	zone := dnstest.Zone{
		"both.example":      {A: []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"}, AAAA: v6},
		"four.example":      {A: v4},
		"six.example":       {AAAA: v6},
		"none.example":      {MX: []string{"10 mx.example."}},
		"mapped.example":    {AAAA: []string{"::ffff:127.0.0.1"}},
		"alias.example":     {CNAME: "both.example."},
		"aonly.example":     {A: v4, Fault: dnstest.ServFail, FaultFor: "AAAA"},
		"aaaaonly.example":  {AAAA: v6, Fault: dnstest.Refused, FaultFor: "A"},
		"unknown.example":   {A: v4, Fault: dnstest.ServFail, FaultFor: "A"}, // no AAAA: nothing is known
		"servfail.example":  {Fault: dnstest.ServFail},
		"duplicate.example": {A: []string{"192.0.2.1"}, AAAA: []string{"::ffff:192.0.2.1"}},
	}
	tests := []struct {
		host string
		want []string
		err  error
	}{
		{"both.example", []string{"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"}, nil},
		{"BOTH.example.", []string{"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"}, nil},
		{"four.example", v4, nil},
		{"six.example", v6, nil},
		{"none.example", nil, nil},
		{"mapped.example", []string{"127.0.0.1"}, nil},
		{"alias.example", []string{"192.0.2.1", "2001:db8::1", "192.0.2.2", "192.0.2.3"}, nil},
		{"aonly.example", v4, nil},
		{"aaaaonly.example", v6, nil},
		{"unknown.example", nil, ErrTrouble},
		{"servfail.example", nil, ErrTrouble},
		{"missing.example", nil, ErrNoSuchDomain},
		{"duplicate.example", v4, nil},
	}
	srv := dnstest.Serve(t, zone)
	c := client(t, Options{Servers: []string{srv.Addr()}})
	for _, tt := range tests {
		t.Run(tt.host, func(t *testing.T) {
			answer, err := c.LookupAddrs(t.Context(), tt.host)
			if !errors.Is(err, tt.err) {
				t.Errorf("error %v, want %v", err, tt.err)
			}
			var got []string
			for _, a := range answer.Addrs {
				got = append(got, a.String())
			}
			if diff := cmp.Diff(tt.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestAddressesAreCapped(t *testing.T) {
	var r dnstest.Records
	for i := range 100 {
		r.A = append(r.A, fmt.Sprintf("192.0.2.%d", i))
		r.AAAA = append(r.AAAA, fmt.Sprintf("2001:db8::%d", i))
	}
	srv := dnstest.Serve(t, dnstest.Zone{"mx.example": r})
	a, err := client(t, Options{Servers: []string{srv.Addr()}}).LookupAddrs(t.Context(), "mx.example")
	if err != nil || len(a.Addrs) != MaxAddrs {
		t.Fatalf("%d addresses, %v", len(a.Addrs), err)
	}
	four := 0
	for _, addr := range a.Addrs {
		if addr.Is4() {
			four++
		}
	}
	if four != MaxAddrs/2 {
		t.Errorf("%d of %d are IPv4", four, MaxAddrs)
	}
}

func TestMerge(t *testing.T) {
	gone := fmt.Errorf("x: %w", ErrNoSuchDomain)
	trouble := &TroubleError{Question: "A x"}
	addr := []netip.Addr{netip.IPv6Loopback()}
	tests := []struct {
		name      string
		four, six family
		addrs     int
		err       error
	}{
		{"both deny", family{err: gone}, family{err: gone}, 0, ErrNoSuchDomain},
		{"one denies, one has no data", family{err: gone}, family{}, 0, nil},
		{"one denies, one is unknown", family{err: gone}, family{err: trouble}, 0, ErrTrouble},
		{"one is unknown, one has no data", family{err: trouble}, family{}, 0, ErrTrouble},
		{"one denies, one has addresses", family{err: gone}, family{addrs: addr}, 1, nil},
		{"one is unknown, one has addresses", family{err: trouble}, family{addrs: addr}, 1, nil},
	}
	for _, tt := range tests {
		for _, swap := range []bool{false, true} {
			four, six := tt.four, tt.six
			if swap {
				four, six = six, four
			}
			got, err := merge(four, six)
			if len(got.Addrs) != tt.addrs || !errors.Is(err, tt.err) {
				t.Errorf("%s (swapped: %v): %v, %v", tt.name, swap, got, err)
			}
		}
	}
}
