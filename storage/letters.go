package storage

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tenure-dev/tenure/lifecycle"
)

// A letterRow is a notice with its message, where one was rendered, and its relationship as it is now.
type letterRow struct {
	letterKey
	Kind          lifecycle.NoticeKind   `json:"kind"`
	Stage         string                 `json:"stage"`
	EndAt         dbTime                 `json:"notice_end_at"`
	DueAt         dbTime                 `json:"due_at"`
	RecordedAt    dbTime                 `json:"recorded_at"`
	Status        lifecycle.NoticeStatus `json:"notice_status"`
	Reason        lifecycle.Reason       `json:"reason"`
	TenantID      string                 `json:"tenant_id"`
	Role          lifecycle.Role         `json:"role"`
	Mail          string                 `json:"mail"`
	RecipientName string                 `json:"recipient_name"`
	Language      string                 `json:"language"`
	TimeZone      string                 `json:"time_zone"`
	Channel       string                 `json:"channel"`
	Endpoint      bool                   `json:"endpoint"`
	Claim         int                    `json:"claim"`
	Attempts      int                    `json:"attempts"`
	InDoubt       bool                   `json:"in_doubt"`
	Unknown       int                    `json:"unknown"`
	ReadyAt       dbTime                 `json:"ready_at"`
	LastError     string                 `json:"last_error"`
	SentAt        dbTime                 `json:"sent_at"`
	SettledAt     dbTime                 `json:"settled_at"`
	Erased        bool                   `json:"erased"`
	DigestAt      dbTime                 `json:"digest_at"`
	InDigest      int64                  `json:"in_digest"`
	Note          string                 `json:"note"`
	NotedBy       string                 `json:"noted_by"`
	Trace         string                 `json:"traceparent"`
	MessageID     string                 `json:"message_id"`
	Message       []byte                 `json:"message"`
	Of            relationshipRow        `json:"of"`
}

// A letterKey is a lifecycle.NoticeID in the database.
type letterKey struct {
	Key     int64 `json:"relationship_key"`
	Version int64 `json:"version"`
	Ordinal int   `json:"ordinal"`
}

func keyOf(id lifecycle.NoticeID) letterKey { return letterKey(id) }

func (k letterKey) compare(other letterKey) int {
	return cmp.Or(cmp.Compare(k.Key, other.Key), cmp.Compare(k.Version, other.Version), cmp.Compare(k.Ordinal, other.Ordinal))
}

func (k letterKey) own() letterKey { return k }

// inKeyOrder sorts rows by the key of their letters, which is the order in which the rows of the database are locked: two
// statements that took the same letters in different orders would wait for each other.
func inKeyOrder[T interface{ own() letterKey }](rows []T) page[T] {
	slices.SortFunc(rows, func(a, b T) int { return a.own().compare(b.own()) })
	return rows
}

// digestID is the id of the digest with this number. No relationship has the key 0.
func digestID(number int64) lifecycle.NoticeID {
	return lifecycle.NoticeID{Version: number, Ordinal: 1}
}

const letterKeyColumns = `relationship_key BIGINT, version BIGINT, ordinal INTEGER`

// sameLetter joins a page of letter keys with notices.
const sameLetter = ` n.relationship_key = r.relationship_key AND n.version = r.version AND n.ordinal = r.ordinal `

// letterOrder is that of the primary key.
const letterOrder = ` n.relationship_key, n.version, n.ordinal `

// letterFacts are what a notice tells of, whom, and what has become of it.
const letterFacts = `SELECT n.relationship_key, n.version, n.ordinal, n.kind, n.stage, n.end_at AS notice_end_at, n.due_at, n.recorded_at,
		n.status AS notice_status, n.reason, n.tenant_id, n.role, n.mail, n.language, n.channel, n.endpoint, `

// letterFields are all that is known of a letter.
const letterFields = letterFacts + `n.recipient_name, n.time_zone,
		n.claim, n.attempts, n.in_doubt, n.unknown, n.ready_at, n.last_error, n.sent_at, n.settled_at, n.erased, n.digest_at,
		n.digest AS in_digest, n.note, n.noted_by, n.traceparent, `

