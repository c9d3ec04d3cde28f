package storage

import (
	"context"
	"errors"
	"slices"

	"github.com/tenure-dev/tenure/lifecycle"
)

// lettersPerOrder are written in one transaction, so that an order about a million holds nobody else up.
const lettersPerOrder = 500

// OrderLetters does to letters what an operator says, and counts those that it has changed, or would in a dry run. Letters
// whose status the action does not start from are passed over; so are, where they are to be sent, those whose recipient has
// been erased or has unsubscribed, and those that are being sent just now. One that nobody could be told of goes to those who hold the role
// now; as long as there is nobody it stays as it is. It works page by page, beside others; stopped in the middle it has done
// a part. [ErrNotNarrow] where the query leaves nothing out.
func (db *DB) OrderLetters(ctx context.Context, o lifecycle.NoticeOrder, q lifecycle.LetterQuery) (changed int64, err error) {
	doing := string(o.Action) + " notices"
	way, err := o.Action.Way()
	switch {
	case err != nil:
		return 0, said("change notices", err)
	case o.Note == "":
		return 0, said(doing, errors.New("nobody would know why; give a reason"))
	case !q.Narrow():
		return 0, said(doing, ErrNotNarrow)
	}
	order := newOrder(&o, &way)
	most := q.Limit
	for {
		q.Limit = lettersPerOrder
		if most > 0 {
			q.Limit = min(q.Limit, most)
		}
		var page orderedPage
		err := db.perform(ctx, doing, o.DryRun, func(s session) (err error) {
			page, err = order.page(ctx, s, &q)
			return err
		})
		if err != nil {
			return changed, err
		}
		changed += page.changed
		if page.found < q.Limit || page.found == most {
			return changed, nil
		}
		q.After, most = page.last, max(0, most-page.found)
	}
}

// perform only reads in a dry run.
func (db *DB) perform(ctx context.Context, doing string, dryRun bool, fn func(session) error) error {
	if dryRun {
		return db.read(ctx, doing, fn)
	}
	return db.write(ctx, doing, fn)
}

type orderedPage struct {
	found   int
	changed int64
	last    lifecycle.NoticeID
}

// An order is what is to be done to each letter.
type order struct {
	*lifecycle.NoticeOrder
	way      *lifecycle.NoticeWay
	sends    bool // the letters are to be sent
	offering *offering
}

// newOrder is for an action and its way. Whoever is told of something at last because an operator wants it is told at once,
// old news or not; those who want digests in one digest, which is made at once.
func newOrder(o *lifecycle.NoticeOrder, way *lifecycle.NoticeWay) *order {
	return &order{NoticeOrder: o, way: way, sends: way.To == lifecycle.NoticeQueued,
		offering: &offering{now: o.At, note: clean(o.Note), by: clean(o.By), fate: func(_ *lifecycle.Letter, to *contactRow) fate {
			if to.Digest != lifecycle.NoDigest {
				return fate{lifecycle.NoticeWaiting, lifecycle.ForDigest, o.At}
			}
			return fate{status: lifecycle.NoticeQueued}
		}}}
}

// hasReceiver is true of letters that are not to a subscription that has been removed: those can never be sent.
const hasReceiver = `(n.ordinal < :announcement OR EXISTS (SELECT 1 FROM subscriptions AS u WHERE n.channel = 'subscription-' || u.id))`

func (o *order) page(ctx context.Context, s session, q *lifecycle.LetterQuery) (p orderedPage, err error) {
	if o.sends && !o.DryRun { // somebody else may be offering notices of the same steps
		if _, err := holdCounter(ctx, s, relationshipCounter); err != nil {
			return p, err
		}
	}
	w := letterConditions(q)
	w.and(true, "n.status {{in from_statuses}}", "from_statuses", page[lifecycle.NoticeStatus](o.way.From))
	w.and(o.sends, hasReceiver, "announcement", announcedFrom)
	text, a := w.order(letterOrder, q.Limit)
	if !o.DryRun {
		text += " {{lock n}}"
	}
	letters, err := lockLetters(ctx, s, selectBareLetters+text, a)
	if err != nil || len(letters) == 0 {
		return p, err
	}
	p.found, p.last = len(letters), letters[len(letters)-1].NoticeID
	var direct []letterKey
	lost := map[lifecycle.Audience][]lockedLetter{}
	for i := range letters {
		switch l := &letters[i]; {
		case o.sends && (l.Erased || o.underWay(l)):
		case o.sends && l.Recipient.Mail == "" && !l.Endpoint:
			audience := lifecycle.Audience{TenantID: l.Recipient.TenantID, Role: l.Recipient.Role}
			lost[audience] = append(lost[audience], *l)
		default:
			direct = append(direct, keyOf(l.NoticeID))
		}
	}
	if p.changed, err = o.find(ctx, s, lost); err != nil {
		return p, err
	}
	p.changed += int64(len(direct))
	return p, o.write(ctx, s, direct)
}

// underWay says whether an attempt has begun and is not settled. If nobody ever settles it, the next one comes by itself.
func (o *order) underWay(l *lockedLetter) bool { return o.Action == lifecycle.RetryNotice && l.inDoubt }

// find looks the directory up for letters that go to nobody yet, and counts those for which there is somebody now.
func (o *order) find(ctx context.Context, s session, lost map[lifecycle.Audience][]lockedLetter) (found int64, err error) {
	for audience, letters := range lost {
		people, err := peopleOf(ctx, s, audience)
		if err != nil {
			return 0, err
		}
		if len(people) == 0 {
			continue
		}
		found += int64(len(letters))
		if o.DryRun {
			continue
		}
		for some := range slices.Chunk(letters, max(1, rowsAtOnce/len(people))) {
			if _, err := o.offering.offer(ctx, s, some, people); err != nil {
				return 0, err
			}
		}
	}
	return found, nil
}

func (o *order) write(ctx context.Context, s session, keys []letterKey) error {
	if o.DryRun || len(keys) == 0 {
		return nil
	}
	changes := `status = 'suppressed', reason = 'byOperator', settled_at = :at`
	if o.sends {
		changes = `status = 'queued', reason = '', settled_at = NULL, attempts = 0, ready_at = :dawn, last_error = '', digest_at = NULL`
	}
	// Whoever holds a letter holds it no more: of an attempt that has begun nobody will know how it ended.
	_, err := s.exec(ctx, `UPDATE notices AS n SET `+changes+`, note = :note, noted_by = :by, claim = n.claim + 1,
			unknown = n.unknown + CASE WHEN n.in_doubt THEN 1 ELSE 0 END, in_doubt = FALSE
		FROM {{rows `+letterKeyColumns+`}} WHERE `+sameLetter, args{"rows": inKeyOrder(keys), "dawn": dawn, "at": at(o.At),
		"note": o.offering.note, "by": o.offering.by})
	return err
}
