package check

import (
	"encoding/json"
	"io"
	"strings"
	"time"

	"tlsrelay/tlspolicy/probe"
)

// The JSON of a report. Scripts read it; names stay as they are. Remote text is in it without control characters.
type (
	reportJSON struct {
		Target       string     `json:"target"`
		Domain       string     `json:"domain"` // "": a server was named
		Time         time.Time  `json:"time"`
		Level        string     `json:"level"`
		Floor        string     `json:"floor"`
		Route        bool       `json:"route"`
		OK           bool       `json:"ok"` // delivered, and encrypted
		Delivered    bool       `json:"delivered"`
		TLS13        bool       `json:"tls13"` // for certain, wherever it is delivered
		Cause        string     `json:"cause"` // why it is not delivered
		Summary      string     `json:"summary"`
		Hosts        []hostJSON `json:"hosts"`
		HostsLeftOut int        `json:"hosts_left_out"`
	}
	hostJSON struct {
		Name             string        `json:"name"`
		Port             uint16        `json:"port"`
		Preference       *uint16       `json:"preference"` // null: no MX record names it
		ImplicitTLS      bool          `json:"implicit_tls"`
		Cause            string        `json:"cause"` // why it has no addresses
		Detail           string        `json:"detail"`
		Addresses        []addressJSON `json:"addresses"`
		AddressesLeftOut int           `json:"addresses_left_out"`
	}
	addressJSON struct {
		Address      string           `json:"address"`
		Time         time.Time        `json:"time"`
		Verdict      string           `json:"verdict"`
		Passes       bool             `json:"passes"`
		ClearText    bool             `json:"clear_text"`
		Cause        string           `json:"cause"`
		Detail       string           `json:"detail"`
		STARTTLS     string           `json:"starttls"` // "yes", "no", "unknown", as all answers
		Versions     []versionJSON    `json:"versions"`
		KeyExchanges []exchangeJSON   `json:"key_exchanges"` // of TLS 1.2 and older
		PostQuantum  string           `json:"post_quantum"`
		BigHello     string           `json:"big_hello"`
		Certificate  *certificateJSON `json:"certificate"`
		TimedOut     bool             `json:"timed_out"` // before the verdict was certain: what is missing is "unknown"
	}
	versionJSON struct {
		Version string `json:"version"`
		Offered string `json:"offered"`
		Seen    string `json:"seen"`
	}
	exchangeJSON struct {
		Name    string `json:"name"`
		Offered string `json:"offered"`
	}
	certificateJSON struct {
		Names     []string  `json:"names"`
		Issuer    string    `json:"issuer"`
		NotBefore time.Time `json:"not_before"`
		NotAfter  time.Time `json:"not_after"`
		Key       string    `json:"key"`
		Trusted   string    `json:"trusted"`
		Fits      string    `json:"fits"` // the name of the host
		Problem   string    `json:"problem"`
	}
)

// JSON writes a report as one line.
func JSON(w io.Writer, r *Report) error {
	out := reportJSON{
		Target: r.Target.Text, Domain: r.Target.Domain, Time: inUTC(r.Time), Level: r.Level.String(), Floor: r.Floor.String(),
		Route: r.Routed, OK: r.Summary.Fine(), Delivered: r.Summary.Delivered, TLS13: r.Summary.TLS13, Cause: r.Summary.Cause,
		Summary: strings.Join(r.Summary.Sentences, " "), Hosts: []hostJSON{}, HostsLeftOut: r.LeftOut,
	}
	for _, h := range r.Hosts {
		host := hostJSON{
			Name: h.Name, Port: h.Port, ImplicitTLS: h.Implicit, Cause: h.None.Cause, Detail: words(h.None.Detail),
			Addresses: []addressJSON{}, AddressesLeftOut: h.LeftOut,
		}
		if h.MX {
			host.Preference = &h.Preference
		}
		for _, a := range h.Addresses {
			host.Addresses = append(host.Addresses, jsonOf(a))
		}
		out.Hosts = append(out.Hosts, host)
	}
	return json.NewEncoder(w).Encode(out)
}

func jsonOf(a Address) addressJSON {
	out := addressJSON{
		Address: a.Addr.Addr().String(), Time: inUTC(a.Result.Time), Verdict: a.short(), Passes: a.Verdict.Passes, ClearText: a.Verdict.Clear,
		Cause: a.Verdict.Cause, Detail: a.Verdict.Detail, STARTTLS: answer(a.Result.STARTTLS),
		Versions: []versionJSON{}, KeyExchanges: []exchangeJSON{},
		PostQuantum: answer(a.Result.PostQuantum), BigHello: answer(a.Result.BigHello), TimedOut: a.Late,
	}
	for _, v := range a.Result.Versions {
		out.Versions = append(out.Versions, versionJSON{v.Version.String(), answer(v.Offered), words(v.Seen)})
	}
	for _, e := range a.Result.Exchanges {
		out.KeyExchanges = append(out.KeyExchanges, exchangeJSON{e.Name, answer(e.Offered)})
	}
	if c := a.Result.Certificate; c != nil {
		out.Certificate = &certificateJSON{
			Names: []string{}, Issuer: words(c.Issuer), NotBefore: inUTC(c.NotBefore), NotAfter: inUTC(c.NotAfter), Key: c.Key,
			Trusted: answer(c.Trusted), Fits: answer(c.Fits), Problem: words(c.Problem),
		}
		for _, n := range c.Names {
			out.Certificate.Names = append(out.Certificate.Names, words(n))
		}
	}
	return out
}

func inUTC(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }

func answer(a probe.Answer) string {
	return map[probe.Answer]string{probe.Yes: "yes", probe.No: "no", probe.Unknown: "unknown"}[a]
}
