package lifecycle

import (
	"errors"
	"fmt"
	"slices"
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

// MarshalText is String, so that logs in JSON show the same id as everything else.
func (id NoticeID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

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

// A Letter is a notice to one recipient, or to one endpoint, with everything that is needed to write it, send it and account
// for it. A digest is a letter too, of the relationship with key 0, which is none: it tells its recipient of its Items.
type Letter struct {
	NoticeID
	Kind      NoticeKind
	Stage     Period
	End       time.Time
	Due       time.Time
	Recorded  time.Time
	Status    NoticeStatus
	Reason    Reason
	Recipient Contact // with an empty Mail where there is nobody, for an endpoint, and once it has been erased
	Channel   string  // on which it leaves
	Endpoint  bool    // to the channel itself, on behalf of the recipient's tenant and role

	Claim       int // grows whenever it changes hands: when it is claimed, settled, or an operator intervenes
	Attempts    int // to hand it over
	Unknown     int // attempts of which nobody noted how they ended: each may have reached the recipient
	NextAttempt time.Time
	LastError   string
	MessageID   string    // set when the message is first rendered, and the same ever after
	Message     []byte    // as it goes out; empty again once the recipient has been erased
	Written     time.Time // when its message is being written, by the deployment's clock; zero: when it was recorded
	SentAt      time.Time
	SettledAt   time.Time // when it became final
	Erased      bool      // the recipient's name and address have been erased

	DigestAt time.Time // of a waiting notice: when it is told in a digest
	Digest   NoticeID  // of a digested notice: the digest
	Note     string    // of the operator who changed its status last, and who that was
	NotedBy  string
	Trace    string // the span that it was written in, as W3C Trace Context writes it; empty: nobody traced

	Relationship Record   // as it is now; zero for a digest
	Items        []Letter // of a digest; their messages are not read
}

// IsDigest says whether the letter tells of many notices.
func (l *Letter) IsDigest() bool { return l.Kind == KindDigest }

// A Claim is what a courier asks of the outbox.
type Claim struct {
	Channel    string
	Now        time.Time // by the deployment's clock: what counts for the recipient's day
	Wall       time.Time // by the machine's: what is to be sent by then
	LeaseUntil time.Time // by the machine's
	Most       int       // letters
	PerDay     int       // letters that one recipient may get in 24 hours; 0: no limit
	DigestAt   time.Time // when the recipient is told of what is beyond the limit
}

// A Settled is what became of a letter that somebody had claimed.
type Settled struct {
	NoticeID
	Claim       int // of the letter that was claimed
	Status      NoticeStatus
	Reason      Reason
	LastError   string
	NextAttempt time.Time // for NoticeFailed
	SentAt      time.Time // for NoticeSent
	At          time.Time // when it was settled, by the deployment's clock
	Uncounted   bool      // nobody was reached: the attempt does not count
	Unknown     bool      // it may have been handed over all the same
}

// How sending may fail. Any other error is about the one letter, and passes: it is tried again.
var (
	// ErrPermanent marks a failure to send that trying again will not mend, such as an address that does not exist.
	ErrPermanent = errors.New("permanent failure")

	// ErrUnavailable marks a channel that nothing can be sent on at present. Nothing is wrong with the letter, and the attempt
	// does not count.
	ErrUnavailable = errors.New("the channel is unavailable")

	// ErrSwitchedOff marks a channel whose receiver wants nothing more, until an operator says otherwise.
	ErrSwitchedOff = errors.New("the receiver wants no more")

	// ErrNoAnswer marks an attempt that was broken off before the letter had been handed over. It counts, and does not tell
	// whether the letter or the channel is at fault.
	ErrNoAnswer = errors.New("broken off")

	// ErrUnknown marks an attempt of which nobody knows whether it reached the recipient.
	ErrUnknown = errors.New("the outcome is not known")
)

// A Later is a failure that names the wait after which to try again. It counts beside one of the errors above, or alone.
type Later struct {
	Wait time.Duration
	Err  error
}

func (l *Later) Error() string { return l.Err.Error() }

// Unwrap is for [errors.Is].
func (l *Later) Unwrap() error { return l.Err }

// A ChannelState is how a channel fares. Those that have never failed have none.
type ChannelState struct {
	Name      string
	Failures  int       // in a row
	ReadyAt   time.Time // by the machine's clock: nothing is sent before; the zero time: at once
	LastError string
	Off       bool      // until an operator switches it on again
	ChangedAt time.Time // by the deployment's clock
}

// A NoticeAction is what an operator may do about a notice.
type NoticeAction string

// The actions.
const (
	RetryNotice    NoticeAction = "retry"    // send it although it was given up, or do not wait for the next attempt
	ReleaseNotice  NoticeAction = "release"  // send it although it was kept back, or without waiting for the digest
	SuppressNotice NoticeAction = "suppress" // do not send it
)

// A NoticeWay is a way from some statuses to another one, which an operator may choose.
type NoticeWay struct {
	Action NoticeAction
	From   []NoticeStatus
	To     NoticeStatus
}

// NoticeWays lists them all.
var NoticeWays = []NoticeWay{
	{RetryNotice, []NoticeStatus{NoticeDead, NoticeFailed, NoticeNoRecipient}, NoticeQueued},
	{ReleaseNotice, []NoticeStatus{NoticeSuppressed, NoticeWaiting}, NoticeQueued},
	{SuppressNotice, []NoticeStatus{NoticeQueued, NoticeFailed, NoticeWaiting, NoticeDead, NoticeNoRecipient}, NoticeSuppressed},
}

// Way is the way that the action takes. The error says which actions there are.
func (a NoticeAction) Way() (NoticeWay, error) {
	for _, way := range NoticeWays {
		if way.Action == a {
			return way, nil
		}
	}
	return NoticeWay{}, fmt.Errorf("%q is nothing that can be done to a notice; write retry, release or suppress", string(a))
}

// ErrWrongStatus is about an action that the status of a notice does not allow.
var ErrWrongStatus = errors.New("its status does not allow that")

// Takes says whether the way leads on from the status; the error, [ErrWrongStatus], says what can be done instead.
func (w NoticeWay) Takes(status NoticeStatus) error {
	if slices.Contains(w.From, status) {
		return nil
	}
	var allowed []string
	for _, other := range NoticeWays {
		if slices.Contains(other.From, status) {
			allowed = append(allowed, string(other.Action))
		}
	}
	if len(allowed) == 0 {
		return fmt.Errorf("%w: %w", ErrWrongStatus, noticeIsOver.Say("noticeStatus", status))
	}
	return fmt.Errorf("%w: %w", ErrWrongStatus, noticeCanBe.Say("noticeStatus", status, "noticeActions", strings.Join(allowed, ", ")))
}

var (
	noticeIsOver = NewSentence("noticeIsOver", "it is {noticeStatus}, and nothing can be done to it")
	noticeCanBe  = NewSentence("noticeCanBe", "it is {noticeStatus}; it can be: {noticeActions}")
)

// A ChannelReport is how a channel fares, and what waits for it.
type ChannelReport struct {
	ChannelState
	Statuses map[NoticeStatus]int64 // letters that are queued, failed, waiting or dead; those that none has are missing
	Unknown  int64                  // letters with an attempt of unknown outcome
}
