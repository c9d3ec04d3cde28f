//go:build unix

package storm

import (
	"database/sql"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/ledger"
	"github.com/tenure-dev/tenure/lifecycle"
	"github.com/tenure-dev/tenure/storage"
	"github.com/tenure-dev/tenure/testenv"
)

// What a storm meets by chance, here each by itself and on purpose: two who work on the same, one of whom comes too late. Every guard
// that keeps the second from writing has a race of its own, which fails without it.

// A track is a database with one relationship, whose term has just ended and of which nobody has noticed yet.
type track struct {
	*testing.T
	url    string
	db     *storage.DB
	policy *lifecycle.Policy
	due    lifecycle.Stored
	now    time.Time
}

func newTrack(t *testing.T) *track {
	t.Helper()
	url := testenv.Postgres(t)
	db, err := storage.Open(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	tr := &track{T: t, url: url, db: db, policy: lifecycle.DefaultPolicy(), now: begins}
	require.NoError(t, db.Migrate(t.Context(), storage.Sandbox, begins.Add(-100*lifecycle.Day)))
	takeAway(t, url)
	_, err = db.Retime(t.Context(), tr.policy, begins)
	require.NoError(t, err)
	_, err = db.ImportContacts(t.Context(), []lifecycle.Contact{{TenantID: partners[0], Role: lifecycle.AdminAgents, Mail: "agent@partner.example"}},
		&tr.policy.Notices, begins)
	require.NoError(t, err)
	end := begins.Add(-time.Minute)
	r := lifecycle.Record{ID: "race", DisplayName: "Race", Duration: lifecycle.Days(90), Status: lifecycle.Active, Partner: partners[0],
		Customer: lifecycle.Tenant{TenantID: customers[0]}, Roles: someRoles[:1], Created: end.Add(-91 * lifecycle.Day), Modified: end.Add(-91 * lifecycle.Day),
		Activated: end.Add(-90 * lifecycle.Day), End: end, WarnAfter: end.Add(-time.Second)}
	_, err = db.ImportRelationships(t.Context(), []lifecycle.Incoming{{Record: r, Digest: r.ID}}, tr.policy, end.Add(-time.Second))
	require.NoError(t, err)
	tr.due = tr.stored()
	return tr
}

func (t *track) stored() lifecycle.Stored {
	t.Helper()
	stored, err := t.db.Relationship(t.Context(), "race")
	require.NoError(t, err)
	return stored
}

// decided is what a sweep that has read the relationship at the beginning decides.
func (t *track) decided() []lifecycle.Decided {
	return []lifecycle.Decided{{Key: t.due.Key, Version: t.due.Version, Decision: lifecycle.Evaluate(t.due.Record, t.policy, t.now)}}
}

// ended counts how often the history says that the term ended.
func (t *track) ended() (n int) {
	t.Helper()
	events, err := t.db.Events(t.Context(), "race")
	require.NoError(t, err)
	for _, e := range events {
		if e.Type == lifecycle.EventTermEnded {
			n++
		}
	}
	return n
}

// sweep opens a sweep of what is due, cut into its one chunk.
func (t *track) sweep() lifecycle.ChunkRef {
	t.Helper()
	sweep, opened, err := t.db.OpenSweep(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest, AsOf: t.now, OpenedAt: t.now})
	require.NoError(t, err)
	require.Equal(t, lifecycle.OpenedNew, opened)
	chunks, _, err := t.db.CutChunks(t.Context(), sweep.ID, 10, 10)
	require.NoError(t, err)
	require.Len(t, chunks, 1)
	return chunks[0]
}

func (t *track) claim(ref lifecycle.ChunkRef, wall time.Time) (lifecycle.ChunkRef, bool) {
	t.Helper()
	chunk, _, ok, err := t.db.ClaimChunk(t.Context(), ref, wall, wall.Add(time.Second))
	require.NoError(t, err)
	return chunk.ChunkRef, ok
}

