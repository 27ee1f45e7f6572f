//go:build linux

package peertest

import (
	"encoding/json"
	"fmt"
	"net"
	"net/smtp"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tlsrelay/relay/dns/dnstest"
)

// program is a mail client of another origin that hands a letter to a listener of the relay with a login and a check of
// the certificate. It fails the test when the program reports an error.
type program struct {
	name     string
	packages []string
	implicit bool // it can do TLS from the first byte, too
	submit   func(t *testing.T, n *network, r *running, listener int, m letter)
}

var programs = []program{
	{"msmtp", []string{"msmtp"}, true, submitMsmtp},
	{"nodemailer", []string{"node-nodemailer"}, true, submitNodemailer},
	{"curl", []string{"curl"}, true, submitCurl},
	{"s-nail", []string{"s-nail"}, true, submitSNail},
	{"Exim as a client", []string{"exim4-daemon-light"}, true, submitExim},
	{"Postfix as a client", []string{"postfix", "libsasl2-modules"}, true, submitPostfix},
}

// A letter with all that is easily broken arrives as it was, whichever program hands it in.
func TestPeerPrograms(t *testing.T) {
	needPackages(t, "postfix", "stunnel4")
	n := newNetwork(t)
	box := n.startTLS(t, "mx.dest.test", "TLSv1.3", "TLSv1.3", "127.0.77.41")
	r := startRelay(t, n, dnstest.Zone{
		"dest.test":    {MX: []string{"10 mx.dest.test."}},
		"mx.dest.test": {A: []string{"127.0.77.41"}},
	}, "")
	arrived := 0
	for _, p := range programs {
		for listener, mode := range map[int]string{starttls: "STARTTLS", implicit: "implicit TLS"} {
			if listener == implicit && !p.implicit {
				continue
			}
			t.Run(p.name+" "+mode, func(t *testing.T) {
				needPackages(t, p.packages...)
				m := newLetter(word(t), "dest.test", 5000)
				p.submit(t, n, r, listener, m)
				checkTaken(t, r, m, account, true)
				arrived++
				checkBox(t, box, arrived, m)
			})
		}
	}
	checkNoPassword(t, r)
}

// unix gives a text with the line ends of files on this system.
func unix(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

func hostPort(t *testing.T, r *running, listener int) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(r.address(listener))
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

func submitMsmtp(t *testing.T, n *network, r *running, listener int, m letter) {
	t.Helper()
	host, port := hostPort(t, r, listener)
	secret := filepath.Join(t.TempDir(), "password")
	writeFile(t, secret, []byte(password+"\n"))
	start := "on"
	if listener == implicit {
		start = "off"
	}
	mustRun(t, unix(m.Text), "msmtp", "--file=/dev/null", "--host="+host, "--port="+port, "--domain=app.test", "--tls=on",
		"--tls-starttls="+start, "--tls-trust-file="+n.cert, "--auth=plain", "--user="+account, "--passwordeval=cat "+secret,
		"--from="+m.From, "--", m.To)
}

// nodemailerScript hands in a letter as it is.
const nodemailerScript = `
const [host, port, implicit, ca, user, pass, letter] = process.argv.slice(2);
const fs = require("fs");
const m = JSON.parse(fs.readFileSync(letter));
const transport = require("nodemailer").createTransport({
  host, port, name: "app.test", secure: implicit == "true", requireTLS: true, tls: {ca: fs.readFileSync(ca)},
  auth: {user, pass}, authMethod: "PLAIN",
});
transport.sendMail({envelope: {from: m.from, to: [m.to]}, raw: m.text}).catch(e => { console.error(e); process.exit(1); });
`

func submitNodemailer(t *testing.T, n *network, r *running, listener int, m letter) {
	t.Helper()
	text, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "letter.json")
	writeFile(t, file, text)
	host, port := hostPort(t, r, listener)
	t.Setenv("NODE_PATH", nodeModules)
	mustRun(t, nodemailerScript, "node", "-", host, port, fmt.Sprint(listener == implicit), n.cert, account, password, file)
}

