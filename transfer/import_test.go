package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/tenure-dev/tenure/lifecycle"
)

func TestSameFileTwiceIsTakenOnce(t *testing.T) {
	inDir(t)
	list := file(t, "list.json", "{\"value\":[\n"+active(1)+",\n"+active(2)+"]}")
	store := newMemory()
	r, err := Import(t.Context(), store, options(), list)
	require.NoError(t, err)
	require.True(t, r.OK())
	require.Equal(t, Tally{Records: 2, Created: 2}, r.Total)
	require.Equal(t, 1, store.committed)
	require.Equal(t, partnerA, store.records[id(1)].Partner)

	o := options()
	o.Now = noon.Add(24 * time.Hour)
	r, err = Import(t.Context(), store, o, list)
	require.NoError(t, err)
	require.Equal(t, Tally{Records: 2, Unchanged: 2}, r.Total)
	require.Len(t, store.changes, 2)
}

func TestOtherSpellingIsNoChange(t *testing.T) {
	inDir(t)
	store := newMemory()
	_, err := Import(t.Context(), store, options(), file(t, "a", active(1)))
	require.NoError(t, err)
	other := active(1, "P365D", "P52W1D", "2026-01-05T09:00:00Z", "2026-01-05T18:00:00+09:00", `"PT0S"`, `"P"`,
		`"status"`, `"lockedDateTime":null,"somethingNew":{"x":1},"status"`, "0d9ab5ca", "0D9AB5CA")
	r, err := Import(t.Context(), store, options(), file(t, "b", active(1)+"\n"+other))
	require.NoError(t, err)
	require.Empty(t, r.Faults)
	require.Equal(t, Tally{Records: 2, Unchanged: 1, Repeated: 1}, r.Total)
}

func TestChangedRecordIsAnUpdateByImport(t *testing.T) {
	inDir(t)
	store := newMemory()
	_, err := Import(t.Context(), store, options(), file(t, "a", active(1)))
	require.NoError(t, err)
	r, err := Import(t.Context(), store, options(), file(t, "b", active(1, "2027-01-07", "2027-07-06")))
	require.NoError(t, err)
	require.Equal(t, Tally{Records: 1, Updated: 1}, r.Total)
	last := store.changes[len(store.changes)-1]
	require.Equal(t, lifecycle.EventUpdated, last.Type)
	require.Equal(t, lifecycle.Import, last.Actor)
}

func TestEndedRecordIsNotBroughtBack(t *testing.T) {
	inDir(t)
	store := newMemory()
	_, err := Import(t.Context(), store, options(), file(t, "a", active(1, `"active"`, `"terminated"`, "2027-01-07", "2026-05-01")))
	require.NoError(t, err)
	r, err := Import(t.Context(), store, options(), file(t, "b", active(2)+"\n"+active(1)))
	require.NoError(t, err)
	require.False(t, r.OK())
	require.Equal(t, Tally{Records: 2, Created: 1, Refused: 1}, r.Total)
	require.Equal(t, 2, r.Faults[0].Line)
	require.Equal(t, id(1), r.Faults[0].ID)
	require.Contains(t, r.Faults[0].Error(), "nothing leads out of that")
}

func TestEmptyListChangesNothing(t *testing.T) {
	golden := inDir(t)
	store := newMemory()
	_, err := Import(t.Context(), store, options(), file(t, "first.json", active(1)))
	require.NoError(t, err)
	before := fmt.Sprint(store.records)
	r, err := Import(t.Context(), store, options(), file(t, "empty", ""), file(t, "list.json", `{"value":[]}`), file(t, "array.json", "[]"), file(t, "header.csv", "tenantId,role,mail\n"))
	require.NoError(t, err)
	require.True(t, r.OK())
	require.Equal(t, before, fmt.Sprint(store.records))
	golden("report_empty.txt", reportText(t, r))
}

func TestRecordSaysWhoseItIs(t *testing.T) {
	inDir(t)
	store := newMemory()
	own := active(1, `"status"`, `"partner":{"tenantId":"`+strings.ToUpper(partnerB)+`"},"status"`)
	r, err := Import(t.Context(), store, options(), file(t, "a", own+"\n"+active(2)))
	require.NoError(t, err)
	require.True(t, r.OK())
	require.Equal(t, partnerB, store.records[id(1)].Partner)
	require.Equal(t, partnerA, store.records[id(2)].Partner)

	o := options()
	o.Partner = ""
	r, err = Import(t.Context(), newMemory(), o, "a")
	require.NoError(t, err)
	require.Equal(t, Tally{Records: 2, Created: 1, Faulty: 1}, r.Total)
	require.Contains(t, r.Faults[0].Reason, "--partner")
}

