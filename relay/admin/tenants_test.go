package admin

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"tlsrelay/relay/submission/tenant"
)

func testTenants() []tenant.Usage {
	return []tenant.Usage{
		{Account: "a@x", Rule: "*@x", RecipientsHour: 3, RecipientsPerHour: 5, Refused: map[string]int64{"from": 2}},
		{Network: "10.0.0.0/8", Rule: "10.0.0.0/8", Connected: 1, MessageSize: 1000},
	}
}

// What tenants have sent comes over the socket as it is.
func TestTenants(t *testing.T) {
	r := newRig(t)
	got, err := r.ways["socket"].(*Client).Tenants(t.Context())
	if diff := cmp.Diff(testTenants(), got); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
}