func submitCurl(t *testing.T, n *network, r *running, listener int, m letter) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "letter")
	writeFile(t, file, []byte(m.Text))
	scheme := "smtp"
	if listener == implicit {
		scheme = "smtps"
	}
	mustRun(t, "", "curl", "--disable", "--silent", "--show-error", "--ssl-reqd", "--cacert", n.cert, "--upload-file", file,
		"--user", account+":"+password, "--login-options", "AUTH=PLAIN", "--mail-from", m.From, "--mail-rcpt", m.To,
		scheme+"://"+r.address(listener)+"/app.test")
}

func submitSNail(t *testing.T, n *network, r *running, listener int, m letter) {
	t.Helper()
	scheme := "smtp"
	if listener == implicit {
		scheme = "smtps"
	}
	_, port := hostPort(t, r, listener) // it looks for no IP address in a certificate
	mta := (&url.URL{Scheme: scheme, User: url.UserPassword(account, password), Host: "localhost:" + port}).String()
	_, text, _ := strings.Cut(unix(m.Text), "\n\n")
	args := []string{"-:", "/", "-r", m.From, "-s", header(t, m.Text).Get("Subject")}
	for _, v := range []string{
		"v15-compat=y", "mta=" + mta, "smtp-use-starttls", "smtp-auth=plain", "tls-ca-file=" + n.cert, "tls-verify=strict",
		"hostname=app.test", "ttycharset=utf-8", "mime-encoding=8b", "sendwait", "nosave",
	} {
		args = append(args, "-S", v)
	}
	mustRun(t, text, "s-nail", append(args, m.To)...)
}

func submitExim(t *testing.T, n *network, r *running, listener int, m letter) {
	t.Helper()
	_, port := hostPort(t, r, listener)
	protocol := "smtp"
	if listener == implicit {
		protocol = "smtps"
	}
	e := n.newExim(t, "client-"+protocol, fmt.Sprintf(eximSender, port, protocol, n.cert, account, password))
	mustRun(t, unix(m.Text), e.program, "-C", e.config, "-odi", "-i", "-f", m.From, m.To)
}

// postfixSmarthost has Postfix hand all mail to a smarthost, over TLS with a checked certificate and a login.
const postfixSmarthost = `compatibility_level = 3.6
queue_directory = %[1]s/queue
data_directory = %[1]s/data
maillog_file = %[1]s/maillog
maillog_file_prefixes = %[1]s
myhostname = app.test
inet_interfaces = loopback-only
inet_protocols = ipv4
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
smtpd_peername_lookup = no
relayhost = [127.0.0.1]:%[2]s
smtp_tls_security_level = verify
smtp_tls_verify_cert_match = %[3]s
smtp_tls_CAfile = %[4]s
smtp_tls_wrappermode = %[5]s
smtp_sasl_auth_enable = yes
smtp_sasl_security_options = noanonymous
smtp_sasl_mechanism_filter = plain
smtp_sasl_password_maps = texthash:%[6]s
`

func submitPostfix(t *testing.T, n *network, r *running, listener int, m letter) {
	t.Helper()
	_, port := hostPort(t, r, listener)
	dir, wrapper := folder(t, n.dir, fmt.Sprint("client-postfix-", port), "root"), "no"
	if listener == implicit {
		wrapper = "yes"
	}
	logins := filepath.Join(dir, "logins")
	writeFile(t, logins, fmt.Appendf(nil, "[127.0.0.1]:%s %s:%s\n", port, account, password))
	const addr = "127.0.77.42"
	n.runPostfix(t, dir, fmt.Sprintf(postfixSmarthost, dir, port, hostname, n.cert, wrapper, logins),
		fmt.Sprintf(postfixMaster, n.at(addr))+"smtp unix - - n - - smtp\n", addr)
	conn, err := net.DialTimeout("tcp", n.at(addr), patience)
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(patience))
	c, err := smtp.NewClient(conn, "postfix.test")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	steps := []error{c.Mail(m.From), c.Rcpt(m.To)} // in this order
	w, err := c.Data()
	if err == nil {
		_, err = w.Write([]byte(m.Text))
	}
	if err == nil {
		err = w.Close()
	}
	for _, err := range append(steps, err) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Quit(); err != nil {
		t.Fatal(err)
	}
}
