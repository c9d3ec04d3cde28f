package lifecycle

import "time"

// A ContactQuery says which contacts are wanted. The zero query wants all of them.
type ContactQuery struct {
	Tenant string // lower case
	Role   Role
	Mail   string  // in upper or lower case
	After  Contact // the last one on the page before; tenant, role and mail count
	Limit  int     // at most so many; 0: no limit
}

// ContactCounts says what became of a batch of contacts.
type ContactCounts struct {
	Created, Updated, Unchanged int
	Offered                     int              // notices that had nobody to go to, and go to these now
	Refused                     []ContactRefused // written nowhere, in the order of the batch
}

// A ContactRefused is a contact that was not taken, by its place in the batch, and why.
type ContactRefused struct {
	Index int
	Fault Fault
}

// An Unreached is an audience of which notices found nobody.
type Unreached struct {
	Audience
	Notices int64     // with status noRecipient
	Latest  time.Time // when the latest of them fell due
}

// A LetterQuery says which letters are wanted. The zero query wants all of them.
type LetterQuery struct {
	IDs          []NoticeID     // any of these
	Statuses     []NoticeStatus // any of these
	Kinds        []NoticeKind   // any of these
	Relationship string         // id
	Tenant       string         // of the recipient; lower case
	Mail         string         // of the recipient, in upper or lower case
	Channel      string
	DueAfter     time.Time // at or after
	DueBefore    time.Time // strictly before
	Digest       NoticeID  // told in this digest
	After        NoticeID  // the last one on the page before
	Limit        int       // at most so many; 0: no limit
}

// Narrow says whether the query leaves anything out. An action on everything is more likely a mistake than a wish.
func (q *LetterQuery) Narrow() bool {
	return len(q.IDs) > 0 || len(q.Statuses) > 0 || len(q.Kinds) > 0 || q.Relationship != "" || q.Tenant != "" || q.Mail != "" ||
		q.Channel != "" || !q.DueAfter.IsZero() || !q.DueBefore.IsZero() || q.Digest != (NoticeID{})
}

// A NoticeOrder is what an operator does to notices, and why.
type NoticeOrder struct {
	Action NoticeAction
	Note   string // why
	By     string // the operator, e.g. the name of a token
	At     time.Time
	DryRun bool // count, and change nothing
}
