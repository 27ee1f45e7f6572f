package probe

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	many := make([]string, 100_000)
	for i := range many {
		many[i] = fmt.Sprintf("mx%d.example.org", i)
	}
	for _, test := range []struct {
		c    x509.Certificate
		want []string
	}{
		{x509.Certificate{}, nil},
		{x509.Certificate{Subject: pkix.Name{CommonName: "mx.example.org"}}, []string{"CN=mx.example.org"}},
		{x509.Certificate{Subject: pkix.Name{CommonName: "old.example.org"}, DNSNames: []string{"a.test"},
			IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}}, []string{"a.test", "192.0.2.1"}},
		{x509.Certificate{DNSNames: []string{"\x1b[31m\u202eevil"}}, []string{"?[31m?evil"}},
		{x509.Certificate{DNSNames: many}, many[:maxNames]},
	} {
		if got := Names(&test.c); !slices.Equal(got, test.want) {
			t.Errorf("%.200q, want %.200q", got, test.want)
		}
	}
	long := Names(&x509.Certificate{DNSNames: []string{strings.Repeat("a", 10_000)}})
	if len(long) != 1 || len(long[0]) > maxName {
		t.Errorf("%d bytes", len(long[0]))
	}
}
