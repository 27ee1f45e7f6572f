//go:build linux

package peertest

import (
	"encoding/json"
	"strings"
	"testing"
)

// noticeScript reads notices from files of smtp-sink with Python's email package and prints what it finds, one JSON
// object each. It ends with an error where one is not built as RFC 3462 and RFC 3464 have it.
const noticeScript = `
import email, email.policy, json, sys

for path in sys.argv[1:]:
    with open(path, "rb") as f:
        m = email.message_from_binary_file(f, policy=email.policy.default)
    defects = [repr(d) for p in m.walk() for d in p.defects]
    assert not defects, defects
    assert m.get_content_type() == "multipart/report", m.get_content_type()
    assert m.get_param("report-type") == "delivery-status", m["Content-Type"]
    parts = list(m.iter_parts())
    types = [p.get_content_type() for p in parts]
    assert types[:2] == ["text/plain", "message/delivery-status"] and len(types) == 3, types
    if types[2] == "message/rfc822":
        returned = parts[2].get_payload(0)
    else:
        returned = email.message_from_string(parts[2].get_content())
    about, *recipients = parts[1].get_payload()
    print(json.dumps({
        "from": m["X-Mail-Args"],
        "to": m["X-Rcpt-Args"],
        "auto": m["Auto-Submitted"],
        "text": parts[0].get_content(),
        "mta": about["Reporting-MTA"],
        "recipients": [{
            "final": r["Final-Recipient"], "action": r["Action"], "status": r["Status"],
            "remote": r["Remote-MTA"], "diagnostic": r["Diagnostic-Code"] or "",
            "cause": r["X-Tlsrelay-Cause"] or "",
        } for r in recipients],
        "kind": types[2],
        "returned": returned["Subject"],
    }))
`

// notice is what Python finds in a notice.
type notice struct {
	From, To   string // arguments of MAIL and RCPT
	Auto, Text string
	MTA        string
	Recipients []struct{ Final, Action, Status, Remote, Diagnostic, Cause string }
	Kind       string // of the third part
	Returned   string // subject of the message that comes back
}

// readNotices has Python read the files.
func readNotices(t *testing.T, files []string) []notice {
	t.Helper()
	results := json.NewDecoder(strings.NewReader(mustRun(t, noticeScript, "python3", append([]string{"-"}, files...)...)))
	notices := make([]notice, len(files))
	for i := range notices {
		if err := results.Decode(&notices[i]); err != nil {
			t.Fatal(err)
		}
	}
	return notices
}

// check compares a notice with what it is about.
func (n notice) check(t *testing.T, d destination, m letter) {
	t.Helper()
	if args := strings.Fields(n.From); len(args) == 0 || args[0] != "<>" {
		t.Errorf("envelope sender %s, want <>", n.From)
	}
	if args := strings.Fields(n.To); len(args) == 0 || args[0] != "<"+m.From+">" {
		t.Errorf("envelope recipient %s, want %s", n.To, m.From)
	}
	if n.Auto != "auto-replied" || n.MTA != "dns; "+hostname {
		t.Errorf("Auto-Submitted %q, Reporting-MTA %q", n.Auto, n.MTA)
	}
	if len(n.Recipients) != 1 {
		t.Fatalf("recipients %+v, want one", n.Recipients)
	}
	r := n.Recipients[0]
	if r.Final != "rfc822; "+m.To || r.Action != "failed" || r.Status != d.status || r.Remote != "dns; "+d.host {
		t.Errorf("recipient %+v, want %s with %s at %s", r, m.To, d.status, d.host)
	}
	if words, ok := strings.CutPrefix(r.Diagnostic, "X-Tlsrelay; "); !ok || words == "" {
		// No host said a word against the mail.
		t.Errorf("Diagnostic-Code %q", r.Diagnostic)
	}
	text := strings.Join(strings.Fields(n.Text), " ")
	for _, want := range []string{m.To, d.host, d.says} {
		if !strings.Contains(text, want) {
			t.Errorf("the text does not say %q:\n%s", want, n.Text)
		}
	}
	kind := "message/rfc822"
	if !m.ascii() {
		kind = "text/rfc822-headers" // a notice is 7-bit
	}
	if subject := header(t, m.Text).Get("Subject"); n.Kind != kind || n.Returned != subject {
		t.Errorf("%s comes back with the subject %q, want %s with %q", n.Kind, n.Returned, kind, subject)
	}
}
