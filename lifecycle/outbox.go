package lifecycle

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A NoticeID names one notice to one recipient: the record's key, its version after the step that the notice tells of, and
// a number that counts the recipients. Since a step happens once, so does its notice.
type NoticeID struct {
	Key     int64
	Version int64
	Ordinal int
}

func (id NoticeID) String() string { return fmt.Sprintf("%d-%d-%d", id.Key, id.Version, id.Ordinal) }

// ParseNoticeID reads what String writes.
func ParseNoticeID(s string) (NoticeID, error) {
	parts := strings.Split(s, "-")
	var n [3]uint64
	for i := range n {
		var err error
		if len(parts) == len(n) {
			n[i], err = strconv.ParseUint(parts[i], 10, 31+32*min(1, 2-i)) // 63, 63 and 31 bits
		}
		if len(parts) != len(n) || err != nil {
			return NoticeID{}, fmt.Errorf("%q is not the id of a notice; it looks like 1042-7-1, see `tenure notices list`", s)
		}
	}
	return NoticeID{int64(n[0]), int64(n[1]), int(n[2])}, nil
}

// A Letter is a notice to one recipient, with everything that is needed to write it, send it and account for it.
type Letter struct {
	NoticeID
	Kind      NoticeKind
	Stage     Period
	End       time.Time
	Due       time.Time
	Recorded  time.Time
	Status    NoticeStatus
	Reason    Reason
	Recipient Contact // with an empty Mail where there is nobody

	Attempts    int
	NextAttempt time.Time
	LastError   string
	MessageID   string // set when the message is first rendered, and the same ever after
	Message     []byte // as it goes out
	SentAt      time.Time

	Relationship Record // as it is now
}

// A Settled is what became of a letter that somebody had claimed.
type Settled struct {
	NoticeID
	Attempt     int // the Attempts of the letter that was claimed
	Status      NoticeStatus
	Reason      Reason
	LastError   string
	NextAttempt time.Time // for NoticeFailed
	SentAt      time.Time // for NoticeSent
}

// ErrPermanent marks a failure to send that trying again will not mend, such as an address that does not exist.
var ErrPermanent = errors.New("permanent failure")
