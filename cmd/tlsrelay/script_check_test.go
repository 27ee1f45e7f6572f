package main

import (
	"crypto/tls"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"tlsrelay/relay/dns/dnstest"
)

// scriptHost is mailhost VAR NAME VERSION: it starts a mail server on 127.0.0.1 that offers one version of TLS, or "none", and sets
// VAR to its port.
func scriptHost(ts *testscript.TestScript, _ bool, args []string) {
	versions := map[string]uint16{"none": 0, "1.0": tls.VersionTLS10, "1.1": tls.VersionTLS11, "1.2": tls.VersionTLS12, "1.3": tls.VersionTLS13}
	version, ok := versions[args[2]]
	if !ok {
		ts.Fatalf("there is no version %s", args[2])
	}
	h, err := startDemoHost(args[1], version)
	ts.Check(err)
	ts.Defer(h.stop)
	ts.Setenv(args[0], strconv.Itoa(h.port()))
}

// scriptNames is names VAR FILE: it starts a DNS server with the lines "NAME MX|A DATA" of a file, and sets VAR to its address.
func scriptNames(ts *testscript.TestScript, _ bool, args []string) {
	zone := dnstest.Zone{}
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		kind, data, _ := strings.Cut(rest, " ")
		records := zone[name]
		switch kind {
		case "MX":
			records.MX = append(records.MX, data)
		case "A":
			records.A = append(records.A, data)
		default:
			ts.Fatalf("%s: a record %q", args[1], line)
		}
		zone[name] = records
	}
	s, err := dnstest.Start(zone)
	ts.Check(err)
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.Addr())
}
