package delivery

import (
	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
)

// envelopeOf is the envelope of a message for some of its recipients.
func envelopeOf(item *queue.Item, recipients []int) smtpclient.Envelope {
	env := smtpclient.Envelope{
		From: item.Sender, Size: item.Size, EightBit: item.EightBit, RequireTLS: item.RequireTLS,
		Return: item.Return.String(), EnvelopeID: item.EnvelopeID,
	}
	for _, i := range recipients {
		r := &item.Recipients[i]
		env.To = append(env.To, r.Address)
		env.Notify = append(env.Notify, smtpclient.Notify{When: r.Notify.String(), Original: r.OriginalRecipient})
		env.SMTPUTF8 = env.SMTPUTF8 || needsUTF8(item, i)
	}
	return env
}

// needsUTF8 reports whether the message can go to a recipient only with SMTPUTF8. Domains are in ASCII already, so what is
// not ASCII in an address has no other form.
func needsUTF8(item *queue.Item, recipient int) bool {
	return item.SMTPUTF8 || !isASCII(item.Sender) || !isASCII(item.Recipients[recipient].Address)
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] > 127 {
			return false
		}
	}
	return true
}

// refuseUTF8 fails the recipients whom this host cannot take for want of SMTPUTF8; the others do not suffer from that.
func (s *session) refuseUTF8() {
	if s.ext.SMTPUTF8 {
		return
	}
	var needing []int
	for _, i := range s.a.left {
		if needsUTF8(&s.a.job.Item, i) {
			needing = append(needing, i)
		}
	}
	s.settleAll(needing, failed(queue.NeedsSMTPUTF8, queue.StageMail, smtpclient.ErrSMTPUTF8.Error()))
}
