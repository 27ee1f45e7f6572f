package dkim

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"tlsrelay/relay/need"
)

const top = "From: Ann <ann@example.org>\r\nTo: bob@example.net\r\nSubject: hello\r\nMIME-Version: 1.0\r\n" +
	"Content-Type: text/plain; charset=utf-8\r\n"

// letters are messages as clients hand them in. Each gets two good signatures.
var letters = map[string]string{
	"plain":              top + "\r\nhello\r\n",
	"folded":             "From: Ann\r\n\t<ann@example.org>\r\nSubject:   one\r\n two\t \r\n\tthree  \r\nTo: a@b.example,\r\n  c@d.example\r\n\r\nx\r\n",
	"folded From":        "From:\r\n ann@example.org\r\n\r\nx\r\n",
	"8-bit body":         top + "\r\nGr\xc3\xbc\xc3\x9fe \xff\xfe\r\n",
	"8-bit header":       "From: J\xc3\xbcrgen <j@example.org>\r\nSubject: Gr\xc3\xbc\xc3\x9fe\r\n\r\nx\r\n",
	"trailing blanks":    top + "\r\nhello  \r\n\r\n \t\r\n\r\n\r\n",
	"empty body":         top + "\r\n",
	"no body at all":     top,
	"blank body":         top + "\r\n\r\n  \r\n\r\n",
	"dots":               top + "\r\n.\r\n..\r\n.hidden\r\n\r\n.\r\n",
	"blank space":        top + "\r\na  b\t\tc \t\r\n\t x\r\n   y   z\r\n",
	"no line end":        top + "\r\nhello",
	"repaired":           "From: ann@example.org\nSubject: a\rb\n\none\n\n.\ntwo\rthree\r\n",
	"odd spelling":       "FROM: ann@EXAMPLE.org\r\nsUBJECT:x\r\nCC:\r\n\r\nx\r\n",
	obsolete:             "From : ann@example.org\r\n\r\nx\r\n",
	"no empty line":      top + "not a field\r\nmore\r\n",
	"repeated fields":    top + "To: other@example.net\r\nReply-To: a@example.org\r\nReply-To: b@example.org\r\nSubject: again\r\n\r\nx\r\n",
	"list":               top + "List-Unsubscribe: <https://u.example/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\nx\r\n",
	"long lines":         top + "\r\n" + strings.Repeat("x", 998) + "\r\n" + strings.Repeat("y ", 499) + "\r\n",
	"large":              top + "\r\n" + strings.Repeat("0123456789 abcdef\r\n\r\n", 20_000),
	"blank space inside": top + "\r\na" + strings.Repeat("\r\n", 30_000) + "b\r\n",
	"blank lines behind": top + "\r\na" + strings.Repeat("\r\n", 30_000),
}

// obsolete is a letter in which dkimpy does not find the From field, though RFC 6376, 3.4.2, counts with such blanks.
const obsolete = "blank before the colon"

// changes are what may happen to a message on its way, and whether it is still good then.
var changes = map[string]struct {
	old, new string // of the first place
	good     bool
}{
	"body":               {"hello\r\n\r\nbye", "hello\r\n\r\nbuy", false},
	"body longer":        {"bye\r\n", "bye\r\nmore\r\n", false},
	"dot":                {"\r\n.dot", "\r\n..dot", false},
	"Subject":            {"Subject: hello", "Subject: hallo", false},
	"second From above":  {"From: Ann", "From: eve@example.com\r\nFrom: Ann", false},
	"second From below":  {"\r\n\r\n", "\r\nFrom: eve@example.com\r\n\r\n", false},
	"second Subject":     {"Subject: hello", "Subject: eve\r\nSubject: hello", false},
	"first Reply-To":     {"Subject: hello", "Reply-To: eve@example.com\r\nSubject: hello", false},
	"first Cc":           {"Subject: hello", "Cc: eve@example.com\r\nSubject: hello", false},
	"second type":        {"Content-Type:", "Content-Type: text/html\r\nContent-Type:", false},
	"From gone":          {"From: Ann <ann@example.org>\r\n", "", false},
	"lines at the end":   {"bye\r\n", "bye\r\n\r\n\r\n", true},
	"blanks in a line":   {"two words", "two  \twords \t", true},
	"another Received":   {"Received:", "Received: from x by y; Thu, 1 Jan 2026 00:00:00 +0000\r\nReceived:", true},
	"other folds":        {"Subject: hello", "Subject:\r\n  hello", true},
	"a field of no note": {"Subject: hello", "X-Spam: no\r\nSubject: hello", true},
}