// Everything that the issue says a file may hold.
func TestBadRecordsAreReportedAndTheGoodOnesTaken(t *testing.T) {
	golden := inDir(t)
	pending := active(0, `"active"`, `"approvalPending"`, `"activatedDateTime":"2026-01-07T10:00:00Z","endDateTime":"2027-01-07T10:00:00Z"`, `"endDateTime":null`)
	numbered := func(n int, s string) string {
		return strings.NewReplacer(id(0), id(n), "helpdesk 0000", fmt.Sprintf("helpdesk %04d", n)).Replace(s)
	}
	lines := []string{
		active(1),
		active(2, `"active"`, `"paused"`),
		active(3, "2027-01-07", "2025-01-07"),
		active(4, `"endDateTime":"2027-01-07T10:00:00Z"`, `"endDateTime":null`),
		active(5, "P365D", "P0D"),
		active(6, "P365D", "P731D"),
		active(7, "P365D", "P2Y1D"),
		active(8, "P365D", "2 years"),
		active(9, "PT0S", "P90D"),
		active(10, "PT0S", "P180D", "729827e3-9c14-49f7-bb1b-9608f156bbb8", lifecycle.GlobalAdministrator),
		active(11, "Contoso helpdesk 000b", strings.Repeat("ü", 51)),
		active(12, "Contoso helpdesk 000c", ""),
		active(13, "Contoso helpdesk 000d", `tab\there`),
		active(14, "11111111-1111-4111-8111-111111111111", "contoso.com"),
		active(1, "P365D", "P364D"),
		active(1),
		active(16, "2026-01-05T09:00:00Z", "2026-01-05T18:00:00.123456789+09:00"),
		active(17, "2026-01-05T09:00:00Z", "2026-01-05T09:00:00"),
		active(18, "2026-01-05T09:00:00Z", "0001-01-01T00:00:00Z"),
		active(19, "2027-01-07T10:00:00Z", "9999-12-31T23:59:59Z"),
		active(20)[:150],
		active(21, `"P365D"`, `365`),
		`{"tenantId":"` + partnerA + `","role":"adminAgent","mail":"ann@example.com"}`,
		`{"at":"2026-01-05T09:00:00Z","relationshipId":"x","action":"approve","by":"customer"}`,
		`{"error":{"code":"TooManyRequests"}}`,
		`{}`,
		"[]",
		numbered(27, pending),
		active(28, id(28), "id with spaces"),
		active(29, `"id":"`+id(29)+`",`, ""),
		active(30, `"active"`, `"expired"`),
	}
	path := file(t, "june.ndjson", strings.Join(lines, "\n")+"\n")
	store := newMemory()
	o := options()
	o.KeepFaults = 100
	heard := 0
	o.OnFault = func(FileFault) { heard++ }
	r, err := Import(t.Context(), store, o, path)
	require.NoError(t, err)
	require.False(t, r.OK())
	require.Equal(t, r.FaultCount, heard)
	require.Equal(t, r.Total.Created, len(store.records))
	require.Equal(t, Tally{Records: 31, Created: 5, Repeated: 1, Faulty: 25}, r.Total)
	golden("report_bad_records.txt", reportText(t, r))

	o.KeepFaults = 2
	r, err = Import(t.Context(), newMemory(), o, path)
	require.NoError(t, err)
	require.Len(t, r.Faults, 2)
	require.Contains(t, reportText(t, r), fmt.Sprintf("… and %d more\n", r.FaultCount-2))

	o.KeepFaults = -1
	r, err = Import(t.Context(), newMemory(), o, path)
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(reportText(t, r), "\n\n25 faults\n"))
}

func TestAdviceIsCountedOnceForEachRecord(t *testing.T) {
	golden := inDir(t)
	pending := `{"id":"x","displayName":"x","duration":"P1D","status":"approvalPending","createdDateTime":"2026-05-01T00:00:00.0000001Z","lastModifiedDateTime":"2026-05-02T00:00:00.0000001Z"}`
	store := newMemory()
	r, err := Import(t.Context(), store, options(), file(t, "pending.json", pending))
	require.NoError(t, err)
	require.True(t, r.OK())
	require.Equal(t, time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC), store.records["x"].Locked)
	golden("report_advice.txt", reportText(t, r))
}

