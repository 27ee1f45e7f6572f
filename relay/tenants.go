package relay

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay/admin"
	"tlsrelay/relay/submission/tenant"
)

// TenantUsage is what an account or a network has sent, and may send.
type TenantUsage = tenant.Usage

// tenantsFile is where in the data folder stands what tenants have sent.
func tenantsFile(cfg *configs.Config) string { return filepath.Join(cfg.DataDir, "tenants") }

// newTenants reads what was counted before. That it cannot be read is no reason not to start.
func newTenants(cfg *configs.Config, log *slog.Logger) *tenant.Tenants {
	t := tenant.New(time.Now)
	t.Configure(tenantRules(cfg))
	if err := t.Load(tenantsFile(cfg)); err != nil {
		log.Error(err.Error())
	}
	return t
}

func tenantRules(cfg *configs.Config) []tenant.Rule {
	var rules []tenant.Rule
	for _, t := range cfg.Tenants {
		rules = append(rules, tenant.Rule{
			Account: t.Account, Network: t.Network, Senders: t.Senders,
			RecipientsPerHour: t.RecipientsPerHour, RecipientsPerDay: t.RecipientsPerDay,
			MessageSize: int64(t.MessageSize), Connections: t.Connections,
		})
	}
	return rules
}

// Tenants lists what accounts and networks with rules have sent: as the relay that runs on the configuration's data
// folder counts it, or, when none runs, as the last one left it.
func Tenants(ctx context.Context, cfg *configs.Config, log *slog.Logger) ([]TenantUsage, error) {
	client, err := admin.Dial(ctx, cfg.DataDir)
	switch {
	case err == nil:
		defer client.Close()
		return client.Tenants(ctx)
	case noRelayRuns(err):
		return newTenants(cfg, log).Usages(), nil
	}
	return nil, err
}
