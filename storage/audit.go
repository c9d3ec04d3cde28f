package storage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tenure-dev/tenure/lifecycle"
)

// What a verifier reads. The queries are plain ones by primary key and of their own: a mistake in those that sweeps find their work
// with must not hide from whoever looks for it.

// accountsAtOnce are read into memory together.
const accountsAtOnce = 500

// EachAccount hands over everything that there is of each relationship, by key; of those that are gone too. What cannot be read is
// among the account's faults. It stops at the first error of fn's.
func (s *Snapshot) EachAccount(ctx context.Context, fn func(*lifecycle.Account) error) error {
	const doing = "read all accounts"
	for after := int64(0); after < math.MaxInt64; {
		p := accountPage{after: after, accounts: map[int64]*lifecycle.Account{}}
		if err := p.read(ctx, s.session); err != nil {
			return said(doing, err)
		}
		for _, key := range p.keys() {
			if err := fn(p.accounts[key]); err != nil {
				return err
			}
		}
		after = p.upto
	}
	return nil
}

// An accountPage is the accounts whose keys lie after one and up to another.
type accountPage struct {
	after, upto int64
	accounts    map[int64]*lifecycle.Account
}

func (p *accountPage) keys() []int64 {
	keys := make([]int64, 0, len(p.accounts))
	for key := range p.accounts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func (p *accountPage) account(key int64) *lifecycle.Account {
	if p.accounts[key] == nil {
		p.accounts[key] = &lifecycle.Account{Key: key}
	}
	return p.accounts[key]
}

func (p *accountPage) read(ctx context.Context, s session) error {
	p.upto = math.MaxInt64
	for _, read := range []func(context.Context, session) error{p.rows, p.tombstones, p.events, p.letters, p.access} {
		if err := read(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (p *accountPage) bounds() args { return args{"after": p.after, "upto": p.upto} }

func (p *accountPage) rows(ctx context.Context, s session) error {
	n, last := 0, int64(0)
	err := each(ctx, s, selectRelationships+`WHERE t.key > :after ORDER BY t.key LIMIT :most`, args{"after": p.after, "most": accountsAtOnce},
		func(row *relationshipRow) error {
			n, last = n+1, row.Key
			account := p.account(row.Key)
			account.ID = row.ID
			stored, err := row.record()
			if err != nil {
				account.Faults = append(account.Faults, err.Error())
			}
			account.Row = &lifecycle.AccountRow{Record: stored.Record, NameKey: row.NameKey, Next: row.next(), Held: row.Stayed}
			return nil
		})
	if n == accountsAtOnce {
		p.upto = last
	}
	return err
}

func (p *accountPage) tombstones(ctx context.Context, s session) error {
	return each(ctx, s, `SELECT key, id, partner_id, display_name, deleted_at FROM tombstones WHERE key > :after AND key <= :upto ORDER BY key`, p.bounds(),
		func(row *tombstone) error {
			account := p.account(row.Key)
			account.ID, account.Buried = cmp.Or(account.ID, row.ID), row.DeletedAt.Time
			return nil
		})
}

const selectAudited = `SELECT ` + eventColumns + ` FROM events AS e `

func (row *triedEventRow) audited() (lifecycle.Event, error) {
	event, err := row.event()
	if err == nil && (event.Effective.IsZero() || event.Recorded.IsZero()) {
		err = errors.New("it does not say when")
	}
	if err != nil {
		err = fmt.Errorf("event %d: %w", row.Version, err)
	}
	return *event, err
}

func (p *accountPage) events(ctx context.Context, s session) error {
	return each(ctx, s, selectAudited+`WHERE e.relationship_key > :after AND e.relationship_key <= :upto AND e.version > 0
		ORDER BY e.relationship_key, e.version`, p.bounds(), func(row *triedEventRow) error {
		account := p.account(row.Key)
		event, err := row.audited()
		if err != nil {
			account.Faults = append(account.Faults, err.Error())
			return nil
		}
		event.RelationshipID = account.ID
		account.Events = append(account.Events, event)
		return nil
	})
}

// An auditedLetter is a notice, without what is needed to send it.
type auditedLetter struct {
	letterKey
	Kind       lifecycle.NoticeKind   `json:"kind"`
	Stage      string                 `json:"stage"`
	EndAt      triedTime              `json:"end_at"`
	DueAt      triedTime              `json:"due_at"`
	RecordedAt triedTime              `json:"recorded_at"`
	Status     lifecycle.NoticeStatus `json:"status"`
	Reason     lifecycle.Reason       `json:"reason"`
	TenantID   string                 `json:"tenant_id"`
	Role       lifecycle.Role         `json:"role"`
	Mail       string                 `json:"mail"`
	Channel    string                 `json:"channel"`
	Endpoint   bool                   `json:"endpoint"`
	Erased     bool                   `json:"erased"`
	Attempts   int                    `json:"attempts"`
	Unknown    int                    `json:"unknown"`
	SentAt     triedTime              `json:"sent_at"`
	SettledAt  triedTime              `json:"settled_at"`
	Note       string                 `json:"note"`
	InDigest   int64                  `json:"digest"`
}

func (row *auditedLetter) letter() (lifecycle.Letter, error) {
	l := lifecycle.Letter{NoticeID: lifecycle.NoticeID(row.letterKey), Kind: row.Kind, End: row.EndAt.Time, Due: row.DueAt.Time, Recorded: row.RecordedAt.Time,
		Status: row.Status, Reason: row.Reason, Recipient: lifecycle.Contact{TenantID: row.TenantID, Role: row.Role, Mail: row.Mail},
		Channel: row.Channel, Endpoint: row.Endpoint, Erased: row.Erased, Attempts: row.Attempts, Unknown: row.Unknown,
		SentAt: row.SentAt.Time, SettledAt: row.SettledAt.Time, Note: row.Note}
	if row.InDigest > 0 {
		l.Digest = digestID(row.InDigest)
	}
	err := errors.Join(l.Stage.UnmarshalText([]byte(row.Stage)), row.EndAt.fault, row.DueAt.fault, row.RecordedAt.fault, row.SentAt.fault, row.SettledAt.fault)
	if err != nil {
		err = fmt.Errorf("notice %s: %w", l.NoticeID, err)
	}
	return l, err
}

func (p *accountPage) letters(ctx context.Context, s session) error {
	return each(ctx, s, `SELECT relationship_key, version, ordinal, kind, stage, end_at, due_at, recorded_at, status, reason, tenant_id, role, mail,
			channel, endpoint, erased, attempts, unknown, sent_at, settled_at, note, digest
		FROM notices WHERE relationship_key > :after AND relationship_key <= :upto ORDER BY relationship_key, version, ordinal`, p.bounds(),
		func(row *auditedLetter) error {
			account := p.account(row.Key)
			letter, err := row.letter()
			if err != nil {
				account.Faults = append(account.Faults, err.Error())
				return nil
			}
			account.Letters = append(account.Letters, letter)
			return nil
		})
}

func (p *accountPage) access(ctx context.Context, s session) error {
	type auditedAssignment struct {
		assignmentRow
		Created  triedTime `json:"created"`
		Modified triedTime `json:"modified"`
	}
	return each(ctx, s, `SELECT relationship_key, id, group_id, roles, status, created_at AS created, modified_at AS modified, version FROM assignments
		WHERE relationship_key > :after AND relationship_key <= :upto ORDER BY relationship_key, group_id, id`, p.bounds(), func(row *auditedAssignment) error {
		account := p.account(row.Key)
		row.CreatedAt, row.ModifiedAt = row.Created.dbTime, row.Modified.dbTime
		assignment, err := row.assignment()
		if err = errors.Join(row.Created.fault, row.Modified.fault, err); err != nil {
			account.Faults = append(account.Faults, fmt.Sprintf("assignment %s: %s", row.ID, err))
			return nil
		}
		account.Access = append(account.Access, assignment)
		switch {
		case assignment.Status == lifecycle.AssignmentDeleting:
			account.Leaving++
		case assignment.Status.Live():
			account.Groups = append(account.Groups, assignment.Group)
		}
		return nil
	})
}

// EachName hands over every name that is held, by partner, name and key.
func (s *Snapshot) EachName(ctx context.Context, fn func(lifecycle.HolderOfName) error) error {
	type nameRow struct {
		Partner string `json:"partner_id"`
		NameKey string `json:"name_key"`
		Key     int64  `json:"key"`
		ID      string `json:"id"`
	}
	return said("read all names", each(ctx, s.session, `SELECT partner_id, name_key, key, id FROM agreements WHERE name_released_at IS NULL
		ORDER BY partner_id, name_key, key`, nil, func(row *nameRow) error {
		return fn(lifecycle.HolderOfName{Partner: row.Partner, NameKey: row.NameKey, Key: row.Key, ID: row.ID})
	}))
}

// EachChunk hands over where every chunk begins and ends, by sweep and number.
func (s *Snapshot) EachChunk(ctx context.Context, fn func(lifecycle.Chunk) error) error {
	type rangeRow struct {
		Sweep    int64  `json:"sweep_id"`
		N        int    `json:"n"`
		AfterAt  dbTime `json:"after_at"`
		AfterKey int64  `json:"after_key"`
		UpToAt   dbTime `json:"upto_at"`
		UpToKey  int64  `json:"upto_key"`
	}
	return said("read all chunks", each(ctx, s.session, `SELECT sweep_id, n, after_at, after_key, upto_at, upto_key FROM chunks ORDER BY sweep_id, n`, nil,
		func(row *rangeRow) error {
			return fn(lifecycle.Chunk{ChunkRef: lifecycle.ChunkRef{Sweep: row.Sweep, N: row.N},
				After: lifecycle.Position{At: row.AfterAt.unlessDawn(), Key: row.AfterKey}, UpTo: lifecycle.Position{At: row.UpToAt.unlessDawn(), Key: row.UpToKey}})
		}))
}

// EachTick hands over every tick that is kept, by rule and nominal instant.
func (s *Snapshot) EachTick(ctx context.Context, fn func(lifecycle.RuleName, time.Time) error) error {
	type nominalRow struct {
		Rule    lifecycle.RuleName `json:"rule"`
		Nominal dbTime             `json:"nominal_at"`
	}
	return said("read all ticks", each(ctx, s.session, `SELECT rule, nominal_at FROM ticks ORDER BY rule, nominal_at`, nil,
		func(row *nominalRow) error { return fn(row.Rule, row.Nominal.Time) }))
}

// Books reads what is said of the deployment as a whole.
func (s *Snapshot) Books(ctx context.Context) (b lifecycle.Books, err error) {
	const doing = "read the books of the deployment"
	for _, read := range []func(context.Context, *lifecycle.Books) error{s.metaInto, s.holdsInto, s.ordersInto, s.sweepsInto, s.countsInto, s.floorInto} {
		if err := read(ctx, &b); err != nil {
			return b, said(doing, err)
		}
	}
	if b.Policies, err = s.Policies(ctx); err != nil {
		return b, err
	}
	b.Subscriptions, err = listSubscriptions(ctx, s.session, `SELECT id, tenant_id, kinds, '[]' AS secrets, created_at FROM subscriptions ORDER BY id`, nil)
	return b, said(doing, err)
}

// ordersInto reads what is noted of holds, policies and held sweeps, as often as there are some.
func (s *Snapshot) ordersInto(ctx context.Context, b *lifecycle.Books) error {
	return each(ctx, s.session, selectAudited+`WHERE e.version < 0 AND e.type IN ('holdPlaced', 'holdReleased', 'policySet', 'sweepHeld', 'sweepApproved', 'sweepRejected')
		ORDER BY e.relationship_key, e.version`, nil, func(row *triedEventRow) error {
		event, err := row.audited()
		b.Placed = append(b.Placed, event)
		return err
	})
}

func (s *Snapshot) metaInto(ctx context.Context, b *lifecycle.Books) error {
	kind, err := meta(ctx, s.session, "kind")
	if err != nil {
		return err
	}
	b.Live = Kind(kind) == Live
	if clock, err := meta(ctx, s.session, testClock); err == nil {
		if b.Clock, err = parseDBTime(clock); err != nil {
			return err
		}
	}
	mark, err := meta(ctx, s.session, "policy")
	if unlessNone(err) != nil {
		return err
	}
	b.Retiming = strings.HasPrefix(mark, beingSet)
	b.Paused, err = meta(ctx, s.session, "paused")
	return unlessNone(err)
}

func (s *Snapshot) holdsInto(ctx context.Context, b *lifecycle.Books) error {
	return each(ctx, s.session, selectHolds+`ORDER BY id`, nil, func(row *holdRow) error {
		b.Holds = append(b.Holds, row.hold())
		return nil
	})
}

// sweepsInto reads the sweeps for which timers may be waiting, or have waited.
func (s *Snapshot) sweepsInto(ctx context.Context, b *lifecycle.Books) error {
	type waitedRow struct {
		ID      int64                `json:"id"`
		Rules   string               `json:"rules"`
		DryRun  bool                 `json:"dry_run"`
		State   lifecycle.SweepState `json:"state"`
		AsOf    dbTime               `json:"as_of"`
		RuledAt dbTime               `json:"ruled_at"`
	}
	return each(ctx, s.session, `SELECT id, rules, dry_run, state, as_of, ruled_at FROM sweeps
		WHERE state IN ('running', 'held') OR ruled_at IS NOT NULL ORDER BY id`, nil, func(row *waitedRow) error {
		sweep := lifecycle.Sweep{ID: row.ID, DryRun: row.DryRun, State: row.State, AsOf: row.AsOf.Time}
		if err := json.Unmarshal([]byte(row.Rules), &sweep.Rules); err != nil {
			return fmt.Errorf("sweep %d: column rules cannot be read: %w", row.ID, err)
		}
		if !row.RuledAt.IsZero() {
			sweep.Ruling = &lifecycle.Ruling{At: row.RuledAt.Time}
		}
		b.Sweeps = append(b.Sweeps, sweep)
		return nil
	})
}

func (s *Snapshot) floorInto(ctx context.Context, b *lifecycle.Books) error {
	if s.dialect != postgres {
		return nil
	}
	var at dbTime
	err := s.get(ctx, &at, `SELECT NULLIF({{floor}}, '-infinity')`, nil)
	b.Floor = at.unlessDawn()
	return err
}

func (s *Snapshot) countsInto(ctx context.Context, b *lifecycle.Books) error {
	var orders struct {
		Count  int64 `json:"n"`
		Lowest int64 `json:"lowest"`
	}
	if err := s.get(ctx, &orders, `SELECT count(*) AS n, COALESCE(min(version), 0) AS lowest FROM events WHERE version < 0`, nil); err != nil {
		return err
	}
	b.Orders, b.LowestOrder = orders.Count, orders.Lowest
	if err := s.get(ctx, &b.NextOrder, `SELECT next FROM counters WHERE name = :name`, args{"name": refusalCounter}); err != nil {
		return err
	}
	if err := s.get(ctx, &b.Relationships, `SELECT count(*) FROM clocks`, nil); err != nil {
		return err
	}
	var err error
	if b.MissingGuards, err = missingGuards(ctx, s.session); err != nil {
		return err
	}
	return s.list(ctx, &b.RepeatedIDs, `SELECT id FROM agreements GROUP BY id HAVING count(*) > 1 ORDER BY id LIMIT 100`, nil)
}
