// Package watch looks after mail servers whose TLS fails, beside the mail that waits for them: it has them probed once, and tries
// them at a modest pace until they are mended. Then the mail leaves at once instead of hours later.
//
// Nothing here decides whether mail may go: an attempt does, as always.
package watch
