package storage

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type chunkRow struct {
	Sweep    int64  `json:"sweep_id"`
	N        int    `json:"n"`
	Claim    int    `json:"claim"`
	AfterAt  dbTime `json:"after_at"`
	AfterKey int64  `json:"after_key"`
	UptoAt   dbTime `json:"upto_at"`
	UptoKey  int64  `json:"upto_key"`
	Attempts int    `json:"attempts"`
}

func (row *chunkRow) chunk() lifecycle.Chunk {
	return lifecycle.Chunk{
		ChunkRef: row.ref(),
		After:    lifecycle.Position{At: row.AfterAt.unlessDawn(), Key: row.AfterKey},
		UpTo:     lifecycle.Position{At: row.UptoAt.unlessDawn(), Key: row.UptoKey},
		Attempts: row.Attempts,
	}
}

func (row *chunkRow) ref() lifecycle.ChunkRef {
	return lifecycle.ChunkRef{Sweep: row.Sweep, N: row.N, Claim: row.Claim}
}

// thisClaim names a chunk that is in the hands of one claim, and of no later one.
const thisClaim = ` sweep_id = :sweep AND n = :n AND claim = :claim AND state = 'claimed' `

func ofClaim(ref lifecycle.ChunkRef, more args) args {
	a := args{"sweep": ref.Sweep, "n": ref.N, "claim": ref.Claim}
	for name, value := range more {
		a[name] = value
	}
	return a
}

// ClaimChunk takes a chunk up until the lease ends. ok is false where somebody else holds it, where it has been claimed since
// the reference was rung for, where it waits after an error, is closed, or its sweep is over. claimed.Claim is one above that
// of the reference. The sweep comes without its totals.
func (db *DB) ClaimChunk(ctx context.Context, ref lifecycle.ChunkRef, wall, leaseUntil time.Time) (claimed lifecycle.Chunk, sweep lifecycle.Sweep, ok bool, err error) {
	err = db.writeToLatest(ctx, "claim chunk "+ref.String(), func(s session) error {
		claimed, sweep, ok, err = claimChunk(ctx, s, ref, wall, leaseUntil)
		return err
	})
	return claimed, sweep, ok, err
}

func claimChunk(ctx context.Context, s session, ref lifecycle.ChunkRef, wall, leaseUntil time.Time) (lifecycle.Chunk, lifecycle.Sweep, bool, error) {
	var row chunkRow
	err := s.get(ctx, &row, `UPDATE chunks SET state = 'claimed', claim = claim + 1, ready_at = :lease
		WHERE sweep_id = :sweep AND n = :n AND claim = :claim AND state IN ('open', 'claimed') AND ready_at <= :wall
		AND EXISTS (SELECT 1 FROM sweeps WHERE sweeps.id = chunks.sweep_id AND sweeps.state = 'running')
		RETURNING sweep_id, n, claim, after_at, after_key, upto_at, upto_key, attempts`,
		ofClaim(ref, args{"wall": at(wall), "lease": at(leaseUntil)}))
	if errors.Is(err, sql.ErrNoRows) {
		return lifecycle.Chunk{}, lifecycle.Sweep{}, false, nil
	}
	if err != nil {
		return lifecycle.Chunk{}, lifecycle.Sweep{}, false, err
	}
	var of sweepRow
	if err := s.get(ctx, &of, `SELECT `+sweepColumns+` FROM sweeps AS s WHERE s.id = :id`, args{"id": ref.Sweep}); err != nil {
		return lifecycle.Chunk{}, lifecycle.Sweep{}, false, err
	}
	sweep, err := of.sweep()
	return row.chunk(), sweep, err == nil, err
}

// KeepChunk prolongs the lease of a claim; false if it was lost to somebody else, or the chunk is closed. While the chunk is being written
// nobody else can claim it, and the writer is not waited for: that would take as long as writing does.
func (db *DB) KeepChunk(ctx context.Context, claimed lifecycle.ChunkRef, leaseUntil time.Time) (kept bool, err error) {
	err = db.write(ctx, "keep chunk "+claimed.String(), func(s session) error {
		n, err := s.exec(ctx, `UPDATE chunks SET ready_at = :lease WHERE`+thisClaim+`AND sweep_id IN (
			SELECT sweep_id FROM chunks WHERE`+thisClaim+`{{lock skip}})`, ofClaim(claimed, args{"lease": at(leaseUntil)}))
		if kept = n > 0; err != nil || kept {
			return err
		}
		return s.get(ctx, &kept, `SELECT EXISTS (SELECT 1 FROM chunks WHERE`+thisClaim+`)`, ofClaim(claimed, nil))
	})
	return kept, err
}

