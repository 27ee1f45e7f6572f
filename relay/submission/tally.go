package submission

// Tally counts what comes in. Its methods are called from many goroutines at once, and must not wait.
type Tally interface {
	// Accepted is told of a message that the queue has, with the bytes that go out.
	Accepted(recipients int, bytes int64)

	// Refused is told of a refusal of mail, by the command that it answers: MAIL for a sender, RCPT for a recipient, DATA for a whole
	// message. It is temporary if a reply says that the same may work later (RFC 5321, 4.2.1).
	Refused(command string, temporary bool)
}

type noTally struct{}

func (noTally) Accepted(int, int64)  {}
func (noTally) Refused(string, bool) {}

// tally has a reply counted if it refuses mail; the verb is as in guard.verb.
func (g *guard) tally(verb string, reply []byte) {
	switch verb {
	case ".":
		verb = "DATA"
	case "MAIL", "RCPT", "DATA":
	default:
		return
	}
	g.srv.opts.Tally.Refused(verb, reply[0] == '4')
}

// Connections gives how many clients are connected now.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}