// cases gives signed messages and whether they are good.
func cases(t *testing.T, r *rig) (texts map[string]string, good map[string]bool) {
	t.Helper()
	texts, good = map[string]string{}, map[string]bool{}
	for name, letter := range letters {
		out, signed := r.prepare(letter)
		if signed == 0 {
			t.Errorf("%s is not signed: %s", name, r.log.String())
		}
		if !strings.HasPrefix(out[signed:], "Received: ") {
			t.Errorf("%s: the signature does not stand above Received: %.2000s", name, out)
		}
		texts[name], good[name] = out, true
	}
	for name, c := range changes {
		out, signed := r.prepare(top + "\r\nhello\r\n\r\nbye\r\ntwo words\r\n.dot\r\nbye\r\n")
		at := strings.Index(out[signed:], c.old)
		if c.old == "bye\r\n" {
			at = strings.LastIndex(out[signed:], c.old)
		}
		if at < 0 {
			t.Fatalf("%s: nothing to change in %s", name, out)
		}
		at += signed
		texts["changed: "+name], good["changed: "+name] = out[:at]+c.new+out[at+len(c.old):], c.good
	}
	return texts, good
}

func twoKeys(t *testing.T) *rig { return newRig(t, "example.org rsa", "example.org ed25519") }

func TestVerifiedByTheLibrary(t *testing.T) {
	r := twoKeys(t)
	texts, good := cases(t, r)
	for name, text := range texts {
		found, err := dkim.VerifyWithOptions(strings.NewReader(text), &dkim.VerifyOptions{LookupTXT: r.txt})
		if err != nil || len(found) != 2 {
			t.Errorf("%s: %d signatures, %v", name, len(found), err)
		}
		for _, v := range found {
			if (v.Err == nil) != good[name] || v.Domain != "example.org" {
				t.Errorf("%s: signature of %s: %v", name, v.Domain, v.Err)
			}
		}
	}
}

// verifyScript has dkimpy judge each signature of the messages in the JSON object on standard input.
const verifyScript = `
import base64, dkim, json, sys
job = json.load(sys.stdin)
def txt(name, timeout=5):
    return job["records"].get(name.decode().rstrip(".")).encode()
results = {}
for name, text in job["messages"].items():
    results[name] = []
    text = base64.b64decode(text)
    for i in range(text.split(b"\r\n\r\n")[0].lower().count(b"dkim-signature:")):
        try:
            results[name].append(dkim.DKIM(text).verify(idx=i, dnsfunc=txt))
        except dkim.DKIMException as e:
            results[name].append(False)
json.dump(results, sys.stdout)
`

// python finds an interpreter with dkimpy and with nacl, which dkimpy needs for Ed25519.
func python(t *testing.T) string {
	t.Helper()
	var err error
	for _, path := range []string{"python3", "/usr/bin/python3"} {
		if err = exec.Command(path, "-c", "import dkim, nacl.signing").Run(); err == nil {
			return path
		}
	}
	need.That(t, "python3 with the Debian packages python3-dkim and python3-nacl", err)
	return ""
}

// TestVerifiedByDkimpy asks a verifier that shares no code with the signer.
func TestVerifiedByDkimpy(t *testing.T) {
	interpreter := python(t)
	r := twoKeys(t)
	texts, good := cases(t, r)
	encoded := map[string][]byte{}
	delete(texts, obsolete)
	for name, text := range texts {
		encoded[name] = []byte(text)
	}
	job, err := json.Marshal(map[string]any{"records": r.records, "messages": encoded})
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "verify.py")
	if err := os.WriteFile(script, []byte(verifyScript), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(interpreter, script)
	cmd.Stdin = bytes.NewReader(job)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var results map[string][]bool
	if err := json.Unmarshal(out, &results); err != nil {
		t.Fatal(err)
	}
	for name := range texts {
		if got := results[name]; len(got) != 2 || got[0] != good[name] || got[1] != good[name] {
			t.Errorf("%s: dkimpy says %v, want twice %v\n%.3000s", name, got, good[name], texts[name])
		}
	}
}
