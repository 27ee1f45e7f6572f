package queue

import "strings"

// Notify is when the sender wants to hear about a recipient (RFC 3461, 4.1). Zero: it did not say, and hears of failures
// and delays.
type Notify uint8

// Bits of a Notify. NotifyNever stands alone.
const (
	NotifyNever Notify = 1 << iota
	NotifySuccess
	NotifyFailure
	NotifyDelay
)

var notifyNames = [...]string{"NEVER", "SUCCESS", "FAILURE", "DELAY"}

// String is the value of NOTIFY in SMTP, "SUCCESS,FAILURE"; "" if the sender did not say.
func (n Notify) String() string {
	var names []string
	for i, name := range notifyNames {
		if n&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

// ParseNotify reads what String writes, in any case and order; false if it is no such value.
func ParseNotify(s string) (Notify, bool) {
	var n Notify
next:
	for word := range strings.SplitSeq(s, ",") {
		for i, name := range notifyNames {
			if strings.EqualFold(word, name) {
				n |= 1 << i
				continue next
			}
		}
		return 0, false
	}
	return n, n.Valid()
}

// Valid reports whether NEVER stands alone and there are no other bits.
func (n Notify) Valid() bool {
	return n <= NotifyNever || n < 1<<len(notifyNames) && n&NotifyNever == 0
}

// wants reports whether the sender wants to hear of an event, one of the bits.
func (n Notify) wants(event Notify) bool {
	if n == 0 {
		n = NotifyFailure | NotifyDelay
	}
	return n&event != 0
}

// Return is how much of a message a failure notice gives back (RFC 3461, 4.3).
type Return uint8

const (
	ReturnUnsaid Return = iota // left to this relay
	ReturnFull
	ReturnHeaders
)

var returnNames = [...]string{"", "FULL", "HDRS"}

// String is the value of RET in SMTP; "" if the sender did not say.
func (r Return) String() string { return returnNames[r] }

// ParseReturn reads a value of RET in any case; false if it is none.
func ParseReturn(s string) (Return, bool) {
	for i, name := range returnNames {
		if i > 0 && strings.EqualFold(s, name) {
			return Return(i), true
		}
	}
	return ReturnUnsaid, false
}