// TestRaceOfASweepAndAPerson: the sweep has read, then somebody switches autoExtend, then the sweep writes.
func TestRaceOfASweepAndAPerson(t *testing.T) {
	tr := newTrack(t)
	early := tr.decided()
	_, err := tr.db.Act(t.Context(), "race", tr.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(tr.policy, tr.due.End.Add(-time.Microsecond), lifecycle.Action{Kind: lifecycle.SetAutoExtend, AutoExtend: true, By: lifecycle.Partner})
	})
	require.NoError(t, err)
	tally, err := tr.db.Apply(t.Context(), early)
	require.NoError(t, err)
	require.Zero(t, tally.Changed, "the decision was about a version that is gone")
	require.Equal(t, lifecycle.Active, tr.stored().Status)
	require.Zero(t, tr.ended())
}

// TestRaceOfTwoSweeps: both have read, and both write.
func TestRaceOfTwoSweeps(t *testing.T) {
	tr := newTrack(t)
	var together sync.WaitGroup
	changed := make([]int64, 4)
	for i := range changed {
		together.Go(func() {
			if tally, err := tr.db.Apply(t.Context(), tr.decided()); err == nil {
				changed[i] = tally.Changed
			}
		})
	}
	together.Wait()
	require.Equal(t, int64(1), changed[0]+changed[1]+changed[2]+changed[3])
	require.Equal(t, 1, tr.ended())
	letters, err := tr.db.Letters(t.Context(), lifecycle.LetterQuery{Relationship: "race", Kinds: []lifecycle.NoticeKind{lifecycle.KindTermEnded}})
	require.NoError(t, err)
	require.Len(t, letters, 2, "one to the partner's agent, one to nobody on the customer's side")
}

// TestRaceOfASweepAndAHold: the sweep has read, then everything that may hold it up is placed, one after the other.
func TestRaceOfASweepAndAHold(t *testing.T) {
	for _, h := range []lifecycle.Hold{
		{Kind: lifecycle.HoldRelationship, Subject: "race"}, {Kind: lifecycle.HoldTenant, Subject: customers[0]},
		{Kind: lifecycle.HoldRule, Subject: string(lifecycle.EndTerm)}, {Kind: lifecycle.HoldEverything},
	} {
		t.Run(string(h.Kind), func(t *testing.T) {
			tr := newTrack(t)
			early := tr.decided()
			h.Note = "to be looked at"
			placed, err := tr.db.PlaceHold(t.Context(), h, lifecycle.Caller{Name: "ann"}, tr.now)
			require.NoError(t, err)
			_, err = tr.db.PlaceHold(t.Context(), h, lifecycle.Caller{Name: "bob"}, tr.now)
			require.ErrorIs(t, err, lifecycle.ErrHeldAlready)
			tally, err := tr.db.Apply(t.Context(), early)
			require.NoError(t, err)
			require.Zero(t, tally.Changed)
			require.Zero(t, tr.ended())

			_, err = tr.db.ReleaseHold(t.Context(), placed.ID, "looked at", lifecycle.Caller{Name: "ann"}, tr.now, tr.now)
			require.NoError(t, err)
			tr.due = tr.stored()
			tally, err = tr.db.Apply(t.Context(), tr.decided())
			require.NoError(t, err)
			require.Equal(t, int64(1), tally.Changed)
			require.Equal(t, 1, tr.ended())
		})
	}
}

