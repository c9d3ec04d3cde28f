package jobs

import (
	"context"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A Store is what jobs needs of a database. Each method is one whole transaction; each may be repeated after a crash, and
// doing it twice is doing it once. Instants called wall, and those at which sweeps are
// opened, closed and forgotten, are of the machine's clock; all others are of the deployment's clock, which in a sandbox is
// moved by hand.
type Store interface {
	SweepStore
	ChunkStore
	OutboxStore
}

// A SweepStore opens and closes sweeps.
type SweepStore interface {
	// OpenSweep writes a sweep, together with its ticks where the request names one, or finds the one that answers the
	// request already. With [lifecycle.OpenedLost] the sweep is zero.
	OpenSweep(ctx context.Context, req lifecycle.SweepRequest) (lifecycle.Sweep, lifecycle.Opened, error)

	// Sweep reads a sweep with its totals.
	Sweep(ctx context.Context, id int64) (lifecycle.Sweep, error)

	// ExamineSweep looks at what a sweep would do before anything of it is cut, and holds it where the policy says so: held is the
	// sweep that waits for an operator now, or zero. A sweep that has nothing to do is closed. wall is the machine's clock.
	ExamineSweep(ctx context.Context, sweep int64, p *lifecycle.Policy, now, wall time.Time) (held lifecycle.Sweep, closed bool, err error)

	// ApproveSweep lets a held sweep run. [lifecycle.ErrNotHeld]; [lifecycle.ErrStandstill] where everything is on hold.
	ApproveSweep(ctx context.Context, sweep int64, note string, by lifecycle.Caller, now time.Time) error

	// RejectSweep drops a held sweep and pauses the rules that would do too much. The errors are the same.
	RejectSweep(ctx context.Context, sweep int64, note string, by lifecycle.Caller, now, wall time.Time) error

	// CheckClock is [lifecycle.ErrClockAstray] where q does not believe a clock that shows now; then everything is on hold.
	CheckClock(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) error

	// CutChunks cuts the next chunks of at most size due records off a sweep, at most this many, and says whether there is
	// nothing left to cut.
	CutChunks(ctx context.Context, sweep int64, size, most int) (chunks []lifecycle.ChunkRef, cut bool, err error)

	// FinishSweep marks a sweep done if it is cut and none of its chunks is open, and says whether it is over now, and whether it was
	// this call that closed it.
	FinishSweep(ctx context.Context, sweep int64, at time.Time) (over, closed bool, err error)

	// CancelSweep stops a running sweep: its open chunks are dropped, those at work finish; or drops one that is held.
	// [lifecycle.ErrNotRunning] if it is over.
	CancelSweep(ctx context.Context, sweep int64, at time.Time) error

	// RunningSweeps lists the sweeps that are not over, oldest first.
	RunningSweeps(ctx context.Context) ([]lifecycle.Sweep, error)

	// LastTicks is the latest nominal instant taken of each rule's schedule; a rule that never ticked is missing.
	LastTicks(ctx context.Context) (map[lifecycle.RuleName]time.Time, error)

	// Prune deletes sweeps that found nothing, and ticks, older than before; the last tick of each rule stays.
	Prune(ctx context.Context, before time.Time) (sweeps int64, err error)

	// PruneDeeds forgets what people did before an instant, at most so many of the earliest.
	PruneDeeds(ctx context.Context, before time.Time, most int) (pruned int64, err error)
}

// A ChunkStore hands out chunks to workers.
type ChunkStore interface {
	// ClaimChunk takes a chunk up until the lease ends. ok is false where somebody else holds it, it is closed, or its sweep
	// is over. claimed.Claim is the number of this claim, one above that of the reference it was rung for.
	ClaimChunk(ctx context.Context, ref lifecycle.ChunkRef, wall, leaseUntil time.Time) (claimed lifecycle.Chunk, sweep lifecycle.Sweep, ok bool, err error)

	// KeepChunk prolongs the lease of a claim; false if it was lost to somebody else.
	KeepChunk(ctx context.Context, claimed lifecycle.ChunkRef, leaseUntil time.Time) (bool, error)

	// DueRecords reads the records of a chunk that are due by asOf under one of the rules, in the order in which they are.
	// A record that cannot be read comes back as a Failure.
	DueRecords(ctx context.Context, c lifecycle.Chunk, rules []lifecycle.RuleName, asOf time.Time) ([]lifecycle.Stored, []lifecycle.Failure, error)

	// ApplyChunk writes decisions, their events and their notices, and closes the chunk with tally, to which it adds what it
	// changed and skipped. A record whose version has moved is skipped. A chunk that is closed already changes nothing.
	ApplyChunk(ctx context.Context, claimed lifecycle.ChunkRef, decided []lifecycle.Decided, tally lifecycle.Tally, failures []lifecycle.Failure, at time.Time) (lifecycle.Tally, error)

	// PrepareChunk does beforehand what of ApplyChunk needs no transaction, and answers with what does the rest.
	PrepareChunk(ctx context.Context, claimed lifecycle.ChunkRef, decided []lifecycle.Decided) lifecycle.WriteChunk

	// ApplyPart does the same as ApplyChunk for a few records of a chunk, and leaves it open.
	ApplyPart(ctx context.Context, claimed lifecycle.ChunkRef, decided []lifecycle.Decided) (lifecycle.Tally, error)

	// Recipients counts who would be told, for each audience that there is somebody in.
	Recipients(ctx context.Context, audiences []lifecycle.Audience) (map[lifecycle.Audience]int64, error)

	// FailChunk gives a claim back after an error, to be taken up again from retryAt on.
	FailChunk(ctx context.Context, claimed lifecycle.ChunkRef, cause string, retryAt time.Time) error

	// IdleChunks lists open chunks of running sweeps that nobody works on, and that do not just stand in line: with a lease or a wait that
	// ended before wall; never claimed, though a later one was, or while nobody works at all; and none of them rung
	// since rungBefore. It marks them as rung at wall. Those whose worker is gone come first, then the oldest, at most this many.
	IdleChunks(ctx context.Context, wall, rungBefore time.Time, most int) ([]lifecycle.ChunkRef, error)
}

// An OutboxStore hands out notices to be sent.
type OutboxStore interface {
	// CheckClock is [lifecycle.ErrClockAstray] where q does not believe a clock that shows now; then everything is on hold.
	CheckClock(ctx context.Context, q lifecycle.QuarantinePolicy, now time.Time) error

	// Sweeping says whether a sweep that changes something is at work, or waits for somebody to be: it is not cut to its end, or has a
	// chunk that is held, or may be taken up by wall.
	Sweeping(ctx context.Context, wall time.Time) (bool, error)

	// FoldLetters makes digests of the notices that wait for one by now, for at most so many recipients, and says how many it
	// has made: a digest is a queued letter, and its notices are digested. What is outdated is settled instead.
	FoldLetters(ctx context.Context, now time.Time, most int) (digests int, err error)

	// ClaimLetters takes letters of a channel that are to be sent until the lease ends, and reads them with their relationship
	// as it is now, digests with their items. An earlier attempt whose outcome was not noted is counted as unknown. What is
	// beyond the recipient's daily limit waits for a digest instead. Of a channel that is off, or must not be used yet, it takes
	// nothing; of one that failed last, a single letter, and nobody else gets another one before the lease ends.
	ClaimLetters(ctx context.Context, c lifecycle.Claim) ([]lifecycle.Letter, error)

	// PassLetters counts as sent by now what is ready on a channel that leads nowhere, and says how many letters that were, at most so many
	// as the claim says. What has to be looked at again before it is sent, letter by letter, it leaves to ClaimLetters.
	PassLetters(ctx context.Context, c lifecycle.Claim) (passed int64, err error)

	// KeepLetters prolongs the lease of claimed letters that are not settled, and says of which: not of those that somebody else
	// has claimed since.
	KeepLetters(ctx context.Context, letters []lifecycle.Letter, leaseUntil time.Time) (kept []lifecycle.NoticeID, err error)

	// BeginLetters notes that an attempt begins, and stores rendered messages before the first one. A message that is stored
	// already stays. It answers with the letters that are still the caller's, their Attempts as counted.
	BeginLetters(ctx context.Context, letters []lifecycle.Letter) ([]lifecycle.Letter, error)

	// SettleLetters writes what became of claimed letters, and of the items of digests that turned out outdated. Of one that was
	// claimed again since, only that it was sent counts.
	SettleLetters(ctx context.Context, settled []lifecycle.Settled) error

	// Channel reads how a channel fares; the zero state, with its name, for one that never failed.
	Channel(ctx context.Context, name string) (lifecycle.ChannelState, error)

	// SetChannel writes how a channel fares. One that is off stays off, whatever the state says: only an operator switches a
	// channel on again.
	SetChannel(ctx context.Context, state lifecycle.ChannelState) error

	// WaitingLetters counts, by channel, the letters that are to be sent by wall and that nobody has claimed, and under "" the
	// recipients' digests that are due by now; very many are not counted to the last. Channels that are off, or must not be used yet, are left out.
	WaitingLetters(ctx context.Context, now, wall time.Time) (map[string]int64, error)

	// EraseRecipients erases names, addresses and messages of at most so many letters that were settled before an instant, and
	// says of how many. What was sent, when, to which tenant and role stays.
	EraseRecipients(ctx context.Context, settledBefore time.Time, most int) (erased int, err error)
}

// A Notifier writes and sends letters. It may be called from many goroutines.
type Notifier interface {
	// Channels names the channels on which it can send, and how many letters each takes at a time. Those of subscriptions come
	// and go while others are sent on.
	Channels(ctx context.Context) map[string]int

	// Render writes the message, the same one for the same letter, and its Message-ID. An error is the template's fault.
	Render(l lifecycle.Letter) (messageID string, message []byte, err error)

	// Send hands a rendered letter over on its channel. How it fails says [lifecycle.ErrPermanent] and what stands beside it
	// there.
	Send(ctx context.Context, l lifecycle.Letter) error
}

// A Notifier may have channels that lead nowhere: to send on them does nothing and cannot fail, so their letters need no message, no
// lease and no note that an attempt begins.
type leadsNowhere interface {
	LeadsNowhere(channel string) bool
}
