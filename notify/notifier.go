package notify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/mail"
	"regexp"

	"golang.org/x/text/language"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Channel is a way on which a written letter leaves.
type Channel interface {
	// Send hands l.Message over to l.Recipient. The same letter may come again, after a crash for one, and several at once.
	// An error that is [lifecycle.ErrPermanent] says that trying again will not help.
	Send(ctx context.Context, l lifecycle.Letter) error
}

// Options says how a deployment writes to people.
type Options struct {
	Channel         Channel
	From            string // who writes, e.g. "tenure <tenure@example.com>"
	Domain          string // the deployment's own, for Message-ID and List-Id, e.g. "tenure.example.com"
	DefaultLanguage string // for people whose language is not known or not spoken here; empty: "en"
	Sandbox         bool   // every message says that it is a test
}

// A Notifier writes letters and sends them on their way. It may be used by many goroutines.
type Notifier struct {
	channel  Channel
	from     mail.Address
	domain   string
	sandbox  bool
	wordings []*wording       // the default language first
	matcher  language.Matcher // answers with an index into wordings
	layouts  layouts
}

// New makes a Notifier. It finds every fault of the options and of the templates at once: each template is tried with sample
// letters here, so that it does not fail at night.
func New(o Options) (*Notifier, error) { return newNotifier(o, embedded) }

func newNotifier(o Options, templates fs.FS) (*Notifier, error) {
	n := &Notifier{channel: o.Channel, domain: o.Domain, sandbox: o.Sandbox}
	var faults []error
	if o.Channel == nil {
		faults = append(faults, errors.New("channel: none is given"))
	}
	if !domainName.MatchString(o.Domain) || len(o.Domain) > longestDomain {
		faults = append(faults, fmt.Errorf("domain: %q is not a domain name, such as tenure.example.com", o.Domain))
	}
	from, err := sender(o.From)
	if err != nil {
		faults = append(faults, err)
	}
	n.from = from
	faults = append(faults, n.loadTemplates(templates, o.DefaultLanguage)...)
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("set up notices:\n%w", err)
	}
	return n, nil
}

const longestDomain = 253

var domainName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$`)

// loadTemplates reads the languages and the layouts and tries them on the samples.
func (n *Notifier) loadTemplates(templates fs.FS, defaultLanguage string) (faults []error) {
	n.wordings, faults = readWordings(templates)
	layouts, err := readLayouts(templates)
	if err != nil {
		faults = append(faults, err)
	}
	n.layouts = layouts
	if err := n.putFirst(defaultLanguage); err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return faults
	}
	tags := make([]language.Tag, len(n.wordings))
	for i, w := range n.wordings {
		tags[i] = w.tag
	}
	n.matcher = language.NewMatcher(tags)
	return n.trySamples()
}

// putFirst makes the default language the first one.
func (n *Notifier) putFirst(defaultLanguage string) error {
	if defaultLanguage == "" {
		defaultLanguage = "en"
	}
	var spoken []string
	for i, w := range n.wordings {
		if w.tag.String() == defaultLanguage {
			n.wordings[0], n.wordings[i] = n.wordings[i], n.wordings[0]
			return nil
		}
		spoken = append(spoken, w.tag.String())
	}
	return fmt.Errorf("default language: %q is not one of %v", defaultLanguage, spoken)
}

// wordingFor is the language that a recipient with this language tag is written to in.
func (n *Notifier) wordingFor(tag string) *wording {
	wanted, err := language.Parse(tag)
	if err != nil {
		return n.wordings[0]
	}
	_, i, confidence := n.matcher.Match(wanted)
	if confidence == language.No {
		return n.wordings[0] // the matcher's own fallback goes by script and not by the order that it was given
	}
	return n.wordings[i]
}

// Render writes the message of l, ready to be sent, and its Message-ID (without the angle brackets). Both are the same for
// the same letter, on every attempt and on every machine.
//
// The error is [lifecycle.ErrPermanent] if the recipient's address is none; any other is the fault of a template or of the
// program.
func (n *Notifier) Render(l lifecycle.Letter) (messageID string, message []byte, err error) {
	to, err := recipient(l.Recipient)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s: %w", l.NoticeID, err)
	}
	id := messageIDOf(&l, n.domain)
	message, err = n.write(&l, id, to)
	if err != nil {
		return "", nil, fmt.Errorf("write notice %s, %s: %w", l.NoticeID, l.Kind, err)
	}
	return id, message, nil
}

func (n *Notifier) write(l *lifecycle.Letter, id string, to mail.Address) ([]byte, error) {
	w := n.wordingFor(l.Recipient.Language)
	p, err := w.compose(l, n.sandbox)
	if err != nil {
		return nil, err
	}
	text, html, err := n.layouts.lay(p)
	if err != nil {
		return nil, err
	}
	return envelope{from: n.from, to: to, id: id, listDomain: n.domain}.message(l, p, text, html)
}

// Send hands a rendered letter to the channel. An error that is [lifecycle.ErrPermanent] is not worth another try.
func (n *Notifier) Send(ctx context.Context, l lifecycle.Letter) error {
	if len(l.Message) == 0 {
		return fmt.Errorf("send notice %s: it has not been written yet; render it first", l.NoticeID)
	}
	return n.channel.Send(ctx, l)
}
