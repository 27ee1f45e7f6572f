package tenant

import (
	"net/netip"
	"slices"
	"strings"
)

// Usage is what a tenant has sent and may send. Limits of 0 are none.
type Usage struct {
	Account string `json:"account,omitempty"`
	Network string `json:"network,omitempty"`
	Rule    string `json:"rule"` // account or network of the rule that holds

	RecipientsHour    int   `json:"recipients_hour"` // accepted, of transactions under way too
	RecipientsPerHour int   `json:"recipients_per_hour"`
	RecipientsDay     int   `json:"recipients_day"`
	RecipientsPerDay  int   `json:"recipients_per_day"`
	Connected         int   `json:"connected"`
	Connections       int   `json:"connections"`
	MessageSize       int64 `json:"message_size"`

	Refused map[string]int64 `json:"refused,omitempty"` // since the start, by kind
}

// Usages lists the tenants that have a rule and have sent something within a day or are connected, and those that a rule
// names, in order of their names.
func (t *Tenants) Usages() []Usage {
	r := t.rules.Load()
	if r == nil {
		return nil
	}
	meters := map[ID]*meter{}
	for name := range r.accounts {
		if !strings.HasPrefix(name, "*") {
			meters[ID{Account: name}] = newMeter(ID{Account: name})
		}
	}
	for network := range r.networks {
		meters[ID{Network: network}] = newMeter(ID{Network: network})
	}
	for _, m := range t.all() {
		meters[m.id] = m
	}
	var list []Usage
	for _, m := range meters {
		if rule := r.of(m.id); rule != nil {
			list = append(list, t.usage(m, rule))
		}
	}
	slices.SortFunc(list, func(a, b Usage) int {
		return strings.Compare(a.Account+" "+a.Network, b.Account+" "+b.Network)
	})
	return list
}

func (t *Tenants) usage(m *meter, r *rule) Usage {
	now := t.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	u := Usage{
		Account: m.id.Account, Network: prefixText(m.id.Network), Rule: r.Account + prefixText(r.Network),
		RecipientsHour: m.hour.sum(now) + m.held, RecipientsPerHour: r.RecipientsPerHour,
		RecipientsDay: m.day.sum(now) + m.held, RecipientsPerDay: r.RecipientsPerDay,
		Connected: m.seats, Connections: r.Connections, MessageSize: r.MessageSize,
	}
	for kind, tally := range m.refusals {
		if tally.count > 0 {
			if u.Refused == nil {
				u.Refused = map[string]int64{}
			}
			u.Refused[Kind(kind).String()] = tally.count
		}
	}
	return u
}

// prefixText is "" for no network.
func prefixText(p netip.Prefix) string {
	if !p.IsValid() {
		return ""
	}
	return p.String()
}
