package storage

import (
	"cmp"
	"context"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// No lease and no wait is as long as this. What is to be taken up later still was written before the machine's clock was set
// back, and is taken up now.
const farAhead = 2 * lifecycle.Day

// A claimedRow is what decides whether a letter that was just claimed may be sent today.
type claimedRow struct {
	letterKey
	Kind     lifecycle.NoticeKind `json:"kind"`
	EndAt    dbTime               `json:"end_at"`
	DueAt    dbTime               `json:"due_at"`
	Mail     string               `json:"mail"`
	Endpoint bool                 `json:"endpoint"`
	Claim    int                  `json:"claim"`
	Attempts int                  `json:"attempts"`
	Note     string               `json:"note"`
}

// ClaimLetters takes letters of a channel that are to be sent until the lease ends, those that have waited longest first, and
// reads them with their relationship as it is now, digests with their items. No letter is in two hands while a lease lasts. An
// earlier attempt whose outcome was not noted is counted as unknown. What is beyond the recipient's daily limit waits for a
// digest instead. Of a channel that is off, or must not be used yet, it takes nothing; of one that failed last, a single
// letter, and nobody gets another one before the lease ends. While everything is on hold nobody gets any. It answers with nothing only where there is nothing to be had.
func (db *DB) ClaimLetters(ctx context.Context, c lifecycle.Claim) (letters []lifecycle.Letter, err error) {
	for {
		var more bool
		err = db.writeToLatest(ctx, "claim letters", func(s session) (err error) {
			letters, more, err = claimLetters(ctx, s, &c)
			return err
		})
		if err != nil || !more || len(letters) > 0 {
			return letters, err
		}
	}
}

// claimLetters is one look. more says that another one may find something where this one did not.
func claimLetters(ctx context.Context, s session, c *lifecycle.Claim) (letters []lifecycle.Letter, more bool, err error) {
	if still, err := standstill(ctx, s); err != nil || still {
		return nil, false, err
	}
	most, probe, err := allowance(ctx, s, c)
	if err != nil || most == 0 {
		return nil, false, err
	}
	claimed, err := takeLetters(ctx, s, c, most)
	if err != nil {
		return nil, false, err
	}
	if len(claimed) == 0 {
		n, err := fetchBack(ctx, s, c)
		return nil, n > 0, err
	}
	if c.PerDay > 0 {
		if claimed, err = ration(ctx, s, c, claimed); err != nil {
			return nil, false, err
		}
	}
	if letters, err = readClaimed(ctx, s, c, claimed); err != nil {
		return nil, false, err
	}
	if probe && len(letters) > 0 {
		err = delayChannel(ctx, s, c.Channel, c.LeaseUntil)
	}
	return letters, true, err
}

func takeLetters(ctx context.Context, s session, c *lifecycle.Claim, most int) (claimed []claimedRow, err error) {
	err = s.list(ctx, &claimed, `WITH mine AS MATERIALIZED (
			SELECT relationship_key, version, ordinal FROM notices
			WHERE channel = :channel AND status IN ('queued', 'failed') AND ready_at <= :wall
			ORDER BY ready_at, relationship_key, version, ordinal LIMIT :most {{lock skip}})
		UPDATE notices SET claim = claim + 1, ready_at = :lease, unknown = unknown + CASE WHEN in_doubt THEN 1 ELSE 0 END, in_doubt = FALSE
		FROM mine
		WHERE notices.relationship_key = mine.relationship_key AND notices.version = mine.version AND notices.ordinal = mine.ordinal
		RETURNING notices.relationship_key, notices.version, notices.ordinal, kind, end_at, due_at, mail, endpoint, claim, attempts, note`,
		args{"channel": c.Channel, "wall": at(c.Wall), "lease": at(c.LeaseUntil), "most": most})
	return claimed, err
}

// fetchBack makes ready what a clock that was set back since has put off for too long.
func fetchBack(ctx context.Context, s session, c *lifecycle.Claim) (int64, error) {
	return s.exec(ctx, `UPDATE notices SET ready_at = :wall WHERE channel = :channel AND status IN ('queued', 'failed') AND ready_at > :far`,
		args{"channel": c.Channel, "wall": at(c.Wall), "far": at(c.Wall.Add(farAhead))})
}

// readClaimed reads what was claimed. What cannot be read is given up, so that it does not keep the others back; what tells of
// a draft that has been deleted since is withdrawn.
func readClaimed(ctx context.Context, s session, c *lifecycle.Claim, claimed []claimedRow) (letters []lifecycle.Letter, err error) {
	if len(claimed) == 0 {
		return nil, nil
	}
	keys := make([]letterKey, len(claimed))
	for i := range claimed {
		keys[i] = claimed[i].letterKey
	}
	var left []settledRow
	giveUp := func(key letterKey, claim int, err error) {
		left = append(left, settledRow{letterKey: key, Claim: claim, Status: lifecycle.NoticeDead, LastError: clean(err.Error()),
			ReadyAt: dawn, SettledAt: at(c.Now)})
	}
	err = each(ctx, s, selectLetters+`JOIN {{rows `+letterKeyColumns+`}} ON `+sameLetter+`ORDER BY `+letterOrder,
		args{"rows": page[letterKey](keys)}, func(row *letterRow) error {
			letter, err := row.letter()
			switch {
			case err != nil:
				giveUp(row.letterKey, row.Claim, err)
			case row.isGone():
				left = append(left, settledRow{letterKey: row.letterKey, Claim: row.Claim, Status: lifecycle.NoticeWithdrawn,
					Reason: lifecycle.DraftDeleted, ReadyAt: dawn, SettledAt: at(c.Now)})
			default:
				letters = append(letters, letter)
			}
			return nil
		})
	if err != nil {
		return nil, err
	}
	unreadable, err := readItems(ctx, s, letters)
	if err != nil {
		return nil, err
	}
	for _, item := range unreadable {
		giveUp(item.letterKey, 0, item.err)
	}
	return letters, settle(ctx, s, left)
}

// KeepLetters prolongs the lease of claimed letters that are not settled, unless somebody else has claimed them since.
func (db *DB) KeepLetters(ctx context.Context, letters []lifecycle.Letter, leaseUntil time.Time) (kept []lifecycle.NoticeID, err error) {
	if len(letters) == 0 {
		return nil, nil
	}
	err = db.write(ctx, "keep claimed letters", func(s session) error {
		var keys []letterKey
		if err := s.list(ctx, &keys, `UPDATE notices SET ready_at = :lease FROM {{rows `+letterKeyColumns+`, claim INTEGER}} WHERE `+stillMine+`
			RETURNING notices.relationship_key, notices.version, notices.ordinal`,
			args{"rows": inKeyOrder(heldRows(letters)), "lease": at(leaseUntil)}); err != nil {
			return err
		}
		kept = make([]lifecycle.NoticeID, len(keys))
		for i, key := range keys {
			kept[i] = lifecycle.NoticeID(key)
		}
		return nil
	})
	return kept, err
}

// A heldRow is a letter and the claim under which somebody holds it.
type heldRow struct {
	letterKey
	Claim    int `json:"claim"`
	Attempts int `json:"attempts,omitempty"`
}

// stillMine is true of letters that are still in the hands of whoever claimed them.
// It has no short name for the table: SQLite knows none in RETURNING.
const stillMine = `notices.relationship_key = r.relationship_key AND notices.version = r.version AND notices.ordinal = r.ordinal
	AND notices.claim = r.claim AND notices.status IN ('queued', 'failed')`

func heldRows(letters []lifecycle.Letter) []heldRow {
	rows := make([]heldRow, len(letters))
	for i := range letters {
		rows[i] = heldRow{letterKey: keyOf(letters[i].NoticeID), Claim: letters[i].Claim}
	}
	return rows
}

// BeginLetters notes that an attempt begins, and stores rendered messages before the first one. A message that is stored
// already stays, so that a letter keeps its Message-ID whatever happens. It answers with the letters that are still the
// caller's, in the order given, their Attempts as counted.
func (db *DB) BeginLetters(ctx context.Context, letters []lifecycle.Letter) (begun []lifecycle.Letter, err error) {
	if len(letters) == 0 {
		return nil, nil
	}
	err = db.writeToLatest(ctx, "begin to send letters", func(s session) error {
		var mine []heldRow
		if err := s.list(ctx, &mine, `UPDATE notices SET attempts = attempts + 1, in_doubt = TRUE
			FROM {{rows `+letterKeyColumns+`, claim INTEGER}} WHERE `+stillMine+` AND`+goesOn+`
			RETURNING notices.relationship_key, notices.version, notices.ordinal, notices.claim, notices.attempts`, args{"rows": inKeyOrder(heldRows(letters))}); err != nil {
			return err
		}
		attempts := make(map[letterKey]int, len(mine))
		for _, row := range mine {
			attempts[row.letterKey] = row.Attempts
		}
		begun = make([]lifecycle.Letter, 0, len(mine))
		for i := range letters {
			if n, ok := attempts[keyOf(letters[i].NoticeID)]; ok {
				begun = append(begun, letters[i])
				begun[len(begun)-1].Attempts = n
			}
		}
		return storeMessages(ctx, s, begun)
	})
	if err != nil {
		return nil, err
	}
	return begun, nil
}

// storeMessages writes rendered messages in one statement. Bytes do not go through JSON, so they go as one long value, of
// which each row says where its part is: that is several times as fast as row by row.
func storeMessages(ctx context.Context, s session, letters []lifecycle.Letter) error {
	type messageRow struct {
		letterKey
		MessageID string `json:"message_id"`
		Begin     int    `json:"begin_at"` // from 1
		Length    int    `json:"length"`   // in bytes
	}
	size := 0
	for i := range letters {
		size += len(letters[i].Message)
	}
	all, rows := make([]byte, 0, size), make([]messageRow, 0, len(letters))
	for i := range letters {
		l := &letters[i]
		if l.MessageID == "" {
			continue // it could not be written: the attempt counts all the same
		}
		rows = append(rows, messageRow{keyOf(l.NoticeID), l.MessageID, len(all) + 1, len(l.Message)})
		all = append(all, l.Message...)
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO messages (relationship_key, version, ordinal, message_id, message)
		SELECT r.relationship_key, r.version, r.ordinal, r.message_id,
			COALESCE(substr(CAST(:messages AS {{bytes}}), r.begin_at, r.length), CAST('' AS {{bytes}})) -- nothing of nothing is NULL on SQLite
		FROM {{rows `+letterKeyColumns+`, message_id TEXT, begin_at INTEGER, length INTEGER}}
		WHERE TRUE ON CONFLICT (relationship_key, version, ordinal) DO NOTHING`, args{"rows": inKeyOrder(rows), "messages": all})
	return err
}

// SettleLetters writes what became of claimed letters, and with that ends the claim: doing it twice is doing it once. Of a
// letter that changed hands since, only that it was sent counts, and that counts always: nothing becomes failed because
// somebody was slow to say so. An item of a digest may turn out outdated.
func (db *DB) SettleLetters(ctx context.Context, settled []lifecycle.Settled) error {
	if len(settled) == 0 {
		return nil
	}
	rows := make([]settledRow, len(settled))
	for i := range settled {
		l := &settled[i]
		rows[i] = settledRow{letterKey: keyOf(l.NoticeID), Claim: l.Claim, Status: l.Status, Reason: l.Reason, LastError: clean(l.LastError),
			ReadyAt: orDawn(l.NextAttempt), SentAt: at(l.SentAt), Uncounted: l.Uncounted, Unknown: l.Unknown}
		if l.Status.Final() {
			rows[i].SettledAt = cmp.Or(at(l.At), at(l.SentAt))
		}
	}
	return db.write(ctx, "write what became of letters", func(s session) error { return settle(ctx, s, rows) })
}

type settledRow struct {
	letterKey
	Claim     int                    `json:"claim"`
	Status    lifecycle.NoticeStatus `json:"status"`
	Reason    lifecycle.Reason       `json:"reason"`
	LastError string                 `json:"last_error"`
	ReadyAt   dbTime                 `json:"ready_at"`
	SentAt    dbTime                 `json:"sent_at"`
	SettledAt dbTime                 `json:"settled_at"`
	Uncounted bool                   `json:"uncounted"`
	Unknown   bool                   `json:"unknown"`
}

const settledColumns = letterKeyColumns + `, claim INTEGER, status TEXT, reason TEXT, last_error TEXT, ready_at INSTANT,
	sent_at INSTANT, settled_at INSTANT, uncounted BOOLEAN, unknown BOOLEAN`

func settle(ctx context.Context, s session, rows []settledRow) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE notices AS n SET status = r.status, reason = r.reason,
			last_error = CASE WHEN r.last_error = '' AND r.status <> 'sent' THEN n.last_error ELSE r.last_error END,
			ready_at = r.ready_at, sent_at = r.sent_at, settled_at = r.settled_at, claim = n.claim + 1, in_doubt = FALSE,
			attempts = n.attempts - CASE WHEN r.uncounted AND n.in_doubt THEN 1 ELSE 0 END,
			unknown = n.unknown + CASE WHEN r.unknown THEN 1 ELSE 0 END
		FROM {{rows `+settledColumns+`}}
		WHERE `+sameLetter+` AND (
			(n.claim = r.claim AND n.status IN ('queued', 'failed'))
			OR (r.status = 'sent' AND n.status <> 'sent')
			OR (n.status = 'digested' AND r.status IN ('withdrawn', 'superseded', 'dead')))`,
		args{"rows": inKeyOrder(rows)})
	return err
}

// mostCounted is up to where waiting letters are counted: whoever asks does so each second, and hardly wants more than to know whether
// there are any.
const mostCounted = 10_000

// WaitingLetters counts, by channel, the letters that are to be sent by wall and that nobody has claimed, and under "" the
// recipients' digests that are due by now. Where more than 10,000 wait on a channel it does not go on counting. Channels that are off,
// or must not be used yet, are left out.
func (db *DB) WaitingLetters(ctx context.Context, now, wall time.Time) (map[string]int64, error) {
	// The index begins with the channel, so each channel is looked up in it, and then what is ready of each. Recipients are
	// counted only where a digest is due at all: this is asked every second.
	return countWith[string](ctx, db, "count the waiting letters", `WITH RECURSIVE names (name) AS (
			SELECT min(channel) FROM notices WHERE status IN ('queued', 'failed')
			UNION ALL
			SELECT (SELECT min(channel) FROM notices WHERE status IN ('queued', 'failed') AND channel > names.name) FROM names WHERE names.name IS NOT NULL)
		SELECT what, n FROM (
			SELECT names.name AS what, (SELECT count(*) FROM (SELECT 1 FROM notices
					WHERE channel = names.name AND status IN ('queued', 'failed') AND ready_at <= :wall LIMIT :most) AS ready)
				+ (SELECT count(*) FROM (SELECT 1 FROM notices
					WHERE channel = names.name AND status IN ('queued', 'failed') AND ready_at > :far LIMIT :most) AS astray) AS n
			FROM names WHERE names.name IS NOT NULL AND NOT EXISTS (
				SELECT 1 FROM channels WHERE channels.name = names.name AND (is_off OR (ready_at > :wall AND ready_at <= :far)))
			UNION ALL
			SELECT '', count(*) FROM (SELECT DISTINCT channel, tenant_id, role, lower(mail) FROM notices
				WHERE status = 'waiting' AND `+digestDue+`
					AND EXISTS (SELECT 1 FROM notices WHERE status = 'waiting' AND `+digestDue+`)) AS recipients) AS counted
		WHERE n > 0 AND`+goesOn, args{"wall": at(wall), "far": at(wall.Add(farAhead)), "now": at(now), "never": at(now.Add(noDigestAfter)), "most": mostCounted})
}

// EraseRecipients erases names, addresses and messages of at most so many letters that were settled before an instant, and
// says of how many; of the items of a digest only when that is settled, too. What was sent, when, to which tenant and role stays. What a server had to say goes too: it may name the
// address.
func (db *DB) EraseRecipients(ctx context.Context, settledBefore time.Time, most int) (erased int, err error) {
	err = db.write(ctx, "erase recipients", func(s session) error {
		var keys []letterKey
		if err := s.list(ctx, &keys, `WITH mine AS MATERIALIZED (
				SELECT relationship_key, version, ordinal FROM notices
				WHERE settled_at IS NOT NULL AND erased = FALSE AND mail <> '' AND settled_at < :before AND`+goesOn+`AND (digest = 0 OR NOT EXISTS (
					SELECT 1 FROM notices AS d WHERE d.relationship_key = 0 AND d.version = notices.digest AND d.ordinal = 1 AND d.settled_at IS NULL))
				ORDER BY settled_at LIMIT :most {{lock skip}})
			UPDATE notices SET mail = '', recipient_name = '', last_error = '', erased = TRUE FROM mine
			WHERE notices.relationship_key = mine.relationship_key AND notices.version = mine.version AND notices.ordinal = mine.ordinal
			RETURNING notices.relationship_key, notices.version, notices.ordinal`, args{"before": at(settledBefore), "most": most}); err != nil {
			return err
		}
		if erased = len(keys); erased == 0 {
			return dropRations(ctx, s, settledBefore.Add(-2*lifecycle.Day)) // which is not later than two days ago
		}
		_, err := s.exec(ctx, `UPDATE messages AS n SET message = :nothing FROM {{rows `+letterKeyColumns+`}} WHERE `+sameLetter,
			args{"rows": inKeyOrder(keys), "nothing": []byte{}})
		return err
	})
	return erased, err
}
