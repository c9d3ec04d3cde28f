package storage

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

// external is the policy of a deployment in which another system gives access and takes it away.
var external = func() *lifecycle.Policy {
	p := lifecycle.DefaultPolicy()
	p.Provisioning.External = true
	return p
}()

const group = "cccccccc-0000-4000-8000-000000000001"

// approved is a request for so many days that its customer has just said yes to.
func approved(t *testing.T, db *DB, n int, now time.Time) string {
	t.Helper()
	draft := draftBy(t, db, n, partner, lifecycle.Tenant{TenantID: customer}, anna, now)
	actsUnder(t, db, external, draft, now, lifecycle.Action{Kind: lifecycle.LockForApproval, By: lifecycle.Partner},
		lifecycle.Action{Kind: lifecycle.Approve, By: lifecycle.Customer, Caller: carl})
	return draft
}

func orders(t *testing.T, db *DB, q lifecycle.ProvisioningQuery) []lifecycle.ProvisioningOrder {
	t.Helper()
	orders, err := db.ProvisioningOrders(ctx, q)
	require.NoError(t, err)
	return orders
}

func claimOrders(t *testing.T, db *DB, wall time.Time, most int) []lifecycle.ProvisioningOrder {
	t.Helper()
	orders, err := db.ClaimProvisioning(ctx, wall, wall.Add(time.Minute), most)
	require.NoError(t, err)
	return orders
}

func rowsOfProvisioning(t *testing.T, db *DB) int {
	return count(t, db, "SELECT count(*) FROM provisioning")
}

var complete = lifecycle.Action{Kind: lifecycle.CompleteProvisioning, By: lifecycle.Provisioner}

func TestOrderLastsAsLongAsAnotherSystemIsWaitedFor(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		one := approved(t, db, 1, start)
		order := claimOrders(t, db, start, 10)
		require.Len(t, order, 1)
		r := mustRead(t, db, one)
		require.Equal(t, lifecycle.ProvisioningOrder{Relationship: r.Record, Key: r.Key, Version: 3, Since: start, Attempts: 1, Claim: 1,
			ReadyAt: start.Add(time.Minute)}, order[0])
		require.Equal(t, lifecycle.Grant, order[0].What())
		actsUnder(t, db, external, one, start.Add(time.Minute), lifecycle.Action{Kind: lifecycle.BeginProvisioning, By: lifecycle.Provisioner})
		order = orders(t, db, lifecycle.ProvisioningQuery{})
		require.Len(t, order, 1)
		require.EqualValues(t, 3, order[0].Version, "it is the same order")
		require.Equal(t, lifecycle.Activating, order[0].Relationship.Status)
		actsUnder(t, db, external, one, start.Add(time.Hour), complete)
		require.Zero(t, rowsOfProvisioning(t, db))
		require.Empty(t, orders(t, db, lifecycle.ProvisioningQuery{}))

		_, err := db.Act(ctx, one, external, func(c lifecycle.Case) (lifecycle.Decision, error) {
			d, _, err := c.AssignTo("11111111-0000-4000-8000-000000000001", group, []string{role}, external, lifecycle.Action{By: lifecycle.Partner}, start.Add(time.Hour))
			return d, err
		})
		require.NoError(t, err)
		actsUnder(t, db, external, one, start.Add(2*time.Hour), lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Customer})
		order = claimOrders(t, db, start, 10)
		require.Len(t, order, 1)
		require.Equal(t, lifecycle.Revoke, order[0].What())
		require.EqualValues(t, 7, order[0].Version)
		require.Len(t, order[0].Assignments, 1)
		require.Equal(t, lifecycle.AssignmentDeleting, order[0].Assignments[0].Status)
		actsUnder(t, db, external, one, start.Add(3*time.Hour), complete)
		require.Zero(t, rowsOfProvisioning(t, db))
	})
}

func TestTermThatIsOverBeforeItBeganIsTakenBack(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		one := approved(t, db, 1, start)
		late := start.Add(100 * lifecycle.Day)
		d := actsUnder(t, db, external, one, late, complete)
		require.Equal(t, lifecycle.Expiring, d.Record.Status)
		order := orders(t, db, lifecycle.ProvisioningQuery{})
		require.Len(t, order, 1)
		require.Equal(t, lifecycle.Revoke, order[0].What())
		require.Equal(t, d.Changes[len(d.Changes)-1].Version, order[0].Version, "an order of its own")
		require.Equal(t, late, order[0].Since)
		require.Zero(t, order[0].Attempts)
	})
}

func TestSweepOrdersWhatIsToBeTakenAway(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		records := load(t, db, active(1, start), active(2, start), active(3, start.AddDate(0, 1, 0)))
		var decided []lifecycle.Decided
		for _, r := range records {
			decided = append(decided, lifecycle.Decided{Key: r.Key, Version: r.Version, Decision: lifecycle.Evaluate(r.Record, external, start.Add(time.Hour))})
		}
		_, err := db.Apply(ctx, decided)
		require.NoError(t, err)
		order := orders(t, db, lifecycle.ProvisioningQuery{})
		require.Len(t, order, 2)
		require.Equal(t, id(2), orders(t, db, lifecycle.ProvisioningQuery{After: order[0].Key})[0].Relationship.ID)
		require.Len(t, orders(t, db, lifecycle.ProvisioningQuery{Limit: 1}), 1)
		require.Equal(t, id(2), orders(t, db, lifecycle.ProvisioningQuery{Relationship: id(2)})[0].Relationship.ID)
		require.Empty(t, orders(t, db, lifecycle.ProvisioningQuery{Relationship: id(3)}))

		gone := active(1, start)
		gone.Status = lifecycle.Expired
		words, faults := taken(t, db, start.Add(2*time.Hour), gone)
		require.Equal(t, []lifecycle.Taken{lifecycle.TakenChanged}, words, faults)
		require.Equal(t, 1, rowsOfProvisioning(t, db), "the file says that it is done")
	})
}

