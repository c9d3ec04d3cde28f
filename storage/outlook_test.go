package storage

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/testenv"
)

// lookAhead reads all that the query wants.
func lookAhead(t *testing.T, db *DB, q OutlookQuery) (records []lifecycle.Stored, failures []lifecycle.Failure) {
	t.Helper()
	o, err := db.Outlook(ctx, q)
	require.NoError(t, err)
	defer func() { require.NoError(t, o.Close()) }()
	for {
		decode, more, err := o.Next(ctx)
		require.NoError(t, err)
		if !more {
			return records, failures
		}
		read, failed := decode(nil, math.MaxInt)
		records, failures = append(records, read...), append(failures, failed...)
	}
}

func TestLookingAheadReadsRecordsAsTheyAre(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		other := named(active(2, start.Add(time.Hour)), "Its own")
		other.Partner, other.AutoExtend, other.Roles = customer, true, []string{lifecycle.GlobalAdministrator, role}
		pending := active(3, start)
		pending.Status, pending.Locked, pending.Activated, pending.End, pending.WarnAfter = lifecycle.ApprovalPending, start, time.Time{}, time.Time{}, time.Time{}
		stored := load(t, db, active(1, start), other, pending)

		read, failures := lookAhead(t, db, OutlookQuery{})
		require.Empty(t, failures)
		require.Equal(t, stored, read)

		lean, _ := lookAhead(t, db, OutlookQuery{Timers: true})
		for i := range lean {
			require.Equal(t, lifecycle.NextTimer(&stored[i].Record, policy), lifecycle.NextTimer(&lean[i].Record, policy))
			require.Equal(t, stored[i].Key, lean[i].Key)
			require.Empty(t, lean[i].DisplayName)
		}
		ids := func(q OutlookQuery) (ids []string) {
			records, _ := lookAhead(t, db, q)
			for i := range records {
				ids = append(ids, records[i].ID)
			}
			return ids
		}
		require.Equal(t, []string{id(2)}, ids(OutlookQuery{Partner: customer}))
		require.Equal(t, []string{id(1)}, ids(OutlookQuery{DueBy: start}))
		require.Equal(t, []string{id(1), id(2)}, ids(OutlookQuery{DueBy: start.Add(time.Hour)}))

		found, err := db.RelationshipsNamed(ctx, []string{id(3), "none", id(1)})
		require.NoError(t, err)
		require.Equal(t, []lifecycle.Stored{stored[0], stored[2]}, found)
		made, err := db.CreatedAt(ctx)
		require.NoError(t, err)
		require.Equal(t, start, made)
	})
}

func TestLookingAheadSeesWhatIsOnHold(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start), active(2, start))
		for _, h := range []lifecycle.Hold{{Kind: lifecycle.HoldRelationship, Subject: id(1), Note: "x"}, {Kind: lifecycle.HoldRule, Subject: string(lifecycle.WarnExpiry), Note: "x"}} {
			_, err := db.PlaceHold(ctx, h, lifecycle.Caller{Name: "me"}, start)
			require.NoError(t, err)
		}
		for _, timers := range []bool{false, true} {
			read, _ := lookAhead(t, db, OutlookQuery{Timers: timers, DueBy: start})
			require.Len(t, read, 2)
			require.Equal(t, lifecycle.RuleNames(), read[0].Stayed)
			require.Equal(t, []lifecycle.RuleName{lifecycle.WarnExpiry}, read[1].Stayed)
		}
	})
}

func TestASpoiltRecordIsAFailureOfItsOwn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start), active(2, start))
		_, err := db.pool.ExecContext(ctx, `UPDATE agreements SET duration = 'for ever' WHERE id = 'r-000001'`)
		require.NoError(t, err)
		read, failures := lookAhead(t, db, OutlookQuery{})
		require.Len(t, read, 1)
		require.Len(t, failures, 1)
		require.Equal(t, id(1), failures[0].RelationshipID)
		require.Contains(t, failures[0].Reason, "column duration cannot be read")
	})
}

// What timers go by comes from PostgreSQL in one run of bytes, which must not be taken apart in the wrong places.
func TestASpoiltRecordIsAFailureOfItsOwnWhereTimersAreRead(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	load(t, db, active(1, start), active(2, start), active(3, start), active(4, start))
	for id, change := range map[string]string{"r-000001": "partner_id = 'with a blank'", "r-000002": "partner_id = '', customer_id = ''", "r-000003": "name_released_at = 'infinity'"} {
		_, err := db.pool.ExecContext(ctx, `UPDATE agreements SET `+change+` WHERE id = $1`, id)
		require.NoError(t, err)
	}
	read, failures := lookAhead(t, db, OutlookQuery{Timers: true})
	require.Len(t, read, 2)
	require.Empty(t, read[0].Partner+read[0].Customer.TenantID)
	require.Equal(t, partner, read[1].Partner)
	require.Len(t, failures, 2)
	require.Contains(t, failures[0].Reason, "with a blank")
	require.ErrorContains(t, errInfinite, failures[1].Reason)
	require.NotZero(t, failures[1].Key)

	for _, torn := range []string{"short", strings.Repeat("x", 33) + "\n", strings.Repeat("x", 60) + "\n", strings.Repeat("x", 60)} {
		rows := joinedRows{torn}
		_, err := rows.read(&lifecycle.Stored{})
		require.Error(t, err)
		require.Empty(t, rows.rest)
	}
}

