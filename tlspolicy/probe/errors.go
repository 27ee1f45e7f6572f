package probe

import "errors"

// ErrNotOffered is the error of a way to a server that does not offer STARTTLS.
var ErrNotOffered = errors.New("STARTTLS is not offered")

// ErrRefused is the error of a way to a server that offers STARTTLS and then refuses it for good, with a reply of 500 to 599. The 454
// that RFC 3207 section 4 has for a temporary reason is not that.
var ErrRefused = errors.New("STARTTLS is refused")
