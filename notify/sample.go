package notify

import (
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// trySamples writes every story to both sides in every language, and reports all that fail.
func (n *Notifier) trySamples() []error {
	var faults []error
	seen := map[string]bool{}
	report := func(err error) {
		for _, err := range each(err) {
			if !seen[err.Error()] {
				seen[err.Error()] = true
				faults = append(faults, err)
			}
		}
	}
	for _, w := range n.wordings {
		for _, l := range samples() {
			p, err := w.compose(&l, n.zones.find(l.Recipient.TimeZone), samplePartners, true)
			if err == nil {
				_, _, err = n.layouts.lay(p)
			}
			report(err)
		}
	}
	return faults
}

// each is the faults that an error joins.
func each(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var faults []error
		for _, err := range joined.Unwrap() {
			faults = append(faults, each(err)...)
		}
		return faults
	}
	return []error{err}
}

// sampleEnd is a Sunday, 09:00 UTC.
var sampleEnd = time.Date(2027, 1, 31, 9, 0, 0, 0, time.UTC)

const (
	samplePartner  = "22222222-2222-4222-8222-222222222222"
	sampleUnnamed  = "33333333-3333-4333-8333-333333333333" // another partner, which the policy does not name
	sampleCustomer = "11111111-1111-4111-8111-111111111111"
)

var samplePartners = partners{samplePartner: "Fabrikam Services"}

// sampleRecord is a relationship with all that a record may hold.
func sampleRecord() lifecycle.Record {
	return lifecycle.Record{
		ID: "0d9ab5ca-7f33-4f5c-a4d1-0c4d3c2f0b11-1b2c3d4e-0000-4000-8000-000000000001", Partner: samplePartner,
		DisplayName: "Contoso helpdesk 2026", Duration: lifecycle.Days(365), Status: lifecycle.Active,
		Customer: lifecycle.Tenant{TenantID: sampleCustomer, DisplayName: "Contoso"},
		Roles:    []string{"729827e3-9c14-49f7-bb1b-9608f156bbb8", "fdd7a751-b60b-444a-984c-02652fe8fa1c"},
		Locked:   sampleEnd.AddDate(-1, 0, -2), Activated: sampleEnd.AddDate(-1, 0, 0), End: sampleEnd,
	}
}

// samples are letters of every story to both sides, from the day of the end to a month before it, to people of whom everything
// is known and of whom nothing is, of records that hold all that they may, and as little.
func samples() []lifecycle.Letter {
	full := sampleRecord()
	full.AutoExtend = true
	supreme := sampleRecord()
	supreme.Roles = append(supreme.Roles, lifecycle.GlobalAdministrator)
	both := supreme
	both.AutoExtend = true
	modest := sampleRecord()
	modest.Customer.DisplayName = ""
	bare := lifecycle.Record{ID: "sample", Partner: sampleUnnamed, Locked: full.Locked, Activated: full.Activated}

	var letters []lifecycle.Letter
	for _, role := range []lifecycle.Role{lifecycle.AdminAgents, lifecycle.GlobalAdministrators} {
		readers := []lifecycle.Contact{
			{Role: role, TenantID: samplePartner, Mail: "sample@example.com", DisplayName: "Sample", TimeZone: "Asia/Tokyo"},
			{Role: role, Mail: "sample@example.com"},
			{Role: role, Mail: "sample@example.com", TimeZone: "America/New_York"},
			{Role: role, Mail: "sample@example.com", TimeZone: "Etc/GMT+11"},
		}
		var told []lifecycle.Letter
		for _, kind := range PreviewKinds() {
			if kind == lifecycle.KindDigest {
				continue
			}
			for i, record := range []lifecycle.Record{full, supreme, both, modest, bare} {
				day := sampleEnd.AddDate(0, 0, -[]int{30, 1, 0, -1, 7}[i]).Add(time.Duration(i) * time.Second)
				told = append(told, sampleLetter(kind, record, readers[i%len(readers)], day))
			}
		}
		letters = append(letters, told...)
		for i, reader := range readers {
			for _, items := range [][]lifecycle.Letter{told[i:], told[:1], told[len(told)-1:]} {
				l := sampleDigest(reader, items, sampleEnd.AddDate(0, 0, -30*(i%2)))
				l.Items[0].Reason = []lifecycle.Reason{"", lifecycle.TooManyToday, lifecycle.ForDigest, lifecycle.TooManyToday}[i]
				letters = append(letters, l)
			}
		}
	}
	return letters
}

// sampleLetter tells of a record whose story is of that kind.
func sampleLetter(kind lifecycle.NoticeKind, record lifecycle.Record, reader lifecycle.Contact, recorded time.Time) lifecycle.Letter {
	l := lifecycle.Letter{NoticeID: lifecycle.NoticeID{Key: 1042, Version: 7, Ordinal: 1}, Channel: lifecycle.DefaultChannel, Status: lifecycle.NoticeQueued,
		Kind: kind, End: sampleEnd, Due: recorded, Recorded: recorded, Recipient: reader, Relationship: record}
	switch kind {
	case rejected:
		l.Kind, l.Relationship.Activated = lifecycle.KindTerminated, time.Time{}
	case lifecycle.KindRequestLapsed:
		l.Relationship.Activated = time.Time{}
	}
	return l
}

func sampleDigest(reader lifecycle.Contact, items []lifecycle.Letter, recorded time.Time) lifecycle.Letter {
	return lifecycle.Letter{NoticeID: lifecycle.NoticeID{Version: 12, Ordinal: 1}, Kind: lifecycle.KindDigest, Channel: lifecycle.DefaultChannel,
		Status: lifecycle.NoticeQueued, Due: recorded, Recorded: recorded, Recipient: reader, Items: append([]lifecycle.Letter(nil), items...)}
}
