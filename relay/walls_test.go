package relay

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// wall says what packages may import. The first rule whose prefix fits a package holds.
type wall struct {
	packages string   // prefix
	ours     []string // prefixes of packages of this module that may be imported directly
}

// walls keeps data going one way: see "The map" in README.md.
var walls = []wall{
	{"tlsrelay/cmd/relaybench/system", []string{"tlsrelay/cmd/relaybench/badhost", "tlsrelay/cmd/relaybench/bare", "tlsrelay/cmd/relaybench/proc"}},
	{"tlsrelay/cmd/relaybench/", nil},
	{"tlsrelay/cmd/relaybench", []string{"tlsrelay/cmd/relaybench/badhost", "tlsrelay/cmd/relaybench/bare", "tlsrelay/cmd/relaybench/delay",
		"tlsrelay/cmd/relaybench/load", "tlsrelay/cmd/relaybench/proc", "tlsrelay/cmd/relaybench/report", "tlsrelay/cmd/relaybench/sink",
		"tlsrelay/cmd/relaybench/system", "tlsrelay/relay/dns/dnstest"}}, // dnstest: names the hosts that mail is delivered to
	{"tlsrelay/cmd/sendmail", []string{"tlsrelay/relay/message", "tlsrelay/relay/address"}},         // with all of relay it would start slowly
	{"tlsrelay/cmd/", []string{"tlsrelay/relay", "tlsrelay/configs", "tlsrelay/relay/dns/dnstest"}}, // dnstest: for the demo
	{"tlsrelay/configs", nil},
	{"tlsrelay/queue/", []string{"tlsrelay/queue"}},
	{"tlsrelay/queue", nil},
	{"tlsrelay/tlspolicy", []string{"tlsrelay/tlspolicy"}},
	{"tlsrelay/relay/", []string{"tlsrelay/relay/", "tlsrelay/queue", "tlsrelay/tlspolicy"}},
	{"tlsrelay/relay", []string{"tlsrelay/relay/", "tlsrelay/queue", "tlsrelay/tlspolicy", "tlsrelay/configs"}},
}

// soleImporters names the only packages that may import some of the libraries.
var soleImporters = map[string][]string{
	"github.com/emersion/go-smtp":    {"tlsrelay/relay/submission", "tlsrelay/cmd/relaybench/bare"}, // the limit to compare with
	"github.com/emersion/go-sasl":    {"tlsrelay/relay/submission"},
	"github.com/pires/go-proxyproto": {"tlsrelay/relay/submission"},
	"github.com/xdg-go/scram":        {"tlsrelay/relay/submission"},
	"github.com/miekg/dns":           {"tlsrelay/relay/dns"},
	"github.com/emersion/go-msgauth": {"tlsrelay/relay/dkim"},
	"github.com/BurntSushi/toml":     {"tlsrelay/configs"},
	"github.com/alecthomas/kong":     {"tlsrelay/cmd"},
	"golang.org/x/crypto":            {"tlsrelay/relay/submission/account", "tlsrelay/relay/certificate"},
	"golang.org/x/crypto/acme":       {"tlsrelay/relay/certificate"},
	"github.com/prometheus":          {"tlsrelay/relay/admin/metrics"},
	"net/smtp":                       {"tlsrelay/cmd"},
	"github.com/google/go-cmp":       {"tlsrelay/queue/storetest"},
	"github.com/rogpeppe":            {"nothing outside tests"},
	"github.com/emersion/go-message": {"nothing outside tests"},
}

func TestWalls(t *testing.T) {
	packages := listPackages(t, "tlsrelay/...")
	if len(packages) < 10 {
		t.Fatalf("only %d packages listed", len(packages))
	}
	for _, p := range packages {
		i := slices.IndexFunc(walls, func(w wall) bool { return strings.HasPrefix(p.ImportPath, w.packages) })
		if i < 0 {
			t.Errorf("no wall stands around %s", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if strings.HasPrefix(imported, "tlsrelay/") && !slices.ContainsFunc(walls[i].ours, func(allowed string) bool {
				return imported == allowed || strings.HasPrefix(imported, strings.TrimSuffix(allowed, "/")+"/") && !strings.HasPrefix(p.ImportPath, "tlsrelay/cmd/")
			}) {
				t.Errorf("%s imports %s", p.ImportPath, imported)
			}
			for library, sole := range soleImporters {
				own := func(importer string) bool { return strings.HasPrefix(p.ImportPath, importer) }
				if strings.HasPrefix(imported, library) && !slices.ContainsFunc(sole, own) {
					t.Errorf("%s imports %s, which is for %s alone", p.ImportPath, imported, sole)
				}
			}
		}
	}
}

type listedPackage struct {
	ImportPath string
	Imports    []string
}

func listPackages(t *testing.T, pattern string) []listedPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports", pattern).Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listedPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listedPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}
