package lifecycle

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// incoming is contoso as Wire.Record reads it from a file at now.
func incoming(now time.Time, changes ...func(r *Record)) Record {
	r := contoso(changes...)
	r.Version, r.WarnAfter = 0, now
	return r
}

func TestRecordThatIsNewIsTakenAsItIs(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	decided, intake := Receive(nil, false, incoming(now), DefaultPolicy(), now)

	require.Equal(t, Intake{Taken: TakenNew}, intake)
	require.Zero(t, decided.Key)
	require.Zero(t, decided.Version)
	require.Equal(t, int64(1), decided.Record.Version)
	require.Equal(t, now, decided.Record.WarnAfter)
	require.Equal(t, []Change{{Version: 1, Type: EventImported, Effective: now, To: Active, End: contoso().End, Actor: Import}}, decided.Changes)
	require.Empty(t, decided.Notices)
	require.Equal(t, Timer{WarnExpiry, at("2026-12-08T10:00:00Z")}, decided.Next)
}

func TestImportFiresNoTimer(t *testing.T) {
	now := at("2028-06-01T00:00:00Z")
	decided, _ := Receive(nil, false, incoming(now), DefaultPolicy(), now)
	require.Equal(t, Active, decided.Record.Status)
	require.Len(t, decided.Changes, 1)
	require.Equal(t, Timer{EndTerm, contoso().End}, decided.Next, "it is due, and the next sweep finds it")
}

func TestSameTextOrSameContentIsTakenOnce(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	stored := &Stored{Key: 42, Record: contoso()}

	for name, c := range map[string]struct {
		sameDigest bool
		in         Record
	}{
		"same content":                         {false, incoming(now)},
		"same text":                            {true, incoming(now)},
		"same text, though the record changed": {true, incoming(now, extending)},
	} {
		decided, intake := Receive(stored, c.sameDigest, c.in, DefaultPolicy(), now)
		require.Equal(t, Intake{Taken: TakenBefore}, intake, name)
		require.Equal(t, Decided{}, decided, name)
	}
}

func TestAnyFieldThatDiffersIsAnUpdate(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	for name, change := range map[string]func(r *Record){
		"displayName":     func(r *Record) { r.DisplayName = "Another" },
		"duration":        func(r *Record) { r.Duration = Days(30) },
		"customer":        func(r *Record) { r.Customer.TenantID = somebodysTenant },
		"customer's name": func(r *Record) { r.Customer.DisplayName = "Contoso Ltd" },
		"roles":           func(r *Record) { r.Roles = []string{otherRoleID} },
		"one role more":   func(r *Record) { r.Roles = []string{helpdesk, otherRoleID} },
		"created":         func(r *Record) { r.Created = r.Created.Add(microsecond) },
		"modified":        func(r *Record) { r.Modified = r.Modified.Add(microsecond) },
		"locked":          func(r *Record) { r.Locked = time.Time{} },
		"activated":       func(r *Record) { r.Activated = r.Activated.Add(microsecond) },
	} {
		t.Run(name, func(t *testing.T) {
			stored := &Stored{Key: 42, Record: contoso()}
			decided, intake := Receive(stored, false, incoming(now, change), DefaultPolicy(), now)
			require.Equal(t, Intake{Taken: TakenChanged}, intake)
			require.Equal(t, int64(42), decided.Key)
			require.Equal(t, stored.Version, decided.Version, "the version that the decision is about")
			require.Equal(t, stored.Version+1, decided.Record.Version)
			require.Equal(t, stored.WarnAfter, decided.Record.WarnAfter, "the end has been certain all the time")
			require.Equal(t, []Change{{Version: 4, Type: EventUpdated, Effective: now, From: Active, To: Active, End: stored.End, Actor: Import}}, decided.Changes)
		})
	}
}

func TestWarningsStartAnewOnlyWhenTheEndingHasChanged(t *testing.T) {
	now := at("2026-12-20T00:00:00Z")
	for name, c := range map[string]struct {
		was, in func(r *Record)
		anew    bool
	}{
		"the end has moved":                       {ending(contoso().End), ending(contoso().End.Add(Day)), true},
		"it does not extend itself any more":      {extending, func(*Record) {}, true},
		"it extends itself now":                   {func(*Record) {}, extending, true},
		"it is active now":                        {func(r *Record) { r.Status = Activating }, func(*Record) {}, true},
		"the flag, beside Global Administrator":   {withGlobalAdministrator, func(r *Record) { extending(r); withGlobalAdministrator(r) }, false},
		"Global Administrator, while it ends":     {func(*Record) {}, withGlobalAdministrator, false},
		"Global Administrator, while it extended": {extending, func(r *Record) { extending(r); withGlobalAdministrator(r) }, true},
		"something else":                          {func(*Record) {}, func(r *Record) { r.DisplayName = "Another" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			stored := &Stored{Key: 42, Record: contoso(c.was)}
			decided, intake := Receive(stored, false, incoming(now, c.in), DefaultPolicy(), now)
			require.Equal(t, TakenChanged, intake.Taken)
			want := stored.WarnAfter
			if c.anew {
				want = now
			}
			require.Equal(t, want, decided.Record.WarnAfter)
		})
	}
}

