package storage

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// taken imports records at now and says in a word what became of each.
func taken(t *testing.T, db *DB, now time.Time, records ...lifecycle.Record) (words []lifecycle.Taken, faults []string) {
	t.Helper()
	intakes, err := db.ImportRelationships(ctx, incoming(records...), policy, now)
	require.NoError(t, err)
	for _, in := range intakes {
		words = append(words, in.Taken)
		fault := ""
		if in.Fault != nil {
			fault = in.Fault.Error()
		}
		faults = append(faults, fault)
	}
	return words, faults
}

const (
	created   = lifecycle.TakenNew
	updated   = lifecycle.TakenChanged
	unchanged = lifecycle.TakenBefore
	refused   = lifecycle.TakenNot
)

func TestImportingTwiceIsImportingOnce(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.AddDate(0, 6, 0)
		words, _ := taken(t, db, start, active(1, end), active(2, end))
		require.Equal(t, []lifecycle.Taken{created, created}, words)
		changed := active(2, end.Add(time.Hour))
		words, _ = taken(t, db, start.Add(time.Hour), active(1, end), changed, active(3, end))
		require.Equal(t, []lifecycle.Taken{unchanged, updated, created}, words)
		words, _ = taken(t, db, start.Add(2*time.Hour), active(1, end), changed, active(3, end))
		require.Equal(t, []lifecycle.Taken{unchanged, unchanged, unchanged}, words)

		r, err := db.Relationship(ctx, id(2))
		require.NoError(t, err)
		require.EqualValues(t, 2, r.Version)
		require.Equal(t, changed.End, r.End)
		events, err := db.Events(ctx, id(2))
		require.NoError(t, err)
		require.Len(t, events, 2)
		require.Equal(t, lifecycle.EventUpdated, events[1].Type)
		require.Equal(t, 3, count(t, db, "SELECT count(*) FROM relationships WHERE key <= 3"), "keys have no gaps")
		none, err := db.ImportRelationships(ctx, nil, policy, start)
		require.NoError(t, err)
		require.Empty(t, none)
	})
}

func TestTheSameTextIsTakenOnceThoughTheRecordHasMovedOn(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		r := active(1, start)
		r.AutoExtend = true
		_, err := db.Apply(ctx, decide(start, load(t, db, r)...))
		require.NoError(t, err)
		words, _ := taken(t, db, start.Add(time.Hour), r)
		require.Equal(t, []lifecycle.Taken{unchanged}, words)

		// The same content as the database has, in other words: from now on those are known too.
		now, err := db.Relationship(ctx, r.ID)
		require.NoError(t, err)
		other := incoming(now.Record)
		intakes, err := db.ImportRelationships(ctx, other, policy, start)
		require.NoError(t, err)
		require.Equal(t, unchanged, intakes[0].Taken)
		_, err = db.Apply(ctx, decide(now.End, now))
		require.NoError(t, err)
		intakes, err = db.ImportRelationships(ctx, other, policy, now.End)
		require.NoError(t, err)
		require.Equal(t, unchanged, intakes[0].Taken)
	})
}

