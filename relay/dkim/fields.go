package dkim

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"net/mail"
	"strings"

	"tlsrelay/relay/message"
)

// field is a kind of header field that is signed.
type field struct {
	name string
	over bool // named once more than it occurs, so that nobody can add another
}

// signed is what a reader sees, or what his program acts on (RFC 6376, 5.4.1), and the fields of mailing lists (RFC 2369,
// RFC 8058). Not signed is what changes on the way: Received, Return-Path, Sender, which lists set.
var signed = []field{
	{"From", true}, {"To", true}, {"Cc", true}, {"Subject", true}, {"Date", true}, {"Message-ID", true}, {"Reply-To", true},
	{"Content-Type", true}, {"MIME-Version", true},
	{"Content-Transfer-Encoding", false}, {"In-Reply-To", false}, {"References", false},
	{"List-Id", false}, {"List-Help", false}, {"List-Subscribe", false}, {"List-Post", false}, {"List-Owner", false},
	{"List-Archive", false}, {"List-Unsubscribe", false}, {"List-Unsubscribe-Post", false}, {"Feedback-ID", false},
	{"Auto-Submitted", false}, {"Resent-From", false}, {"Resent-To", false}, {"Resent-Date", false}, {"Resent-Message-ID", false},
}

// maxNames bounds the list of signed fields, in bytes: it stands in one line, which has at most 998.
const maxNames = 900

// Why a message is not signed. The texts stand in the log.
var (
	errNoFrom   = errors.New("it has no From field")
	errManyFrom = errors.New("it has more than one From field")
	errBadFrom  = errors.New("its From field cannot be read")
	errTooMany  = errors.New("it repeats so many header fields that their names do not fit a signature")
	errBlank    = errors.New("it has too much blank space in one place")
)

// namesOf lists the fields to sign, each as often as h has it, some once more.
func namesOf(h message.Header) ([]string, error) {
	count := make([]int, len(signed))
	for name := range h.Fields() {
		for i := range signed {
			if len(name) == len(signed[i].name) && strings.EqualFold(string(name), signed[i].name) {
				count[i]++
				break
			}
		}
	}
	var names []string
	size := 0
	for i, f := range signed {
		n := count[i]
		if f.over {
			n++
		}
		if size += n * (len(f.name) + 1); size > maxNames {
			return nil, errTooMany
		}
		for range n {
			names = append(names, f.name)
		}
	}
	return names, nil
}

// maxFrom bounds the From field that is looked into, in bytes.
const maxFrom = 8 << 10

// authorDomain gives the domain of the first mailbox in From, in lower case ASCII.
func authorDomain(h message.Header) (string, error) {
	var from []byte
	for name, body := range h.Fields() {
		if !bytes.EqualFold(name, []byte("From")) {
			continue
		}
		if from != nil {
			return "", errManyFrom
		}
		from = body
	}
	switch {
	case from == nil:
		return "", errNoFrom
	case len(from) > maxFrom:
		return "", errBadFrom
	}
	plain := strings.ToValidUTF8(string(bytes.ReplaceAll(from, []byte("\r\n"), nil)), "?") // names may be in Latin-1
	list, err := addressParser.ParseList(strings.TrimSpace(plain))
	if err != nil || len(list) == 0 {
		return "", errBadFrom
	}
	domain, err := Domain(list[0].Address[strings.LastIndexByte(list[0].Address, '@')+1:])
	if err != nil {
		if strings.HasSuffix(list[0].Address, "]") {
			return "", nil // an address literal: nobody has a key for that
		}
		return "", errBadFrom
	}
	return domain, nil
}

// addressParser takes names in any character set: only the domain matters.
var addressParser = mail.AddressParser{WordDecoder: &mime.WordDecoder{
	CharsetReader: func(_ string, r io.Reader) (io.Reader, error) { return r, nil },
}}
