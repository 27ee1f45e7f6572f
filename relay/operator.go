package relay

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"tlsrelay/configs"
	"tlsrelay/queue"
	"tlsrelay/queue/spool"
	"tlsrelay/relay/admin"
	"tlsrelay/relay/admin/folder"
	"tlsrelay/relay/submission/account"
)

// What the queue commands work with.
type (
	Queue     = admin.Queue
	Selection = admin.Selection
	Message   = admin.Message
	Evidence  = admin.Evidence
	ID        = queue.ID
	Exported  = folder.Exported
	Exports   = folder.Summary

	QueueDamage = spool.Damage
	QueueCheck  = spool.Summary
)

// Accounts are the names and passwords for SMTP AUTH.
type Accounts = account.File

// ErrGone means that a message is not in the queue.
var ErrGone = queue.ErrGone

// ParseID reads the ID of a message.
func ParseID(s string) (ID, error) { return queue.ParseID(s) }

// OpenQueue gives access to the queue: through the relay that runs on the configuration's data folder, or, when none runs,
// by opening its spool. Close it soon: no relay can start while the spool is open.
func OpenQueue(ctx context.Context, cfg *configs.Config, log *slog.Logger) (Queue, error) {
	client, err := admin.Dial(ctx, cfg.DataDir)
	if err == nil {
		return client, nil
	}
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("the queue in %s is for the relay's user alone; run this as that user (%w)", cfg.DataDir, err)
	}
	if !noRelayRuns(err) {
		return nil, err
	}
	if err := hasQueue(cfg); err != nil {
		return nil, err
	}
	store, err := spool.Open(spoolDir(cfg), spool.Options{Log: log})
	if err != nil {
		return nil, err
	}
	return &admin.Direct{
		Schedule: func() queue.Schedule { return scheduleOf(cfg) },
		Store:    store,
		RetryNow: func(ctx context.Context, ids []queue.ID) (queue.Retried, error) {
			return queue.RetryNow(ctx, store, cfg.Hostname, ids, time.Now())
		},
		Log:     log,
		OnClose: store.Close,
	}, nil
}

// ExportQueue writes messages into a folder as files, each with its envelope: see [folder.Export].
func ExportQueue(ctx context.Context, q Queue, s Selection, dir string, each func(Exported) error) (Exports, error) {
	return folder.Export(ctx, q, s, dir, each)
}

// CheckQueue reads every record and every message text of the queue, and reports each damaged place. It changes nothing and
// takes no lock: a relay may run meanwhile.
func CheckQueue(cfg *configs.Config, report func(QueueDamage)) (QueueCheck, error) {
	if err := hasQueue(cfg); err != nil {
		return QueueCheck{}, err
	}
	return spool.Check(spoolDir(cfg), report)
}

// hasQueue reports as an error that no relay has run with the configuration: its queue is not empty but unknown.
func hasQueue(cfg *configs.Config) error {
	if _, err := os.Stat(spoolDir(cfg)); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no queue in %s: no relay has run with this configuration (see --config)", cfg.DataDir)
	}
	return nil
}

// OpenAccounts opens the accounts for SMTP AUTH. A relay that runs sees changes by itself.
func OpenAccounts(cfg *configs.Config) (*Accounts, error) {
	if err := secureDataDir(cfg); err != nil {
		return nil, err
	}
	return account.Open(filepath.Join(cfg.DataDir, "accounts"))
}

// noRelayRuns reports whether an error from the control socket means that no relay is behind it.
func noRelayRuns(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// Check finds what would keep a relay from starting beside mistakes in the configuration itself: files that cannot be used.
// It changes nothing.
func Check(cfg *configs.Config) error {
	errs := []error{admin.CheckPath(cfg.DataDir)}
	if cfg.Certificate.Cert != "" {
		_, err := certificatesOf(cfg, slog.New(slog.DiscardHandler))
		errs = append(errs, err)
	}
	_, err := clientAuthorities(cfg, slog.New(slog.DiscardHandler))
	errs = append(errs, err)
	_, err = loadKeys(cfg)
	errs = append(errs, err)
	_, err = newNotifier(cfg, selfOf(cfg), nil)
	errs = append(errs, err)
	_, err = routesOf(cfg)
	return errors.Join(append(errs, err)...)
}