func TestStrictTakesAllOrNothing(t *testing.T) {
	golden := inDir(t)
	o := options()
	o.Strict = true
	o.BatchSize = 1
	store := newMemory()
	r, err := Import(t.Context(), store, o, file(t, "good.ndjson", active(1)), file(t, "bad.ndjson", active(2)+"\n"+active(3, "P365D", "P0D")+"\n"+active(4)))
	require.NoError(t, err)
	require.True(t, r.RolledBack)
	require.False(t, r.OK())
	require.Equal(t, []int{0, 1}, []int{store.committed, store.rolledBack})
	require.Equal(t, Tally{Records: 4, Faulty: 1, NotTaken: 3}, r.Total)
	golden("report_strict.txt", reportText(t, r))

	store = newMemory()
	r, err = Import(t.Context(), store, o, "good.ndjson")
	require.NoError(t, err)
	require.True(t, r.OK())
	require.Equal(t, []int{1, 0}, []int{store.committed, store.rolledBack})
}

func TestNothingIsTakenUnlessEveryFileCanBeUsed(t *testing.T) {
	inDir(t)
	require.NoError(t, os.Mkdir("folder", 0o700))
	good := file(t, "good.json", active(1))
	page := file(t, "page.json", `{"value":[`+active(2)+`],"@odata.nextLink":"https://x"}`)
	store := newMemory()
	r, err := Import(t.Context(), store, options(), good, page, "missing.json", "folder", file(t, "x.gz", "\x1f\x8b\x08"), Stdin)
	require.EqualError(t, err, `page.json: carries "@odata.nextLink": it is one page of several; fetch all pages, or pass --partial to take this one as it is
missing.json: does not exist; check the name
folder: is a directory; name the files in it, like folder/*.json
x.gz: looks gzip-compressed; run gunzip first
-: there is no standard input here; name a file`)
	require.ErrorIs(t, err, os.ErrNotExist)
	require.Empty(t, store.batches)
	require.Empty(t, r.Files)
	require.Equal(t, []int{0, 1}, []int{store.committed, store.rolledBack})

	o := options()
	o.Partial = true
	r, err = Import(t.Context(), store, o, good, page)
	require.NoError(t, err)
	require.Equal(t, 2, r.Total.Created)
}

func TestStandardInputIsSpooledAndLeavesNothingBehind(t *testing.T) {
	inDir(t)
	o := options()
	o.TempDir = t.TempDir()
	o.Stdin = strings.NewReader("{\"value\":[" + active(1) + "]}")
	store := newMemory()
	r, err := Import(t.Context(), store, o, Stdin)
	require.NoError(t, err)
	require.Equal(t, "standard input", r.Files[0].File)
	require.Equal(t, 1, r.Total.Created)

	o.Stdin = strings.NewReader("{\"value\":[" + active(2) + "],\"@odata.nextLink\":\"x\"}")
	_, err = Import(t.Context(), store, o, Stdin)
	require.ErrorContains(t, err, "standard input: carries")
	require.Len(t, store.records, 1)

	left, err := os.ReadDir(o.TempDir)
	require.NoError(t, err)
	require.Empty(t, left)
}

func TestRecordsAreHandedOverInBatches(t *testing.T) {
	inDir(t)
	lines := make([]string, 25)
	for i := range lines {
		lines[i] = active(i + 1)
	}
	o := options()
	o.BatchSize = 10
	store := newMemory()
	_, err := Import(t.Context(), store, o, file(t, "a", strings.Join(lines, "\n")))
	require.NoError(t, err)
	require.Equal(t, []int{10, 10, 5}, store.batches)
}

func TestMonstrousRecordsMakeSmallBatches(t *testing.T) {
	inDir(t)
	lines := make([]string, 20)
	for i := range lines {
		lines[i] = active(i+1, `"status"`, `"x":"`+strings.Repeat("x", maxRecord*9/10)+`","status"`)
	}
	store := newMemory()
	_, err := Import(t.Context(), store, options(), file(t, "a", strings.Join(lines, "\n")))
	require.NoError(t, err)
	require.Equal(t, []int{9, 9, 2}, store.batches)
}