const fromLetters = ` FROM notices AS n LEFT JOIN agreements AS t ON t.key = n.relationship_key
	LEFT JOIN clocks AS k ON k.key = t.key LEFT JOIN tombstones AS d ON d.key = n.relationship_key `

var (
	// selectBareLetters leaves the messages out.
	selectBareLetters = letterFields + ofAnyRelationship() + fromLetters

	selectLetters = letterFields + `COALESCE(m.message_id, '') AS message_id, m.message, ` + ofAnyRelationship() + fromLetters + `
		LEFT JOIN messages AS m ON m.relationship_key = n.relationship_key AND m.version = n.version AND m.ordinal = n.ordinal `
)

// selectNotices reads of relationships what is left of one that was deleted, and takes all of them for such.
const selectNotices = letterFacts + `COALESCE(t.id, d.id, '') AS "of.id"
	FROM notices AS n LEFT JOIN agreements AS t ON t.key = n.relationship_key LEFT JOIN tombstones AS d ON d.key = n.relationship_key `

// ofAnyRelationship is [ofRelationship] where there may be none, as there is none of a digest; of a draft that was deleted
// there is only what its tombstone says.
func ofAnyRelationship() string {
	left := []string{"id", "partner_id", "display_name"}
	empty := map[string]string{"TEXT": "''", "BIGINT": "0", "INTEGER": "0", "BOOLEAN": "FALSE"}
	var names []string
	for column := range strings.SplitSeq(relationshipColumns, ",") {
		name, kind := strings.Fields(column)[0], strings.Fields(column)[1]
		value := "t." + name
		if strings.Contains(clockColumns, name+" "+kind) {
			value = "k." + name
		}
		if slices.Contains(left, name) {
			value += ", d." + name
		}
		if none, ok := empty[kind]; ok {
			value = "COALESCE(" + value + ", " + none + ")"
		}
		names = append(names, value+` AS "of.`+name+`"`)
	}
	return strings.Join(append(names, `COALESCE(k.stayed, FALSE) AS "of.stayed"`, paused+` AS "of.paused"`), ", ")
}

func (row *letterRow) isDigest() bool { return row.Kind == lifecycle.KindDigest }

// isGone says whether the letter tells of a draft that has been deleted since.
func (row *letterRow) isGone() bool { return row.Of.Key == 0 && !row.isDigest() }

func (row *letterRow) letter() (lifecycle.Letter, error) {
	letter := lifecycle.Letter{
		NoticeID: lifecycle.NoticeID(row.letterKey), Kind: row.Kind, End: row.EndAt.Time, Due: row.DueAt.Time, Recorded: row.RecordedAt.Time,
		Status: row.Status, Reason: row.Reason,
		Recipient: lifecycle.Contact{TenantID: row.TenantID, Role: row.Role, Mail: row.Mail, DisplayName: row.RecipientName,
			Language: row.Language, TimeZone: row.TimeZone},
		Channel: row.Channel, Endpoint: row.Endpoint,
		Claim: row.Claim, Attempts: row.Attempts, Unknown: row.Unknown, NextAttempt: row.ReadyAt.unlessDawn(), LastError: row.LastError,
		MessageID: row.MessageID, Message: row.Message, SentAt: row.SentAt.Time, SettledAt: row.SettledAt.Time, Erased: row.Erased,
		DigestAt: row.DigestAt.Time, Note: row.Note, NotedBy: row.NotedBy, Trace: row.Trace,
	}
	if row.InDigest > 0 {
		letter.Digest = digestID(row.InDigest)
	}
	err := letter.Stage.UnmarshalText([]byte(row.Stage))
	switch {
	case err != nil || row.isDigest():
	case row.isGone():
		letter.Relationship = lifecycle.Record{ID: row.Of.ID, Partner: row.Of.PartnerID, DisplayName: row.Of.DisplayName}
	default:
		var stored lifecycle.Stored
		stored, err = row.Of.stored()
		letter.Relationship = stored.Record
	}
	if err != nil {
		return letter, fmt.Errorf("notice %s: %w", letter.NoticeID, err)
	}
	return letter, nil
}

