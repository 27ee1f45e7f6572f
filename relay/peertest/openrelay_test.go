//go:build linux

package peertest

import (
	"encoding/xml"
	"strings"
	"testing"

	"tlsrelay/relay/dns/dnstest"
)

// Listeners of TestPeerOpenRelay behind those of startRelay.
const (
	closedToAll = 3 + iota // no login, and no network that nmap runs in
	openToMany             // the same, but it may run there: what an open relay looks like
)

const openRelayConfig = `
[[listener]]
address = "127.0.0.1:0"
tls = "starttls"
auth = "off"
networks = ["192.0.2.0/24"]
[[listener]]
address = "127.0.0.1:0"
tls = "off"
auth = "off"
networks = ["127.0.0.0/8"]
`

// nmap finds no open relay from an address that may not relay. That it would find one shows where it may.
func TestPeerOpenRelay(t *testing.T) {
	needPackages(t, "nmap")
	r := startRelay(t, newNetwork(t), dnstest.Zone{}, openRelayConfig)
	for _, tt := range []struct {
		name     string
		listener int
		verdict  string
	}{
		{"login required", starttls, "Server isn't an open relay, authentication needed"},
		// Ten refusals are all that a client gets. The forms that nmap does not come to are in TestOpenRelay.
		{"not in a network", closedToAll, "SMTP RSET: failed to receive data: connection closed"},
		{"may relay", openToMany, "Server is an open relay ("},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, port := hostPort(t, r, tt.listener)
			out := mustRun(t, "", "nmap", "-n", "-Pn", "-p", port, "--script", "+smtp-open-relay", "-oX", "-", "127.0.0.1")
			var doc struct {
				Scripts []struct {
					Output string `xml:"output,attr"`
				} `xml:"host>ports>port>script"`
			}
			if err := xml.Unmarshal([]byte(out), &doc); err != nil {
				t.Fatal(err)
			}
			if len(doc.Scripts) != 1 || !strings.HasPrefix(doc.Scripts[0].Output, tt.verdict) {
				t.Errorf("nmap says %+v, want %q", doc.Scripts, tt.verdict)
			}
		})
	}
	cut := r.log.find("client cut off", func(e entry) bool { return e["errors"] == 10.0 })
	if len(cut) != 1 {
		t.Errorf("%d clients were cut off after ten refusals: %v", len(cut), cut)
	}
}