func TestRelationshipKeepsItsPartner(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	stored := &Stored{Key: 42, Record: contoso()}
	decided, intake := Receive(stored, false, incoming(now, func(r *Record) { r.Partner = somebodysTenant }), DefaultPolicy(), now)
	require.Equal(t, TakenNot, intake.Taken)
	require.EqualError(t, intake.Fault, `partner.tenantId "`+somebodysTenant+`": the relationship is one of partner `+stored.Partner+`, and stays so; look at --partner`)
	require.Equal(t, Decided{}, decided)
}

func TestWhatAFileSaysNothingOfStaysAsItWas(t *testing.T) {
	stored := &Stored{Key: 42, Record: contoso(extending, withGlobalAdministrator, func(r *Record) { r.Locked = at("2026-01-06T00:00:00Z") })}
	selected := example(t, func(w *Wire) {
		w.Customer, w.AccessDetails, w.AutoExtendDuration = nil, nil, ""
		w.CreatedDateTime, w.LastModifiedDateTime, w.LockedDateTime, w.ActivatedDateTime = nil, nil, nil, nil
	})
	record, _ := read(t, selected)
	in := Incoming{Record: record, Unsaid: selected.Unsaid()}
	require.Equal(t, record, in.Over(nil), "a new one has nothing to keep")

	over := in.Over(stored)
	require.Equal(t, stored.Roles, over.Roles, "silence about the roles removes no Global Administrator")
	require.Equal(t, stored.Customer, over.Customer)
	require.True(t, over.AutoExtend)
	require.True(t, sameContent(&stored.Record, &over))

	draft := in
	draft.Status = Created
	require.Empty(t, draft.Over(stored).Roles, "of a draft any field may be changed")
}

func TestNoFileMovesARelationshipOutOfItsEnd(t *testing.T) {
	now := at("2027-06-01T00:00:00Z")
	for _, was := range endedStatuses {
		for _, s := range Statuses {
			if s == was {
				continue
			}
			stored := &Stored{Key: 42, Record: contoso(func(r *Record) { r.Status = was })}
			decided, intake := Receive(stored, s == Created, incoming(now, func(r *Record) { r.Status = s }), DefaultPolicy(), now)
			require.Equal(t, TakenNot, intake.Taken)
			require.Equal(t, "status", intake.Fault.Field)
			require.ErrorContains(t, intake.Fault, "the relationship "+string(was)+" on 2027-01-07T10:00:00Z, and nothing leads out of that")
			require.Equal(t, Decided{}, decided)
		}
	}
}

func TestFileMayKnowOfAnEndThatTheDatabaseHasNotHeardOf(t *testing.T) {
	now := at("2026-06-01T00:00:00Z")
	stored := &Stored{Key: 42, Record: contoso()}
	decided, intake := Receive(stored, false, incoming(now, func(r *Record) { r.Status, r.End = Terminated, at("2026-05-01T00:00:00Z") }), DefaultPolicy(), now)
	require.Equal(t, TakenChanged, intake.Taken)
	require.Equal(t, Terminated, decided.Changes[0].To)
	require.Equal(t, Timer{ReleaseName, at("2027-05-01T00:00:00Z")}, decided.Next)
}

func TestReleasedNameStaysReleased(t *testing.T) {
	now := at("2028-06-01T00:00:00Z")
	released := at("2028-01-07T10:00:00Z")
	stored := &Stored{Key: 42, Record: contoso(expired, func(r *Record) { r.NameReleased = released })}
	decided, intake := Receive(stored, false, incoming(now, expired, func(r *Record) { r.DisplayName = "Another" }), DefaultPolicy(), now)
	require.Equal(t, TakenChanged, intake.Taken)
	require.Equal(t, released, decided.Record.NameReleased)
	require.Zero(t, decided.Next)
}