func listLetters(ctx context.Context, s session, query string, a args) (letters []lifecycle.Letter, err error) {
	err = each(ctx, s, query, a, func(row *letterRow) error {
		letter, err := row.letter()
		letters = append(letters, letter)
		return err
	})
	return letters, err
}

// rareStatuses leads to index notices_of_status, and reads as it does there.
const rareStatuses = "n.status NOT IN ('queued', 'sent', 'suppressed')"

// statuses wants letters of any of these. Of a single one that is rare, the index has them in their order.
func (w *where) statuses(any []lifecycle.NoticeStatus) {
	if len(any) != 1 {
		w.and(len(any) > 0, "n.status {{in statuses}}", "statuses", page[lifecycle.NoticeStatus](any))
		return
	}
	w.and(true, "n.status = :status", "status", any[0])
	if isRare(any[0]) {
		w.conditions = append(w.conditions, rareStatuses)
	}
}

func isRare(status lifecycle.NoticeStatus) bool {
	return status != lifecycle.NoticeQueued && status != lifecycle.NoticeSent && status != lifecycle.NoticeSuppressed
}

// letterConditions are those of a query.
func letterConditions(q *lifecycle.LetterQuery) where {
	w := where{args: args{}}
	if len(q.IDs) > 0 {
		rows := make([]letterKey, len(q.IDs))
		for i, id := range q.IDs {
			rows[i] = keyOf(id)
		}
		w.and(true, "("+letterOrder+") IN (SELECT r.relationship_key, r.version, r.ordinal FROM {{rows "+letterKeyColumns+"}})", "rows", page[letterKey](rows))
	}
	w.statuses(q.Statuses)
	w.and(len(q.Kinds) > 0, "n.kind {{in kinds}}", "kinds", page[lifecycle.NoticeKind](q.Kinds))
	w.and(q.Relationship != "", "n.relationship_key IN "+keysOf, "id", clean(q.Relationship))
	w.and(q.Tenant != "", "n.tenant_id = :tenant", "tenant", clean(strings.ToLower(q.Tenant)))
	w.and(q.Mail != "", "lower(n.mail) = lower(:mail)", "mail", clean(q.Mail))
	w.and(q.Channel != "", "n.channel = :channel", "channel", clean(q.Channel))
	w.and(!q.DueAfter.IsZero(), "n.due_at >= :due_after", "due_after", at(q.DueAfter))
	w.and(!q.DueBefore.IsZero(), "n.due_at < :due_before", "due_before", at(q.DueBefore))
	if q.Digest != (lifecycle.NoticeID{}) {
		number := q.Digest.Version
		if q.Digest != digestID(number) {
			number = -1 // it is none, so nothing was told in it
		}
		w.and(true, "n.digest = :digest AND n.digest > 0", "digest", number)
	}
	if q.After != (lifecycle.NoticeID{}) {
		w.and(true, "("+letterOrder+") > (:after_key, :after_version, :after_ordinal)", "after_key", q.After.Key)
		w.args["after_version"], w.args["after_ordinal"] = q.After.Version, q.After.Ordinal
	}
	return w
}

// Letters lists letters, by relationship and step; digests come first. It leaves their items out.
func (db *DB) Letters(ctx context.Context, q lifecycle.LetterQuery) (letters []lifecycle.Letter, err error) {
	letters, _, err = db.LettersAmong(ctx, q, 0)
	return letters, err
}

