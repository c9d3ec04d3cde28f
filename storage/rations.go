package storage

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A rationRow says how many letters a recipient has had on a channel in the day from an instant on.
type rationRow struct {
	Channel string `json:"channel"`
	MailKey string `json:"mail_key"`
	Since   dbTime `json:"since"`
	Letters int    `json:"letters"`
}

const rationColumns = `channel TEXT, mail_key TEXT, since INSTANT, letters INTEGER`

// rationed says whether a letter that was just claimed counts for the recipient's day. It is counted once, when it is claimed
// for the first time; what an operator has sent on its way is not counted at all.
func (row *claimedRow) rationed() bool {
	return row.Claim == 1 && row.Attempts == 0 && row.Note == "" && row.Kind != lifecycle.KindDigest && !row.Endpoint
}

// ration gives back those of the claimed letters that may be sent today, the oldest news first. The others wait for a digest.
func ration(ctx context.Context, s session, c *lifecycle.Claim, claimed []claimedRow) (kept []claimedRow, err error) {
	type waitingRow struct {
		letterKey
		DigestAt dbTime `json:"digest_at"`
	}
	slices.SortFunc(claimed, func(a, b claimedRow) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt.Time), cmp.Compare(a.Key, b.Key), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Ordinal, b.Ordinal))
	})
	rations, err := openRations(ctx, s, c, claimed)
	if err != nil {
		return nil, err
	}
	var beyond []waitingRow
	for i := range claimed {
		l := &claimed[i]
		if l.rationed() {
			r := rations[strings.ToLower(l.Mail)]
			if r.Letters >= c.PerDay {
				beyond = append(beyond, waitingRow{l.letterKey, at(digestAt(c, l))})
				continue
			}
			r.Letters++
		}
		kept = append(kept, *l)
	}
	if err := writeRations(ctx, s, rations); err != nil || len(beyond) == 0 {
		return kept, err
	}
	_, err = s.exec(ctx, `UPDATE notices AS n SET status = 'waiting', reason = 'tooManyToday', digest_at = r.digest_at, ready_at = :dawn
		FROM {{rows `+letterKeyColumns+`, digest_at INSTANT}} WHERE `+sameLetter, args{"rows": inKeyOrder(beyond), "dawn": dawn})
	return kept, err
}

// digestAt is when a letter beyond the limit is told in a digest. A warning that would come with less than a day to do
// something about it goes into a digest at once: it must be told, and it is still one letter for many.
func digestAt(c *lifecycle.Claim, l *claimedRow) time.Time {
	if l.Kind == lifecycle.KindWarnExpiry && c.DigestAt.Add(lifecycle.Day).After(l.EndAt.Time) {
		return c.Now
	}
	return c.DigestAt
}

// openRations reads and locks the rations of those whom letters go to, in the order of their addresses. A day that is over
// begins anew.
func openRations(ctx context.Context, s session, c *lifecycle.Claim, claimed []claimedRow) (map[string]*rationRow, error) {
	rations := map[string]*rationRow{}
	var rows []rationRow
	var keys []string
	for i := range claimed {
		key := strings.ToLower(claimed[i].Mail)
		if claimed[i].rationed() && rations[key] == nil {
			rations[key] = &rationRow{}
			rows, keys = append(rows, rationRow{c.Channel, key, at(c.Now), 0}), append(keys, key)
		}
	}
	if len(rows) == 0 {
		return rations, nil
	}
	if _, err := s.exec(ctx, `INSERT INTO rations (channel, mail_key, since, letters)
		SELECT r.channel, r.mail_key, r.since, r.letters FROM {{rows `+rationColumns+`}} WHERE TRUE ORDER BY r.mail_key {{plain}}
		ON CONFLICT (channel, mail_key) DO NOTHING`, args{"rows": page[rationRow](rows)}); err != nil {
		return nil, err
	}
	err := each(ctx, s, `SELECT channel, mail_key, since, letters FROM rations WHERE channel = :channel AND mail_key {{in keys}}
		ORDER BY mail_key {{lock}}`, args{"channel": c.Channel, "keys": page[string](keys)}, func(row *rationRow) error {
		if c.Now.Sub(row.Since.Time).Abs() >= lifecycle.Day { // before it, too: the clock was set back
			row.Since, row.Letters = at(c.Now), 0
		}
		ration := *row
		rations[row.MailKey] = &ration
		return nil
	})
	return rations, err
}

func writeRations(ctx context.Context, s session, rations map[string]*rationRow) error {
	var rows []rationRow
	for _, r := range rations {
		rows = append(rows, *r)
	}
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `UPDATE rations SET since = r.since, letters = r.letters FROM {{rows `+rationColumns+`}}
		WHERE rations.channel = r.channel AND rations.mail_key = r.mail_key`, args{"rows": page[rationRow](rows)})
	return err
}

// dropRations forgets the rations that began before an instant: they hold addresses.
func dropRations(ctx context.Context, s session, before time.Time) error {
	_, err := s.exec(ctx, `DELETE FROM rations WHERE since < :before`, args{"before": at(before)})
	return err
}
