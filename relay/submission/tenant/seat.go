package tenant

import "tlsrelay/relay/address"

// Seat is a connection of one tenant, for use by one goroutine.
type Seat struct {
	tenants *Tenants
	meter   *meter
	rule    *rule // that holds for the next transaction
}

// Leave gives the seat back.
func (s *Seat) Leave() {
	if s != nil {
		s.meter.leave()
	}
}

// Begin starts a transaction: the sender must be allowed, and size, as the client declares it (0: it does not), must be
// within the limit. The null sender is always allowed, because notices have it (RFC 5321, 4.5.5); its recipients count.
func (s *Seat) Begin(sender address.Address, size int64) (*Mail, *Refusal) {
	if s == nil {
		return nil, nil
	}
	m := &Mail{tenants: s.tenants, meter: s.meter, rule: s.rule}
	switch {
	case sender != address.Address{} && !s.rule.senders.allow(sender):
		return nil, m.refuse(Sender, 550, "5.7.1", "You may not send as %s: the %s may use %s",
			short(sender.String()), m.name(), s.rule.senders)
	case s.rule.MessageSize > 0 && size > s.rule.MessageSize:
		return nil, m.TooLarge()
	}
	return m, nil
}

// Mail is a transaction of a tenant, for use by one goroutine. Who has it calls Close in the end.
type Mail struct {
	tenants *Tenants
	meter   *meter
	rule    *rule
	held    int // places for recipients
}

// Recipient takes a place for one more recipient.
func (m *Mail) Recipient() *Refusal {
	if m == nil {
		return nil
	}
	now := m.tenants.now()
	kind, until, ok := m.meter.hold(now, m.rule)
	if ok {
		m.held++
		return nil
	}
	limit, span := m.rule.RecipientsPerHour, "an hour"
	if kind == RecipientsPerDay {
		limit, span = m.rule.RecipientsPerDay, "a day"
	}
	return m.refuse(kind, 452, "4.7.1", "The limit of %d recipients %s for the %s is reached; try again after %s",
		limit, span, m.name(), clockText(until, now))
}

// MessageSize is the largest message in bytes, where less is allowed than limit.
func (m *Mail) MessageSize(limit int64) int64 {
	if m == nil || m.rule.MessageSize == 0 {
		return limit
	}
	return min(limit, m.rule.MessageSize)
}

// TooLarge refuses a message that is larger than MessageSize.
func (m *Mail) TooLarge() *Refusal {
	return m.refuse(MessageSize, 552, "5.3.4", "The message is too large: at most %d bytes for the %s",
		m.rule.MessageSize, m.name())
}

// Accept counts the recipients: the message is in the queue.
func (m *Mail) Accept() {
	if m == nil || m.held == 0 {
		return
	}
	m.meter.count(m.tenants.now(), m.held)
	m.held = 0
	m.tenants.changed.Store(true)
}

// Close gives back the places of recipients that were not accepted. It may be called more than once.
func (m *Mail) Close() {
	if m != nil && m.held > 0 {
		m.meter.free(m.held)
		m.held = 0
	}
}

func (m *Mail) name() string { return short(m.meter.id.String()) }

func (m *Mail) refuse(kind Kind, code int, status, format string, args ...any) *Refusal {
	return m.meter.refuse(m.tenants.now(), kind, code, status, format, args...)
}
