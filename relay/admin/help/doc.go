// Package help serves the public pages that notices link to: one for each cause in the tables, in English and German, and what
// the ledger knows of a domain. They are for people who are no customers of anybody here, so they show facts about TLS
// only, ask nobody anything, need no script, and load nothing from elsewhere.
//
// The texts about a cause are those of notices (package notice). What only a page has room for, who can change it, why it
// took days, how to check, stands in page/en.html and page/de.html; topics.go says which cause has which.
package help
