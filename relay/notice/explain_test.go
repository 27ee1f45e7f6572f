package notice

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"tlsrelay/tlspolicy"
)

// One file a language with all that help pages say: in general, of one domain, and with the proof.
func TestGoldenExplanations(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		var all strings.Builder
		for _, cause := range tableKeys() {
			facts := []Facts{
				{Relay: "relay.example.net"},
				{Relay: "relay.example.net", Domain: "example.org", Host: "mx1.example.org", Needed: "1.2", Lifetime: 72 * time.Hour},
			}
			if p, of := proofs[cause]; of {
				f := facts[1]
				f.Probed, f.Offers, f.KeyExchange, f.Certificate, f.Proven = arrived, p.Offers, p.KeyExchange, p.Certificate, true
				facts = append(facts, f)
			}
			for _, f := range facts {
				e, ok := (*Texts)(nil).Explain(lang, cause, f)
				if !ok {
					t.Fatalf("%s: no explanation of %s", lang, cause)
				}
				fmt.Fprintf(&all, "##### %s of %q, proven %v: %s\n\n", cause, f.Domain, f.Proven, e.Title)
				for _, text := range []string{e.What, e.Patience, e.Todo, e.Postmaster} {
					if text != "" {
						all.WriteString(fill(text) + "\n")
					}
				}
			}
		}
		golden(t, "explanations."+lang+".txt", []byte(all.String()))
	}
}

// Nothing on a page may depend on facts that a page does not have.
func TestExplainNeedsNoFacts(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		for _, cause := range tableKeys() {
			e, ok := (*Texts)(nil).Explain(lang, cause, Facts{})
			if !ok || len(e.Title) < 10 || len(e.Title) > 70 || len(e.What) < 20 || len(e.Todo) < 20 {
				t.Errorf("%s: %s is explained by %+v", lang, cause, e)
			}
			if (e.Postmaster == "") && tlspolicy.IsCause(cause) {
				t.Errorf("%s: %s has nothing for the postmaster", lang, cause)
			}
			all := strings.Join([]string{e.Title, strings.TrimSpace(e.What + " " + e.Patience), e.Todo, e.Postmaster}, " ")
			all = regexp.MustCompile(`(?m)^    .*`).ReplaceAllString(all, "")
			for _, bad := range []string{"  ", "?", "<no value>", "%!", " .", " ,", "0 KB"} {
				if strings.Contains(all, bad) {
					t.Errorf("%s: %s has %q in %q", lang, cause, bad, all)
				}
			}
		}
	}
}

func TestExplainKnowsTheTables(t *testing.T) {
	for _, cause := range []string{"", "generic", "relayed", "not-in-any-table", "tls-version/what", "notice"} {
		if e, ok := (*Texts)(nil).Explain("en", cause, Facts{}); ok || e != (Explanation{}) {
			t.Errorf("%q is explained by %+v", cause, e)
		}
	}
	fr, _ := (*Texts)(nil).Explain("fr", tlspolicy.VersionBelowFloor.Key, Facts{})
	if en, ok := (*Texts)(nil).Explain("en", tlspolicy.VersionBelowFloor.Key, Facts{}); !ok || fr != en {
		t.Errorf("French gives %+v", fr)
	}
}

// What the caller hands in may be anybody's words.
func TestExplainIsHarmless(t *testing.T) {
	evil := "x\x1b[2J\u202e\r\n    # rm <b>"
	e, ok := (*Texts)(nil).Explain("de", "certificate-name", Facts{Relay: evil, Domain: evil, Host: evil, Needed: evil, Offers: evil})
	all := strings.Join([]string{e.Title, e.What, e.Patience, e.Todo, e.Postmaster}, " ")
	if err := harmlessError(strings.ReplaceAll(all, "\n", " ")); !ok || err != nil || strings.Contains(all, "<b>") {
		t.Errorf("%v in %q", err, all)
	}
}
