// Package metrics counts what becomes of mail, and shows it to Prometheus with the numbers that parts of the relay keep by themselves.
//
// What is counted here is told over [queue.Tally] and the Tally of package submission, and costs an addition. All series are there from the
// start, and no label comes from a remote or from mail: there are as many as this package names.
package metrics
