package storage

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

const groupID = "eeeeeeee-0000-4000-8000-%012d"

// asksFor creates a relationship as a partner does.
func asksFor(db *DB, n int, name string, now time.Time) (lifecycle.Decision, error) {
	duration := lifecycle.Days(90)
	return db.CreateRelationship(ctx, partner, policy, func(standing lifecycle.Standing) (lifecycle.Decision, error) {
		return lifecycle.Create(id(n), partner, lifecycle.Draft{DisplayName: &name, Duration: &duration, Roles: []string{role}}, policy, standing,
			&lifecycle.Caller{Name: "tester", Tenant: partner, Role: lifecycle.AdminAgents}, now)
	})
}

func mustDraft(t *testing.T, db *DB, n int, name string) {
	t.Helper()
	_, err := asksFor(db, n, name, start)
	require.NoError(t, err)
}

// tries takes an action, knowing the standing of the partner.
func tries(db *DB, n int, a lifecycle.Action, now time.Time) (lifecycle.Decision, error) {
	return db.Act(ctx, id(n), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		a.Standing = c.Standing
		return c.Act(policy, now, a)
	})
}

func renamed(db *DB, n int, name string, now time.Time) error {
	_, err := db.Act(ctx, id(n), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Edit(lifecycle.Draft{DisplayName: &name}, policy, lifecycle.Action{By: lifecycle.Partner}, now)
	})
	return err
}

func assigned(t *testing.T, db *DB, n, group int, now time.Time) lifecycle.Assignment {
	t.Helper()
	var a lifecycle.Assignment
	_, err := db.Act(ctx, id(n), policy, func(c lifecycle.Case) (d lifecycle.Decision, err error) {
		d, a, err = c.AssignTo(fmt.Sprintf("ffffffff-0000-4000-8000-%012d", group), fmt.Sprintf(groupID, group), []string{role}, policy,
			lifecycle.Action{By: lifecycle.Partner}, now)
		return d, err
	})
	require.NoError(t, err)
	return a
}

func typesOf(t *testing.T, db *DB, n int) (types []lifecycle.EventType) {
	t.Helper()
	events, err := db.Events(ctx, id(n))
	require.NoError(t, err)
	for _, e := range events {
		types = append(types, e.Type)
	}
	return types
}

func caseNamed(t *testing.T, db *DB, n int) lifecycle.Case {
	t.Helper()
	c, err := db.Case(ctx, id(n))
	require.NoError(t, err)
	return c
}

// together runs functions at once, and answers with their errors when all are done.
func together(functions ...func() error) []error {
	answers := make([]error, len(functions))
	begin := make(chan struct{})
	var running sync.WaitGroup
	for i, f := range functions {
		running.Go(func() {
			<-begin
			answers[i] = f()
		})
	}
	close(begin)
	running.Wait()
	return answers
}

// won counts those that went through, and holds the others to be what they should.
func won(t *testing.T, answers []error, otherwise error) (n int) {
	t.Helper()
	for _, err := range answers {
		if err == nil {
			n++
		} else {
			require.ErrorIs(t, err, otherwise)
		}
	}
	return n
}

func TestRelationshipIsCreated(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		d, err := asksFor(db, 1, "Contoso", start)
		require.NoError(t, err)
		stored := mustRead(t, db, id(1))
		require.EqualValues(t, 1, stored.Key)
		require.Equal(t, d.Record, stored.Record)
		require.Equal(t, []lifecycle.EventType{lifecycle.EventCreated}, typesOf(t, db, 1))
		c := caseNamed(t, db, 1)
		require.Equal(t, lifecycle.Case{Record: stored.Record, Standing: lifecycle.Authorized}, c)

		_, err = asksFor(db, 1, "Another", start)
		require.ErrorContains(t, err, "there is a relationship "+id(1)+" already")
		_, err = asksFor(db, 2, "", start)
		var faults lifecycle.Faults
		require.ErrorAs(t, err, &faults)
		require.NoError(t, db.SetPartnership(ctx, lifecycle.Partnership{TenantID: partner, Standing: lifecycle.Restricted}, "operator", start))
		_, err = asksFor(db, 2, "Another", start)
		require.ErrorIs(t, err, lifecycle.ErrRefused)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM relationships"))
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM events"))
		_, err = db.Case(ctx, id(2))
		require.EqualError(t, err, "read relationship "+id(2)+": not found")
	})
}

