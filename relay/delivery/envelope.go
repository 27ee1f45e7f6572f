package delivery

import (
	"tlsrelay/queue"
	"tlsrelay/relay/smtpclient"
)

// envelopeOf is the envelope of a message for some of its recipients.
func envelopeOf(item *queue.Item, recipients []int) smtpclient.Envelope {
	env := smtpclient.Envelope{
		From: item.Sender, Size: item.Size, EightBit: item.EightBit,
		Return: item.Return.String(), EnvelopeID: item.EnvelopeID,
	}
	for _, i := range recipients {
		r := &item.Recipients[i]
		env.To = append(env.To, r.Address)
		env.Notify = append(env.Notify, smtpclient.Notify{When: r.Notify.String(), Original: r.OriginalRecipient})
	}
	return env
}
