package admin

import (
	"context"
	"encoding/json"
	"net/http"

	"tlsrelay/relay/submission/tenant"
)

// listTenants answers with what tenants have sent, as one JSON list.
func listTenants(usages func() []tenant.Usage) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(usages()) }
}

// Tenants asks what accounts and networks with rules have sent.
func (c *Client) Tenants(ctx context.Context) ([]tenant.Usage, error) {
	r, err := http.NewRequestWithContext(ctx, "GET", "http://relay/tenants", nil)
	if err != nil {
		return nil, err
	}
	response, err := c.do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var list []tenant.Usage
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return nil, brokeOff(err)
	}
	return list, nil
}