// LettersAmong is [DB.Letters], and looks at no more than so many in their order; 0: at all of them. If that is not to the end, and there are fewer than the limit,
// reached is the last one that was looked at: the list goes on behind it.
func (db *DB) LettersAmong(ctx context.Context, q lifecycle.LetterQuery, most int) (letters []lifecycle.Letter, reached lifecycle.NoticeID, err error) {
	err = db.read(ctx, "list letters", func(s session) error {
		w := letterConditions(&q)
		if reached, err = lettersReach(ctx, s, &q, most); err != nil {
			return err
		}
		if reached != (lifecycle.NoticeID{}) {
			w.and(true, "("+letterOrder+") <= (:upto_key, :upto_version, :upto_ordinal)", "upto_key", reached.Key)
			w.args["upto_version"], w.args["upto_ordinal"] = reached.Version, reached.Ordinal
		}
		text, a := w.order(letterOrder, q.Limit)
		letters, err = listLetters(ctx, s, selectLetters+text, a)
		return err
	})
	if len(letters) == q.Limit {
		reached = lifecycle.NoticeID{}
	}
	return letters, reached, err
}

// lettersReach is where a look at so many ends; the zero id where it goes to the end. Only what the index of the order knows of counts. Those that are named,
// or in one digest, are few.
func lettersReach(ctx context.Context, s session, q *lifecycle.LetterQuery, most int) (lifecycle.NoticeID, error) {
	if most <= 0 || len(q.IDs) > 0 || q.Digest != (lifecycle.NoticeID{}) {
		return lifecycle.NoticeID{}, nil
	}
	counted := lifecycle.LetterQuery{Relationship: q.Relationship, After: q.After}
	if len(q.Statuses) == 1 && isRare(q.Statuses[0]) {
		counted.Statuses = q.Statuses
	}
	w := letterConditions(&counted)
	text, a := w.order(letterOrder, 1)
	a["skipped"] = most - 1
	var last letterKey
	err := s.get(ctx, &last, `SELECT `+letterOrder+` FROM notices AS n `+text+` OFFSET :skipped`, a)
	return lifecycle.NoticeID(last), unlessNone(err)
}

// Letter reads one letter, a digest with its items; [lifecycle.ErrNotFound] where there is none.
func (db *DB) Letter(ctx context.Context, id lifecycle.NoticeID) (letter lifecycle.Letter, err error) {
	err = db.read(ctx, "read notice "+id.String(), func(s session) error {
		var row letterRow
		if err := s.get(ctx, &row, selectLetters+`WHERE n.relationship_key = :key AND n.version = :version AND n.ordinal = :ordinal`,
			args{"key": id.Key, "version": id.Version, "ordinal": id.Ordinal}); err != nil {
			return err
		}
		letter, err = row.letter()
		if err != nil || !letter.IsDigest() {
			return err
		}
		letters := []lifecycle.Letter{letter}
		unreadable, err := readItems(ctx, s, letters)
		letter = letters[0]
		if err == nil && len(unreadable) > 0 {
			err = unreadable[0].err
		}
		return err
	})
	return letter, err
}

// An unreadableRow is a letter about a relationship that cannot be read, and why.
type unreadableRow struct {
	letterKey
	err error
}

// readItems reads what the digests among letters tell of. What cannot be read is left out and said.
func readItems(ctx context.Context, s session, letters []lifecycle.Letter) (unreadable []unreadableRow, err error) {
	type digestRow struct {
		Digest int64 `json:"digest"`
	}
	digests := map[int64]*lifecycle.Letter{}
	var rows []digestRow
	for i := range letters {
		if l := &letters[i]; l.IsDigest() {
			digests[l.Version] = l
			rows = append(rows, digestRow{l.Version})
		}
	}
	if len(rows) == 0 {
		return nil, nil
	}
	err = each(ctx, s, selectBareLetters+`JOIN {{rows digest BIGINT}} ON n.digest = r.digest AND n.digest > 0
		WHERE n.status = 'digested' ORDER BY n.digest, `+letterOrder, args{"rows": page[digestRow](rows)}, func(row *letterRow) error {
		item, err := row.letter()
		if err != nil {
			unreadable = append(unreadable, unreadableRow{row.letterKey, err})
			return nil
		}
		digest := digests[row.InDigest]
		digest.Items = append(digest.Items, item)
		return nil
	})
	return unreadable, err
}
