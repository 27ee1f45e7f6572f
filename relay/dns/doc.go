// Package dns finds the mail hosts of a domain and their addresses.
//
// It asks recursive resolvers itself, instead of through package net, because a relay must tell apart what package net
// melts together: a domain that does not exist ([ErrNoSuchDomain], mail for it comes back at once), a question that got
// no usable answer ([ErrTrouble], mail for it waits), and a name that exists without records of the type asked for (an
// answer like any other). It also keeps the authentic-data bit, which DANE needs.
//
// A [Client] asks, a [Cache] before it remembers what it heard.
//
// What an answer holds was written by strangers: names are checked, and lists are cut to [MaxHosts] and [MaxAddrs].
package dns
