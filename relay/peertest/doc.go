// Package peertest runs the whole relay against programs that others wrote. swaks, Python's smtplib, msmtp, nodemailer, curl,
// s-nail, Exim and Postfix hand mail in. Postfix, and stunnel in front of smtp-sink, play the MX hosts; they, Exim, gnutls-serv
// and a few lines of Go play over two hundred kinds of TLS (TestTLSMatrix), and openssl and gnutls-cli show that the bad ones are
// what they seem. testssl, sslscan and nmap look for what is weak; Postfix and Exim show beside the relay what they make of
// smuggled mail; dumpcap records what goes over the wire, and Python's email package reads the notices. It has tests alone.
//
// They need Linux, root, and the Debian packages that .ci/run installs; Exim's, which conflicts with Postfix's, is only
// unpacked. A test that lacks one is skipped; with CI=true in the environment it fails.
package peertest