func TestStoppedImportSaysWhatWasTakenAndGoesOnWhenRunAgain(t *testing.T) {
	golden := inDir(t)
	lines := make([]string, 25)
	for i := range lines {
		lines[i] = active(i + 1)
	}
	path := file(t, "a.ndjson", strings.Join(lines, "\n"))
	ctx, cancel := context.WithCancel(t.Context())
	o := options()
	o.BatchSize = 10
	store := newMemory()
	store.fail = func(batch int) error {
		if batch == 2 {
			cancel() // the second batch is still taken
		}
		return nil
	}
	r, err := Import(ctx, store, o, path)
	require.ErrorIs(t, err, context.Canceled)
	require.True(t, r.Interrupted)
	require.Equal(t, 20, r.Total.Created)
	require.Equal(t, r.Total.Records, r.Total.Created+r.Total.NotTaken)
	golden("report_stopped.txt", reportText(t, r))

	store.fail = nil
	r, err = Import(t.Context(), store, o, path)
	require.NoError(t, err)
	require.Equal(t, Tally{Records: 25, Created: 5, Unchanged: 20}, r.Total)
}

func TestErrorOfTheStoreStopsTheImport(t *testing.T) {
	inDir(t)
	path := file(t, "a.ndjson", active(1)+"\n"+active(2)+"\n"+active(3))
	lost := errors.New("connection lost")
	for _, strict := range []bool{false, true} {
		o := options()
		o.BatchSize, o.Strict = 1, strict
		store := newMemory()
		store.fail = func(batch int) error {
			if batch == 2 {
				return lost
			}
			return nil
		}
		r, err := Import(t.Context(), store, o, path)
		require.ErrorIs(t, err, lost)
		require.EqualError(t, err, "import: storing relationships of a.ndjson: connection lost")
		require.Equal(t, []int{0, 1}, []int{store.committed, store.rolledBack})
		require.Equal(t, strict, r.RolledBack)
		if strict {
			require.Equal(t, Tally{Records: 2, NotTaken: 2}, r.Total)
		} else {
			require.Equal(t, Tally{Records: 2, Created: 1, NotTaken: 1}, r.Total)
		}
	}
}

type commitFails struct{ *memory }

var errCommit = errors.New("disk full")

func (commitFails) Commit() error { return errCommit }

func TestFailedCommitTakesNothingInStrictMode(t *testing.T) {
	inDir(t)
	o := options()
	o.Strict = true
	r, err := Import(t.Context(), commitFails{newMemory()}, o, file(t, "a", active(1)))
	require.ErrorIs(t, err, errCommit)
	require.Equal(t, Tally{Records: 1, NotTaken: 1}, r.Total)
	require.True(t, r.RolledBack)
}

func TestBrokenFileIsTakenUpToWhereItBreaks(t *testing.T) {
	golden := inDir(t)
	store := newMemory()
	r, err := Import(t.Context(), store, options(),
		file(t, "cut.json", "{\"value\":[\n"+active(1)+",\n"+active(2)[:100]),
		file(t, "comma.json", "[\n"+active(3)+"\n"+active(4)+"]"))
	require.NoError(t, err)
	require.False(t, r.OK())
	require.True(t, r.Files[0].Broken)
	require.Equal(t, 2, r.Total.Created)
	golden("report_broken.txt", reportText(t, r))
}

func TestSameIDInTwoFilesWithOtherContentNamesBothPlaces(t *testing.T) {
	inDir(t)
	r, err := Import(t.Context(), newMemory(), options(), file(t, "a.json", "\n"+active(1)), file(t, "b.json", active(1, "P365D", "P364D")))
	require.NoError(t, err)
	require.Equal(t, `b.json:1: id "`+id(1)+`": is at line 1 and at a.json:2 with different content; the one met first counts, take the other out`, r.Faults[0].Error())
}