func TestOrderIsInOneHandAtATime(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		const n = 20
		for i := range n {
			approved(t, db, i+1, start)
		}
		var lock sync.Mutex
		seen := map[int64]int{}
		var working sync.WaitGroup
		for range 4 {
			working.Go(func() {
				for {
					mine, err := db.ClaimProvisioning(ctx, start, start.Add(time.Minute), 3)
					lock.Lock()
					for i := range mine {
						seen[mine[i].Key]++
					}
					lock.Unlock()
					if err != nil || len(mine) == 0 {
						require.NoError(t, err)
						return
					}
				}
			})
		}
		working.Wait()
		require.Len(t, seen, n)
		for key, times := range seen {
			require.Equal(t, 1, times, key)
		}
		again := claimOrders(t, db, start.Add(time.Minute), 3)
		require.Len(t, again, 3, "the lease has ended")
		require.Equal(t, 2, again[0].Attempts)
		require.Len(t, claimOrders(t, db, start.Add(-3*lifecycle.Day), n), n, "the clock was set back")
	})
}

func TestAnswerCountsForItsClaimOnly(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		one := approved(t, db, 1, start)
		first := claimOrders(t, db, start, 1)[0]
		second := claimOrders(t, db, start.Add(time.Minute), 1)[0]
		answer := func(o lifecycle.ProvisioningOrder, version int64, accepted bool, fault string, ready time.Time) bool {
			ok, err := db.SettleProvisioning(ctx, lifecycle.ProvisioningAnswer{Key: o.Key, Version: version, Claim: o.Claim, Accepted: accepted, LastError: fault, ReadyAt: ready})
			require.NoError(t, err)
			return ok
		}
		ready := start.Add(time.Hour)
		require.False(t, answer(first, first.Version, false, "late", ready), "somebody else has taken it up since")
		require.False(t, answer(second, 1, false, "another order", ready))
		require.True(t, answer(second, second.Version, false, "no answer\x00", ready))
		require.False(t, answer(second, second.Version, true, "", ready), "twice")
		order := orders(t, db, lifecycle.ProvisioningQuery{})[0]
		require.Equal(t, "no answer", order.LastError)
		require.Equal(t, ready, order.ReadyAt)
		require.Equal(t, 2, order.Attempts)
		require.Empty(t, claimOrders(t, db, ready.Add(-time.Microsecond), 1))

		third := claimOrders(t, db, ready, 1)[0]
		require.True(t, answer(third, third.Version, true, "", ready.Add(time.Hour)))
		require.True(t, orders(t, db, lifecycle.ProvisioningQuery{})[0].Accepted)
		fourth := claimOrders(t, db, ready.Add(time.Hour), 1)[0]
		actsUnder(t, db, external, one, start.Add(time.Hour), complete)
		require.False(t, answer(fourth, fourth.Version, false, "failed", ready), "it is done")
	})
}

func TestRecordThatCameInOnItsWayWaitsForAnOperator(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		expiring := active(1, start)
		expiring.Status = lifecycle.Expiring
		load(t, db, expiring, active(2, start.AddDate(0, 1, 0)))
		approved(t, db, 3, start)
		order := orders(t, db, lifecycle.ProvisioningQuery{})
		require.Len(t, order, 2)
		require.Equal(t, expiring.Modified, order[0].Since)
		require.EqualValues(t, 1, order[0].Version)
		require.Zero(t, order[0].ReadyAt)
		require.Len(t, orders(t, db, lifecycle.ProvisioningQuery{Before: start}), 1)
		waiting, stuck, err := db.CountProvisioning(ctx, start)
		require.NoError(t, err)
		require.Equal(t, []int64{2, 1}, []int64{waiting, stuck})
		require.Len(t, claimOrders(t, db, start, 10), 1, "nobody has asked for the other")

		require.NoError(t, db.RetryProvisioning(ctx, id(1), start, start))
		require.NoError(t, db.RetryProvisioning(ctx, id(3), start, start), "whatever it waits for")
		require.Len(t, claimOrders(t, db, start, 10), 2)
		require.Equal(t, expiring.Modified, orders(t, db, lifecycle.ProvisioningQuery{})[0].Since)
		err = db.RetryProvisioning(ctx, id(2), start, start)
		require.ErrorIs(t, err, lifecycle.ErrWrongStatus)
		require.ErrorContains(t, err, "it is active")
		require.ErrorIs(t, db.RetryProvisioning(ctx, "r-none\x00", start, start), lifecycle.ErrNotFound)
	})
}

func TestOrderThatCannotBeReadHoldsNoOtherUp(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db *DB) {
		approved(t, db, 1, start)
		approved(t, db, 2, start)
		_, err := db.pool.ExecContext(ctx, "UPDATE agreements SET duration = 'soon' WHERE key = 1")
		require.NoError(t, err)
		order := claimOrders(t, db, start, 10)
		require.Len(t, order, 1)
		require.EqualValues(t, 2, order[0].Key)
		require.Equal(t, 1, count(t, db, "SELECT count(*) FROM provisioning WHERE last_error LIKE '%column duration cannot be read%'"))
	})
}

func TestStatusesOnTheirWayAreThoseOfTheIndex(t *testing.T) {
	for _, status := range lifecycle.Statuses {
		require.Equal(t, status.Passing(), strings.Contains(onItsWay, "'"+string(status)+"'"), status)
		require.Equal(t, status.Passing(), status.Provision() != "", status)
	}
}
