package notify

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// PreviewOptions say whom a sample letter is to.
type PreviewOptions struct {
	Language            string           // one that there are templates for; empty: the default one
	Side                lifecycle.Side   // empty: the partner's
	TimeZone            string           // of the IANA database, e.g. "Asia/Tokyo"; empty: not known
	Stage               lifecycle.Period // of a warning: how long before the end; zero: 30 days
	GlobalAdministrator bool             // the role is among those of the relationship
}

// PreviewKinds lists what there is to look at: every kind of notice, the request that was declined, which is told apart from
// other terminations, and a digest.
func PreviewKinds() []lifecycle.NoticeKind {
	return append(slices.Clone(lifecycle.NoticeKinds), rejected, lifecycle.KindDigest)
}

// Preview writes a sample letter of the kind, as it would be sent; its Message is set. The error says what there is to choose from.
func (n *Notifier) Preview(kind lifecycle.NoticeKind, o PreviewOptions) (lifecycle.Letter, error) {
	w, err := n.check(kind, o)
	if err != nil {
		return lifecycle.Letter{}, err
	}
	reader := sampleReader(w, o)
	l := previewLetter(kind, reader, o)
	if kind == lifecycle.KindDigest {
		l = sampleDigest(reader, previewItems(reader, o), sampleEnd)
	}
	l.MessageID, l.Message, err = n.render(&l, w, samplePartners)
	return l, err
}

// check reports all that cannot be shown.
func (n *Notifier) check(kind lifecycle.NoticeKind, o PreviewOptions) (*wording, error) {
	var faults []error
	if !slices.Contains(PreviewKinds(), kind) {
		faults = append(faults, fmt.Errorf("%q is no kind of notice; they are %v", kind, PreviewKinds()))
	}
	w, err := n.wordings[0], error(nil)
	if o.Language != "" {
		if w, err = n.spoken(o.Language); err != nil {
			faults = append(faults, fmt.Errorf("language: %w", err))
		}
	}
	if o.Side != "" && o.Side != lifecycle.PartnerSide && o.Side != lifecycle.CustomerSide {
		faults = append(faults, fmt.Errorf("%q is no side; write partner or customer", o.Side))
	}
	if _, err := time.LoadLocation(o.TimeZone); err != nil || o.TimeZone == "Local" {
		faults = append(faults, fmt.Errorf("%q is no time zone; write the name of one, such as Asia/Tokyo or Europe/Berlin", o.TimeZone))
	}
	if o.GlobalAdministrator && kind == lifecycle.KindExtended {
		faults = append(faults, errors.New("a relationship that includes Global Administrator is never extended; look at extended without that role"))
	}
	return w, errors.Join(faults...)
}

func sampleReader(w *wording, o PreviewOptions) lifecycle.Contact {
	c := lifecycle.Contact{TenantID: samplePartner, Role: lifecycle.AdminAgents, Mail: "alex@partner.example", DisplayName: "Alex Wilber"}
	if o.Side == lifecycle.CustomerSide {
		c = lifecycle.Contact{TenantID: sampleCustomer, Role: lifecycle.GlobalAdministrators, Mail: "megan@contoso.example", DisplayName: "Megan Bowen"}
	}
	c.Language, c.TimeZone = w.tag.String(), o.TimeZone
	return c
}

func previewLetter(kind lifecycle.NoticeKind, reader lifecycle.Contact, o PreviewOptions) lifecycle.Letter {
	record := sampleRecord()
	if o.GlobalAdministrator {
		record.Roles = append(record.Roles, lifecycle.GlobalAdministrator)
	}
	recorded := sampleEnd
	switch kind {
	case lifecycle.KindWarnExpiry:
		if o.Stage.IsZero() {
			o.Stage = lifecycle.Days(30)
		}
		recorded = o.Stage.Before(sampleEnd)
	case lifecycle.KindApproved:
		recorded = record.Activated
	case lifecycle.KindExtended:
		recorded, record.AutoExtend = sampleEnd.AddDate(0, 0, -180), true
	}
	l := sampleLetter(kind, record, reader, recorded)
	l.Recorded = l.Due.Add(2 * time.Minute)
	return l
}

