// Package load hands mail to an SMTP server over kept connections, as fast as the server takes it and at as little cost
// of its own as possible: generator and server share the machine. One thread serves all connections through epoll, and
// everything it sends was written before the clock starts.
package load
