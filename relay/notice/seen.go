package notice

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// What a server sent in place of a TLS session is kept in the words of [tlsrelay/tlspolicy.Observed.String], which are the same
// for everybody. People read it in their language; what is not known stays as it is.

// sights is how a language says what was seen.
type sights struct {
	whole  map[string]string // by those words, what is neither a ServerHello nor an alert
	then   string            // between a ServerHello and the alert behind it
	alert  string            // before the number of one
	alerts map[int]string    // what it means, by its number; nil: the words stay
}

var englishSights = sights{
	whole: map[string]string{
		"nothing": "no answer", "no TLS": "an answer that is not TLS", "an answer in SSL 2.0": "an answer in SSL 2.0",
		"an incomplete TLS record": "an incomplete TLS record",
	},
	then: ", then ", alert: "alert",
}

var germanSights = sights{
	whole: map[string]string{
		"nothing": "keine Antwort", "no TLS": "eine Antwort, die kein TLS ist", "an answer in SSL 2.0": "eine Antwort in SSL 2.0",
		"an incomplete TLS record": "ein unvollständiger TLS-Datensatz",
	},
	then: ", dann ", alert: "TLS-Alert", alerts: germanAlerts,
}

// germanAlerts is the registry of TLS alerts: RFC 8446 section 6, and what was there before it, beside it and after it.
var germanAlerts = map[int]string{
	0:   "Verbindung beendet",
	10:  "unerwartete Nachricht",
	20:  "falsche Prüfsumme",
	21:  "Entschlüsselung fehlgeschlagen",
	22:  "Datensatz zu lang",
	30:  "Dekomprimierung fehlgeschlagen",
	40:  "Handshake fehlgeschlagen",
	41:  "kein Zertifikat", // SSL 3.0, RFC 6101 section 5.4.2
	42:  "fehlerhaftes Zertifikat",
	43:  "Zertifikat nicht unterstützt",
	44:  "Zertifikat widerrufen",
	45:  "Zertifikat abgelaufen",
	46:  "Zertifikat nicht annehmbar",
	47:  "unzulässiger Parameter",
	48:  "unbekannte Zertifizierungsstelle",
	49:  "Zugriff verweigert",
	50:  "Nachricht fehlerhaft aufgebaut",
	51:  "kryptografische Prüfung fehlgeschlagen",
	52:  "zu viele Verbindungskennungen verlangt", // DTLS, RFC 9147 section 9
	60:  "Exportbeschränkung",
	70:  "Protokollversion nicht unterstützt",
	71:  "unzureichende Sicherheit",
	80:  "interner Fehler",
	86:  "unzulässiger Rückgriff auf eine ältere Version",
	90:  "vom Benutzer abgebrochen",
	100: "keine Neuaushandlung",
	109: "fehlende Erweiterung",
	110: "nicht unterstützte Erweiterung",
	111: "Zertifikat nicht abrufbar",
	112: "unbekannter Servername",
	113: "ungültige Auskunft über den Zertifikatsstatus",
	114: "falscher Hashwert eines Zertifikats",
	115: "unbekannte PSK-Kennung",
	116: "Zertifikat erforderlich",
	117: "allgemeiner Fehler", // of the revision of RFC 8446
	120: "kein gemeinsames Anwendungsprotokoll",
	121: "verschlüsseltes ClientHello erforderlich",
}

// Seen says in "en" or "de", or else in English, what a server sent in place of a TLS session, as [queue.Evidence] has it.
func Seen(lang, seen string) string {
	return (*Texts)(nil).in([]string{lang})[0].sight(seen)
}

var (
	helloSeen = regexp.MustCompile(`^ServerHello [^(),]+, \w+$`)
	alertSeen = regexp.MustCompile(`^alert (0|[1-9]\d{0,2})(?: \((.+)\))?$`)
)

// say puts what was seen into the language. It reports false for what it does not know, and leaves that as it is.
func (s *sights) say(seen string) (said string, known bool) {
	if said, known = s.whole[seen]; known {
		return said, true
	}
	hello, alert, both := strings.Cut(seen, ", then ")
	switch {
	case !both && helloSeen.MatchString(seen):
		return seen, true // names alone
	case !both:
		said, known = s.sayAlert(seen)
	case helloSeen.MatchString(hello):
		said, known = s.sayAlert(alert)
		said = hello + s.then + said
	}
	if !known {
		return seen, false
	}
	return said, true
}

// sayAlert is for an alert alone. One that is in no registry has a number and no meaning.
func (s *sights) sayAlert(seen string) (said string, known bool) {
	parts := alertSeen.FindStringSubmatch(seen)
	if parts == nil {
		return seen, false
	}
	n, _ := strconv.Atoi(parts[1]) // three digits at most
	meaning := parts[2]
	if meaning == fmt.Sprintf("alert(%d)", n) { // crypto/tls has no words for it
		meaning = ""
	}
	if s.alerts != nil {
		switch own := s.alerts[n]; {
		case own != "":
			meaning = own
		case meaning != "":
			return seen, false
		}
	}
	said = s.alert + " " + parts[1]
	if meaning != "" {
		said += " (" + meaning + ")"
	}
	return said, true
}
