package relay

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOnlyThePolicyWeakensTLS looks into the source: what decides how TLS is checked stands in tlspolicy, and the one place
// that starts TLS as a client takes its configuration from the caller.
func TestOnlyThePolicyWeakensTLS(t *testing.T) {
	allowed := map[string][]string{
		"InsecureSkipVerify": {"tlspolicy/decision.go"},
		"tls.Client(":        {"relay/smtpclient/starttls.go", "tlspolicy/probe/line.go"}, // a probe carries no mail
		"tls.Dial":           nil,
		"VerifyConnection":   nil,
	}
	found := 0
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for word, homes := range allowed {
			if !strings.Contains(string(text), word) {
				continue
			}
			if !slices.Contains(homes, strings.TrimPrefix(filepath.ToSlash(path), "../")) {
				t.Errorf("%s says %s", path, word)
			}
			found++
		}
		return nil
	})
	if err != nil || found < 2 {
		t.Errorf("looked at too little: %d finds, %v", found, err)
	}
}
