// Package peertest runs the whole relay against programs that others wrote: swaks and Python's smtplib hand mail in,
// Postfix, and stunnel in front of smtp-sink, play the MX hosts, dumpcap records what goes over the wire, and Python's
// email package reads the notices. It has tests alone.
//
// They need Linux, root, and the Debian packages postfix, stunnel4, swaks, libnet-ssleay-perl, tshark and python3. A
// test that lacks one is skipped; with CI=true in the environment it fails.
package peertest