// Of a digest that is shown: whom each of its rows is about, and what for.
var (
	previewCustomers = [...]string{"Contoso", "Fourth Coffee", "Northwind Traders", "Adventure Works", "Litware", "Proseware", "Tailspin Toys", "Wingtip Toys",
		"Alpine Ski House", "Coho Winery", "Lucerne Publishing", "Margie's Travel", "Trey Research", "Woodgrove Bank", "Graphic Design Institute", "Humongous Insurance"}
	previewPurposes = [...]string{"helpdesk", "security", "backup", "licences", "migration", "on-call", "operations", "servers",
		"mail", "devices", "identity", "compliance", "Teams", "SharePoint", "reporting", "telephony"}
)

// previewItems are what a digest tells: what has happened since yesterday, and what is to come.
func previewItems(reader lifecycle.Contact, o PreviewOptions) []lifecycle.Letter {
	var items []lifecycle.Letter
	for i, kind := range PreviewKinds() {
		toCustomer := o.Side == lifecycle.CustomerSide
		if kind == lifecycle.KindDigest || toCustomer && (kind == rejected || kind == lifecycle.KindRequestLapsed) {
			continue // customers hear of no request that came to nothing
		}
		rows := 2
		if i < 2 {
			rows = 3
		}
		for j := range rows {
			item := previewItem(kind, reader, o, j)
			item.Due = sampleEnd.Add(-time.Duration(2*i+j) * time.Hour)
			item.End = previewEnd(kind, item.Due, j)
			customer := previewCustomers[len(items)]
			if toCustomer {
				customer = previewCustomers[0]
			}
			item.Relationship.Customer.DisplayName = customer
			item.Relationship.DisplayName = customer + " " + previewPurposes[len(items)]
			items = append(items, item)
		}
	}
	return items
}

// previewItem is one row. The second warning is of a relationship that includes Global Administrator.
func previewItem(kind lifecycle.NoticeKind, reader lifecycle.Contact, o PreviewOptions, i int) lifecycle.Letter {
	o.GlobalAdministrator = o.GlobalAdministrator && kind != lifecycle.KindExtended || kind == lifecycle.KindWarnExpiry && i == 1
	l := previewLetter(kind, reader, o)
	l.Reason = lifecycle.ForDigest
	return l
}

func previewEnd(kind lifecycle.NoticeKind, due time.Time, i int) time.Time {
	switch kind {
	case lifecycle.KindWarnExpiry:
		return sampleEnd.AddDate(0, 0, []int{1, 7, 30}[i])
	case lifecycle.KindApproved:
		return due.AddDate(1, 0, 0)
	case lifecycle.KindExtended:
		return due.AddDate(0, 0, 180)
	}
	return due
}

// Parts are the two forms of a mail that Render has written, their lines ending in LF.
func Parts(message []byte) (text, html string, err error) {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return "", "", fmt.Errorf("read a mail: %w", err)
	}
	_, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return "", "", fmt.Errorf("read a mail: %w", err)
	}
	bodies := map[string]string{}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return bodies["text/plain"], bodies["text/html"], nil
		}
		if err != nil {
			return "", "", fmt.Errorf("read a mail: %w", err)
		}
		mediaType, _, _ := strings.Cut(part.Header.Get("Content-Type"), ";")
		if bodies[mediaType], err = readPart(part); err != nil {
			return "", "", fmt.Errorf("read a mail: %w", err)
		}
	}
}

func readPart(part *multipart.Part) (string, error) {
	var r io.Reader = part
	switch part.Header.Get("Content-Transfer-Encoding") {
	case "quoted-printable":
		r = quotedprintable.NewReader(part)
	case "base64":
		r = base64.NewDecoder(base64.StdEncoding, part)
	}
	body, err := io.ReadAll(r)
	return strings.ReplaceAll(string(body), "\r\n", "\n"), err
}
