package notify

import (
	"context"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Discard accepts every letter and sends none. It is what a simulation tells people through: it also stands in for a whole
// Notifier, one that does not waste time on writing.
type Discard struct {
	domain   string
	channels map[string]int
}

// NewDiscard makes a Discard whose Message-IDs are those that a Notifier of the same domain would give. It takes what is routed
// to the named channels.
func NewDiscard(domain string, channels ...string) *Discard {
	d := &Discard{domain, map[string]int{}}
	for _, name := range channels {
		d.channels[name] = 256 // letters at once: nothing is waited for, and few at a time would be many transactions
	}
	return d
}

// Render writes nothing: the message is empty. Only its Message-ID is as it would be.
func (d *Discard) Render(l lifecycle.Letter) (messageID string, message []byte, err error) {
	return messageIDOf(&l, d.domain), []byte{}, nil
}

// Channels are those that it was given.
func (d *Discard) Channels(context.Context) map[string]int { return d.channels }

// Send does nothing, successfully.
func (*Discard) Send(context.Context, lifecycle.Letter) error { return nil }

// LeadsNowhere is true of all its channels.
func (*Discard) LeadsNowhere(string) bool { return true }
