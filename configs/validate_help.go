package configs

import (
	"net/netip"
	"net/url"
	"strings"
)

// maxHelpBase leaves room in a link for the cause and the domain that are put behind.
const maxHelpBase = 200

// help wants an address, and a link to what is served there, or nothing.
func (k check) help() {
	h := &k.c.Help
	if h.Address == "" {
		for _, key := range []struct {
			path string
			set  bool
		}{{"help.url", h.URL != ""}, {"help.proxies", len(h.Proxies) > 0}} {
			if key.set && k.ok("help.address", key.path) {
				k.problem(key.path, "has no effect without an address in [help]; write one such as \"127.0.0.1:8080\"")
			}
		}
		return
	}
	k.webAddress("help.address", h.Address,
		`write an IP address and a port of its own, such as "127.0.0.1:8080", or ":8080" for all addresses`)
	k.helpBase(h)
	k.networks("help.proxies", h.Proxies, "would let a large part of the Internet claim any address")
}

// helpBase brings the URL to the form without a slash at the end.
func (k check) helpBase(h *Help) {
	const path, advice = "help.url", `write how the world reaches the pages, such as "https://help.example.net"`
	if !k.ok(path, "help_url") {
		return
	}
	switch u, err := url.Parse(h.URL); {
	case h.URL == "" && k.c.HelpURL == "":
		k.problem(k.either(path, "help.address"), "without url in [help] or a help_url notices could not link to the pages; %s", advice)
	case h.URL == "":
	case len(h.URL) > maxHelpBase:
		k.problem(path, "is %d bytes long; at most %d are allowed", len(h.URL), maxHelpBase)
	case err == nil && u.User != nil:
		k.problem(path, "has a user name or a password in it; %s", advice)
	case err != nil || strings.ContainsFunc(h.URL, notInURL) || u.Scheme != "http" && u.Scheme != "https" || !isHost(u.Hostname()):
		k.problem(path, "%.60q is not an http or https address; %s", h.URL, advice)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.ContainsAny(h.URL, "{}#"):
		k.problem(path, "%.60q must end with its host or path, because /help/ and the cause are put behind it; %s", h.URL, advice)
	default:
		h.URL = strings.TrimRight(h.URL, "/")
	}
}

// isHost tells what can stand between "//" and the port of a URL.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	_, ok := domainName(s)
	return ok
}
