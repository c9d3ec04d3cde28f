package storage

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/tenure-dev/tenure/lifecycle"
)

// CutChunks cuts the next chunks of at most size due records off a sweep, at most this many, and says whether there is
// nothing left to cut. Each chunk begins where the one before ends, so two who cut at once do no harm. A sweep that is over
// has nothing left.
func (db *DB) CutChunks(ctx context.Context, id int64, size, most int) (chunks []lifecycle.ChunkRef, cut bool, err error) {
	if size < 1 || most < 1 {
		return nil, false, fmt.Errorf("cut sweep %d into chunks: at least one chunk of at least one record, not %d of %d", id, most, size)
	}
	err = db.write(ctx, fmt.Sprintf("cut sweep %d into chunks", id), func(s session) error {
		chunks, cut, err = cutChunks(ctx, s, id, size, most)
		return err
	})
	return chunks, cut, err
}

func cutChunks(ctx context.Context, s session, id int64, size, most int) (refs []lifecycle.ChunkRef, cut bool, err error) {
	sweep, err := lockSweep(ctx, s, id)
	if err != nil || sweep.Cut || sweep.State != lifecycle.SweepRunning {
		return nil, true, err
	}
	ends, err := chunkEnds(ctx, s, &sweep, size, most)
	if err != nil {
		return nil, false, err
	}
	var total int64
	rows := make([]chunkCut, len(ends))
	after := chunkEnd{NextAt: sweep.CutAt, Key: sweep.CutKey}
	for i, end := range ends {
		rows[i] = chunkCut{Sweep: id, N: sweep.NextChunk + i, AfterAt: after.NextAt, AfterKey: after.Key,
			UptoAt: end.NextAt, UptoKey: end.Key, Found: end.Nth - after.Nth}
		refs = append(refs, lifecycle.ChunkRef{Sweep: id, N: rows[i].N})
		after, total = end, end.Nth
	}
	cut = total < int64(size)*int64(most)
	if err := insertChunks(ctx, s, rows); err != nil {
		return nil, false, err
	}
	_, err = s.exec(ctx, `UPDATE sweeps SET cut_at = :cut_at, cut_key = :cut_key, next_chunk = :next, cut = :cut
		WHERE id = :id AND next_chunk = :was`, args{"id": id, "cut_at": after.NextAt, "cut_key": after.Key,
		"next": sweep.NextChunk + len(rows), "was": sweep.NextChunk, "cut": cut})
	return refs, cut, err
}

// A chunkEnd is the last record of a chunk, the nth of those that are due after the cursor.
type chunkEnd struct {
	Nth    int64  `json:"nth"`
	NextAt dbTime `json:"next_at"`
	Key    int64  `json:"key"`
}

const selectChunkEnds = `SELECT nth, next_at, key FROM (
		SELECT next_at, key, row_number() OVER (ORDER BY next_at, key) AS nth, count(*) OVER () AS total FROM (
			SELECT next_at, key FROM clocks
			WHERE (next_at, key) > {{after}} AND next_at <= :as_of AND stayed = FALSE AND next_rule {{in rules}}
			ORDER BY next_at, key LIMIT :records) AS due) AS numbered
	WHERE nth % :size = 0 OR nth = total ORDER BY nth`

// chunkEnds finds where the next chunks end. The index alone answers; none of the records between is read into Go.
func chunkEnds(ctx context.Context, s session, sweep *sweepRow, size, most int) (ends []chunkEnd, err error) {
	var rules []lifecycle.RuleName
	if err := json.Unmarshal([]byte(sweep.Rules), &rules); err != nil {
		return nil, err
	}
	if rules, err = unpaused(ctx, s, rules); err != nil || len(rules) == 0 {
		return nil, err
	}
	err = s.list(ctx, &ends, selectChunkEnds,
		args{"after_at": sweep.CutAt, "after_key": sweep.CutKey, "as_of": sweep.AsOf, "records": int64(size) * int64(most),
			"rules": page[lifecycle.RuleName](lifecycle.ScanFor(rules)), "size": size})
	return ends, err
}

type chunkCut struct {
	Sweep    int64  `json:"sweep_id"`
	N        int    `json:"n"`
	AfterAt  dbTime `json:"after_at"`
	AfterKey int64  `json:"after_key"`
	UptoAt   dbTime `json:"upto_at"`
	UptoKey  int64  `json:"upto_key"`
	Found    int64  `json:"found"`
}

func insertChunks(ctx context.Context, s session, rows []chunkCut) error {
	if len(rows) == 0 {
		return nil
	}
	_, err := s.exec(ctx, `INSERT INTO chunks (sweep_id, n, after_at, after_key, upto_at, upto_key, found, state, ready_at)
		SELECT r.sweep_id, r.n, r.after_at, r.after_key, r.upto_at, r.upto_key, r.found, 'open', CAST(:at_once AS {{instant}})
		FROM {{rows sweep_id BIGINT, n INTEGER, after_at INSTANT, after_key BIGINT, upto_at INSTANT, upto_key BIGINT, found BIGINT}}
		WHERE TRUE`, args{"rows": page[chunkCut](rows), "at_once": dawn})
	return err
}
