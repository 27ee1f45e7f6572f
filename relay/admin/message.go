// Package admin is the operator's way into a relay: what the queue commands ask for, answered from the store itself or,
// while the relay runs, over a unix socket in its data folder.
package admin

import (
	"strings"
	"time"

	"tlsrelay/queue"
)

// Message is one queued message as the commands and the API show it, and as an export keeps it: with its text it can be
// handed in again. Scripts read its JSON form; names stay as they are.
type Message struct {
	ID         queue.ID    `json:"id"`
	Sender     string      `json:"sender"` // "" is the null sender
	Size       int64       `json:"size"`   // of the message as it goes out, in bytes
	Arrived    time.Time   `json:"arrived"`
	Expires    time.Time   `json:"expires"`               // the first of the recipients that are not done
	Recipients []Recipient `json:"recipients"`            // those that are not done
	Return     string      `json:"return,omitempty"`      // what the sender asked of failure notices, FULL or HDRS
	EnvelopeID string      `json:"envelope_id,omitempty"` // the sender's own name for this mail
	SMTPUTF8   bool        `json:"smtputf8,omitempty"`    // the header is UTF-8
	RequireTLS bool        `json:"require_tls,omitempty"` // only over TLS with verified certificates (REQUIRETLS)
	EightBit   bool        `json:"eight_bit"`             // the text has bytes above 127
	Account    string      `json:"account"`               // that submitted it; "" if it came from a listed network
	Client     string      `json:"client"`                // address that submitted it; "" for notices made here
}

// Recipient is a recipient that waits, and what the latest attempt came to.
type Recipient struct {
	Address     string    `json:"address"`
	Notify      string    `json:"notify,omitempty"`             // when the sender wants to hear, as in SMTP: NEVER, or SUCCESS,FAILURE,DELAY
	Original    string    `json:"original_recipient,omitempty"` // whom the sender named: rfc822;user@example.org
	State       string    `json:"state"`                        // queued or active
	Attempts    int       `json:"attempts"`
	NextAttempt time.Time `json:"next_attempt"`
	Cause       string    `json:"cause"`
	Status      string    `json:"status"`
	Diagnostic  string    `json:"diagnostic"`
	Host        string    `json:"host"`
	DelayTold   bool      `json:"delay_told"` // the sender knows that it takes longer
	TLSFailed   bool      `json:"tls_failed"` // some attempt met broken TLS: never in clear text from then on

	Evidence []Evidence `json:"evidence,omitempty"` // of the addresses at which TLS failed
}

// maxDiagnostic bounds what a listing shows of a remote's words, in bytes.
const maxDiagnostic = 500

func newMessage(item *queue.Item) Message {
	m := Message{ID: item.ID, Sender: item.Sender, Size: item.Size, Arrived: item.Arrived.UTC(), Expires: item.Expires.UTC(),
		Return: item.Return.String(), EnvelopeID: item.EnvelopeID, SMTPUTF8: item.SMTPUTF8, RequireTLS: item.RequireTLS,
		Recipients: []Recipient{}, EightBit: item.EightBit, Account: item.Account, Client: item.Client}
	for i := range item.Recipients {
		r := &item.Recipients[i]
		if r.State.Done() {
			continue
		}
		diagnostic := r.Last.Reply
		if diagnostic == "" {
			diagnostic = r.Last.Detail
		}
		if len(diagnostic) > maxDiagnostic {
			diagnostic = strings.ToValidUTF8(diagnostic[:maxDiagnostic], "")
		}
		m.Recipients = append(m.Recipients, Recipient{
			Address: r.Address, Notify: r.Notify.String(), Original: r.OriginalRecipient, State: r.State.String(), Attempts: r.Attempts, NextAttempt: r.NextAttempt.UTC(),
			Cause: r.Last.Cause, Status: r.Last.Status, Diagnostic: queue.Printable(diagnostic), Host: queue.Printable(r.Last.Host),
			DelayTold: r.DelayTold, TLSFailed: r.TLSFailed, Evidence: newEvidence(r.Evidence),
		})
	}
	return m
}

// Selection says which messages a command is about: IDs, or all that match Domain (of a recipient that waits) and Sender.
// The zero Selection selects nothing; All selects everything.
type Selection struct {
	IDs    []queue.ID `json:"ids,omitempty"`
	Domain string     `json:"domain,omitempty"`
	Sender string     `json:"sender,omitempty"`
	All    bool       `json:"all,omitempty"`
}

// matches is for selections without IDs.
func (s Selection) matches(item *queue.Item) bool {
	if s.Domain == "" && s.Sender == "" {
		return s.All
	}
	if s.Sender != "" && !strings.EqualFold(s.Sender, item.Sender) && !(s.Sender == "<>" && item.Sender == "") {
		return false
	}
	if s.Domain == "" {
		return true
	}
	return len(item.Pending(strings.ToLower(s.Domain))) > 0
}