// TestRaceOfTwoWorkersForAChunk: one is frozen past its lease, another takes over, and the first goes on.
func TestRaceOfTwoWorkersForAChunk(t *testing.T) {
	tr := newTrack(t)
	ref := tr.sweep()
	slow, ok := tr.claim(ref, tr.now)
	require.True(t, ok)
	_, ok = tr.claim(ref, tr.now)
	require.False(t, ok, "somebody works on it")
	_, ok = tr.claim(slow, tr.now)
	require.False(t, ok, "the lease is not over, whatever bell was rung")
	_, ok = tr.claim(ref, tr.now.Add(2*time.Second))
	require.False(t, ok, "the bell that this one heard is an old one")
	quick, ok := tr.claim(slow, tr.now.Add(2*time.Second))
	require.True(t, ok)

	tally, err := tr.db.ApplyChunk(t.Context(), slow, tr.decided(), lifecycle.Tally{Found: 1}, nil, tr.now)
	require.NoError(t, err)
	require.Zero(t, tally, "the chunk is not its any more")
	kept, err := tr.db.KeepChunk(t.Context(), slow, tr.now.Add(time.Hour))
	require.NoError(t, err)
	require.False(t, kept)
	require.NoError(t, tr.db.FailChunk(t.Context(), slow, "too late", tr.now.Add(time.Hour)))

	tally, err = tr.db.ApplyChunk(t.Context(), quick, tr.decided(), lifecycle.Tally{Found: 1}, nil, tr.now)
	require.NoError(t, err)
	require.Equal(t, int64(1), tally.Changed)
	tally, err = tr.db.ApplyChunk(t.Context(), quick, tr.decided(), lifecycle.Tally{Found: 1}, nil, tr.now)
	require.NoError(t, err)
	require.Zero(t, tally, "it is closed")
	sweep, err := tr.db.Sweep(t.Context(), ref.Sweep)
	require.NoError(t, err)
	require.Equal(t, int64(1), sweep.Changed)
}

// TestRaceOfSchedulersForATick: one of them opens its sweep.
func TestRaceOfSchedulersForATick(t *testing.T) {
	tr := newTrack(t)
	answers := make([]lifecycle.Opened, 6)
	var together sync.WaitGroup
	for i := range answers {
		together.Go(func() {
			_, answers[i], _ = tr.db.OpenSweep(t.Context(), lifecycle.SweepRequest{Rules: []lifecycle.RuleName{lifecycle.EndTerm},
				Trigger: lifecycle.TriggerSchedule, Tick: tr.now, AsOf: tr.now, OpenedAt: tr.now})
		})
	}
	together.Wait()
	won := 0
	for _, a := range answers {
		if a == lifecycle.OpenedNew || a == lifecycle.OpenedJoined {
			won++
		}
	}
	require.Equal(t, 1, won, "%v", answers)
}

// TestRaceOfRequestsWithOneKey: they are one request, whoever comes first, and however long ago the first of them was.
func TestRaceOfRequestsWithOneKey(t *testing.T) {
	tr := newTrack(t)
	ask := func(key string, asOf time.Time) (int64, error) {
		sweep, _, err := tr.db.OpenSweep(t.Context(), lifecycle.SweepRequest{Trigger: lifecycle.TriggerRequest, IdempotencyKey: key, AsOf: asOf, OpenedAt: tr.now})
		return sweep.ID, err
	}
	for round := range 12 {
		key, asOf := "nightly "+string(rune('a'+round)), tr.now.Add(time.Duration(round)*time.Hour) // too late for the sweep of the round before
		ids, errs := make([]int64, 6), make([]error, 6)
		var together sync.WaitGroup
		for i := range ids {
			together.Go(func() { ids[i], errs[i] = ask(key, asOf) })
		}
		together.Wait()
		require.NoError(t, errors.Join(errs...))
		_, _, err := tr.db.CutChunks(t.Context(), ids[0], 10, 10)
		require.NoError(t, err)
		later, err := ask(key, asOf.Add(30*time.Minute))
		require.NoError(t, err)
		for _, id := range append(ids, later) {
			require.Equal(t, ids[0], id)
		}
	}
}

// TestRaceForAName: of several who create one, one gets it.
func TestRaceForAName(t *testing.T) {
	tr := newTrack(t)
	name, duration := "The one", lifecycle.Days(90)
	draft := lifecycle.Draft{DisplayName: &name, Duration: &duration, Roles: someRoles[:1], Customer: &lifecycle.Tenant{TenantID: customers[0]}}
	errs := make([]error, 6)
	var together sync.WaitGroup
	for i := range errs {
		together.Go(func() {
			_, errs[i] = tr.db.CreateRelationship(t.Context(), partners[0], tr.policy, func(standing lifecycle.Standing) (lifecycle.Decision, error) {
				return lifecycle.Create("contender-"+string(rune('a'+i)), partners[0], draft, tr.policy, standing, nil, tr.now)
			})
		})
	}
	together.Wait()
	got := 0
	for _, err := range errs {
		if err == nil {
			got++
		}
	}
	require.Equal(t, 1, got, "%v", errs)
}