func TestKindIsDecidedByContentOrByTheCaller(t *testing.T) {
	inDir(t)
	contact := `{"tenantId":"` + partnerA + `","role":"adminAgent","mail":"ann@example.com","displayName":"Ann"}`
	contacts := file(t, "contacts.json", "["+contact+","+active(1)+"]")
	store := newMemory()
	r, err := Import(t.Context(), store, options(), contacts)
	require.NoError(t, err)
	require.Equal(t, Contacts, r.Files[0].Kind)
	require.Equal(t, Tally{Records: 2, Created: 1, Faulty: 1}, r.Total)
	require.Equal(t, "is one of relationships in a file of contacts; put it into a file of its own", r.Faults[0].Reason)
	require.Len(t, store.contacts, 1)

	o := options()
	o.Kind = Relationships
	r, err = Import(t.Context(), store, o, contacts)
	require.NoError(t, err)
	require.Equal(t, Tally{Records: 2, Created: 1, Faulty: 1}, r.Total)
	require.Equal(t, "is one of contacts in a file of relationships; put it into a file of its own", r.Faults[0].Reason)

	_, err = Import(t.Context(), store, o, file(t, "c.csv", "tenantId,role,mail\n"))
	require.EqualError(t, err, "c.csv: is a CSV; CSV is read for contacts only; give relationships as JSON or NDJSON")
}

func TestContactsAreTakenOnce(t *testing.T) {
	golden := inDir(t)
	store := newMemory()
	path := file(t, "contacts.csv", "mail;tenantId;role;displayName;preferredLanguage\n"+
		"ann@example.com;"+partnerA+";adminAgent;Ann;ja\n"+
		"ann@example.com;"+partnerA+";globalAdministrator;Ann;ja\n"+
		"ann@example.com;"+partnerA+";adminAgent;Ann;ja\n"+
		"ANN@example.com;"+partnerA+";adminAgent;Anna;\n"+
		"bob@example.com;contoso;helpdesk;Bob;klingonese\n")
	r, err := Import(t.Context(), store, options(), path)
	require.NoError(t, err)
	golden("report_contacts.txt", reportText(t, r))
	r, err = Import(t.Context(), store, options(), path)
	require.NoError(t, err)
	require.Equal(t, 2, r.Total.Unchanged)
}

func TestContactsThatTheStoreDoesNotTakeAreReportedWithTheirLines(t *testing.T) {
	golden := inDir(t)
	store := newMemory()
	store.fullAt, store.unreached = 2, 3
	path := file(t, "contacts.csv", "mail,tenantId,role\n"+
		"ann@example.com,"+partnerA+",adminAgent\n"+
		"nobody,"+partnerA+",adminAgent\n"+
		"bob@example.com,"+partnerA+",adminAgent\n"+
		"cy@example.com,"+partnerA+",adminAgent\n"+
		"ann@example.com,"+partnerB+",adminAgent\n")
	r, err := Import(t.Context(), store, options(), path)
	require.NoError(t, err)
	require.Equal(t, Tally{Records: 5, Created: 2, Refused: 2, Faulty: 1}, r.Total)
	require.Equal(t, 6, r.Offered)
	golden("report_contacts_refused.txt", reportText(t, r))

	store = newMemory()
	store.fullAt, store.unreached = 1, 1
	o := options()
	o.Strict = true
	r, err = Import(t.Context(), store, o, path)
	require.NoError(t, err)
	require.True(t, r.RolledBack)
	require.Zero(t, r.Offered, "nobody was added")

	store = newMemory()
	store.unreached = 1
	r, err = Import(t.Context(), store, options(), file(t, "one.csv", "mail,tenantId,role\nann@example.com,"+partnerA+",adminAgent\n"))
	require.NoError(t, err)
	require.Equal(t, "one.csv: 1 contact: 1 created\n1 notice that had found nobody goes to these contacts now\n", reportText(t, r))
}

func TestProgressRunsToTheEnd(t *testing.T) {
	inDir(t)
	a, b := file(t, "a", active(1)), file(t, "b", active(2)+"\n"+active(3))
	o := options()
	var done, total int64
	var records int
	o.Progress = func(d, all int64, n int) {
		require.GreaterOrEqual(t, d, done)
		done, total, records = d, all, n
	}
	_, err := Import(t.Context(), newMemory(), o, a, b)
	require.NoError(t, err)
	require.Equal(t, int64(len(active(1))*3+1), total)
	require.Equal(t, total, done)
	require.Equal(t, 3, records)
}

func TestOptionsAreCheckedBeforeAnything(t *testing.T) {
	o := options()
	o.Partner = "contoso.com"
	store := newMemory()
	_, err := Import(t.Context(), store, o, "missing")
	require.EqualError(t, err, `--partner "contoso.com" is not a GUID; give the partner's tenant id`)
	require.Equal(t, 1, store.rolledBack)
	_, err = Import(t.Context(), store, options())
	require.EqualError(t, err, "nothing to import; name a file, or - for standard input")
}
