//go:build linux

package peertest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/xml"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tlsrelay/relay/dns/dnstest"
)

// offers are what a scanner found a listener to offer, or not to: versions and classes of ciphers.
type offers map[string]bool

// Versions in the words of testssl.
var wantVersions = offers{"SSLv2": false, "SSLv3": false, "TLS1": false, "TLS1_1": false, "TLS1_2": true, "TLS1_3": true}

// Classes of ciphers in the words of testssl. AVERAGE has AES in CBC mode: of those only two with ephemeral keys are
// offered, which checkCipher sees to; there are clients for TLS 1.2 that have none better.
var wantClasses = offers{
	"cipherlist_NULL": false, "cipherlist_aNULL": false, "cipherlist_EXPORT": false, "cipherlist_LOW": false,
	"cipherlist_3DES_IDEA": false, "cipherlist_AVERAGE": true, "cipherlist_STRONG": true,
}

// check wants exactly these among the findings.
func (got offers) check(t *testing.T, want offers) {
	t.Helper()
	for name, offered := range want {
		if is, found := got[name]; !found || is != offered {
			t.Errorf("%s: offered %v, found %v", name, is, found)
		}
	}
}

// Scanners of another origin find TLS 1.2 and 1.3 at a listener, nothing older and no weak cipher, whatever the key of the
// certificate: with one for RSA there are more ciphers to get wrong.
func TestPeerScanners(t *testing.T) {
	needPackages(t, "sslscan", "testssl.sh")
	for _, kind := range []string{"ECDSA", "RSA"} {
		n := newNetwork(t)
		if kind == "RSA" {
			private, err := rsa.GenerateKey(rand.Reader, 2048)
			if err != nil {
				t.Fatal(err)
			}
			n.cert, n.key = certify(t, n.dir, crypto.Signer(private))
		}
		r := startRelay(t, n, dnstest.Zone{}, "")
		for listener, mode := range map[int]string{starttls: "STARTTLS", implicit: "implicit TLS"} {
			t.Run("sslscan "+mode+" "+kind, func(t *testing.T) {
				sslscan(t, r.address(listener), listener == starttls).check(t, wantVersions)
			})
			if (kind == "RSA") != (listener == starttls) {
				continue // it takes its time
			}
			t.Run("testssl "+mode+" "+kind, func(t *testing.T) {
				want := maps.Clone(wantVersions)
				maps.Copy(want, wantClasses)
				testssl(t, r.address(listener), listener == starttls).check(t, want)
			})
		}
	}
}

// cipher is one that sslscan found to be accepted.
type cipher struct {
	Version  string `xml:"sslversion,attr"`
	Bits     int    `xml:"bits,attr"`
	Name     string `xml:"cipher,attr"`
	Strength string `xml:"strength,attr"`
}

// check wants the strength that sslscan sees, an ephemeral key, and AEAD or at least AES.
func (c cipher) check(t *testing.T) {
	t.Helper()
	strong := c.Strength == "strong" || c.Strength == "acceptable"
	ephemeral := strings.HasPrefix(c.Name, "ECDHE-") || c.Version == "TLSv1.3"
	modern := strings.Contains(c.Name, "GCM") || strings.Contains(c.Name, "CHACHA20") || strings.HasSuffix(c.Name, "-AES128-SHA") ||
		strings.HasSuffix(c.Name, "-AES256-SHA")
	if !strong || !ephemeral || !modern || c.Bits < 128 {
		t.Errorf("a weak cipher: %+v", c)
	}
}

// sslscan gives which versions are offered, and checks the ciphers.
func sslscan(t *testing.T, address string, startTLS bool) offers {
	t.Helper()
	args := []string{"--xml=-", "--no-colour", address}
	if startTLS {
		args = append([]string{"--starttls-smtp"}, args...)
	}
	var doc struct {
		Protocols []protocolFound `xml:"ssltest>protocol"`
		Ciphers   []cipher        `xml:"ssltest>cipher"`
	}
	out := mustRun(t, "", "sslscan", args...)
	if err := xml.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if len(doc.Ciphers) < 6 { // three of TLS 1.3, three with AEAD of TLS 1.2
		t.Errorf("only %d ciphers: %+v", len(doc.Ciphers), doc.Ciphers)
	}
	for _, c := range doc.Ciphers {
		c.check(t)
	}
	return versionsFound(doc.Protocols)
}

// protocolFound is what sslscan found out about a version.
type protocolFound struct {
	Type    string `xml:"type,attr"`
	Version string `xml:"version,attr"`
	Enabled bool   `xml:"enabled,attr"`
}

// versionsFound gives them in the words of testssl.
func versionsFound(protocols []protocolFound) offers {
	names := map[string]string{"ssl2": "SSLv2", "ssl3": "SSLv3", "tls1.0": "TLS1", "tls1.1": "TLS1_1", "tls1.2": "TLS1_2", "tls1.3": "TLS1_3"}
	offered := offers{}
	for _, p := range protocols {
		offered[names[p.Type+p.Version]] = p.Enabled
	}
	return offered
}

// testssl gives which versions and classes of ciphers are offered.
func testssl(t *testing.T, address string, startTLS bool) offers {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.json")
	args := []string{"--quiet", "--warnings=off", "--nodns=none", "--protocols", "--std", "--jsonfile", report, address}
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
	offered := offers{}
	for _, f := range findings {
		offered[f.ID] = strings.HasPrefix(f.Finding, "offered")
	}
	return offered
}
