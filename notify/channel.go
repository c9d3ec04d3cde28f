package notify

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Channel is a way on which a written letter leaves. It may be used by many goroutines.
type Channel interface {
	// Send hands l.Message over to l.Recipient. The same letter may come again, after a crash for one, and several at once.
	// How it fails says [lifecycle.ErrPermanent] and what stands beside it there; any other error is about this letter, and
	// passes.
	Send(ctx context.Context, l lifecycle.Letter) error
}

// A Composer is a channel that writes what it sends by itself, where others send a mail.
type Composer interface {
	// Compose writes the message of l and its id, both the same for the same letter whenever and wherever it is called.
	Compose(l lifecycle.Letter) (messageID string, message []byte, err error)
}

// A channel may say how many letters it takes at a time ("AtOnce() int"), and be an [io.Closer] if it holds on to something.
type paced interface{ AtOnce() int }

// A Setting is what a channel may know of the deployment that it is opened in.
type Setting struct {
	Domain  string            // the deployment's own
	Sandbox bool              // what it says is a test
	Policy  *lifecycle.Policy // nil: the default one
	Version string            // of the program; empty: not told to anybody
	Log     *slog.Logger      // nil: nothing is logged
	Wall    func() time.Time  // the machine's clock
}

// A channelKind is what the addresses of some schemes open. It stands in one file, with the channel that it opens.
type channelKind struct {
	schemes   []string
	usage     string                      // an address of the kind, and what it does
	people    bool                        // it reaches each person of an audience
	endpoints bool                        // it can be told itself, once for a notice
	mask      func(address string) string // nil: there is nothing to hide
	open      func(address string, s Setting) (Channel, error)
}

var channelKinds = map[string]*channelKind{} // by scheme

// register makes a kind of channel known. Each is registered where it is defined, so that adding one touches nothing else.
func register(k channelKind) *channelKind {
	for _, scheme := range k.schemes {
		if channelKinds[scheme] != nil {
			panic("notify: two kinds of channels are called " + scheme)
		}
		channelKinds[scheme] = &k
	}
	return &k
}

// kindOf finds the kind by the scheme, in which upper and lower case are the same.
func kindOf(address string) (*channelKind, error) {
	if address == "" {
		return nil, fmt.Errorf("no address is given; begin it with one of %s", schemes())
	}
	scheme, _, _ := strings.Cut(address, ":")
	if k, ok := channelKinds[strings.ToLower(scheme)]; ok && len(scheme) < len(address) {
		return k, nil
	}
	return nil, fmt.Errorf("%s is not the address of a channel; begin it with one of %s", MaskAddress(address), schemes())
}

func schemes() string { return strings.Join(slices.Sorted(maps.Keys(channelKinds)), ":, ") + ":" }

// Usages are the kinds of channels, an address of each and what it does.
func Usages() []string {
	var usages []string
	for _, k := range channelKinds {
		usages = append(usages, k.usage)
	}
	slices.Sort(usages)
	return slices.Compact(usages)
}

var schemeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]{0,15}$`)

// MaskAddress is the address of a channel as it may be shown: without what lets anybody use it. Of an address that nothing is
// known about there is no telling what that is.
func MaskAddress(address string) string {
	scheme, rest, found := strings.Cut(address, ":")
	k, known := channelKinds[strings.ToLower(scheme)]
	switch {
	case !found || !known && (!schemeForm.MatchString(scheme) || !strings.HasPrefix(rest, "//")):
		return "***" // user:password@host looks like an address, too
	case !known:
		return scheme + "://***"
	case k.mask == nil:
		return address
	}
	return k.mask(address)
}

// Open opens the channel at an address. The error says all that is wrong with the address, without its secrets.
func Open(address string, s Setting) (Channel, error) {
	k, err := kindOf(address)
	if err != nil {
		return nil, err
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Policy == nil {
		s.Policy = lifecycle.DefaultPolicy()
	}
	return k.open(address, s)
}

// OpenChannels opens the channels at these addresses, which stand under the names that routes know them by. It finds the faults
// of all of them at once, each told with the channel's name and without its secrets, and then leaves none open.
func OpenChannels(addresses map[string]string, s Setting) (map[string]Channel, error) {
	channels := make(map[string]Channel, len(addresses))
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(addresses)) {
		if err := CheckChannelName(name); err != nil {
			faults = append(faults, err)
			continue
		}
		c, err := Open(addresses[name], s)
		for _, fault := range apart(err) {
			faults = append(faults, fmt.Errorf("channel %s: %w", name, fault))
		}
		if err == nil {
			channels[name] = c
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(append(faults, closeAll(channels))...)
	}
	return channels, nil
}

// apart takes joined errors apart, so that each can be told with the name of what it is about.
func apart(err error) []error {
	switch joined, ok := err.(interface{ Unwrap() []error }); { //nolint:errorlint // only what was joined last: a sentence with two errors in it stays one
	case err == nil:
		return nil
	case ok && strings.Contains(err.Error(), "\n"):
		return joined.Unwrap()
	}
	return []error{err}
}

// closeAll closes the channels that hold on to something.
func closeAll(channels map[string]Channel) error {
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		if c, ok := channels[name].(io.Closer); ok {
			if err := c.Close(); err != nil {
				errs = append(errs, fmt.Errorf("close channel %s: %w", name, err))
			}
		}
	}
	return errors.Join(errs...)
}

var channelName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// CheckChannelName says what is wrong with the name of a channel. It ends up in the database, in metrics and in routes.
func CheckChannelName(name string) error {
	switch {
	case lifecycle.IsSubscriptionChannel(name):
		return fmt.Errorf("a channel is not called %s: such names are those of subscriptions", shownName(name))
	case channelName.MatchString(name):
		return nil
	}
	// What stands where a name should may be an address, with its password.
	return fmt.Errorf("a channel's name has 1 to 32 of a-z, 0-9 and -, and begins with a letter, as in crm=https://…; %s has not", shownName(name))
}

// shownName is a bad name as far as it can be shown.
func shownName(name string) string {
	const longest = 40
	switch {
	case name == "":
		return "an empty one"
	case len(name) > longest || strings.ContainsAny(name, ":/@#"):
		return fmt.Sprintf("the one that begins with %q", name[:1])
	}
	return fmt.Sprintf("%q", name)
}

// Reaches says whom the channel at an address can tell: each person of an audience, and itself, once, as an endpoint.
func Reaches(address string) (people, endpoints bool, err error) {
	k, err := kindOf(address)
	if err != nil {
		return false, false, err
	}
	return k.people, k.endpoints, nil
}
