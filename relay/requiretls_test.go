package relay

import (
	"testing"

	"tlsrelay/configs"
)

// REQUIRETLS is worth offering only if an operator's word names the hosts for all mail.
func TestRequireTLSIsOfferedWithARouteForAll(t *testing.T) {
	for domain, want := range map[string]bool{"*": true, ".example.org": false, "example.org": false, "": false} {
		cfg := &configs.Config{}
		if domain != "" {
			cfg.Routes = []configs.Route{{Domain: domain}}
		}
		if got := routesAll(cfg); got != want {
			t.Errorf("with a route for %q: %v", domain, got)
		}
	}
}
