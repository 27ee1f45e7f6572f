//go:build linux

package peertest

import (
	"encoding/json"
	"encoding/xml"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tlsrelay/relay/dns/dnstest"
)

// Scanners of another origin find nothing under TLS 1.2 at a listener, and both versions from there on.
func TestPeerScanners(t *testing.T) {
	needPackages(t, "sslscan", "testssl.sh")
	r := startRelay(t, newNetwork(t), dnstest.Zone{}, "")
	for listener, mode := range map[int]string{starttls: "STARTTLS", implicit: "implicit TLS"} {
		t.Run("sslscan "+mode, func(t *testing.T) { checkVersions(t, sslscan(t, r.address(listener), listener == starttls)) })
		t.Run("testssl "+mode, func(t *testing.T) { checkVersions(t, testssl(t, r.address(listener), listener == starttls)) })
	}
}

// checkVersions wants all versions in the findings, and TLS 1.2 and 1.3 alone to be offered.
func checkVersions(t *testing.T, offered map[string]bool) {
	t.Helper()
	for version, want := range map[string]bool{"SSLv2": false, "SSLv3": false, "TLS1": false, "TLS1_1": false, "TLS1_2": true, "TLS1_3": true} {
		if got, found := offered[version]; !found || got != want {
			t.Errorf("%s: offered %v, found %v", version, got, found)
		}
	}
}

// sslscan gives which versions are offered.
func sslscan(t *testing.T, address string, startTLS bool) map[string]bool {
	t.Helper()
	args := []string{"--xml=-", "--no-ciphersuites", "--no-colour", address}
	if startTLS {
		args = append([]string{"--starttls-smtp"}, args...)
	}
	var doc struct {
		Protocols []struct {
			Type    string `xml:"type,attr"`
			Version string `xml:"version,attr"`
			Enabled bool   `xml:"enabled,attr"`
		} `xml:"ssltest>protocol"`
	}
	out := mustRun(t, "", "sslscan", args...)
	if err := xml.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	names := map[string]string{"ssl2": "SSLv2", "ssl3": "SSLv3", "tls1.0": "TLS1", "tls1.1": "TLS1_1", "tls1.2": "TLS1_2", "tls1.3": "TLS1_3"}
	offered := make(map[string]bool)
	for _, p := range doc.Protocols {
		offered[names[p.Type+p.Version]] = p.Enabled
	}
	return offered
}

// testssl gives which versions are offered.
func testssl(t *testing.T, address string, startTLS bool) map[string]bool {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.json")
	args := []string{"--quiet", "--warnings=off", "--nodns=none", "--protocols", "--jsonfile", report, address}
	if startTLS {
		args = append([]string{"-t", "smtp"}, args...)
	}
	out, err := exec.Command("testssl", args...).CombinedOutput() // its exit code counts findings
	text, readErr := os.ReadFile(report)
	if readErr != nil {
		t.Fatalf("%v, %v:\n%s", err, readErr, out)
	}
	var findings []struct{ ID, Finding string }
	if err := json.Unmarshal(text, &findings); err != nil {
		t.Fatal(err)
	}
	offered := make(map[string]bool)
	for _, f := range findings {
		offered[f.ID] = strings.HasPrefix(f.Finding, "offered")
	}
	return offered
}
