package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// inbound is what comes in.
type inbound struct {
	messages, recipients, bytes prometheus.Counter
	refusals                    map[refusal]prometheus.Counter
}

type refusal struct {
	command   string
	temporary bool
}

func newInbound(with promauto.Factory) inbound {
	in := inbound{
		messages: with.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "accepted_messages_total", Help: "Messages that were accepted and are on stable storage.",
		}),
		recipients: with.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "accepted_recipients_total", Help: "Recipients of the messages that were accepted.",
		}),
		bytes: with.NewCounter(prometheus.CounterOpts{
			Namespace: namespace, Name: "accepted_bytes_total", Help: "Size of the messages that were accepted, as they go out.",
		}),
		refusals: map[refusal]prometheus.Counter{},
	}
	refusals := with.NewCounterVec(prometheus.CounterOpts{
		Namespace: namespace, Name: "refusals_total",
		Help: "Refusals of mail from clients, by the command (MAIL: a sender, RCPT: a recipient, DATA: a whole message) and the class of the " +
			"reply (temporary: 4xx, the client may try again; permanent: 5xx).",
	}, []string{"command", "class"})
	for _, command := range []string{"MAIL", "RCPT", "DATA"} {
		in.refusals[refusal{command, true}] = refusals.WithLabelValues(command, "temporary")
		in.refusals[refusal{command, false}] = refusals.WithLabelValues(command, "permanent")
	}
	return in
}

// Accepted implements [submission.Tally].
func (in *inbound) Accepted(recipients int, bytes int64) {
	in.messages.Inc()
	in.recipients.Add(float64(recipients))
	in.bytes.Add(float64(bytes))
}

// Refused implements [submission.Tally].
func (in *inbound) Refused(command string, temporary bool) {
	if c, known := in.refusals[refusal{command, temporary}]; known {
		c.Inc()
	}
}
