package probe

import "errors"

// ErrNotOffered is the error of a way to a server that does not offer STARTTLS.
var ErrNotOffered = errors.New("STARTTLS is not offered")
