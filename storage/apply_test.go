package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestApplyingTwiceChangesOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@example.com", "b@example.com")
		end := start.Add(-time.Hour)
		decided := decide(start, load(t, db, active(1, end), active(2, end))...)

		tally, err := db.Apply(ctx, decided)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Changed: 2, Notices: 4, Lateness: time.Hour}, tally)
		after, err := db.Relationship(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Expired, after.Status)
		require.Equal(t, decided[0].Record, after.Record)

		tally, err = db.Apply(ctx, decided)
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Skipped: 2}, tally)
		again, err := db.Relationship(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, after, again)
		require.Equal(t, 4, count(t, db, "SELECT count(*) FROM events"), "arrived, ended; two records")
		require.Equal(t, 6, count(t, db, "SELECT count(*) FROM notices"), "two agents, and nobody at the customer's; two records")

		tally, err = db.Apply(ctx, append(decided[:1:1], decided[0]))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Skipped: 1}, tally, "the same record twice in a page")
	})
}

func TestRecordThatHasChangedInBetweenIsSkipped(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.Add(-time.Hour)
		stored := load(t, db, active(1, end), active(2, end))
		decided := decide(start, stored...)
		_, err := db.Act(ctx, id(1), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Act(policy, end.Add(-time.Second), lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Partner})
		})
		require.NoError(t, err)

		tally, err := db.Apply(ctx, decided)
		require.NoError(t, err)
		require.EqualValues(t, 1, tally.Changed)
		require.EqualValues(t, 1, tally.Skipped)
		events, err := db.Events(ctx, id(1))
		require.NoError(t, err)
		require.Len(t, events, 2, "arrived, terminated; not ended as well")
		r, err := db.Relationship(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, lifecycle.Terminated, r.Status)
	})
}

func TestDecisionThatOnlyMovesTheTimerIsWritten(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		stored := load(t, db, active(1, start.AddDate(0, 1, 0)))[0]
		d := lifecycle.Decision{Record: stored.Record, Recorded: start, Next: lifecycle.Timer{Rule: lifecycle.EndTerm, At: start.Add(time.Hour)}}
		tally, err := db.Apply(ctx, []lifecycle.Decided{{Key: stored.Key, Version: stored.Version, Decision: d}})
		require.NoError(t, err)
		require.Equal(t, lifecycle.Tally{Skipped: 1}, tally)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM relationships WHERE next_rule = 'end-term'"))
		backlogs, err := db.Backlogs(ctx, start.Add(time.Hour))
		require.NoError(t, err)
		require.Contains(t, backlogs, lifecycle.Backlog{Rule: lifecycle.EndTerm, Due: 1, Oldest: start.Add(time.Hour)})
	})
}

func TestEventsAreKeptWhoeverAsks(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start))
		statements := []string{"UPDATE events SET reason = 'none'", "DELETE FROM events", "DELETE FROM events WHERE version = 1"}
		if db.dialect == postgres {
			statements = append(statements, "TRUNCATE events", "TRUNCATE events CASCADE")
		}
		for _, statement := range statements {
			_, err := db.pool.ExecContext(ctx, statement)
			require.ErrorContains(t, err, "events are kept as they were written", statement)
		}
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM events"))
	})
}

func TestRecipientsAreTakenAtTheMomentOfTheEvent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "Zoe@example.com", "adam@example.com")
		stored := load(t, db, active(1, start))
		_, err := db.Apply(ctx, decide(start, stored...))
		require.NoError(t, err)
		agents(t, db, "late@example.com")

		letters, err := db.Letters(ctx, lifecycle.LetterQuery{})
		require.NoError(t, err)
		require.Len(t, letters, 3)
		for i, mail := range []string{"adam@example.com", "Zoe@example.com", ""} {
			require.Equal(t, i+1, letters[i].Ordinal)
			require.Equal(t, mail, letters[i].Recipient.Mail)
			require.Equal(t, lifecycle.KindTermEnded, letters[i].Kind)
		}
		require.Equal(t, lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "Zoe@example.com",
			DisplayName: "Name of Zoe@example.com", Language: "ja"}, letters[1].Recipient)
		require.Equal(t, lifecycle.NoticeQueued, letters[1].Status)
		require.Zero(t, letters[1].NextAttempt, "at once")
		require.Equal(t, lifecycle.NoticeNoRecipient, letters[2].Status)
		require.Equal(t, lifecycle.NobodyToTell, letters[2].Reason)
		require.Equal(t, lifecycle.GlobalAdministrators, letters[2].Recipient.Role)
		require.Equal(t, customer, letters[2].Recipient.TenantID)
	})
}

func TestWhatIsLeftUnsaidToNobodyKeepsItsReason(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		stored := load(t, db, active(1, start.AddDate(0, 0, -30)))
		tally, err := db.Apply(ctx, decide(start, stored...))
		require.NoError(t, err)
		require.Zero(t, tally.Notices)
		letters, err := db.Letters(ctx, lifecycle.LetterQuery{Statuses: []lifecycle.NoticeStatus{lifecycle.NoticeSuppressed}})
		require.NoError(t, err)
		require.Len(t, letters, 2)
		require.Equal(t, lifecycle.Stale, letters[0].Reason)
	})
}

func TestActRollsBackWhatIsRefused(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		before := load(t, db, active(1, start))[0]
		_, err := db.Act(ctx, id(1), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Act(policy, start, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Partner})
		})
		require.ErrorIs(t, err, lifecycle.ErrRefused, "it is over at that very instant")
		var refusal *lifecycle.Refusal
		require.ErrorAs(t, err, &refusal)
		require.Equal(t, refusal.Error(), err.Error(), "the refusal is returned as it is")
		after, err := db.Relationship(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, before, after)

		_, err = db.Act(ctx, "nobody", policy, nil)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
	})
}

func TestInstantsComeBackToTheMicrosecond(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		r := active(1, time.Date(2027, 1, 31, 23, 59, 59, 999999000, time.UTC))
		r.Created = time.Date(1970, 1, 1, 0, 0, 0, 1000, time.UTC)
		r.Locked = time.Date(2999, 12, 31, 23, 59, 59, 1000, time.UTC)
		r.Modified = time.Date(2026, 3, 29, 1, 0, 0, 999999999, time.FixedZone("", 2*60*60))
		stored := load(t, db, r)[0]
		r.Version, r.Modified = 1, lifecycle.Instant(r.Modified)
		require.Equal(t, r, stored.Record)
		events, err := db.Events(ctx, r.ID)
		require.NoError(t, err)
		require.Equal(t, start, events[0].Recorded)
		require.Equal(t, r.End, events[0].End)
	})
}
