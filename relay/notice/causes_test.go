package notice

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tlsrelay/queue"
	"tlsrelay/tlspolicy"
)

// resultTypes are those of RFC 8460, 4.3.
var resultTypes = []string{
	"starttls-not-supported", "certificate-host-mismatch", "certificate-expired", "certificate-not-trusted", "validation-failure",
	"tlsa-invalid", "dnssec-invalid", "dane-required", "sts-policy-fetch-error", "sts-policy-invalid", "sts-webpki-invalid",
}

// The two tables of causes are whole: whoever adds a row reads here what else it needs.
func TestTablesOfCausesAreWhole(t *testing.T) {
	temporary := regexp.MustCompile(`^4\.[0-9]{1,3}\.[0-9]{1,3}$`)
	for _, c := range tlspolicy.Causes() {
		if !temporary.MatchString(c.Status) {
			t.Errorf("the cause %q has the status %q: give it one of class 4 in tlspolicy/cause.go, such as 4.7.5", c.Key, c.Status)
		}
		if !slices.Contains(resultTypes, c.ResultType) {
			t.Errorf("the cause %q has the result type %q: give it one in tlspolicy/cause.go: %s", c.Key, c.ResultType,
				strings.Join(resultTypes, ", "))
		}
		for _, problem := range missing(builtIn(), c.Key, causeParts) {
			t.Error(problem)
		}
		if _, known := proofs[c.Key]; !known {
			t.Errorf("the cause %q has no proof: add to samples_test.go what a probe finds at a host that has it", c.Key)
		}
	}
	for _, c := range queue.Causes() {
		ofRemote := c.Key == queue.RemoteTemporary.Key || c.Key == queue.RemotePermanent.Key
		if !statusForm.MatchString(c.Status) && !(c.Status == "" && ofRemote) {
			t.Errorf("the cause %q has the status %q: give it an enhanced status code (RFC 3463) in queue/cause.go", c.Key, c.Status)
		}
		for _, problem := range missing(builtIn(), c.Key, []string{"title", "what", "do"}) {
			t.Error(problem)
		}
	}
	seen := map[string]bool{}
	for _, key := range tableKeys() {
		if seen[key] || !regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`).MatchString(key) {
			t.Errorf("the cause %q is there twice, or is no key of lower case words and hyphens: it goes into links and logs", key)
		}
		seen[key] = true
		if _, known := outcomes[key]; !known {
			t.Errorf("the cause %q has no sample: add to samples_test.go an outcome as delivery makes it, and run go test -update", key)
		}
	}
}

// missing says which of some parts of a cause's text are not there.
func missing(all *Texts, cause string, parts []string) []string {
	var problems []string
	for _, lang := range []string{"de", "en"} {
		for _, part := range parts {
			name := cause + "/" + part
			if all.languages[lang].templates.Lookup(name) == nil {
				problems = append(problems, fmt.Sprintf("the cause %q has no text %q in %q: write {{define %q}}...{{end}} in a file in relay/notice/text/%s, "+
					"then go test -update, and read what comes out", cause, part, lang, name, lang))
			}
		}
	}
	return problems
}

// The message says what to add, and where.
func TestMissingTextsAreNamed(t *testing.T) {
	problems := missing(builtIn(), "tls-new", []string{"title", "what"})
	want := `the cause "tls-new" has no text "title" in "de": write {{define "tls-new/title"}}...{{end}} in a file in relay/notice/text/de, ` +
		`then go test -update, and read what comes out`
	if len(problems) != 4 || problems[0] != want {
		t.Errorf("problems %q", problems)
	}
}
