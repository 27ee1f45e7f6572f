// Package relay builds a whole relay from a configuration and runs it: the spool, the scheduler with its deliverer, the
// listeners and the control socket. It is the only package that knows them all; each of them knows only what it is given.
package relay
