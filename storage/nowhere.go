package storage

import (
	"context"

	"github.com/tenure-dev/tenure/lifecycle"
)

// PassLetters counts letters of a channel that leads nowhere as sent by now, in one statement, and says how many: at most so many as the
// claim says. They are those that were written at this very instant, and that tell of the latest change of their record: nothing can
// have come in between, so that nobody needs to look at them again. All others, and those of a channel that is off or whose recipients
// have a daily limit, are left to [DB.ClaimLetters].
func (db *DB) PassLetters(ctx context.Context, c lifecycle.Claim) (passed int64, err error) {
	if c.PerDay > 0 {
		return 0, nil
	}
	err = db.writeToLatest(ctx, "pass letters on", func(s session) error {
		if still, err := standstill(ctx, s); err != nil || still {
			return err
		}
		most, probe, err := allowance(ctx, s, &c)
		if err != nil || most == 0 || probe {
			return err
		}
		// The first condition on the status is that of the index, which is not used without it.
		passed, err = s.exec(ctx, `WITH mine AS MATERIALIZED (
				SELECT n.relationship_key, n.version, n.ordinal FROM notices AS n JOIN clocks AS k ON k.key = n.relationship_key AND k.version = n.version
				WHERE n.channel = :channel AND n.status IN ('queued', 'failed') AND n.ready_at <= :wall
					AND n.status = 'queued' AND n.recorded_at = :now AND n.in_doubt = FALSE
				ORDER BY `+letterOrder+` LIMIT :most {{lock n}})
			UPDATE notices SET status = 'sent', sent_at = :now, settled_at = :now, claim = claim + 1, attempts = attempts + 1
			FROM mine
			WHERE notices.relationship_key = mine.relationship_key AND notices.version = mine.version AND notices.ordinal = mine.ordinal`,
			args{"channel": c.Channel, "wall": at(c.Wall), "now": at(c.Now), "most": most})
		return err
	})
	return passed, err
}
