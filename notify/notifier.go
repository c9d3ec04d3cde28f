package notify

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"regexp"
	"slices"
	"strings"
	"sync"

	"golang.org/x/text/language"

	"github.com/tenure-dev/tenure/lifecycle"
)

// Options says how a deployment writes to people.
type Options struct {
	Channels        map[string]Channel // by the names under which the policy's routes know them
	Subscriptions   *Subscriptions     // programs that are told of what happens to relationships; nil: there are none
	From            string             // who writes, e.g. "tenure <tenure@example.com>"
	Domain          string             // the deployment's own, for Message-ID and List-Id, e.g. "tenure.example.com"
	DefaultLanguage string             // for people whose language is not known or not spoken here; empty: "en"
	Partners        map[string]string  // how customers know the partners, by tenant id; one that is not there has no name
	Sandbox         bool               // every message says that it is a test
	TemplateDir     string             // a folder whose templates replace ours, phrase by phrase; empty: none
}

// A Notifier writes letters and sends them on their way. It may be used by many goroutines.
type Notifier struct {
	channels   map[string]Channel
	subscribed *Subscriptions // may be nil
	from       mail.Address
	domain     string
	partners   partners
	sandbox    bool
	wordings   []*wording       // the default language first
	matcher    language.Matcher // answers with an index into wordings
	matched    sync.Map         // of *wording by language tag: those that were asked for
	zones      zones
	layouts    layouts
}

// New makes a Notifier. It finds every fault of the options and of the templates at once: each template is read and tried with
// sample letters here, so that it does not fail at night.
func New(o Options) (*Notifier, error) {
	n := &Notifier{channels: o.Channels, subscribed: o.Subscriptions, domain: o.Domain, partners: partnersOf(o.Partners), sandbox: o.Sandbox}
	var faults []error
	if len(o.Channels) == 0 {
		faults = append(faults, errors.New("channels: none is given"))
	}
	if !domainName.MatchString(o.Domain) || len(o.Domain) > longestDomain {
		faults = append(faults, fmt.Errorf("domain: %q is not a domain name, such as tenure.example.com", o.Domain))
	}
	from, err := sender(o.From)
	if err != nil {
		faults = append(faults, err)
	}
	n.from = from
	faults = append(faults, n.loadTemplates(o.TemplateDir, o.DefaultLanguage)...)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("set up notices:\n%w", err)
	}
	return n, nil
}

const longestDomain = 253

var domainName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// loadTemplates reads the languages and the layouts and tries them on the samples.
func (n *Notifier) loadTemplates(dir, defaultLanguage string) (faults []error) {
	builtin := builtinFiles()
	own, faults := readFolder(dir)
	wordings, wordingFaults := readWordings(builtin, own)
	layouts, layoutFaults := readLayouts(builtin, own)
	n.wordings, n.layouts = wordings, layouts
	broken := len(wordingFaults)+len(layoutFaults) > 0
	faults = append(append(faults, wordingFaults...), layoutFaults...)
	if err := n.putFirst(defaultLanguage); err != nil {
		faults = append(faults, err)
	}
	tags := make([]language.Tag, len(n.wordings))
	for i, w := range n.wordings {
		tags[i] = w.tag
	}
	n.matcher = language.NewMatcher(tags)
	if broken {
		return faults
	}
	return append(faults, n.trySamples()...)
}

// putFirst makes the default language the first one.
func (n *Notifier) putFirst(defaultLanguage string) error {
	if defaultLanguage == "" {
		defaultLanguage = "en"
	}
	w, err := n.spoken(defaultLanguage)
	if err != nil {
		return fmt.Errorf("default language: %w", err)
	}
	i := slices.Index(n.wordings, w)
	n.wordings[0], n.wordings[i] = n.wordings[i], n.wordings[0]
	return nil
}

// spoken is the language of that name. The error lists those that there are.
func (n *Notifier) spoken(name string) (*wording, error) {
	for _, w := range n.wordings {
		if strings.EqualFold(w.tag.String(), name) {
			return w, nil
		}
	}
	return nil, fmt.Errorf("%q is not one of %v", name, n.Languages())
}

