// Package submission takes mail in: it listens, authenticates clients, decides who may relay, and hands what it
// accepted to the queue. A client reads "250 2.0.0 Ok: queued as ID" only after the queue took the message.
//
// The SMTP server is go-smtp. It reads and writes through a guard, a net.Conn above TLS that this package puts in
// between:
//
//	client <-> TCP or TLS <-> guard <-> go-smtp <-> session <-> queue
//
// The guard is the only one who parses what the client sent. It takes one command at a time, answers itself what is
// malformed, out of sequence or not offered, and feeds all others to go-smtp in a form that leaves nothing to
// interpret; the session behind go-smtp takes addresses and content from the guard. Of the content of a message go-smtp
// sees nothing but the final dot. So no two parsers can disagree about where a command or a message ends.
//
// Guard, go-smtp and session of a connection run in one goroutine, go-smtp's: the guard works while go-smtp reads.
// STARTTLS is the guard's, too: the encrypted connection becomes a fresh one for go-smtp, and all that was known before
// is gone (RFC 3207, 4.2).
package submission
