// Package tenant knows who sends here and how much they may: rules for single accounts, for all accounts of a domain or
// for all there are, and for networks whose clients send without a login. It counts what each of them sends.
//
//	Tenants -> Seat, a connection of one tenant -> Mail, one mail transaction on it
//
// A rule that fits many accounts holds for each of them alone, with counters of its own; the clients of a network are
// one tenant together. The most specific rule counts, and no other: the account, then its domain, then all; of networks
// the smallest. Names of accounts are compared without regard to case, so that no spelling gets counters of its own.
//
// Recipients are counted when a message is accepted. Until then a transaction holds a place for each, which others
// cannot have, and gives them back when nothing comes of it. All methods of nil are fine and allow everything: that is
// what a client has for whom there is no rule.
package tenant
