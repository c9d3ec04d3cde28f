package storage

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

type channelRow struct {
	Name      string `json:"name"`
	Failures  int    `json:"failures"`
	ReadyAt   dbTime `json:"ready_at"`
	LastError string `json:"last_error"`
	IsOff     bool   `json:"is_off"`
	ChangedAt dbTime `json:"changed_at"`
}

func (row *channelRow) state() lifecycle.ChannelState {
	return lifecycle.ChannelState{Name: row.Name, Failures: row.Failures, ReadyAt: row.ReadyAt.unlessDawn(), LastError: row.LastError,
		Off: row.IsOff, ChangedAt: row.ChangedAt.Time}
}

const selectChannels = `SELECT name, failures, ready_at, last_error, is_off, changed_at FROM channels `

// readChannel is the zero row, with its name, where the channel never failed.
func readChannel(ctx context.Context, s session, name, lock string) (row channelRow, err error) {
	err = s.get(ctx, &row, selectChannels+`WHERE name = :name `+lock, args{"name": name})
	if errors.Is(err, sql.ErrNoRows) {
		return channelRow{Name: name, ReadyAt: dawn}, nil
	}
	return row, err
}

// allowance is how many letters of the channel may be claimed now. A channel that failed last is probed with one; its row
// stays locked, so that nobody else does the same.
func allowance(ctx context.Context, s session, c *lifecycle.Claim) (most int, probe bool, err error) {
	row, err := readChannel(ctx, s, c.Channel, "")
	if err == nil && row.Failures > 0 {
		row, err = readChannel(ctx, s, c.Channel, "{{lock}}")
	}
	wait := row.ReadyAt.Sub(c.Wall)
	switch {
	case err != nil || row.IsOff || (wait > 0 && wait <= farAhead):
		return 0, false, err
	case row.Failures > 0:
		return min(1, c.Most), true, nil
	}
	return c.Most, false, nil
}

// delayChannel keeps others off a channel while it is probed.
func delayChannel(ctx context.Context, s session, name string, until time.Time) error {
	_, err := s.exec(ctx, `UPDATE channels SET ready_at = :until WHERE name = :name`, args{"name": name, "until": at(until)})
	return err
}

// Channel reads how a channel fares; the zero state, with its name, for one that never failed.
func (db *DB) Channel(ctx context.Context, name string) (state lifecycle.ChannelState, err error) {
	err = db.read(ctx, "read the state of channel "+name, func(s session) error {
		row, err := readChannel(ctx, s, name, "")
		state = row.state()
		return err
	})
	return state, err
}

// SetChannel writes how a channel fares. One that is off stays off, whatever the state says, and keeps the reason for it:
// only [DB.SwitchChannel] switches a channel on again.
func (db *DB) SetChannel(ctx context.Context, state lifecycle.ChannelState) error {
	return db.write(ctx, "write the state of channel "+state.Name, func(s session) error {
		_, err := s.exec(ctx, `INSERT INTO channels (name, failures, ready_at, last_error, is_off, changed_at)
			VALUES (:name, :failures, :ready_at, :last_error, :is_off, :changed_at)
			ON CONFLICT (name) DO UPDATE SET failures = excluded.failures, ready_at = excluded.ready_at,
				last_error = CASE WHEN channels.is_off AND NOT excluded.is_off THEN channels.last_error ELSE excluded.last_error END,
				is_off = channels.is_off OR excluded.is_off, changed_at = excluded.changed_at`,
			args{"name": state.Name, "failures": state.Failures, "ready_at": orDawn(state.ReadyAt), "last_error": clean(state.LastError),
				"is_off": state.Off, "changed_at": orDawn(state.ChangedAt)})
		return err
	})
}

// SwitchChannel switches a channel off, so that nothing is sent on it, or on again, with all its failures forgotten. The note
// says why it is off.
func (db *DB) SwitchChannel(ctx context.Context, name string, on bool, note string, now time.Time) error {
	if !on {
		return db.SetChannel(ctx, lifecycle.ChannelState{Name: name, LastError: note, Off: true, ChangedAt: now})
	}
	return db.write(ctx, "switch channel "+name+" on", func(s session) error {
		_, err := s.exec(ctx, `UPDATE channels SET failures = 0, ready_at = :dawn, last_error = '', is_off = FALSE, changed_at = :now
			WHERE name = :name`, args{"name": name, "dawn": dawn, "now": at(now)})
		return err
	})
}

// Channels says by name how the channels fare and what waits for them. A channel that never failed, and for which there is no
// letter that is open, dead or of unknown outcome, is missing.
func (db *DB) Channels(ctx context.Context) (reports []lifecycle.ChannelReport, err error) {
	type countRow struct {
		Channel string                 `json:"channel"`
		Status  lifecycle.NoticeStatus `json:"status"`
		N       int64                  `json:"n"`
	}
	err = db.read(ctx, "list channels", func(s session) error {
		found := map[string]*lifecycle.ChannelReport{}
		of := func(name string) *lifecycle.ChannelReport {
			if found[name] == nil {
				found[name] = &lifecycle.ChannelReport{ChannelState: lifecycle.ChannelState{Name: name}, Statuses: map[lifecycle.NoticeStatus]int64{}}
			}
			return found[name]
		}
		if err := each(ctx, s, selectChannels, nil, func(row *channelRow) error {
			of(row.Name).ChannelState = row.state()
			return nil
		}); err != nil {
			return err
		}
		// Part by part, each as one of the indexes has it; the last one, without a status, counts the unknown outcomes.
		err := each(ctx, s, `SELECT channel, status, count(*) AS n FROM notices WHERE status IN ('queued', 'failed') GROUP BY channel, status
			UNION ALL SELECT channel, status, count(*) FROM notices WHERE status = 'waiting' GROUP BY channel, status
			UNION ALL SELECT channel, status, count(*) FROM notices WHERE status = 'dead' GROUP BY channel, status
			UNION ALL SELECT channel, '', count(*) FROM notices WHERE unknown > 0 GROUP BY channel`, nil, func(row *countRow) error {
			if row.Status == "" {
				of(row.Channel).Unknown = row.N
			} else {
				of(row.Channel).Statuses[row.Status] = row.N
			}
			return nil
		})
		reports = nil
		for _, name := range slices.Sorted(maps.Keys(found)) {
			reports = append(reports, *found[name])
		}
		return err
	})
	return reports, err
}