// TestRaceOfTwoCouriers: one is frozen past its lease in the middle of an attempt, another takes over, and the first goes on.
func TestRaceOfTwoCouriers(t *testing.T) {
	tr := newTrack(t)
	_, err := tr.db.Apply(t.Context(), tr.decided())
	require.NoError(t, err)
	claim := func(wall time.Time) []lifecycle.Letter {
		letters, err := tr.db.ClaimLetters(t.Context(), lifecycle.Claim{Channel: lifecycle.DefaultChannel, Now: tr.now, Wall: wall, LeaseUntil: wall.Add(time.Second), Most: 10})
		require.NoError(t, err)
		return letters
	}
	slow := claim(tr.now)
	require.Len(t, slow, 1)
	require.Empty(t, claim(tr.now), "somebody has it")
	slow[0].MessageID, slow[0].Message = "one@storm.example", []byte("one")
	slow, err = tr.db.BeginLetters(t.Context(), slow)
	require.NoError(t, err)
	require.Len(t, slow, 1)

	quick := claim(tr.now.Add(2 * time.Second))
	require.Len(t, quick, 1)
	require.Equal(t, 1, quick[0].Unknown, "nobody knows what became of the first attempt")
	require.Equal(t, "one@storm.example", quick[0].MessageID)
	begun, err := tr.db.BeginLetters(t.Context(), slow)
	require.NoError(t, err)
	require.Empty(t, begun, "it is not the slow one's any more")
	kept, err := tr.db.KeepLetters(t.Context(), slow, tr.now.Add(time.Hour))
	require.NoError(t, err)
	require.Empty(t, kept)
	require.NoError(t, tr.db.SettleLetters(t.Context(), []lifecycle.Settled{{NoticeID: slow[0].NoticeID, Claim: slow[0].Claim, Status: lifecycle.NoticeDead, LastError: "too late"}}))

	quick[0].MessageID, quick[0].Message = "two@storm.example", []byte("two")
	quick, err = tr.db.BeginLetters(t.Context(), quick)
	require.NoError(t, err)
	require.Len(t, quick, 1)
	letter, err := tr.db.Letter(t.Context(), quick[0].NoticeID)
	require.NoError(t, err)
	require.Equal(t, lifecycle.NoticeQueued, letter.Status, "what the slow one had to say does not count")
	require.Equal(t, "one@storm.example", letter.MessageID, "a message keeps its id")
	sent := lifecycle.Settled{NoticeID: quick[0].NoticeID, Claim: quick[0].Claim, Status: lifecycle.NoticeSent, SentAt: tr.now}
	require.NoError(t, tr.db.SettleLetters(t.Context(), []lifecycle.Settled{sent}))
	require.Empty(t, claim(tr.now.Add(time.Hour)), "it is sent")
}

// TestKeysAreThoseThatAreListed in testdata/keys.txt.
func TestKeysAreThoseThatAreListed(t *testing.T) {
	url := testenv.Postgres(t)
	prepared, err := storage.Open(t.Context(), url)
	require.NoError(t, err)
	require.NoError(t, prepared.Migrate(t.Context(), storage.Sandbox, begins))
	require.NoError(t, prepared.Close())
	db, err := sql.Open("postgres", url)
	require.NoError(t, err)
	defer db.Close()
	faults := &faultList{}
	keyFaults(t, uniqueKeys(t, db), faults)
	require.Empty(t, faults.all)
}

