// Package smtpclient speaks SMTP (RFC 5321) as the client, over one connection with one remote host.
//
// It knows the protocol and nothing else: whom to connect to, what TLS is good enough, and what a failure means for the
// queue is for the caller to say. A session goes
//
//	New, Greeting, Hello, [StartTLS, Hello,] [Auth,] Send, Send, ..., Quit
//
// and ends with Close in any case. Every failure is an [*Error] with the [Stage] where it happened and the remote's
// reply, if there is one. After an I/O or protocol error, or a 421, the connection is closed and all further calls
// fail.
//
// A message on a kept session costs one round trip: a small one goes in one flight with its envelope where CHUNKING is
// offered (bdat.go), and where only PIPELINING is, the next envelope goes out with the final dot (ahead.go). At most one
// message of a session is of unknown fate.
//
// The remote may be hostile. Replies are bounded in lines and bytes, the session in bytes read and in time, each step
// has its deadline, and a message whose text cannot be read to its end is never ended.
package smtpclient