func TestNameIsHeldAgainstCreatingAndRenaming(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.Add(-lifecycle.Day)
		load(t, db, named(ended(1, end), "Straße"))
		mustDraft(t, db, 2, "Other")
		free := end.Add(365 * lifecycle.Day)
		for _, try := range []func(now time.Time) error{
			func(now time.Time) error { _, err := asksFor(db, 3, "STRASSE", now); return err },
			func(now time.Time) error { return renamed(db, 2, "strasse", now) },
		} {
			var held *lifecycle.NameHeld
			require.ErrorAs(t, try(free.Add(-time.Microsecond)), &held)
			require.Equal(t, id(1), held.Holder)
			require.Equal(t, lifecycle.Terminated, held.Status)
			require.Equal(t, free, held.Until)
		}
		require.Equal(t, "Other", mustRead(t, db, id(2)).DisplayName)
		require.NoError(t, renamed(db, 2, "OTHER", start), "it holds that itself")
		require.NoError(t, renamed(db, 2, "strasse", free), "no sweep has released it yet")
		require.Equal(t, free, mustRead(t, db, id(1)).NameReleased)
		require.Equal(t, []lifecycle.EventType{lifecycle.EventImported, lifecycle.EventNameReleased}, typesOf(t, db, 1))
		require.Equal(t, []lifecycle.EventType{lifecycle.EventCreated, lifecycle.EventEdited, lifecycle.EventEdited}, typesOf(t, db, 2))

		var held *lifecycle.NameHeld
		_, err := asksFor(db, 3, "Strasse", free)
		require.ErrorAs(t, err, &held)
		require.Equal(t, id(2), held.Holder)
		require.Zero(t, held.Until)
		_, err = asksFor(db, 3, "other", free)
		require.NoError(t, err, "2 has let go of it")
		require.ErrorIs(t, renamed(db, 9, "x", free), lifecycle.ErrNotFound)
	})
}

func TestOneOfManyWhoAskForANameGetsIt(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.Add(-366 * lifecycle.Day)
		load(t, db, named(ended(1, end), "wanted")) // due to be released
		for n := 10; n < 14; n++ {
			mustDraft(t, db, n, fmt.Sprint("Draft ", n))
		}
		var all []func() error
		for n := range 4 {
			all = append(all, func() error { _, err := asksFor(db, 20+n, "Wanted", start); return err },
				func() error { return renamed(db, 10+n, "WANTED", start) })
		}
		all = append(all, func() error {
			intakes, err := db.ImportRelationships(ctx, incoming(named(active(30, start.AddDate(1, 0, 0)), "wanted")), policy, start)
			if err == nil && intakes[0].Fault != nil {
				return lifecycle.ErrNameTaken
			}
			return err
		})
		require.Equal(t, 1, won(t, together(all...), lifecycle.ErrNameTaken))
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM relationships WHERE name_key = 'wanted' AND name_released_at IS NULL"))
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM events WHERE type = 'nameReleased'"))
	})
}

func TestDraftsMaySwapTheirNamesAtTheSameMoment(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		mustDraft(t, db, 1, "one")
		mustDraft(t, db, 2, "two")
		var all []func() error
		for i := range 6 {
			for n, name := range map[int]string{1: fmt.Sprint("a", i%2), 2: fmt.Sprint("a", (i+1)%2)} {
				all = append(all, func() error { return renamed(db, n, name, start) })
			}
		}
		won(t, together(all...), lifecycle.ErrNameTaken)
		require.NotEqual(t, mustRead(t, db, id(1)).DisplayName, mustRead(t, db, id(2)).DisplayName)
	})
}

func TestDeletedDraftLeavesItsHistoryAndFreesItsName(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		mustDraft(t, db, 1, "Contoso")
		d, err := tries(db, 1, lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner}, start.Add(time.Hour))
		require.NoError(t, err)
		require.True(t, d.Gone)
		_, err = db.Relationship(ctx, id(1))
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
		require.Equal(t, []lifecycle.EventType{lifecycle.EventCreated, lifecycle.EventDeleted}, typesOf(t, db, 1))
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM tombstones WHERE id = '"+id(1)+"' AND display_name = 'Contoso'"))
		mustDraft(t, db, 2, "contoso")
		require.EqualValues(t, 2, mustRead(t, db, id(2)).Key, "a key is not given twice")
		_, err = tries(db, 1, lifecycle.Action{Kind: lifecycle.Delete, By: lifecycle.Partner}, start)
		require.ErrorIs(t, err, lifecycle.ErrNotFound)
	})
}

