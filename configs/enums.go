package configs

import (
	"fmt"
	"slices"
	"strings"
)

// TLSMode says how a listener uses TLS.
type TLSMode string

const (
	TLSOff      TLSMode = "off"
	TLSStartTLS TLSMode = "starttls" // RFC 3207
	TLSImplicit TLSMode = "implicit" // RFC 8314, section 3.3
)

// AuthMode says who must log in at a listener.
type AuthMode string

const (
	AuthOff      AuthMode = "off"      // nobody can
	AuthOptional AuthMode = "optional" // everyone except clients in the listener's networks
	AuthRequired AuthMode = "required" // everyone
)

// Level says what TLS a destination must offer.
type Level string

const (
	Opportunistic Level = "opportunistic"
	Required      Level = "required"
	Verified      Level = "verified"
)

// rank orders levels from weak to strong.
func (l Level) rank() int { return slices.Index([]Level{Opportunistic, Required, Verified}, l) }

// Floor is the oldest TLS version that mail leaves over. Floors compare as strings.
type Floor string

const (
	Floor12 Floor = "1.2"
	Floor13 Floor = "1.3"
)

// Language is a language of notices.
type Language string

const (
	English Language = "en"
	German  Language = "de"
)

// LogFormat is the form of log lines.
type LogFormat string

const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

func (TLSMode) allowed() string   { return oneOf(TLSOff, TLSStartTLS, TLSImplicit) }
func (AuthMode) allowed() string  { return oneOf(AuthOff, AuthOptional, AuthRequired) }
func (Level) allowed() string     { return oneOf(Opportunistic, Required, Verified) }
func (Floor) allowed() string     { return oneOf(Floor12, Floor13) + "; there is no setting under 1.2" }
func (Language) allowed() string  { return oneOf(English, German) }
func (LogFormat) allowed() string { return oneOf(LogText, LogJSON) }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *TLSMode) UnmarshalText(b []byte) error {
	return choose(m, b, "a TLS mode", TLSOff, TLSStartTLS, TLSImplicit)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (m *AuthMode) UnmarshalText(b []byte) error {
	return choose(m, b, "an AUTH mode", AuthOff, AuthOptional, AuthRequired)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *Level) UnmarshalText(b []byte) error {
	return choose(l, b, "a TLS level", Opportunistic, Required, Verified)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *Floor) UnmarshalText(b []byte) error {
	return choose(f, b, "a TLS floor", Floor12, Floor13)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (l *Language) UnmarshalText(b []byte) error {
	return choose(l, b, "a language of notices", English, German)
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (f *LogFormat) UnmarshalText(b []byte) error {
	return choose(f, b, "a log format", LogText, LogJSON)
}

// enum is a string type with a fixed set of values.
type enum interface {
	~string
	allowed() string
}

func choose[T enum](dst *T, text []byte, what string, values ...T) error {
	v := T(text)
	if !slices.Contains(values, v) {
		return fmt.Errorf("%.60q is not %s; %s", text, what, v.allowed())
	}
	*dst = v
	return nil
}

// oneOf writes the advice: write "a", "b" or "c".
func oneOf[T ~string](values ...T) string {
	var b strings.Builder
	for i, v := range values {
		switch {
		case i == 0:
			b.WriteString("write ")
		case i == len(values)-1:
			b.WriteString(" or ")
		default:
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%q", string(v))
	}
	return b.String()
}
