package smtpclient

// answer reads the reply to line i. It gives an error only if the session cannot go on, for the replies to the rest of
// the flight must be read whatever this one says.
func (t *transaction) answer(i int) error {
	stage, limit := t.stage(i), t.c.timeouts.Command
	switch {
	case stage == StageData && t.chunked:
		stage, limit = StageDot, t.c.timeouts.Dot
	case stage == StageData:
		limit = t.c.timeouts.Data
	}
	reply, err := t.c.reply(t.ctx, stage, limit)
	if err == nil {
		err = t.note(stage, i, reply)
	}
	switch {
	case err == nil:
		return nil
	case t.refused != nil:
		return t.refused // what went wrong first
	case i == len(t.lines)-1 && t.accepted == 0:
		return t.nobody()
	}
	return t.ofUnknownFate(err)
}

// note keeps a reply, and gives an error if it makes no sense.
func (t *transaction) note(stage string, i int, reply Reply) error {
	switch {
	case stage == StageDot:
		t.res.Dot = reply
	case stage == StageData:
		t.res.Data = reply
		if reply.Code != 354 && !reply.Refusal() {
			return t.c.refused(stage, reply)
		}
	case !reply.Positive() && !reply.Refusal():
		return t.c.refused(stage, reply)
	case stage == StageMail:
		t.res.Mail = reply
		if reply.Refusal() {
			t.refused = t.c.refused(stage, reply)
		}
	case t.refused != nil:
		// "503 need MAIL first" is about us, not about the recipient.
	case reply.Refusal():
		t.res.Rcpt[i-1], t.lastRcpt = reply, reply
	default:
		t.res.Rcpt[i-1] = reply
		t.accepted++
	}
	return nil
}

// conclude looks at what the server said to all of the envelope.
func (t *transaction) conclude() error {
	waiting := t.res.Data.Code == 354
	switch {
	case t.refused != nil:
		t.discard(waiting)
		return t.refused
	case t.accepted == 0:
		t.discard(waiting)
		return t.nobody()
	case t.chunked && !t.res.Dot.Positive():
		return t.c.refused(StageDot, t.res.Dot)
	case !t.chunked && !waiting:
		return t.c.refused(StageData, t.res.Data)
	}
	return nil
}

func (t *transaction) nobody() error {
	return &Error{Stage: StageRcpt, Reply: &t.lastRcpt, Err: ErrNoRecipients}
}

// discard ends a transaction whose envelope was refused. A server that waits for a message all the same must get an end
// (RFC 2920 section 3.1).
func (t *transaction) discard(waiting bool) {
	if t.chunked {
		t.discardChunk()
	}
	if waiting {
		t.res.Data = Reply{}
		t.c.command(t.ctx, StageData, t.c.timeouts.Data, ".") // it has nobody to deliver to, whatever it says
	}
}