func TestAssignmentsAreKeptAndTakenAwayAtTheEnd(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		end := start.AddDate(0, 1, 0)
		stored := load(t, db, active(1, end), active(2, end), active(3, end))
		one := assigned(t, db, 1, 1, start)
		two := assigned(t, db, 1, 2, start.Add(time.Hour))
		other := assigned(t, db, 2, 1, start)
		c := caseNamed(t, db, 1)
		require.Equal(t, []lifecycle.Assignment{one, two}, c.Assignments)
		require.Equal(t, 2, c.Assigned)

		unassign := func(now time.Time) error {
			_, err := db.Act(ctx, id(1), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
				return c.Unassign(one.ID, one.Version, policy, lifecycle.Action{By: lifecycle.Partner}, now)
			})
			return err
		}
		require.NoError(t, unassign(start.Add(2*time.Hour)))
		require.ErrorIs(t, unassign(start.Add(2*time.Hour)), lifecycle.ErrNotFound)
		c = caseNamed(t, db, 1)
		require.Equal(t, lifecycle.AssignmentDeleted, c.Assignments[0].Status)
		require.Equal(t, c.Version, c.Assignments[0].Version)
		gone := c.Assignments[0]

		// The end takes the rest away, in one statement for all records of a chunk.
		stored = []lifecycle.Stored{mustRead(t, db, id(1)), mustRead(t, db, id(2)), stored[2]}
		_, err := db.Apply(ctx, decide(end.Add(time.Hour), stored...))
		require.NoError(t, err)
		c = caseNamed(t, db, 1)
		require.Equal(t, lifecycle.Expired, c.Status)
		require.Zero(t, c.Assigned)
		require.Equal(t, gone, c.Assignments[0], "what was gone before is left alone")
		require.Equal(t, lifecycle.AssignmentDeleted, c.Assignments[1].Status)
		require.Equal(t, end, c.Assignments[1].Modified)
		require.Equal(t, c.Version-1, c.Assignments[1].Version, "the step before the one that says expired")
		events, err := db.Events(ctx, id(1))
		require.NoError(t, err)
		last := events[len(events)-2:]
		require.Equal(t, []lifecycle.EventType{lifecycle.EventExpiring, lifecycle.EventTermEnded}, []lifecycle.EventType{last[0].Type, last[1].Type})
		require.Equal(t, lifecycle.AssignmentDeleted, caseNamed(t, db, 2).Assignments[0].Status)
		require.Equal(t, other.ID, caseNamed(t, db, 2).Assignments[0].ID)
		require.Empty(t, caseNamed(t, db, 3).Assignments)
	})
}

func TestImportThatEndsARelationshipTakesItsAccessAway(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(0, 1, 0)))
		assigned(t, db, 1, 1, start)
		words, faults := taken(t, db, start.Add(time.Hour), ended(1, start.Add(time.Minute)))
		require.Equal(t, []lifecycle.Taken{updated}, words, faults)
		c := caseNamed(t, db, 1)
		require.Zero(t, c.Assigned)
		require.Equal(t, lifecycle.AssignmentDeleted, c.Assignments[0].Status)
	})
}

func TestAccessIsTakenAwayInTwoStepsWhereAnotherSystemDoesIt(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		external := lifecycle.DefaultPolicy()
		external.Provisioning.External = true
		load(t, db, active(1, start.AddDate(0, 1, 0)))
		assigned(t, db, 1, 1, start)
		for _, step := range []struct {
			action lifecycle.Action
			want   lifecycle.AssignmentStatus
		}{
			{lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer}, lifecycle.AssignmentDeleting},
			{lifecycle.Action{Kind: lifecycle.CompleteProvisioning, By: lifecycle.Provisioner}, lifecycle.AssignmentDeleted},
		} {
			_, err := db.Act(ctx, id(1), external, func(c lifecycle.Case) (lifecycle.Decision, error) {
				return c.Act(external, start.Add(time.Hour), step.action)
			})
			require.NoError(t, err)
			c := caseNamed(t, db, 1)
			require.Equal(t, step.want, c.Assignments[0].Status)
			require.Equal(t, c.Version, c.Assignments[0].Version)
		}
		require.Equal(t, lifecycle.Terminated, mustRead(t, db, id(1)).Status)
	})
}

