package relay

import (
	"log/slog"

	"tlsrelay/configs"
	"tlsrelay/relay/notice"
)

// newNotifier makes what writes notices. It fails if the operator's texts cannot be used.
func newNotifier(cfg *configs.Config, me self, log *slog.Logger) (notice.Composer, error) {
	texts, err := notice.LoadTexts(cfg.Notices.Templates)
	c := notice.Composer{
		Hostname: me.hostname, HelpURL: helpURL(cfg, me), Languages: languageKeys(cfg.Languages), Texts: texts, Log: log,
	}
	for _, s := range cfg.Notices.Senders {
		c.Senders = append(c.Senders, notice.Sender{
			Domain: s.Domain, Account: s.Account, Languages: languageKeys(s.Languages), HelpURL: s.HelpURL,
		})
	}
	return c, err
}

func languageKeys(languages []configs.Language) []string {
	var keys []string
	for _, l := range languages {
		keys = append(keys, string(l))
	}
	return keys
}

// WriteNoticeTexts writes the built-in templates of notices into a folder, for an operator to change. It writes over no file.
func WriteNoticeTexts(dir string) error { return notice.WriteTexts(dir) }
