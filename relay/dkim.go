package relay

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/relay/dkim"
)

// What the dkim commands work with.
type (
	DKIMRecord = dkim.Record
	DKIMKey    = dkim.NewKey
	DKIMType   = dkim.Type
)

// ErrWrongKey means that a DKIMKey asks for something that cannot be.
var ErrWrongKey = dkim.ErrWrongKey

// dkimDir is the folder of the keys.
func dkimDir(cfg *configs.Config) string {
	if cfg.DKIM.Keys != "" {
		return cfg.DKIM.Keys
	}
	return filepath.Join(cfg.DataDir, "dkim")
}

// loadKeys reads the keys for DKIM. The folder in data_dir need not be there; one that the configuration names must: a slip of
// the keyboard would have all mail go out unsigned.
func loadKeys(cfg *configs.Config) (*dkim.Keys, error) {
	keys, err := dkim.Load(dkimDir(cfg))
	if err != nil {
		if err = missingKeys(cfg, err); err == nil {
			keys = &dkim.Keys{}
		}
	}
	return keys, err
}

// missingKeys makes of an error with the folder of the keys one for the operator, or none.
func missingKeys(cfg *configs.Config, err error) error {
	switch {
	case !errors.Is(err, dkim.ErrNoFolder):
		return err
	case cfg.DKIM.Keys == "":
		return nil
	}
	return fmt.Errorf("dkim.keys: %w: correct the path, or make a first key with tlsrelay dkim new", err)
}

// NewDKIMKey makes a key and gives the DNS record that goes with it. A relay that runs signs with it after a SIGHUP.
func NewDKIMKey(cfg *configs.Config, key DKIMKey) (DKIMRecord, error) {
	if cfg.DKIM.Keys == "" {
		if err := secureDataDir(cfg); err != nil {
			return DKIMRecord{}, err
		}
	}
	dir := dkimDir(cfg)
	if err := spool.SecureDir(dir); err != nil {
		return DKIMRecord{}, fmt.Errorf("dkim.keys: %w", err)
	}
	return dkim.Create(dir, key, time.Now())
}

// ListDKIM calls fn for each key, also for those that do not sign. The error names all files that cannot be used.
func ListDKIM(cfg *configs.Config, fn func(DKIMRecord) error) error {
	return missingKeys(cfg, dkim.List(dkimDir(cfg), fn))
}

// reloadKeys has a running relay sign with what the folder holds now, or, if that cannot be used, go on as before.
func (r *Relay) reloadKeys(cfg *configs.Config) {
	keys, err := loadKeys(cfg)
	if err == nil {
		r.signer.Use(keys)
		return
	}
	for line := range strings.Lines(err.Error()) {
		r.log.Warn("the DKIM keys were not read again: those of before go on signing", "error", strings.TrimSpace(line))
	}
}

// signedNotices signs what another Notifier wrote, if there is a key for this relay's own domain.
type signedNotices struct {
	queue.Notifier
	signer *dkim.Signer
	log    *slog.Logger
}

// Compose implements [queue.Notifier]. A notice that cannot be signed goes out all the same.
func (s signedNotices) Compose(n queue.Notice, id queue.ID, now time.Time, original io.Reader) ([]byte, error) {
	text, err := s.Notifier.Compose(n, id, now, original)
	if err != nil {
		return nil, err
	}
	header, err := s.signer.Sign(id.String(), text)
	if err != nil {
		s.log.Error("a notice goes without a signature", "id", id, "error", err)
	}
	return append([]byte(header), text...), nil
}
