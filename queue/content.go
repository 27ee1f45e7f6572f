package queue

import (
	"context"
	"io"
	"strings"
)

// OpenMessage opens a stored message as it goes out: the item's Header, then the text. Who gives a message to somebody
// reads it here and not by Store.Open, which knows the text alone.
func OpenMessage(ctx context.Context, s Store, item *Item) (io.ReadCloser, error) {
	text, err := s.Open(ctx, item.ID)
	if err != nil || item.Header == "" {
		return text, err
	}
	return struct {
		io.Reader
		io.Closer
	}{io.MultiReader(strings.NewReader(item.Header), text), text}, nil
}