func TestNameIsHeldInEverySpellingUntilItIsReleased(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.AddDate(0, 1, 0)
		load(t, db, named(active(1, end), "Café STRASSE"))
		for _, name := range []string{"Café STRASSE", "café strasse", "Cafe\u0301 Strasse", "CAFE\u0301 straße"} {
			words, faults := taken(t, db, start, named(active(2, end), name))
			require.Equal(t, []lifecycle.Taken{refused}, words, name)
			require.Contains(t, faults[0], `displayName "`+name+`": is held by relationship `+id(1)+", which is active")
		}
		elsewhere := named(active(3, end), "Café STRASSE")
		elsewhere.Partner = customer
		words, _ := taken(t, db, start, elsewhere, named(active(4, end), "Cafe STRASSE"))
		require.Equal(t, []lifecycle.Taken{created, created}, words, "another partner's names, and another name")

		// It ends; until a year after that the name is held, then no more, though no sweep has looked yet.
		_, err := db.Apply(ctx, decide(end, mustRead(t, db, id(1))))
		require.NoError(t, err)
		free := end.Add(365 * lifecycle.Day)
		claimant := named(active(5, free.AddDate(1, 0, 0)), "café Strasse")
		words, faults := taken(t, db, free.Add(-time.Microsecond), claimant)
		require.Equal(t, []lifecycle.Taken{refused}, words)
		require.Contains(t, faults[0], "is held until "+lifecycle.FormatInstant(free))
		words, _ = taken(t, db, free, claimant)
		require.Equal(t, []lifecycle.Taken{created}, words)
		holder := mustRead(t, db, id(1))
		require.Equal(t, free, holder.NameReleased)
		events, err := db.Events(ctx, id(1))
		require.NoError(t, err)
		require.Equal(t, lifecycle.EventNameReleased, events[len(events)-1].Type)
		require.Equal(t, free, events[len(events)-1].Effective)

		_, err = db.pool.ExecContext(ctx, "UPDATE agreements SET name_released_at = NULL WHERE id = '"+id(1)+"'")
		require.ErrorIs(t, explained(err), lifecycle.ErrRefusedByDatabase, "the database itself holds the name")
	})
}

func mustRead(t *testing.T, db *DB, id string) lifecycle.Stored {
	t.Helper()
	r, err := db.Relationship(ctx, id)
	require.NoError(t, err)
	return r
}

func TestRecordThatEndedLongAgoComesInWithoutItsName(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, named(active(1, start.AddDate(1, 0, 0)), "Name"))
		long, recent := start.AddDate(-2, 0, 0), start.AddDate(0, -2, 0)
		words, faults := taken(t, db, start, named(ended(2, long), "name"), named(ended(3, recent), "NAME"))
		require.Equal(t, []lifecycle.Taken{created, refused}, words)
		require.Contains(t, faults[1], "is held by relationship "+id(1))
		r := mustRead(t, db, id(2))
		require.Equal(t, long.Add(365*lifecycle.Day), r.NameReleased)
		require.EqualValues(t, 2, r.Version)
		events, err := db.Events(ctx, id(2))
		require.NoError(t, err)
		require.Equal(t, []lifecycle.EventType{lifecycle.EventImported, lifecycle.EventNameReleased}, []lifecycle.EventType{events[0].Type, events[1].Type})
	})
}

func TestNamesWithinOneBatch(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.AddDate(1, 0, 0)
		words, _ := taken(t, db, start, named(active(1, end), "A"), named(active(2, end), "a"), named(active(3, end), "B"))
		require.Equal(t, []lifecycle.Taken{created, refused, created}, words)

		// 1 moves from A to C, so 2 may have A now; 3 takes over nothing.
		words, _ = taken(t, db, start, named(active(1, end), "C"), named(active(2, end), "A"), named(active(3, end), "c"))
		require.Equal(t, []lifecycle.Taken{updated, created, refused}, words)

		// A chain against the order of the keys: 2 leaves A, 3 takes A and leaves B, 1 takes B and leaves C.
		words, _ = taken(t, db, start, named(active(2, end), "D"), named(active(3, end), "A"), named(active(1, end), "B"))
		require.Equal(t, []lifecycle.Taken{updated, updated, updated}, words)
		for n, name := range map[int]string{1: "B", 2: "D", 3: "A"} {
			require.Equal(t, name, mustRead(t, db, id(n)).DisplayName)
			require.Zero(t, mustRead(t, db, id(n)).NameReleased)
		}

		// One id twice in a batch: the second finds what the first has made of it.
		words, _ = taken(t, db, start, named(active(4, end), "E"), named(active(4, end), "F"), named(active(4, end), "F"), named(active(5, end), "E"))
		require.Equal(t, []lifecycle.Taken{created, updated, unchanged, created}, words)
		require.EqualValues(t, 2, mustRead(t, db, id(4)).Version)
	})
}

func TestEndedRelationshipIsNotBroughtBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, ended(1, start))
		words, faults := taken(t, db, start, active(1, start.AddDate(1, 0, 0)), active(2, start))
		require.Equal(t, []lifecycle.Taken{refused, created}, words, "the others come in")
		require.Contains(t, faults[0], "status")
	})
}

func TestTextThatOneDatabaseCannotHoldIsRefusedByBoth(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		bad, worse := active(1, start), active(2, start)
		bad.Customer.DisplayName = "Con\x00toso"
		worse.Customer.DisplayName = "Con\xfftoso"
		words, faults := taken(t, db, start, bad, worse, active(3, start))
		require.Equal(t, []lifecycle.Taken{refused, refused, created}, words)
		require.Contains(t, faults[0], "customer.displayName")
	})
}

func TestAtomicImportIsAllOrNothing(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		for _, keep := range []bool{false, true} {
			im, err := db.BeginImport(ctx, true)
			require.NoError(t, err)
			for n := range 3 {
				intakes, err := im.Relationships(ctx, incoming(active(n, start)), policy, start)
				require.NoError(t, err)
				require.Equal(t, created, intakes[0].Taken)
			}
			counts, err := im.Contacts(ctx, []lifecycle.Contact{{TenantID: partner, Role: lifecycle.AdminAgents, Mail: "a@example.com"}}, &policy.Notices, start)
			require.NoError(t, err)
			require.Equal(t, lifecycle.ContactCounts{Created: 1}, counts)
			if keep {
				require.NoError(t, im.Commit())
			}
			require.NoError(t, im.Rollback(), "after a commit it does nothing")
			_, err = im.Relationships(ctx, incoming(active(9, start)), policy, start)
			require.ErrorIs(t, err, ErrImportIsOver)
			have, err := db.Relationships(ctx, lifecycle.RelationshipQuery{})
			require.NoError(t, err)
			require.Len(t, have, map[bool]int{false: 0, true: 3}[keep])
		}
		require.Equal(t, 1, int(mustRead(t, db, id(0)).Key), "what was rolled back left no gap")
	})
}

func TestImportThatIsNotAtomicKeepsEachBatch(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		im, err := db.BeginImport(ctx, false)
		require.NoError(t, err)
		_, err = im.Relationships(ctx, incoming(active(1, start)), policy, start)
		require.NoError(t, err)
		none, err := im.Relationships(ctx, nil, policy, start)
		require.NoError(t, err)
		require.Empty(t, none)
		require.NoError(t, im.Rollback())
		mustRead(t, db, id(1))
	})
}

func TestContactsAreCounted(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		contact := func(mail, name string) lifecycle.Contact {
			return lifecycle.Contact{TenantID: partner, Role: lifecycle.AdminAgents, Mail: mail, DisplayName: name, Language: "en"}
		}
		importing := func(batch ...lifecycle.Contact) lifecycle.ContactCounts {
			return importContactsOf(t, db, batch...)
		}
		require.Equal(t, lifecycle.ContactCounts{Created: 2}, importing(contact("a@example.com", "A"), contact("b@example.com", "B")))
		require.Equal(t, lifecycle.ContactCounts{Updated: 1, Unchanged: 1}, importing(contact("A@example.com", "A"), contact("b@example.com", "B")))
		require.Equal(t, lifecycle.ContactCounts{Created: 1, Updated: 2, Unchanged: 1},
			importing(contact("c@example.com", "C"), contact("c@example.com", "D"), contact("C@EXAMPLE.com", "D"), contact("C@EXAMPLE.com", "D")))
		require.Zero(t, importing())
		var all []lifecycle.Contact
		require.NoError(t, db.EachContact(ctx, func(c lifecycle.Contact) error { all = append(all, c); return nil }))
		require.Equal(t, []lifecycle.Contact{contact("A@example.com", "A"), contact("b@example.com", "B"), contact("C@EXAMPLE.com", "D")}, all)
	})
}
