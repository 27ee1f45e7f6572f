package relay

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"tlsrelay/configs"
	"tlsrelay/relay/admin/help"
	"tlsrelay/relay/notice"
	"tlsrelay/tlspolicy/ledger"
)

// helpURL is what notices link to: a page of the operator's, or else one of the relay's own if it serves them; "" for none.
func helpURL(cfg *configs.Config, me self) string {
	switch {
	case cfg.HelpURL != "":
		return cfg.HelpURL
	case me.pages && cfg.Help.URL != "":
		return cfg.Help.URL + "/help/{cause}?domain={domain}&lang={lang}"
	}
	return ""
}

// helpPages are the public pages and where they are served.
type helpPages struct {
	*help.Pages
	listener net.Listener
}

// newHelp binds the address of the help pages; nil if they are off.
func newHelp(cfg *configs.Config, texts *notice.Texts, book *ledger.Ledger, log *slog.Logger) (*helpPages, error) {
	if cfg.Help.Address == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", cfg.Help.Address)
	if err != nil {
		return nil, fmt.Errorf("help.address: %w", err)
	}
	return &helpPages{help.New(helpSettings(cfg, cfg.Hostname, texts), book.Domain, log), l}, nil
}

// run serves the pages until ctx ends.
func (h *helpPages) run(ctx context.Context, url string, log *slog.Logger) error {
	log.Info("help pages", "address", h.listener.Addr().String(), "url", url)
	return h.Serve(ctx, h.listener)
}

// helpSettings is what the pages go by. They say things in the words of notices.
func helpSettings(cfg *configs.Config, hostname string, texts *notice.Texts) help.Settings {
	schedule := scheduleOf(cfg)
	return help.Settings{
		Relay: hostname, Language: string(cfg.Languages[0]), Floor: string(cfg.TLS.Floor), Texts: texts, Proxies: cfg.Help.Proxies,
		Lifetime: func(cause string) time.Duration {
			if d, own := schedule.LifetimeByCause[cause]; own {
				return min(d, schedule.Lifetime)
			}
			return schedule.Lifetime
		},
	}
}
