package submission

// maxLoggedRefusals is how many refusals of one connection are logged one by one: enough to see what an application does wrong.
const maxLoggedRefusals = 3

// logsRefusal counts a refusal and reports whether it gets a line of its own in the log.
func (g *guard) logsRefusal() bool {
	g.refusals++
	return g.refusals <= maxLoggedRefusals
}

// unloggedRefusals is how many refusals nobody can read of; it starts anew.
func (g *guard) unloggedRefusals() int {
	n := max(g.refusals-maxLoggedRefusals, 0)
	g.refusals = 0
	return n
}

// summarize logs, when the connection ends, how many refusals had no line.
func (g *guard) summarize() {
	if n := g.unloggedRefusals(); n > 0 {
		g.srv.opts.Log.Info("refused more", "client", clientText(g.client), "account", g.account, "count", n)
	}
}