// ApplyChunk writes decisions, their events and their notices, and closes the chunk with tally, to which it adds what was
// changed and skipped, the letters to be sent and the greatest lateness; all of it in one transaction. Where the chunk is
// closed already, or the claim is not the current one, it changes nothing and answers with the zero tally.
func (db *DB) ApplyChunk(ctx context.Context, claimed lifecycle.ChunkRef, decided []lifecycle.Decided, tally lifecycle.Tally, failures []lifecycle.Failure, now time.Time) (closed lifecycle.Tally, err error) {
	return db.applyChunk(ctx, claimed, unprepared(decided), tally, failures, now)
}

// PrepareChunk does what of [DB.ApplyChunk] needs no transaction, so that it can be done while another chunk is written, and answers with
// what does the rest. That is no promise: what is written is what holds when it is.
func (db *DB) PrepareChunk(ctx context.Context, claimed lifecycle.ChunkRef, decided []lifecycle.Decided) lifecycle.WriteChunk {
	d := db.prepare(ctx, claimed.Sweep, decided)
	return func(ctx context.Context, tally lifecycle.Tally, failures []lifecycle.Failure, now time.Time) (lifecycle.Tally, error) {
		return db.applyChunk(ctx, claimed, d, tally, failures, now)
	}
}

func (db *DB) applyChunk(ctx context.Context, claimed lifecycle.ChunkRef, d *prepared, tally lifecycle.Tally, failures []lifecycle.Failure, now time.Time) (closed lifecycle.Tally, err error) {
	err = db.writeThroughGate(ctx, "write chunk "+claimed.String(), func(s session) error {
		closed = lifecycle.Tally{}
		late, held, err := holdsChunk(ctx, s, claimed)
		if err != nil || !held {
			return err
		}
		written, err := applyCounting(ctx, s, d, late)
		if err != nil {
			return err
		}
		closed = tally
		closed.Add(written)
		if err := insertFailures(ctx, s, claimed.Sweep, failures, now); err != nil {
			return err
		}
		return closeChunk(ctx, s, claimed, &closed, late, now)
	})
	if err != nil {
		return lifecycle.Tally{}, err
	}
	return closed, nil
}

// ApplyPart writes decisions of a chunk, as [DB.ApplyChunk] does, and leaves it open: for a chunk that cannot be written as a
// whole. Where the claim is not the current one, it changes nothing and answers with the zero tally.
func (db *DB) ApplyPart(ctx context.Context, claimed lifecycle.ChunkRef, decided []lifecycle.Decided) (tally lifecycle.Tally, err error) {
	err = db.writeThroughGate(ctx, "write a part of chunk "+claimed.String(), func(s session) error {
		tally = lifecycle.Tally{}
		late, held, err := holdsChunk(ctx, s, claimed)
		if err != nil || !held {
			return err
		}
		if tally, err = applyCounting(ctx, s, unprepared(decided), late); err != nil {
			return err
		}
		_, err = s.exec(ctx, `UPDATE chunks SET latenesses = :latenesses WHERE`+thisClaim, ofClaim(claimed, args{"latenesses": latenessText(late)}))
		return err
	})
	if err != nil {
		return lifecycle.Tally{}, err
	}
	return tally, nil
}

// holdsChunk says whether the claim is the current one, and keeps it so until the transaction ends. late is what was counted of
// the chunk already.
func holdsChunk(ctx context.Context, s session, claimed lifecycle.ChunkRef) (late lifecycle.Latenesses, held bool, err error) {
	var texts []string
	if err := s.list(ctx, &texts, `SELECT latenesses FROM chunks WHERE`+thisClaim+`{{lock}}`, ofClaim(claimed, nil)); err != nil || len(texts) == 0 {
		return nil, false, err
	}
	late, err = readLatenesses(texts[0])
	return late, err == nil, err
}

func closeChunk(ctx context.Context, s session, claimed lifecycle.ChunkRef, tally *lifecycle.Tally, late lifecycle.Latenesses, now time.Time) error {
	_, err := s.exec(ctx, `UPDATE chunks SET state = 'done', found = :found, changed = :changed, skipped = :skipped,
		failed = :failed, notices = :notices, lateness = :lateness, latenesses = :latenesses, done_at = :now WHERE`+thisClaim,
		ofClaim(claimed, args{"found": tally.Found, "changed": tally.Changed, "skipped": tally.Skipped, "failed": tally.Failed,
			"notices": tally.Notices, "lateness": tally.Lateness.Microseconds(), "latenesses": latenessText(late), "now": at(now)}))
	return err
}