// TestRaceOfTwoWorkersForABulkJob: one is frozen past its lease, another takes over, and the first goes on.
func TestRaceOfTwoWorkersForABulkJob(t *testing.T) {
	tr := newTrack(t)
	early := tr.due.End.Add(-time.Hour)
	job, err := tr.db.OpenBulk(t.Context(), lifecycle.BulkRequest{Action: lifecycle.SetAutoExtend, AutoExtend: true, Side: lifecycle.Partner, At: early})
	require.NoError(t, err)
	slow, ok, err := tr.db.ClaimBulk(t.Context(), job.ID, tr.now, tr.now.Add(time.Second))
	require.NoError(t, err)
	require.True(t, ok)
	_, ok, err = tr.db.ClaimBulk(t.Context(), job.ID, tr.now, tr.now.Add(time.Second))
	require.NoError(t, err)
	require.False(t, ok, "somebody works on it")
	quick, ok, err := tr.db.ClaimBulk(t.Context(), job.ID, tr.now.Add(2*time.Second), tr.now.Add(time.Minute))
	require.NoError(t, err)
	require.True(t, ok)
	page := func(job lifecycle.BulkJob) bool {
		_, ok, err := tr.db.RunBulkPage(t.Context(), job, nil, 10, early, tr.now.Add(time.Minute), func(c lifecycle.Case) (lifecycle.Decision, error) {
			return c.Act(tr.policy, early, lifecycle.Action{Kind: lifecycle.SetAutoExtend, AutoExtend: true, By: lifecycle.Partner})
		})
		require.NoError(t, err)
		return ok
	}
	require.False(t, page(slow), "it is not the slow one's any more")
	require.True(t, page(quick))
	require.True(t, tr.stored().AutoExtend)
}

// TestRaceOfTwoThatAskAnotherSystem: one is frozen past its lease, another takes over, and what the first comes to know is old.
func TestRaceOfTwoThatAskAnotherSystem(t *testing.T) {
	tr := newTrack(t)
	tr.policy.Provisioning.External = true
	_, err := tr.db.Act(t.Context(), "race", tr.policy, func(c lifecycle.Case) (lifecycle.Decision, error) {
		return c.Act(tr.policy, tr.due.End.Add(-time.Hour), lifecycle.Action{Kind: lifecycle.Terminate, By: lifecycle.Partner})
	})
	require.NoError(t, err)
	claim := func(wall time.Time) []lifecycle.ProvisioningOrder {
		orders, err := tr.db.ClaimProvisioning(t.Context(), wall, wall.Add(time.Second), 10)
		require.NoError(t, err)
		return orders
	}
	slow := claim(tr.now)
	require.Len(t, slow, 1)
	require.Empty(t, claim(tr.now), "somebody asks")
	quick := claim(tr.now.Add(2 * time.Second))
	require.Len(t, quick, 1)
	settle := func(o lifecycle.ProvisioningOrder, said string) bool {
		settled, err := tr.db.SettleProvisioning(t.Context(), lifecycle.ProvisioningAnswer{Key: o.Key, Version: o.Version, Claim: o.Claim,
			Accepted: true, LastError: said, ReadyAt: tr.now.Add(time.Hour)})
		require.NoError(t, err)
		return settled
	}
	require.False(t, settle(slow[0], "too late"))
	require.True(t, settle(quick[0], ""))
}

// TestRaceOfTwoThatLetTheLedgerGrow: both have read what waits, and both write.
func TestRaceOfTwoThatLetTheLedgerGrow(t *testing.T) {
	tr := newTrack(t)
	var grown [2]lifecycle.LedgerGrowth
	for i := range grown {
		page, err := tr.db.NextForLedger(t.Context(), 100)
		require.NoError(t, err)
		require.NotEmpty(t, page.Events)
		grown[i], err = ledger.Grow(page)
		require.NoError(t, err)
	}
	done, err := tr.db.AppendToLedger(t.Context(), grown[0])
	require.NoError(t, err)
	require.True(t, done)
	done, err = tr.db.AppendToLedger(t.Context(), grown[1])
	require.NoError(t, err)
	require.False(t, done, "it has grown meanwhile")
	size, err := tr.db.LedgerSize(t.Context())
	require.NoError(t, err)
	require.Zero(t, size.Waiting, "what is logged waits no more")
}