// Languages are those that there are templates for, the default one first.
func (n *Notifier) Languages() []string {
	var tags []string
	for _, w := range n.wordings {
		tags = append(tags, w.tag.String())
	}
	return tags
}

// longestTag is how long a language tag may be. Whatever is longer says nothing about a language. Source: RFC 5646, 4.4.1.
const longestTag = 35

// wordingFor is the language that a recipient with this language tag is written to in.
func (n *Notifier) wordingFor(tag string) *wording {
	if w, ok := n.matched.Load(tag); ok {
		return w.(*wording)
	}
	if len(tag) > longestTag {
		return n.wordings[0]
	}
	wanted, err := language.Parse(tag)
	if err != nil {
		return n.wordings[0]
	}
	_, i, confidence := n.matcher.Match(wanted)
	if confidence == language.No {
		i = 0 // the matcher's own fallback goes by script and not by the order that it was given
	}
	n.matched.Store(tag, n.wordings[i])
	return n.wordings[i]
}

// Render writes the message of l, ready to be sent, and its Message-ID (without the angle brackets). Both are the same for
// the same letter, on every attempt and on every machine.
//
// The error is [lifecycle.ErrPermanent] if the recipient's address is none; any other is the fault of a template or of the
// program.
func (n *Notifier) Render(l lifecycle.Letter) (messageID string, message []byte, err error) {
	if c, ok := n.channel(l.Channel).(Composer); ok {
		return c.Compose(l)
	}
	return n.render(&l, n.wordingFor(l.Recipient.Language), n.partners)
}

func (n *Notifier) render(l *lifecycle.Letter, w *wording, names partners) (messageID string, message []byte, err error) {
	to, err := recipient(l.Recipient)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s: %w", l.NoticeID, err)
	}
	p, err := w.compose(l, n.zones.find(l.Recipient.TimeZone), names, n.sandbox)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s, %s: %w", l.NoticeID, l.Kind, err)
	}
	text, html, err := n.layouts.lay(p)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s, %s: %w", l.NoticeID, l.Kind, err)
	}
	e := envelope{from: n.from, to: to, id: messageIDOf(l, n.domain), thread: threadOf(l, n.domain), listDomain: n.domain}
	return e.id, e.message(l, p, text, html), nil
}

// channel is the one of that name; nil where there is none.
func (n *Notifier) channel(name string) Channel {
	if lifecycle.IsSubscriptionChannel(name) && n.subscribed != nil {
		return n.subscribed
	}
	return n.channels[name]
}

// Channels names the channels on which it can send, and how many letters each takes at a time. Those of subscriptions come and
// go: ask again now and then.
func (n *Notifier) Channels(ctx context.Context) map[string]int {
	atOnce := make(map[string]int, len(n.channels))
	for name, c := range n.channels {
		atOnce[name] = 8 // disks and servers answer many as fast as one
		if p, ok := c.(paced); ok {
			atOnce[name] = p.AtOnce()
		}
	}
	if n.subscribed != nil {
		maps.Copy(atOnce, n.subscribed.channels(ctx))
	}
	return atOnce
}

// Send hands a rendered letter to its channel. Its errors are those of [Channel].
func (n *Notifier) Send(ctx context.Context, l lifecycle.Letter) error {
	if len(l.Message) == 0 {
		return fmt.Errorf("send notice %s: it has not been written yet; render it first", l.NoticeID)
	}
	c := n.channel(l.Channel)
	if c == nil {
		return fmt.Errorf("send notice %s: there is no channel %q in this process: %w", l.NoticeID, l.Channel, lifecycle.ErrUnavailable)
	}
	return c.Send(ctx, l)
}

// Close closes the channels.
func (n *Notifier) Close() error {
	if n.subscribed != nil {
		n.subscribed.close()
	}
	return closeAll(n.channels)
}