func insertFailures(ctx context.Context, s session, sweep int64, failures []lifecycle.Failure, now time.Time) error {
	type failureRow struct {
		Key    int64  `json:"key"`
		Reason string `json:"reason"`
	}
	if len(failures) == 0 {
		return nil
	}
	rows := make([]failureRow, len(failures))
	for i := range failures {
		rows[i] = failureRow{failures[i].Key, clean(failures[i].Reason)}
	}
	_, err := s.exec(ctx, `INSERT INTO sweep_failures (sweep_id, relationship_key, reason, failed_at)
		SELECT CAST(:sweep AS BIGINT), r.key, r.reason, CAST(:now AS {{instant}}) FROM {{rows key BIGINT, reason TEXT}}
		WHERE TRUE ON CONFLICT (sweep_id, relationship_key) DO NOTHING`,
		args{"rows": page[failureRow](rows), "sweep": sweep, "now": at(now)})
	return err
}

// FailChunk gives a claim back after an error, to be taken up again from retryAt on; a chunk of a sweep that has been
// cancelled meanwhile is dropped. A claim that was lost changes nothing.
func (db *DB) FailChunk(ctx context.Context, claimed lifecycle.ChunkRef, cause string, retryAt time.Time) error {
	return db.write(ctx, "give back chunk "+claimed.String(), func(s session) error {
		_, err := s.exec(ctx, `UPDATE chunks SET attempts = attempts + 1, last_error = :cause, ready_at = :retry,
			state = CASE WHEN EXISTS (SELECT 1 FROM sweeps WHERE sweeps.id = chunks.sweep_id AND sweeps.state = 'running')
				THEN 'open' ELSE 'cancelled' END
			WHERE`+thisClaim, ofClaim(claimed, args{"cause": clean(cause), "retry": at(retryAt)}))
		return err
	})
}

// IdleChunks lists open chunks of running sweeps that nobody works on: with a lease or a wait that ended by wall and not rung since,
// or rung before rungBefore; never claimed, though somebody has taken up a later one; or never claimed while nobody works on anything. The
// others stand in line, and whoever rang for them again would only make the line longer. It marks them as rung at wall.
// Oldest first, at most this many.
func (db *DB) IdleChunks(ctx context.Context, wall, rungBefore time.Time, most int) (idle []lifecycle.ChunkRef, err error) {
	err = db.write(ctx, "look for idle chunks", func(s session) error {
		var rows []chunkRow
		if err := s.list(ctx, &rows, `WITH line AS MATERIALIZED (
				SELECT id, (SELECT max(c.n) FROM chunks AS c WHERE c.sweep_id = sweeps.id AND c.claim > 0) AS reached,
					EXISTS (SELECT 1 FROM chunks AS c WHERE c.sweep_id = sweeps.id AND c.state = 'claimed' AND c.ready_at > :wall) AS moves
				FROM sweeps WHERE state = 'running')
			SELECT sweep_id, n, claim FROM chunks
			WHERE sweep_id IN (SELECT id FROM line) AND state IN ('open', 'claimed') AND ready_at <= :wall
			AND (rung_at IS NULL OR rung_at < :rung_before OR rung_at < ready_at)
			AND (claim > 0 OR n < (SELECT reached FROM line WHERE id = sweep_id) OR NOT EXISTS (SELECT 1 FROM line WHERE moves))
			ORDER BY state, sweep_id, n LIMIT :most {{lock skip}}`, args{"wall": at(wall), "rung_before": at(rungBefore), "most": most}); err != nil {
			return err
		}
		idle = make([]lifecycle.ChunkRef, len(rows))
		for i := range rows {
			idle[i] = rows[i].ref()
		}
		if len(rows) == 0 {
			return nil
		}
		_, err := s.exec(ctx, `UPDATE chunks SET rung_at = :wall FROM {{rows sweep_id BIGINT, n INTEGER, claim INTEGER}}
			WHERE chunks.sweep_id = r.sweep_id AND chunks.n = r.n AND chunks.claim = r.claim`,
			args{"rows": page[chunkRow](rows), "wall": at(wall)})
		return err
	})
	return idle, err
}