func TestPeopleAheadAreThoseOfTheDirectory(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		agents(t, db, "a@x.example", "b@x.example")
		o, err := db.Outlook(ctx, OutlookQuery{})
		require.NoError(t, err)
		defer func() { require.NoError(t, o.Close()) }()
		audience := lifecycle.Audience{TenantID: partner, Role: lifecycle.AdminAgents}
		people, all, err := o.People(ctx, []lifecycle.Audience{audience, {TenantID: customer, Role: lifecycle.AdminAgents}})
		require.NoError(t, err)
		require.False(t, all)
		require.Equal(t, lifecycle.Headcount{lifecycle.AdminAgents: {partner: 2}}, people)
		mails, err := o.Mails(ctx, audience)
		require.NoError(t, err)
		require.Equal(t, []string{"a@x.example", "b@x.example"}, mails)
	})
}

// On two connections: first each other relationship is due, then all are, then none but the last.
func TestSeveralReadersHandOverWhatOneDoes(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	const all = 5000
	var records []lifecycle.Record
	for n := 1; n <= all; n++ {
		due := start
		if n <= 2400 && n%2 == 0 || n > 4200 && n < all {
			due = start.Add(time.Hour)
		}
		records = append(records, active(n, due))
	}
	load(t, db, records...)
	for _, q := range []OutlookQuery{{}, {DueBy: start}, {DueBy: start, Timers: true}, {Partner: customer}} {
		one, _ := lookAhead(t, db, q)
		q.Readers = 2
		two, failures := lookAhead(t, db, q)
		require.Empty(t, failures)
		require.Equal(t, one, two)
	}
}

func TestSeveralReadersSeeTheSameMoment(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	const all = 3500
	var records []lifecycle.Record
	for n := 1; n <= all; n++ {
		records = append(records, active(n, start))
	}
	load(t, db, records...)
	o, err := db.Outlook(ctx, OutlookQuery{Readers: 2})
	require.NoError(t, err)
	_, err = db.pool.ExecContext(ctx, `UPDATE agreements SET display_name = 'Another'`)
	require.NoError(t, err)
	read := 0
	for {
		decode, more, err := o.Next(ctx)
		require.NoError(t, err)
		if !more {
			break
		}
		page, _ := decode(nil, math.MaxInt)
		for i := range page {
			require.Equal(t, records[read].DisplayName, page[i].DisplayName)
			read++
		}
	}
	require.Equal(t, all, read)
	require.NoError(t, o.Close())

	o, err = db.Outlook(ctx, OutlookQuery{Readers: 2})
	require.NoError(t, err)
	_, more, err := o.Next(ctx)
	require.NoError(t, err)
	require.True(t, more)
	require.NoError(t, o.Close(), "with pages left that nobody wants")
}

// Left to conclude it, PostgreSQL reads the clocks of all pages before where that seems cheaper to it than looking each one up.
func TestPageOfAPlanReadsNothingOfThePagesBefore(t *testing.T) {
	db := migrated(t, testenv.Postgres(t), Live)
	for _, q := range []OutlookQuery{{Timers: true, DueBy: start}, {}} {
		tx, err := db.begin(ctx)
		require.NoError(t, err)
		var plan []string
		_, err = tx.exec(ctx, `SELECT set_config('enable_nestloop', 'off', TRUE), set_config('enable_hashjoin', 'off', TRUE),
			set_config('enable_seqscan', 'off', TRUE), set_config('enable_bitmapscan', 'off', TRUE)`, nil)
		require.NoError(t, err)
		o := Outlook{query: q}
		require.NoError(t, tx.list(ctx, &plan, `EXPLAIN `+outlookText(&q, postgres), o.args(1, 5000)))
		require.NoError(t, tx.end())
		text := strings.Join(plan, "\n")
		require.Contains(t, text, "Merge Join")
		require.Equal(t, 2, strings.Count(text, "Index Cond: ((key > "), text)
	}
}

func of(people lifecycle.Headcount, a lifecycle.Audience) int64 {
	n, _ := people.Of(a)
	return n
}

func TestPeopleAreTheSameHoweverManyAreAskedFor(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		var contacts []lifecycle.Contact
		var audiences []lifecycle.Audience
		for n := range manyAudiences {
			a := lifecycle.Audience{TenantID: fmt.Sprintf("cccccccc-0000-4000-8000-%012d", n), Role: lifecycle.GlobalAdministrators}
			audiences = append(audiences, a)
			for i := range n % 3 {
				contacts = append(contacts, lifecycle.Contact{TenantID: a.TenantID, Role: a.Role, Mail: fmt.Sprintf("%d@example.com", i)})
			}
		}
		_, err := db.ImportContacts(ctx, contacts, &policy.Notices, start)
		require.NoError(t, err)
		o, err := db.Outlook(ctx, OutlookQuery{})
		require.NoError(t, err)
		defer func() { require.NoError(t, o.Close()) }()
		few, all, err := o.People(ctx, audiences[:10])
		require.NoError(t, err)
		require.False(t, all)
		require.Nil(t, o.people, "for a few, nobody counts everybody")
		many, all, err := o.People(ctx, audiences)
		require.NoError(t, err)
		require.True(t, all)
		again, all, err := o.People(ctx, audiences[:10])
		require.NoError(t, err)
		require.True(t, all)
		for _, a := range audiences[:10] {
			require.Equal(t, of(few, a), of(again, a))
		}
		require.Len(t, many[lifecycle.GlobalAdministrators], 2*manyAudiences/3, "those that there is nobody in are missing")
		for n, a := range audiences {
			require.EqualValues(t, n%3, of(many, a))
		}
		counted := func(most int) (everybody lifecycle.Headcount) {
			require.NoError(t, o.with(ctx, func(r *outlookReader) error {
				everybody, err = countEverybody(ctx, r.session, most)
				return err
			}))
			return everybody
		}
		require.Equal(t, many, counted(2*manyAudiences/3))
		require.Nil(t, counted(2*manyAudiences/3-1), "too many to be kept")
	})
}