func TestActionsOnOneRecordSeeEachOther(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		load(t, db, active(1, start.AddDate(0, 1, 0)))
		var all []func() error
		for n := range 8 {
			all = append(all, func() error {
				_, err := db.Act(ctx, id(1), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
					d, _, err := c.AssignTo(fmt.Sprintf("ffffffff-0000-4000-8000-%012d", n), fmt.Sprintf(groupID, n%4), []string{role}, policy,
						lifecycle.Action{By: lifecycle.Partner}, start)
					return d, err
				})
				var taken *lifecycle.AssignmentTaken
				if errors.As(err, &taken) {
					return lifecycle.ErrRefused
				}
				return err
			})
		}
		require.Equal(t, 4, won(t, together(all...), lifecycle.ErrRefused), "one for each group")
		c := caseNamed(t, db, 1)
		require.Equal(t, 4, c.Assigned)
		require.Len(t, c.Assignments, 4)
		require.Len(t, typesOf(t, db, 1), 5)
	})
}

// What a chunk of a sweep has read and decided on meets what people do meanwhile: one of them wins, and nothing is done twice.
func TestPeopleAndTimersAtTheSameMoment(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const n = 12
		lapses, ends := start, start.Add(time.Hour)
		var records []lifecycle.Record
		for i := range n {
			pending := lifecycle.Record{ID: id(i), Partner: partner, DisplayName: fmt.Sprint("Pending ", i), Duration: lifecycle.Days(90),
				Status: lifecycle.ApprovalPending, Customer: lifecycle.Tenant{TenantID: customer}, Roles: []string{role},
				Created: lapses.Add(-91 * lifecycle.Day), Modified: lapses.Add(-90 * lifecycle.Day), Locked: lapses.Add(-90 * lifecycle.Day)}
			records = append(records, pending, active(100+i, ends))
		}
		stored := load(t, db, records...)
		all := []func() error{func() error { _, err := db.Apply(ctx, decide(ends, stored...)); return err }}
		for i := range n {
			all = append(all, func() error {
				_, err := tries(db, i, lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer}, lapses.Add(-time.Microsecond))
				return err
			}, func() error {
				_, err := tries(db, 100+i, lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Partner}, ends.Add(-time.Microsecond))
				return err
			})
		}
		answers := together(all...)
		require.NoError(t, answers[0])
		for i := range n {
			outcome := func(record int, answer error, done, timed lifecycle.EventType, status, otherwise lifecycle.Status) {
				types := typesOf(t, db, record)
				if answer == nil {
					require.Equal(t, status, mustRead(t, db, id(record)).Status)
					require.Contains(t, types, done)
					require.NotContains(t, types, timed)
					return
				}
				require.ErrorIs(t, answer, lifecycle.ErrRefused)
				require.Equal(t, otherwise, mustRead(t, db, id(record)).Status)
				require.Equal(t, []lifecycle.EventType{lifecycle.EventImported, timed}, types)
			}
			outcome(i, answers[1+2*i], lifecycle.EventApproved, lifecycle.EventLapsed, lifecycle.Active, lifecycle.Expired)
			outcome(100+i, answers[2+2*i], lifecycle.EventTerminated, lifecycle.EventTermEnded, lifecycle.Terminated, lifecycle.Expired)
		}
	})
}

func TestActingKeepsOutWhatNoDatabaseCouldHold(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		mustDraft(t, db, 1, "Contoso")
		_, err := db.Act(ctx, id(1), policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
			c.Customer.DisplayName = "\x00\xff"
			return lifecycle.Decision{Record: c.Record, Recorded: start}, nil
		})
		var faults lifecycle.Faults
		require.ErrorAs(t, err, &faults)
		require.Equal(t, "customer.displayName", faults[0].Field)
		_, err = tries(db, 1, lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner}, start)
		require.NoError(t, err)
		require.True(t, slices.Contains(typesOf(t, db, 1), lifecycle.EventLocked))
	})
}
